import { inOlderOpset, modelToOlderOnnx } from "@tessera/core/convert/export/older-opset";
import { tensorrtModel } from "@tessera/core/convert/export/tensorrt";
import { modelFromOnnx } from "@tessera/core/convert/onnx/bytes";
import { readOnnx } from "@tessera/core/formats/onnx/read";
import { f32, i64, sameTensor, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { interpret } from "@tessera/core/interp/run";
import { JETSON_NANO } from "@tessera/core/targets/tensorrt";
import { describe, expect, test } from "vitest";
import { runPlain } from "../conversion/run-plain.ts";
import { smallModel, smallNode } from "../small-model.ts";
import { BLOCK, BLOCK_FEEDS, plannedFor } from "./planned-block.ts";

describe("a file in opset 13", () => {
  test("is read by ONNX Runtime and by us, and computes the same", async () => {
    const plan = plannedFor(BLOCK, JETSON_NANO);
    const { model } = tensorrtModel(BLOCK, plan);
    const { bytes, opset, note } = modelToOlderOnnx(model);
    expect([opset, note]).toEqual([13, undefined]);
    expect(readOnnx(bytes)).toMatchObject({ irVersion: 7, opsetImport: [{ version: 13 }] });
    const feeds = BLOCK_FEEDS[0] as (typeof BLOCK_FEEDS)[number];
    const ours = interpret(model.graph, feeds).get("y") as Tensor;
    expect(sameTensor(interpret(modelFromOnnx(bytes).graph, feeds).get("y") as Tensor, ours)).toBe(true);
    // Sums in another order may fall on the other side of a step.
    const theirs = toNumbers((await runPlain(bytes, feeds)).get("y") as Tensor);
    const step = plan.tensors.get("y")?.scale[0] as number;
    toNumbers(ours).forEach((value, i) => {
      expect(Math.abs(value - (theirs[i] as number))).toBeLessThan(1.01 * step);
    });
  });

  test("is not written for operators, inputs and attributes that came or changed later", () => {
    const of = (op: string, inputs: string, attributes = {}, constants = {}) => {
      const older = inOlderOpset(smallModel({ x: [1, 2, 4, 4], nodes: [smallNode(op, inputs, "y", attributes)], constants }));
      return "because" in older ? older.because : [...(older.model.graph.nodes[0]?.attributes.keys() ?? [])].join();
    };
    expect(of("Relu", "x")).toBe("");
    expect(of("ReduceMean", "x axes", {}, { axes: i64([1], [1]) })).toBe("ReduceMean");
    expect(of("Mish", "x")).toBe("Mish");
    expect(of("AveragePool", "x", { kernel_shape: [2, 2], dilations: [1, 1] })).toBe("kernel_shape");
    expect(of("AveragePool", "x", { kernel_shape: [2, 2], dilations: [2, 1] })).toBe("AveragePool");
    expect(of("Reshape", "x s", { allowzero: 1 }, { s: i64([2], [1, 32]) })).toBe("");
    expect(of("Reshape", "x s", { allowzero: 0 }, { s: i64([2], [0, 32]) })).toBe("");
    expect(of("Reshape", "x s", { allowzero: 1 }, { s: i64([2], [0, 32]) })).toBe("Reshape");
    const pads = { p: i64([8], [0, 0, 1, 1, 0, 0, 1, 1]), v: f32([], [0]), a: i64([4], [0, 1, 2, 3]) };
    expect(of("Pad", "x p v", {}, pads)).toBe("");
    expect(of("Pad", "x p v a", {}, pads)).toBe("Pad");
  });
});
