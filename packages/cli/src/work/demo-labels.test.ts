import { parseCard, printCard } from "@tessera/core/modality/read-card";
import { describe, expect, test } from "vitest";
import { CALIBRATION_VIEWS } from "./demo-data.ts";
import { DEMO_FACES } from "./demo-labels.ts";
import { SAMPLE_MODELS } from "./demo-models.ts";
import { DEMO_PACKAGES } from "./demo-packages.ts";

const of = (role: string) => DEMO_FACES.filter((f) => f.role === role);

describe("the demo's faces", () => {
  test("put nobody into calibration and evaluation", () => {
    const calibration = new Set(of("calib").map((f) => f.person));
    expect(of("eval").filter((f) => calibration.has(f.person))).toEqual([]);
  });

  test("lie in pinned pictures, and no face is listed twice", () => {
    const pictures = new Set(DEMO_PACKAGES.flatMap((p) => p.files.map((f) => f.path)));
    expect(DEMO_FACES.filter((f) => !pictures.has(f.picture))).toEqual([]);
    expect(new Set(DEMO_FACES.map((f) => `${f.picture} ${f.x} ${f.y}`)).size).toBe(DEMO_FACES.length);
  });

  test("suffice for a FAR of 1e-2 (three strangers per expected error) and for 100 calibration samples", () => {
    const faces = of("eval");
    let impostor = 0;
    for (const [i, a] of faces.entries()) for (const b of faces.slice(i + 1)) if (a.person !== b.person) impostor++;
    expect(impostor).toBeGreaterThanOrEqual(300);
    expect(of("calib").length * CALIBRATION_VIEWS.length).toBeGreaterThanOrEqual(100);
  });
});

describe("the sample models", () => {
  test("are pinned with well-formed digests", () => {
    for (const { integrity, files } of DEMO_PACKAGES) {
      expect(Buffer.from(integrity.replace("sha512-", ""), "base64").length).toBe(64);
      for (const file of files) expect(file.sha256).toMatch(/^[0-9a-f]{64}$/);
    }
  });

  test("have cards that read back and name the very file", () => {
    for (const model of SAMPLE_MODELS) {
      if (model.card === undefined) continue;
      expect(parseCard(new TextEncoder().encode(printCard(model.card)))).toEqual(model.card);
      expect([model.card.modelSha256, model.card.name]).toEqual([model.sha256, model.name]);
    }
  });
});
