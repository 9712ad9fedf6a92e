import { openvinoModel } from "@tessera/core/convert/export/openvino";
import { f32 } from "@tessera/core/graph/tensor";
import { verifyModel } from "@tessera/core/graph/verify";
import { INTEL_OPENVINO } from "@tessera/core/targets/openvino";
import { ORT_X64 } from "@tessera/core/targets/ort";
import { describe, expect, test } from "vitest";
import { smallModel, smallNode } from "../small-model.ts";
import { BLOCK, noise, plannedFor } from "./planned-block.ts";

describe("a plan for OpenVINO", () => {
  test("has pairs around every integer node and none between a convolution and its PRelu", () => {
    const model = smallModel({
      x: [1, 4, 6, 6],
      nodes: [
        smallNode("Conv", "x w", "a", { kernel_shape: [1, 1] }),
        smallNode("PRelu", "a slope", "b"),
        smallNode("Conv", "b v", "y", { kernel_shape: [1, 1] }),
      ],
      constants: { w: noise(4, 4, 1, 1), v: noise(4, 4, 1, 1), slope: f32([4, 1, 1], [0.1, -0.2, 0.3, 2]) },
    });
    const plan = plannedFor(model, INTEL_OPENVINO, [new Map([["x", noise(1, 4, 6, 6)]])]);
    expect(plan.tensors.has("a")).toBe(true);
    const { model: paired, notes } = openvinoModel(model, plan);
    verifyModel(paired);
    const op = (output: string | undefined) => paired.graph.nodes.find((n) => n.outputs[0] === output)?.op;
    const reads = (of: string) => paired.graph.nodes.filter((n) => n.op === of).map((n) => op(n.inputs[0]));
    expect(reads("PRelu")).toEqual(["Conv"]);
    expect(reads("Conv")).toEqual(["DequantizeLinear", "DequantizeLinear"]);
    expect(notes).toContain("1 convolutions have no pair between them and the activation computed within them");
  });

  test("leaves biases in float that a plan has in integers", () => {
    const { model, notes } = openvinoModel(BLOCK, plannedFor(BLOCK, ORT_X64));
    for (const conv of model.graph.nodes.filter((n) => n.op === "Conv"))
      expect(model.graph.constants.get(conv.inputs[2] as string)?.dtype).toBe("float32");
    expect(notes).toContain("4 biases stay in float");
  });
});
