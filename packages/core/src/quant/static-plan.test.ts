import { openInterpreted } from "@tessera/testkit/interpreted";
import { smallModel } from "@tessera/testkit/small-model";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import type { Model } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import type { Encoding } from "../graph/plan.ts";
import { encodedRange, quantizeTensor } from "../graph/quantize.ts";
import type { Feeds } from "../graph/runtime.ts";
import { f32, type Tensor, toNumbers } from "../graph/tensor.ts";
import { LITERT } from "../targets/litert.ts";
import { ORT_X64 } from "../targets/ort.ts";
import { observeTensors } from "./observe.ts";
import { placeIntegers } from "./placement.ts";
import type { RangeChoice } from "./range.ts";
import { staticPlan } from "./static-plan.ts";

const random = seededRandom(4);
const noise = (shape: readonly number[]): Tensor =>
  f32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()),
  );
const model: Model = smallModel({
  x: [1, 2, 4, 4],
  nodes: [
    makeNode("Conv", { inputs: ["x", "w1", "b1"], outputs: ["a"] }, { name: "one" }),
    makeNode("Conv", { inputs: ["x", "w2"], outputs: ["b"] }, { name: "two" }),
    makeNode("Concat", { inputs: ["a", "b"], outputs: ["y"] }, { name: "join", attributes: { axis: 1 } }),
  ],
  constants: { w1: noise([3, 2, 1, 1]), b1: noise([3]), w2: noise([4, 2, 1, 1]) },
});
const samples: readonly Feeds[] = Array.from({ length: 8 }, () => new Map([["x", noise([1, 2, 4, 4])]]));

async function planFor(target: typeof ORT_X64, options: Parameters<typeof staticPlan>[4]) {
  const placement = placeIntegers(model, target);
  return staticPlan(
    model,
    target,
    placement,
    await observeTensors(model, placement.activations, samples, { open: openInterpreted }),
    options,
  );
}

describe("a static plan", () => {
  test("takes the range of a tensor as it is given, and says so", async () => {
    const rangeOf = new Map<string, RangeChoice>([
      ["x", { min: -1, max: 1.5 }],
      ["a", { percentile: 90 }],
      ["b", "min-max"],
    ]);
    const { tensors } = await planFor(ORT_X64, { rangeOf });
    const { min, max } = encodedRange(tensors.get("x") as Encoding);
    // Right to half a step: zero lies on a level.
    expect(min).toBeCloseTo(-1, 2);
    expect(max).toBeCloseTo(1.5, 2);
    expect(tensors.get("x")?.reason).toMatch(/^given over 8 samples: \[-1, 1.5\] of /);
    expect(tensors.get("a")?.reason).toMatch(/^percentile 90 over/);
    expect(tensors.get("b")?.reason).toMatch(/^min-max over/);
    expect(tensors.get("y")?.reason).toMatch(/^mse over/);
  });

  test("gives a group of tensors the range chosen for any of them", async () => {
    const { tensors } = await planFor(LITERT, { rangeOf: new Map<string, RangeChoice>([["b", { min: -8, max: 8 }]]) });
    for (const name of ["a", "b"]) {
      expect(encodedRange(tensors.get(name) as Encoding).max).toBeCloseTo(8, 1);
    }
    expect(tensors.get("a")?.scale).toEqual(tensors.get("b")?.scale);
  });

  test("keeps weights of four bits within -7 to 7 of an int8, per channel, and says so", async () => {
    for (const reducedRange of [false, true]) {
      const { tensors } = await planFor(ORT_X64, { weightBits: 4, reducedRange });
      const encoding = tensors.get("w1") as Encoding;
      expect(encoding).toMatchObject({ dtype: "int8", range: [-7, 7], axis: 0 });
      expect(encoding.reason).toContain("4 bits (-7 to 7) stored as int8");
      const integers = toNumbers(quantizeTensor(model.graph.constants.get("w1") as Tensor, encoding));
      expect(integers.reduce((a, b) => Math.max(a, Math.abs(b)), 0)).toBe(7);
      expect(tensors.get("b1")?.scale).toEqual(
        encoding.scale.map((s) => Math.fround(s * ((tensors.get("x") as Encoding).scale[0] as number))),
      );
    }
  });
});
