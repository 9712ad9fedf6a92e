import { seededRandom } from "@tessera/core/base/random";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { liftQuantized } from "@tessera/core/convert/onnx/raise-quantized";
import type { Model, Node } from "@tessera/core/graph/model";
import { makeNode } from "@tessera/core/graph/node";
import type { Encoding, QuantPlan } from "@tessera/core/graph/plan";
import { f32, fromNumbers, type Tensor } from "@tessera/core/graph/tensor";
import { verifyModel } from "@tessera/core/graph/verify";
import { describe, expect, test } from "vitest";
import { smallModel } from "../small-model.ts";
import { randomFloats } from "./old-file.ts";
import { largestDifference, runPlain } from "./run-plain.ts";

const random = seededRandom(11);

function built(nodes: readonly Node[], constants: Readonly<Record<string, Tensor>>, outputs: readonly string[] = ["y"]): Model {
  return smallModel({ x: [1, 3, 8, 8], nodes, constants, outputs });
}

const float = built(
  [
    makeNode("Conv", { inputs: ["x", "w", "b"], outputs: ["c"] }, { attributes: { pads: [1, 1, 1, 1] } }),
    makeNode("Mul", { inputs: ["c", "c"], outputs: ["m"] }),
    makeNode("Add", { inputs: ["m", "c"], outputs: ["y"] }),
  ],
  { w: randomFloats(random, [4, 3, 3, 3]), b: randomFloats(random, [4]) },
);

const encoding = (dtype: Encoding["dtype"], scale: readonly number[], zeroPoint: readonly number[], axis?: number): Encoding => ({
  dtype,
  scale: scale.map(Math.fround),
  zeroPoint,
  reason: "test",
  ...(axis === undefined ? {} : { axis }),
});

const plan: QuantPlan = {
  kind: "quant-plan",
  version: 1,
  target: "test",
  tensors: new Map([
    ["x", encoding("uint8", [0.04], [128])],
    ["w", encoding("int8", [0.03, 0.05, 0.04, 0.06], [0, 0, 0, 0], 0)],
    ["b", encoding("int32", [0.0012, 0.002, 0.0016, 0.0024], [0, 0, 0, 0], 0)],
    ["c", encoding("int8", [0.2], [-3])],
    ["y", encoding("uint8", [2.5], [7])],
  ]),
  nodes: new Map(),
};

describe("a model in QDQ form", () => {
  const quantized = applyPlan(float, plan);

  test("gives back the float graph and the plan it was made of", () => {
    const lifted = liftQuantized(quantized);
    verifyModel(lifted.model);
    expect(lifted.left).toEqual([]);
    expect(lifted.model.graph.nodes.map((n) => [n.op, n.inputs, n.outputs])).toEqual(
      float.graph.nodes.map((n) => [n.op, n.inputs, n.outputs]),
    );
    const bare = (p: QuantPlan) => new Map([...p.tensors].sort().map(([name, { reason: _, ...rest }]) => [name, rest]));
    expect(bare(lifted.plan)).toEqual(bare(plan));
  });

  test("computes the same bits when it is quantized again by that plan", async () => {
    const lifted = liftQuantized(quantized);
    const again = applyPlan(lifted.model, lifted.plan);
    const feeds = new Map([["x", randomFloats(random, [1, 3, 8, 8])]]);
    const before = await runPlain(modelToOnnx(quantized), feeds);
    const after = await runPlain(modelToOnnx(again), feeds);
    expect(largestDifference(before.get("y") as Tensor, after.get("y") as Tensor)).toBe(0);
    const plain = await runPlain(modelToOnnx(lifted.model), feeds);
    expect(largestDifference(before.get("y") as Tensor, plain.get("y") as Tensor)).toBeGreaterThan(0);
  });

  test("keeps pairs that a plan cannot say: computed scales, other parameters on the way back, integers that somebody reads", () => {
    const constants = { s: f32([], [0.1]), t: f32([], [0.2]), z: fromNumbers("uint8", [], [3]) };
    const q = makeNode("QuantizeLinear", { inputs: ["x", "s", "z"], outputs: ["q"] });
    const dq = (scale: string) => makeNode("DequantizeLinear", { inputs: ["q", scale, "z"], outputs: ["y"] });
    const other = liftQuantized(built([q, dq("t")], constants));
    expect(other.left).toEqual(["q", "y"]);
    expect(other.plan.tensors.size).toBe(0);
    const computed = makeNode("Abs", { inputs: ["t"], outputs: ["a"] });
    expect(liftQuantized(built([computed, { ...q, inputs: ["x", "a", "z"] }, dq("a")], constants)).left.length).toBe(2);
    const read = liftQuantized(
      built([q, dq("s"), makeNode("Cast", { inputs: ["q"], outputs: ["i"] }, { attributes: { to: 1 } })], constants, ["y", "i"]),
    );
    expect(read.left).toEqual(["q", "y"]);
  });

  test("keeps a pair between a graph input and a graph output, which need a node between them", () => {
    const constants = { s: f32([], [0.1]), z: fromNumbers("uint8", [], [3]) };
    const nodes = [
      makeNode("QuantizeLinear", { inputs: ["x", "s", "z"], outputs: ["q"] }),
      makeNode("DequantizeLinear", { inputs: ["q", "s", "z"], outputs: ["y"] }),
    ];
    const lifted = liftQuantized(built(nodes, constants));
    verifyModel(lifted.model);
    expect(lifted.left).toEqual(["q", "y"]);
  });
});
