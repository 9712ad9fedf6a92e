import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { OPERATOR_VERSIONS, operatorVersion } from "@tessera/core/convert/tflite/versions";
import { builtinOperatorName } from "@tessera/core/formats/tflite/builtin-operators";
import { TENSOR_TYPES, type TensorTypeName } from "@tessera/core/formats/tflite/enums";
import { readTflite } from "@tessera/core/formats/tflite/read";
import type { TfliteModel } from "@tessera/core/formats/tflite/schema";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import { beforeAll, describe, expect, it } from "vitest";
import { sharedDir } from "../../shared.ts";
import { openRuntimes, type Runtimes } from "./on-runtimes.ts";

const shared = sharedDir();
const names =
  shared === undefined
    ? []
    : readdirSync(join(shared, "models"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".tflite"));

function load(name: string): TfliteModel {
  return readTflite(new Uint8Array(readFileSync(join(shared ?? "", "models", name))));
}

/** Files that say something else, and why that is theirs. */
const OTHERWISE: Readonly<Record<string, { readonly said: number; readonly needed: number; readonly why: string }>> = {
  "face-liveness/deeptree-antispoof-256-fp16.tflite DEQUANTIZE": {
    said: 2,
    needed: 3,
    why: "float16 came with version 3; the converter of that day wrote 2",
  },
  "mcu/mlperf-tiny-kws-dscnn-float32.tflite FULLY_CONNECTED": {
    said: 3,
    needed: 1,
    why: "its weights were too small to become int8, and the converter had announced them",
  },
};

/** Versions of a file by operator: what it says, and what its calls need. */
function versionsOf(model: TfliteModel): Map<string, { readonly said: number; needed: number }> {
  const found = new Map<string, { said: number; needed: number }>();
  const [graph] = model.subgraphs ?? [];
  const at = (index: number) => (index < 0 ? undefined : graph?.tensors?.[index]);
  for (const operator of graph?.operators ?? []) {
    const code = model.operatorCodes?.[operator.opcodeIndex];
    const name = builtinOperatorName(code?.builtinCode ?? -1);
    if (code === undefined || name === undefined) throw new Error("an operator without a name");
    const needed = operatorVersion(name, {
      inputs: Array.from(operator.inputs ?? [], at),
      outputs: Array.from(operator.outputs ?? [], at),
      ...(operator.builtinOptions && { options: operator.builtinOptions }),
    });
    const key = name;
    const entry = found.get(key) ?? { said: code.version, needed: 1 };
    entry.needed = Math.max(entry.needed, needed);
    found.set(key, entry);
  }
  return found;
}

/** The model with the version of one operator code changed. */
function withVersion(model: TfliteModel, code: number, version: number): Uint8Array {
  const operatorCodes = model.operatorCodes?.map((c, i) => (i === code ? { ...c, version } : c));
  return writeTflite({ ...model, ...(operatorCodes && { operatorCodes }) });
}

let runtimes: Runtimes;
beforeAll(async () => {
  runtimes = await openRuntimes();
});

describe.skipIf(shared === undefined)("operator versions of files by other software (skipped without the shared models)", () => {
  it.each(names)("%s says what its calls need", (name) => {
    for (const [operator, found] of versionsOf(load(name))) {
      const other = OTHERWISE[`${name} ${operator}`];
      expect(found, operator).toEqual(
        other === undefined ? { said: found.said, needed: found.said } : { said: other.said, needed: other.needed },
      );
    }
  });

  it("a version above those that a runtime knows is refused, by both", async () => {
    const model = load("mcu/mlperf-tiny-kws-dscnn-int8.tflite");
    const fill = (_: number, size: number): Uint8Array => new Uint8Array(size);
    const conv = model.operatorCodes?.findIndex((c) => builtinOperatorName(c.builtinCode) === "CONV_2D") ?? -1;
    for (const runner of Object.values(runtimes)) {
      await expect(runner.run(withVersion(model, conv, 3), fill)).resolves.toHaveLength(1);
      await expect(runner.run(withVersion(model, conv, 99), fill)).rejects.toThrow();
    }
  });
});

describe("operator versions", () => {
  const tensor = (type: TensorTypeName, shape: readonly number[] = [1, 4, 4, 2], scales = 1) => ({
    type: TENSOR_TYPES[type],
    shape: Int32Array.from(shape),
    ...(scales > 0 && { quantization: { scale: new Float32Array(scales).fill(0.5), zeroPoint: new BigInt64Array(scales) } }),
  });
  const plain = (type: TensorTypeName, shape?: readonly number[]) => tensor(type, shape, 0);

  it.each([
    ["CONV_2D", ["FLOAT32", "FLOAT32"], 1],
    ["CONV_2D", ["INT8", "INT8"], 3],
    ["CONV_2D", ["INT16", "INT8"], 4],
    ["DEPTHWISE_CONV_2D", ["INT8", "INT8"], 3],
    ["DEPTHWISE_CONV_2D", ["INT16", "INT8"], 5],
    ["ADD", ["INT8", "INT8"], 2],
    ["ADD", ["INT64", "INT64"], 4],
    ["MEAN", ["INT16", "INT32"], 3],
    ["DEQUANTIZE", ["FLOAT16"], 3],
    ["DEQUANTIZE", ["INT8"], 2],
    ["PAD", ["INT16", "INT32"], 3],
    ["SOFTMAX", ["INT8"], 2],
    ["SPLIT", ["INT32", "INT8"], 2],
    ["SPLIT", ["INT32", "FLOAT32"], 1],
  ] as const)("%s of %s is version %i", (name, types, version) => {
    const inputs = types.map((type) => tensor(type, undefined, type.startsWith("INT") ? 1 : 0));
    expect(operatorVersion(name, { inputs, outputs: [inputs[name === "SPLIT" ? 1 : 0]] })).toBe(version);
  });

  it("depend on scales for each channel, biases, options and axes", () => {
    const x = plain("FLOAT32");
    const hybrid = (name: "CONV_2D" | "FULLY_CONNECTED", scales: number): number =>
      operatorVersion(name, { inputs: [x, tensor("INT8", [8, 3, 3, 2], scales), plain("FLOAT32", [8])], outputs: [x] });
    expect([hybrid("CONV_2D", 1), hybrid("CONV_2D", 8)]).toEqual([2, 5]);
    expect([hybrid("FULLY_CONNECTED", 1), hybrid("FULLY_CONNECTED", 8)]).toEqual([3, 12]);
    const dense = (inputs: number, keepNumDims: boolean): number =>
      operatorVersion("FULLY_CONNECTED", {
        inputs: [x, plain("FLOAT32", [8, 2]), plain("FLOAT32", [8])].slice(0, inputs),
        outputs: [x],
        options: { kind: "FullyConnectedOptions", keepNumDims },
      });
    expect([dense(3, false), dense(3, true), dense(2, false)]).toEqual([1, 5, 6]);
    const wide = plain("FLOAT32", [1, 1, 2, 2, 2]);
    expect(operatorVersion("SUB", { inputs: [wide, plain("FLOAT32", [2])], outputs: [wide] })).toBe(3);
    expect(operatorVersion("TRANSPOSE", { inputs: [wide], outputs: [wide] })).toBe(4);
    const q = tensor("INT16");
    const sum = (potScaleInt16: boolean): number =>
      operatorVersion("ADD", { inputs: [q, q], outputs: [q], options: { kind: "AddOptions", potScaleInt16 } });
    expect([sum(true), sum(false)]).toEqual([1, 3]);
  });

  it("come from rules in an order in which none hides behind an earlier one of the same words", () => {
    for (const [name, rules] of Object.entries(OPERATOR_VERSIONS)) {
      const words = rules.map((r) => r.says);
      expect(new Set(words).size, name).toBe(words.length);
      expect(
        rules.every((r) => r.version >= 2),
        name,
      ).toBe(true);
    }
  });
});
