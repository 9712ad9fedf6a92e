import { SDKS } from "@tessera/core/convert/export/sdk-names";
import { supportLines, supportReport } from "@tessera/core/convert/export/support";
import { f32 } from "@tessera/core/graph/tensor";
import { INTEL_OPENVINO } from "@tessera/core/targets/openvino";
import { SNAPDRAGON_HTP } from "@tessera/core/targets/qnn";
import type { Target } from "@tessera/core/targets/target";
import { JETSON_NANO } from "@tessera/core/targets/tensorrt";
import { describe, expect, test } from "vitest";
import { smallModel, smallNode } from "../small-model.ts";
import { BLOCK, noise, plannedFor } from "./planned-block.ts";

const ROWS = [
  ["tensorrt", JETSON_NANO, "IConvolutionLayer"],
  ["qnn", SNAPDRAGON_HTP, "DepthWiseConv2d"],
  ["openvino", INTEL_OPENVINO, "GroupConvolution"],
] as const;

describe("a support report", () => {
  test.each(ROWS)("says in the words of %s what becomes of each node", (sdk, target, depthwise) => {
    const report = supportReport(BLOCK, plannedFor(BLOCK, target), { sdk, target });
    expect(report.counts).toEqual({ integer: 5, fused: 3, moved: 0, fallback: 0, unknown: 0 });
    expect(report.borders).toBe(0);
    const of = (name: string) => report.nodes.find((n) => n.node === name);
    expect(of("deep")).toMatchObject({ op: "Conv", layer: depthwise, support: "integer", says: SDKS[sdk].words.int8 });
    expect(of("bounded")?.says).toMatch(/^fused into the \w+ before it/);
    expect(supportLines(report)).toContain(`5 in integers, 3 fused`);
  });

  test("says why a node falls back, which names an SDK lacks, and how many conversions that costs", () => {
    const model = smallModel({
      x: [1, 4, 6, 6],
      nodes: [
        smallNode("Conv", "x w", "a", { kernel_shape: [1, 1] }),
        smallNode("PRelu", "a slope", "b"),
        smallNode("Conv", "b w", "c", { kernel_shape: [1, 1] }),
        smallNode("Mish", "c", "y"),
      ],
      constants: { w: noise(4, 4, 1, 1), slope: f32([4, 1, 1], [0.1, -0.2, 0.3, 2]) },
    });
    const feeds = [new Map([["x", noise(1, 4, 6, 6)]])];
    const report = supportReport(model, plannedFor(model, JETSON_NANO, feeds), { sdk: "tensorrt", target: JETSON_NANO });
    expect(report.nodes.map((n) => n.support)).toEqual(["integer", "fallback", "integer", "unknown"]);
    expect(report.nodes[1]?.says).toContain("NVIDIA/TensorRT#2162");
    expect(report.nodes[3]?.says).toContain("check before building");
    expect(report.borders).toBe(3);
  });

  test("knows a name for every operator that a target's row computes in integers", () => {
    for (const [sdk, target] of ROWS) {
      const integer = Object.entries((target as Target).operators).filter(([, rule]) => rule.kind !== "float");
      expect([sdk, integer.map(([op]) => op).filter((op) => SDKS[sdk].layers[op] === undefined)]).toEqual([sdk, []]);
    }
  });
});
