import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Random, seededRandom } from "@tessera/core/base/random";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { lowerOnnx } from "@tessera/core/convert/onnx/lower";
import { raiseOnnx, raiseOnnxReported } from "@tessera/core/convert/onnx/raise";
import { readOnnx } from "@tessera/core/formats/onnx/read";
import { isFloat } from "@tessera/core/graph/dtype";
import type { Model, ValueInfo } from "@tessera/core/graph/model";
import { countOf, fromNumbers, type Tensor } from "@tessera/core/graph/tensor";
import { describe, expect, test } from "vitest";
import { sharedDir } from "../shared.ts";
import { largestDifference, runPlain } from "./run-plain.ts";

const shared = sharedDir();
const files =
  shared === undefined
    ? []
    : readdirSync(join(shared, "models"), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".onnx"))
        .sort();

function anything(input: ValueInfo, random: Random): Tensor {
  if (input.type.kind !== "tensor") throw new Error(`${input.name} is no tensor`);
  const { dtype } = input.type;
  // Silero's window of 576 samples has no fixed size in the file; every other symbol among the models is a batch.
  const isWindow = (axis: number): boolean => input.name === "input" && axis === 1;
  const shape = (input.type.shape ?? []).map((d, axis) => (typeof d === "number" ? d : isWindow(axis) ? 576 : 2));
  // The only integer input among the models is a sampling rate.
  return fromNumbers(
    dtype,
    shape,
    Array.from({ length: countOf(shape) }, () => (isFloat(dtype) ? random.normal() : 16000)),
  );
}

/** A copy without maps and with digests for bytes, because comparing megabytes element by element takes minutes. */
function digested(value: unknown): unknown {
  if (value instanceof Uint8Array) return `${value.length} bytes ${createHash("sha256").update(value).digest("hex")}`;
  if (value instanceof Map) return [...value].map(digested);
  if (Array.isArray(value)) return value.map(digested);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, digested(inner)]));
}

/** What must not change when a lowered model is raised again: all but where it came from and who wrote it. */
function essence({ graph, domains, metadata, doc }: Model): unknown {
  return digested({ graph, domains, metadata, doc });
}

describe.skipIf(shared === undefined)("the shared models (skipped where ../shared is absent)", () => {
  test("are there", () => {
    expect(files.length).toBeGreaterThanOrEqual(7);
  });

  for (const file of files) {
    const bytes = new Uint8Array(readFileSync(join(shared ?? "", "models", file)));

    test(`${file} gives the same bits after raising and lowering`, async () => {
      const model = modelFromOnnx(bytes);
      const random = seededRandom(7);
      const feeds = new Map(model.graph.inputs.map((input) => [input.name, anything(input, random)]));
      const before = await runPlain(bytes, feeds);
      const after = await runPlain(modelToOnnx(model), feeds);
      expect([...after.keys()]).toEqual([...before.keys()]);
      for (const [name, tensor] of before) expect(largestDifference(tensor, after.get(name) as Tensor), name).toBe(0);
    });

    test(`${file} is the same model when raised again, and the same bytes when lowered again`, () => {
      const once = modelFromOnnx(bytes);
      const written = modelToOnnx(once);
      const { model: twice, report } = raiseOnnxReported(readOnnx(written));
      expect(essence(twice)).toEqual(essence(once));
      expect(Buffer.compare(modelToOnnx(twice), written)).toBe(0);
      expect(report).toMatchObject({
        opset: 21,
        irVersion: 10,
        defaultInputs: [],
        droppedNodes: [],
        sortedGraphs: [],
        renamedNodes: 0,
      });
      expect(report.upgraded.size).toBe(0);
    });

    test(`${file} shares its weights with the file`, () => {
      const model = raiseOnnx(readOnnx(bytes));
      const large = [...model.graph.constants.values()].filter((t) => t.bytes.length > 1000);
      expect(large.length).toBeGreaterThan(0);
      for (const tensor of large) expect(tensor.bytes.buffer === bytes.buffer).toBe(true);
      const lowered = lowerOnnx(model).graph?.initializer ?? [];
      for (const initializer of lowered)
        expect(initializer.rawData === model.graph.constants.get(initializer.name ?? "")?.bytes).toBe(true);
    });
  }

  test("ultralight-rfb-320 keeps only its real input, and says which were dropped", () => {
    const file = files.find((f) => f.endsWith("ultralight-rfb-320.onnx")) ?? "";
    const record = readOnnx(new Uint8Array(readFileSync(join(shared ?? "", "models", file))));
    const { model, report } = raiseOnnxReported(record);
    expect(model.graph.inputs.map((i) => i.name)).toEqual(["input"]);
    expect(report.defaultInputs.length).toBe(244);
    expect(raiseOnnx(record, { keepDefaultInputs: true }).graph.inputs.length).toBe(245);
  });
});
