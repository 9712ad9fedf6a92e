import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCalibrationCache } from "@tessera/core/convert/export/calibration-cache";
import { readEncodings } from "@tessera/core/convert/export/read-encodings";
import { modelFromOnnx } from "@tessera/core/convert/onnx/bytes";
import { planToJson } from "@tessera/core/quant/plan-json";
import { BLOCK, plannedFor } from "@tessera/testkit/export/planned-block";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256 } from "../io/files.ts";
import { EXPORT_KINDS, exportKinds, exportLines, exportTarget, writeExport } from "./export.ts";
import { planOfText } from "./export-plans.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-export-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const planOf = (kind: (typeof EXPORT_KINDS)[number]) => plannedFor(BLOCK, exportTarget(kind));

describe("an export", () => {
  test.each(EXPORT_KINDS)("for %s has every file that its report names, with its digest", (kind) => {
    const exported = writeExport(kind, { model: BLOCK, plan: planOf(kind), stem: join(folder, "face.int8") });
    expect(exported.files.map((f) => f.file.slice(folder.length + 1))).toContain(`face.int8.${kind}.support.json`);
    for (const { file, sha256: digest, sizeBytes } of exported.files) {
      const bytes = new Uint8Array(readFileSync(file));
      expect([bytes.length, sha256(bytes)]).toEqual([sizeBytes, digest]);
      if (file.endsWith(".onnx")) expect(modelFromOnnx(bytes).graph.outputs.map((o) => o.name)).toEqual(["y"]);
      const text = new TextDecoder().decode(bytes);
      if (file.endsWith(".cache")) expect(readCalibrationCache(text).scales.size).toBe(6);
      if (/overrides.json$|encodings$/.test(file)) expect(readEncodings(text).encodings).toHaveLength(10);
    }
    expect(exportLines(exported).join("\n")).toContain("5 nodes in integers, 3 fused");
  });

  test("is refused by name for tools that nobody knows, and for plans that a tool cannot take", () => {
    expect(exportKinds("qnn,tensorrt,qnn")).toEqual(["qnn", "tensorrt"]);
    expect(() => exportKinds("qnn,tvm")).toThrow(/"tvm": known are tensorrt/);
    expect(() => exportKinds("")).toThrow(/known are/);
    const given = { model: BLOCK, plan: planOf("qnn"), stem: join(folder, "wrong") };
    expect(() => writeExport("tensorrt", given)).toThrow(/int8 with zero point 0/);
  });
});

describe("a plan given as text", () => {
  test("may be ours or encodings of others", () => {
    const target = exportTarget("aimet");
    const plan = planOf("aimet");
    const { files } = writeExport("aimet", { model: BLOCK, plan, stem: join(folder, "read") });
    const encodings = files.find((f) => f.file.endsWith(".encodings"))?.file as string;
    const theirs = planOfText(readFileSync(encodings, "utf8"), { model: BLOCK, target });
    expect(theirs.notes.join("\n")).toContain("10 encodings of version 1.0.0; 8 of 8 nodes in integers");
    expect([...theirs.plan.tensors.keys()].sort()).toEqual([...plan.tensors.keys()].sort());
    expect(planOfText(planToJson(plan), { model: BLOCK, target }).plan).toEqual(plan);
    expect(() => planOfText("{", { model: BLOCK, target })).toThrow(/not JSON/);
  });
});
