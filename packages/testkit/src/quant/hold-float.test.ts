import { seededRandom } from "@tessera/core/base/random";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { liftQuantized } from "@tessera/core/convert/onnx/raise-quantized";
import type { Model } from "@tessera/core/graph/model";
import type { Feeds } from "@tessera/core/graph/runtime";
import { f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { interpret } from "@tessera/core/interp/run";
import { interpRuntime } from "@tessera/core/interp/runtime";
import { observeTensors } from "@tessera/core/quant/observe";
import { placeIntegers } from "@tessera/core/quant/placement";
import { staticPlan } from "@tessera/core/quant/static-plan";
import { ORT_X64 } from "@tessera/core/targets/ort";
import { checkFusion } from "@tessera/runtimes/fusion-check";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { expect, test } from "vitest";
import { smallModel, smallNode } from "../small-model.ts";

const random = seededRandom(4);
const noise = (shape: readonly number[], scale: (i: number) => number): Tensor =>
  f32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => random.normal() * scale(i)),
  );

/** Channels of the middle convolution differ a hundredfold, and the last one evens that out: one scale for all would lose most of them. */
const MODEL = smallModel({
  x: [1, 3, 6, 6],
  nodes: [
    smallNode("Conv", "x w0", "a"),
    smallNode("Conv", "a w1 b1", "b", { group: 4 }),
    smallNode("Conv", "b w2", "c"),
    smallNode("Add", "c a", "y"),
  ],
  constants: {
    w0: noise([4, 3, 1, 1], () => 1),
    w1: noise([4, 1, 1, 1], (i) => 100 ** (-i / 3)),
    b1: noise([4], () => 0.01),
    w2: noise([4, 4, 1, 1], (i) => 100 ** ((i % 4) / 3)),
  },
});
const FEEDS: Feeds = new Map([["x", noise([1, 3, 6, 6], () => 1)]]);
const KEPT = new Map([["b", "on purpose"]]);

async function planned() {
  const placement = placeIntegers(MODEL, ORT_X64, { keepFloat: KEPT });
  const open = (model: Model) => interpRuntime({ read: () => model }).load(new Uint8Array(0));
  const observations = await observeTensors(MODEL, placement.activations, [FEEDS], { open });
  return staticPlan(MODEL, ORT_X64, placement, observations);
}

function farthest(a: Tensor, b: Tensor): number {
  const other = toNumbers(b);
  return Math.max(...Array.from(toNumbers(a), (v, i) => Math.abs(v - (other[i] as number))));
}

test("A node that a plan keeps in float computes in float on ONNX Runtime too, which would quantize its weights by itself", async () => {
  const plan = await planned();
  const held = applyPlan(MODEL, plan);
  const free = applyPlan(MODEL, plan, { holdFloat: false });
  const wanted = interpret(held.graph, FEEDS).get("y") as Tensor;
  expect(interpret(free.graph, FEEDS).get("y")).toEqual(wanted);
  const runtime = await ortNodeRuntime({ worker: false });
  const run = async (model: Model): Promise<Tensor> => {
    const session = await runtime.load(modelToOnnx(model), { threads: 1 });
    try {
      return (await session.run(FEEDS)).get("y") as Tensor;
    } finally {
      await session.close();
    }
  };
  const step = plan.tensors.get("y")?.scale[0] as number;
  expect(farthest(await run(held), wanted)).toBeLessThan(1.5 * step);
  // Should this fail, ONNX Runtime has stopped doing so, and holdFloat is needed no more.
  expect(farthest(await run(free), wanted)).toBeGreaterThan(3 * step);
  expect((await checkFusion(modelToOnnx(held), ORT_X64)).coverage["Conv"]).toEqual({ integer: 2, float: 1 });
  expect((await checkFusion(modelToOnnx(free), ORT_X64)).coverage["Conv"]).toEqual({ integer: 3, float: 0 });
});

test("A held value is read through a pair of its own, and the file is taken apart like any other", async () => {
  const plan = await planned();
  const held = applyPlan(MODEL, plan);
  const sources = held.graph.nodes.filter((n) => n.op === "DequantizeLinear" && n.inputs[0] === "a_quantized");
  expect(sources.map((n) => held.graph.constants.get(n.inputs[1] as string)?.shape).sort()).toEqual([[], [4]]);
  const { model, plan: lifted, left } = liftQuantized(modelFromOnnx(modelToOnnx(held)));
  expect(left).toEqual([]);
  expect([...lifted.tensors.keys()].sort()).toEqual([...plan.tensors.keys()].sort());
  expect(lifted.tensors.get("a")?.scale).toHaveLength(1);
  const y = interpret(applyPlan(model, lifted).graph, FEEDS).get("y") as Tensor;
  expect(farthest(y, interpret(held.graph, FEEDS).get("y") as Tensor)).toBeLessThan(1e-5);
});
