import { raiseTflite } from "@tessera/core/convert/tflite/raise";
import { ACTIVATIONS } from "@tessera/core/formats/tflite/enums";
import { readTflite } from "@tessera/core/formats/tflite/read";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { describe, expect, it } from "vitest";
import { fileFrom, type TensorOf } from "./named-file.ts";

const floats = (...values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
const ints = (...values: readonly number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer);
const rows = (...names: readonly string[]): TensorOf[] => names.map((name) => ({ name, shape: [2, 3] }));
const columns = (...names: readonly string[]): TensorOf[] => names.map((name) => ({ name, shape: [2, 1] }));
const LAST: TensorOf = { name: "last", shape: [1], type: "INT32", data: ints(-1) };
const ENDS = { inputs: ["x"], outputs: ["y"] };
const kept = { kind: "ReducerOptions", keepDims: true };

/** Networks that spell one operator out, as converters from TensorFlow do. */
const CASES: readonly (readonly [string, Uint8Array])[] = [
  [
    "PRelu",
    fileFrom(
      [...rows("x", "p", "a", "d", "m", "y"), { name: "s", shape: [3], data: floats(0.1, 0.2, -0.3) }],
      [
        ["RELU", ["x"], ["p"]],
        ["ABS", ["x"], ["a"]],
        ["SUB", ["x", "a"], ["d"], { kind: "SubOptions" }],
        ["MUL", ["s", "d"], ["m"], { kind: "MulOptions" }],
        ["ADD", ["p", "m"], ["y"], { kind: "AddOptions" }],
      ],
      ENDS,
    ),
  ],
  [
    "HardSwish",
    fileFrom(
      [
        ...rows("x", "a", "p", "y"),
        { name: "three", shape: [], data: floats(3) },
        { name: "sixth", shape: [], data: floats(1 / 6) },
      ],
      [
        ["ADD", ["x", "three"], ["a"], { kind: "AddOptions", fusedActivationFunction: ACTIVATIONS.RELU6 }],
        ["MUL", ["x", "a"], ["p"], { kind: "MulOptions" }],
        ["MUL", ["p", "sixth"], ["y"], { kind: "MulOptions" }],
      ],
      ENDS,
    ),
  ],
  [
    "Softmax",
    fileFrom(
      [...rows("x", "d", "e", "y"), ...columns("m", "s"), LAST],
      [
        ["REDUCE_MAX", ["x", "last"], ["m"], kept],
        ["SUB", ["x", "m"], ["d"], { kind: "SubOptions" }],
        ["EXP", ["d"], ["e"], { kind: "ExpOptions" }],
        ["SUM", ["e", "last"], ["s"], kept],
        ["DIV", ["e", "s"], ["y"], { kind: "DivOptions" }],
      ],
      ENDS,
    ),
  ],
  [
    "LpNormalization",
    fileFrom(
      [...rows("x", "q", "y"), ...columns("s", "f", "r"), LAST, { name: "tiny", shape: [], data: floats(1e-12) }],
      [
        ["SQUARE", ["x"], ["q"], { kind: "SquareOptions" }],
        ["SUM", ["q", "last"], ["s"], kept],
        ["MAXIMUM", ["s", "tiny"], ["f"], { kind: "MaximumMinimumOptions" }],
        ["RSQRT", ["f"], ["r"]],
        ["MUL", ["x", "r"], ["y"], { kind: "MulOptions" }],
      ],
      ENDS,
    ),
  ],
];

describe("what TFLite files spell out", () => {
  it.each(CASES)("%s is one node once simplified, with proof", async (op, file) => {
    const { model } = raiseTflite(readTflite(file));
    const { model: simple } = await simplifyModel(model);
    expect(simple.graph.nodes.map((node) => node.op)).toEqual([op]);
  });
});
