import { type Model, tensorType } from "@tessera/core/graph/model";
import { makeNode } from "@tessera/core/graph/node";
import { f32 } from "@tessera/core/graph/tensor";
import { describe, expect, test } from "vitest";
import { seededTensor } from "../../op-arbitraries.ts";
import { loweredFile, proveLoweredModel } from "./run-lowered.ts";

const SHAPE = [1, 3, 4, 5];

function graphOf(outputs: readonly string[]): Model {
  const node = (op: string, inputs: readonly string[], output: string, attributes = {}): ReturnType<typeof makeNode> =>
    makeNode(op, { inputs, outputs: [output] }, { name: output, attributes });
  return {
    kind: "model",
    graph: {
      name: "borders",
      inputs: [
        { name: "x", type: tensorType("float32", SHAPE) },
        { name: "unused", type: tensorType("float32", [2]) },
      ],
      outputs: outputs.map((name) => ({ name, type: tensorType("float32", undefined) })),
      nodes: [
        node("Conv", ["x", "w"], "conv"),
        node("Transpose", ["conv"], "last", { perm: [0, 2, 3, 1] }),
        node("Transpose", ["x"], "turned", { perm: [0, 3, 2, 1] }),
        node("Relu", ["conv"], "relu"),
        node("Flatten", ["last"], "flat", { axis: 1 }),
        node("Identity", ["x"], "same"),
      ],
      constants: new Map([
        ["w", seededTensor("float32", [2, 3, 1, 1], { seed: 1 })],
        ["k", f32([2, 2], [1, 2, 3, 4])],
      ]),
      types: new Map(),
    },
    domains: new Map(),
    metadata: new Map(),
    producer: { name: "testkit", version: "0" },
  };
}

const feeds = new Map([
  ["x", seededTensor("float32", SHAPE, { seed: 2 })],
  ["unused", f32([2], [1, 2])],
]);

const OUTPUTS: readonly (readonly string[])[] = [
  ["conv"],
  ["last"],
  ["conv", "last"],
  ["last", "conv", "relu"],
  ["turned", "relu"],
  ["flat", "last"],
  ["same", "relu"],
  ["k", "relu"],
];

describe("inputs and outputs of a lowered file", () => {
  test("stand with channels last when they are images, but keep the axes that a Transpose of the model gave them", () => {
    const { report } = loweredFile(graphOf(["relu", "last", "flat"]));
    expect(report.inputs.map((i) => i.order.join())).toEqual(["0,2,3,1", "0"]);
    expect(report.outputs.map((o) => o.order.join())).toEqual(["0,2,3,1", "0,1,2,3", "0,1"]);
    expect(report.transposes).toEqual([]);
  });

  for (const outputs of OUTPUTS) {
    for (const layout of ["nhwc", "nchw"] as const) {
      test(`are what the graph says when it gives out ${outputs.join(", ")}, ${layout}`, async () => {
        const report = await proveLoweredModel(graphOf(outputs), feeds, {
          layout,
          runtimes: ["litert", "tfjs"],
          tolerance: { absolute: 1e-5, relative: 1e-5 },
        });
        expect(report.outputs.map((o) => o.name)).toEqual(outputs);
        expect(report.inputs.map((i) => i.name)).toEqual(["x", "unused"]);
      });
    }
  }
});
