import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { raiseTflite } from "@tessera/core/convert/tflite/raise";
import { ACTIVATIONS } from "@tessera/core/formats/tflite/enums";
import { readTflite } from "@tessera/core/formats/tflite/read";
import { quantizeTensor } from "@tessera/core/graph/quantize";
import { f32, toNumbers, view } from "@tessera/core/graph/tensor";
import { interpret } from "@tessera/core/interp/run";
import { describe, expect, it } from "vitest";
import { seededTensor } from "../../op-arbitraries.ts";
import { realRuntimes } from "./check.ts";
import { quantizedFile, storedFile } from "./fuzz-seeds.ts";
import { fileFrom } from "./named-file.ts";
import { movedAxis } from "./one-operator.ts";

const runtimes = realRuntimes();
const ints = (...values: readonly number[]): Int32Array => Int32Array.from(values);
const raise = (file: Uint8Array) => raiseTflite(readTflite(file));

const bytes = (...values: readonly number[]): Uint8Array => new Uint8Array(Int8Array.from(values).buffer);

describe("quantization of TFLite files, raised to a plan", () => {
  it("conversions at the borders vanish: values keep the names of the graph's ends, integers are encodings", () => {
    const { model, plan } = raise(quantizedFile());
    expect(model.graph.nodes.map((n) => n.op)).toEqual(["Conv", "Relu"]);
    expect([model.graph.inputs[0]?.name, model.graph.outputs[0]?.name]).toEqual(["x", "y"]);
    const scale = (name: string) => plan?.tensors.get(name)?.scale;
    expect([...(plan?.tensors.keys() ?? [])].sort()).toEqual(["b", "w", "x", "y"]);
    const tenths = [Math.fround(0.1), Math.fround(0.2)] as const;
    expect([scale("x"), scale("w"), scale("y")]).toEqual([[Math.fround(0.05)], tenths, [Math.fround(0.1)]]);
    expect(plan?.tensors.get("b")).toMatchObject({
      dtype: "int32",
      axis: 0,
      scale: tenths.map((s) => Math.fround(s * Math.fround(0.05))),
    });
    expect(plan?.tensors.get("w")?.axis).toBe(0);
    expect([...(plan?.nodes.values() ?? [])].map((c) => c.precision)).toEqual(["int8", "int8"]);
    expect([...view(model.graph.constants.get("b") ?? f32([0], []), "float32")]).toEqual(
      [1000, -2000].map((q, c) => Math.fround(q * Math.fround((tenths[c] as number) * Math.fround(0.05)))),
    );
  });

  it("the plan applied computes what the file computes, up to one step", async () => {
    const { model, plan, moved } = raise(quantizedFile());
    if (plan === undefined) throw new Error("there is no plan");
    const x = seededTensor("float32", [1, 2, 2, 2], { seed: 3, min: -5, max: 5 });
    const quantized = applyPlan(model, plan);
    const [ours] = interpret(quantized.graph, new Map([["x", moved.includes("x") ? movedAxis(x, 3, 1) : x]])).values();
    const [theirs] = await runtimes.tfjs().run(quantizedFile(), () => x.bytes);
    const real = new Float32Array((theirs ?? new Uint8Array(0)).slice().buffer);
    const own = toNumbers(movedAxis(ours ?? x, 1, 3));
    expect(own.length).toBe(real.length);
    own.forEach((value, i) => {
      expect(Math.abs(value - (real[i] as number))).toBeLessThan(0.1001);
    });
    expect(real.some((v) => v !== 0)).toBe(true);
  });

  it("a change of scale stays a node with an encoding on both sides", () => {
    const file = fileFrom(
      [
        { name: "x", shape: [1, 4], type: "INT8", scale: [0.1], zeroPoint: [1] },
        { name: "y", shape: [1, 4], type: "UINT8", scale: [0.2], zeroPoint: [129] },
      ],
      [["QUANTIZE", ["x"], ["y"]]],
      { inputs: ["x"], outputs: ["y"] },
    );
    const { model, plan } = raise(file);
    expect(model.graph.nodes.map((n) => n.op)).toEqual(["Identity"]);
    expect([...(plan?.tensors ?? [])].map(([name, e]) => [name, e.dtype, e.zeroPoint])).toEqual([
      ["x", "int8", [1]],
      ["y", "uint8", [129]],
    ]);
  });

  it("a value that others read as it is keeps its floats beside the quantized one", () => {
    const file = fileFrom(
      [
        { name: "x", shape: [1, 4] },
        { name: "a", shape: [1, 4] },
        { name: "q", shape: [1, 4], type: "INT8", scale: [0.1] },
        { name: "r", shape: [1, 4], type: "INT8", scale: [0.1] },
        { name: "y", shape: [1, 4] },
        { name: "z", shape: [1, 4] },
      ],
      [
        ["ABS", ["x"], ["a"]],
        ["QUANTIZE", ["a"], ["q"]],
        ["RELU", ["q"], ["r"]],
        ["DEQUANTIZE", ["r"], ["y"]],
        ["NEG", ["a"], ["z"]],
      ],
      { inputs: ["x"], outputs: ["y", "z"] },
    );
    const { model, plan } = raise(file);
    expect(model.graph.nodes.map((n) => n.op)).toEqual(["Abs", "Identity", "Relu", "Neg"]);
    expect([plan?.tensors.has("a"), plan?.tensors.has("q"), plan?.tensors.has("y"), plan?.tensors.has("z")]).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it("int16 activations with int8 weights have an int64 bias", () => {
    const file = fileFrom(
      [
        { name: "x", shape: [1, 2], type: "INT16", scale: [0.001] },
        { name: "w", shape: [1, 2], type: "INT8", scale: [0.5], data: bytes(3, -4) },
        { name: "b", shape: [1], type: "INT64", data: new Uint8Array(BigInt64Array.of(12_345n).buffer) },
        { name: "y", shape: [1, 1], type: "INT16", scale: [0.01] },
      ],
      [["FULLY_CONNECTED", ["x", "w", "b"], ["y"], { kind: "FullyConnectedOptions", fusedActivationFunction: ACTIVATIONS.NONE }]],
      { inputs: ["x"], outputs: ["y"] },
    );
    const { model, plan } = raise(file);
    expect(plan?.tensors.get("b")).toMatchObject({ dtype: "int64", scale: [Math.fround(Math.fround(0.001) * 0.5)] });
    expect(plan?.nodes.get("y")?.precision).toBe("int16x8");
    const back = model.graph.constants.get("b");
    expect(Math.round((toNumbers(back ?? f32([1], [0]))[0] as number) / Math.fround(Math.fround(0.001) * 0.5))).toBe(12_345);
  });

  it("weights that only float products read are in the plan by their channels, and nothing else is", () => {
    const file = fileFrom(
      [
        { name: "x", shape: [1, 2] },
        { name: "w", shape: [2, 2], type: "INT8", scale: [0.5, 0.25], data: bytes(3, -4, 5, 127) },
        { name: "y", shape: [1, 2] },
      ],
      [["FULLY_CONNECTED", ["x", "w"], ["y"], { kind: "FullyConnectedOptions" }]],
      { inputs: ["x"], outputs: ["y"] },
    );
    const { model, plan } = raise(file);
    expect([...(plan?.tensors ?? [])].map(([name, e]) => [name, e.axis, e.scale])).toEqual([["w", 0, [0.5, 0.25]]]);
    expect(plan?.nodes.get("y")).toMatchObject({ precision: "float32" });
    const weight = model.graph.constants.get("w");
    const encoding = plan?.tensors.get("w");
    if (weight === undefined || encoding === undefined) throw new Error("there are no weights");
    expect([...toNumbers(weight)]).toEqual([1.5, -2, 1.25, 31.75]);
    expect([...view(quantizeTensor(weight, encoding), "int8")]).toEqual([3, -4, 5, 127]);
  });

  it("an integer bias that float32 cannot hold is noted with how many of its elements are lost", () => {
    const file = fileFrom(
      [
        { name: "x", shape: [1, 1], type: "INT8", scale: [0.5] },
        { name: "w", shape: [3, 1], type: "INT8", scale: [0.25], data: bytes(1, 2, 3) },
        { name: "b", shape: [3], type: "INT32", data: new Uint8Array(ints(5, 2 ** 24 + 1, 2 ** 30).buffer) },
        { name: "y", shape: [1, 3], type: "INT8", scale: [0.5] },
      ],
      [["FULLY_CONNECTED", ["x", "w", "b"], ["y"], { kind: "FullyConnectedOptions" }]],
      { inputs: ["x"], outputs: ["y"] },
    );
    expect(raise(file).notes).toEqual(["Bias b loses digits: 1 of 3 integers (up to 1073741824) do not survive in float32"]);
  });

  it("float16 and sparse constants become dense float32 ones", async () => {
    const { model, notes, plan } = raise(storedFile());
    expect(plan).toBeUndefined();
    expect(notes).toContain("1 float16 constants became float32");
    expect(model.graph.nodes.map((n) => n.op)).toEqual(["Gemm", "Gemm"]);
    expect([...model.graph.constants.values()].map((t) => [t.dtype, ...t.shape])).toEqual([
      ["float32", 3, 4],
      ["float32", 2, 3],
    ]);
    expect([...toNumbers([...model.graph.constants.values()][1] ?? f32([0], []))]).toEqual([0, 0, 1, 2, 3, 0]);
    const x = seededTensor("float32", [1, 4], { seed: 1, min: -1, max: 1 });
    const [ours] = interpret(model.graph, new Map([["x", x]])).values();
    const [theirs] = await runtimes.tfjs().run(storedFile(), () => x.bytes);
    const real = [...new Float32Array((theirs ?? new Uint8Array(0)).slice().buffer)];
    expect(real.length).toBe(2);
    real.forEach((value, i) => {
      expect(Math.abs(value - (toNumbers(ours ?? x)[i] as number))).toBeLessThan(1e-4 * Math.abs(value));
    });
  });

  it("what an operator is made of in between has the encoding of what only moves through it", () => {
    const encoding = { type: "INT8", scale: [0.1], zeroPoint: [3] } as const;
    const sizes = (...values: readonly number[]): Uint8Array => new Uint8Array(ints(...values).buffer);
    const file = fileFrom(
      [
        { name: "x", shape: [1, 3, 4, 1], ...encoding },
        { name: "block", shape: [2], type: "INT32", data: sizes(2, 2) },
        { name: "pads", shape: [2, 2], type: "INT32", data: sizes(0, 1, 0, 0) },
        { name: "y", shape: [4, 2, 2, 1], ...encoding },
      ],
      [["SPACE_TO_BATCH_ND", ["x", "block", "pads"], ["y"], { kind: "SpaceToBatchNDOptions" }]],
      { inputs: ["x"], outputs: ["y"] },
    );
    const { model, plan } = raise(file);
    expect(model.graph.nodes.map((n) => n.op)).toEqual(["Pad", "Reshape", "Transpose", "Reshape"]);
    expect(model.graph.nodes.every((n) => plan?.tensors.get(n.outputs[0] ?? "")?.zeroPoint[0] === 3)).toBe(true);
  });

  it("weights that two operators read are there once", () => {
    const weights = new Uint8Array(Float32Array.from({ length: 36 }, (_, i) => i).buffer);
    const options = { kind: "Conv2DOptions", strideH: 1, strideW: 1 };
    const file = fileFrom(
      [
        { name: "x", shape: [1, 3, 3, 2] },
        { name: "w", shape: [2, 3, 3, 2], data: weights },
        { name: "m", shape: [1, 3, 3, 2] },
        { name: "y", shape: [1, 3, 3, 2] },
      ],
      [
        ["CONV_2D", ["x", "w"], ["m"], options],
        ["CONV_2D", ["m", "w"], ["y"], options],
      ],
      { inputs: ["x"], outputs: ["y"] },
    );
    expect([...raise(file).model.graph.constants.keys()]).toEqual(["w"]);
  });

  it("operators without a form are refused once, all by name and place", () => {
    const file = fileFrom(
      [
        { name: "x", shape: [1, 2] },
        { name: "y", shape: [1, 2] },
        { name: "z", shape: [1, 2] },
      ],
      [
        ["RFFT2D", ["x"], ["y"]],
        ["IMAG", ["y"], ["z"]],
      ],
      { inputs: ["x"], outputs: ["z"] },
    );
    expect(() => raise(file)).toThrow("Cannot raise the model: there is no canonical form of RFFT2D (at 0), IMAG (at 1)");
  });
});
