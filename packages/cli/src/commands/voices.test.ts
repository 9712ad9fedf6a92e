import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseCard, printCard } from "@tessera/core/modality/read-card";
import { cardOf } from "@tessera/testkit/cards";
import { commandSandbox } from "@tessera/testkit/command-sandbox";
import { printedBy } from "@tessera/testkit/printed";
import { smallVoices, toneVoice } from "@tessera/testkit/small-voices";
import { runCommand } from "citty";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { evaluate } from "./evaluate.ts";

vi.setConfig({ testTimeout: 120_000 });

describe("voices", () => {
  const sandbox = commandSandbox("tessera-voices-");
  let [model, data] = ["", ""];

  beforeAll(() => {
    ({ model, data } = smallVoices(sandbox.folder));
  });

  const run = (...args: readonly string[]) =>
    printedBy(() =>
      runCommand(evaluate, { rawArgs: [model, ...(args.includes("--data") ? [] : ["--data", data]), ...args, "--quiet"] }),
    );

  test("are evaluated as faces are: rates, thresholds, intervals over people, what cannot be told", async () => {
    const report = JSON.parse((await run("--far", "0.1,1e-6", "--replicates", "50", "--json")).out);
    expect(report.data.evaluation).toMatchObject({ samples: 32, subjects: 8, genuine: 48, impostor: 448 });
    expect(report.data.failuresToAcquire).toMatchObject({ count: 1, policy: expect.stringContaining("recording") });
    const { accuracy, gates, curves } = report.models[0];
    expect(accuracy.eer.raw).toBeLessThan(0.1);
    expect(accuracy.eer.interval.low).toBeLessThanOrEqual(accuracy.eer.raw);
    expect(accuracy.tarAtFar[0]).toMatchObject({ kind: "figure", far: 0.1, falseMatches: expect.any(Number) });
    expect(accuracy.tarAtFar[1]).toMatchObject({ kind: "insufficient-data", needsMore: expect.any(Number) });
    expect(gates).toEqual([expect.objectContaining({ gate: "collapse", pass: true })]);
    expect(curves.det.length).toBeGreaterThan(2);
  });

  test("give a card its thresholds, as measured, and only for cosines", async () => {
    const out = join(sandbox.folder, "cards");
    const report = JSON.parse((await run("--far", "0.1,1e-6", "--replicates", "50", "--out", out, "--json")).out);
    expect(report.written).toHaveLength(1);
    const { file, says, sha256 } = report.written[0];
    expect(says).toContain("a threshold");
    const bytes = readFileSync(join(out, file));
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(sha256);
    const card = parseCard(bytes);
    expect(card.modelSha256).toBe(report.models[0].sha256);
    const [point] = report.models[0].accuracy.tarAtFar;
    expect(card.thresholds).toEqual([
      expect.objectContaining({
        far: 0.1,
        threshold: point.threshold,
        evidence: expect.objectContaining({ tar: point.tar.value, impostor: 448 }),
      }),
    ]);
    await expect(run("--score-norm", "s-norm", "--out", out)).rejects.toThrow(expect.objectContaining({ code: "USAGE" }));
  });

  test("refuse what is for faces, and what cannot be had", async () => {
    const coded = (code: string, words: string) => expect.objectContaining({ code, message: expect.stringContaining(words) });
    await expect(run("--detector", "yunet.onnx")).rejects.toThrow(coded("USAGE", "takes voices"));
    await expect(run("--aligned-out", join(sandbox.folder, "out"))).rejects.toThrow(coded("USAGE", "has voices"));
    await expect(run("--score-norm", "s-norm", "--matrix")).rejects.toThrow(coded("USAGE", "normalised scores"));
    const pictures = join(sandbox.folder, "pictures");
    mkdirSync(pictures);
    for (const name of ["0.jpg", "1.jpg"]) writeFileSync(join(pictures, name), "no sound");
    writeFileSync(join(pictures, "manifest.csv"), "path,subject\n0.jpg,a\n1.jpg,b\n");
    await expect(run("--data", pictures)).rejects.toThrow(coded("DATASET_INVALID", "none of its 2 recordings"));
    const cardFile = (name: string): string => {
      const path = join(sandbox.folder, `${name}.json`);
      writeFileSync(path, printCard(cardOf(name)));
      return path;
    };
    await expect(run("--card", cardFile("mobilefacenet-foamliu-128"))).rejects.toThrow(coded("DATASET_INVALID", "are sounds"));
    await expect(run("--card", cardFile("typenet-triplet-m50-128"))).rejects.toThrow(coded("CARD_INVALID", "keystroke network"));
    const few = join(sandbox.folder, "few");
    mkdirSync(few);
    writeFileSync(join(few, "0.wav"), toneVoice(50, 0));
    writeFileSync(join(few, "manifest.csv"), "path,subject\n0.wav,p50\n");
    await expect(run("--score-norm", "s-norm", "--calib", few)).rejects.toThrow(coded("INSUFFICIENT_DATA", "1 people"));
  });
});
