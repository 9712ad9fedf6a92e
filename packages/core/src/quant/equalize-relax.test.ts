import { openInterpreted } from "@tessera/testkit/interpreted";
import { smallModel } from "@tessera/testkit/small-model";
import { describe, expect, test } from "vitest";
import type { Model } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import type { Feeds } from "../graph/runtime.ts";
import { f32, type Tensor, toNumbers } from "../graph/tensor.ts";
import { interpret } from "../interp/run.ts";
import { equalizingScales } from "./equalize.ts";
import { boundedPlaces, observeSaturation, relaxClips } from "./equalize-relax.ts";
import { observeLargest } from "./observe-largest.ts";

const conv = (name: string, inputs: readonly string[], output: string, group = 1) =>
  makeNode("Conv", { inputs: [...inputs], outputs: [output] }, { name, attributes: { group } });

/** Two values behind ReLU6: the first passes x on as it is, the second a tenth of it. */
const model: Model = smallModel({
  x: [1, 2, 1, 2],
  nodes: [
    conv("one", ["x", "w1"], "a"),
    makeNode("Clip", { inputs: ["a", "zero", "six"], outputs: ["h"] }, { name: "clip1" }),
    conv("two", ["h", "w2"], "b", 2),
    makeNode("Clip", { inputs: ["b", "zero", "six"], outputs: ["k"] }, { name: "clip2" }),
    conv("three", ["k", "w3"], "y", 2),
  ],
  constants: Object.fromEntries(
    new Map(
      Object.entries({
        w1: f32([2, 2, 1, 1], [1, 0, 0, 1]),
        w2: f32([2, 1, 1, 1], [0.1, 0.1]),
        w3: f32([2, 1, 1, 1], [1, 1]),
        zero: f32([], [0]),
        six: f32([], [6]),
      }),
    ),
  ),
});
const samples: readonly Feeds[] = [
  new Map([["x", f32([1, 2, 1, 2], [7, 2, 6, -1])]]),
  new Map([["x", f32([1, 2, 1, 2], [1, 2, 3, 5.9])]]),
];

describe("a ReLU6 that is relaxed", () => {
  test("is counted by the share of values at its bound", async () => {
    expect(boundedPlaces(model)).toEqual([
      { tensor: "h", bound: 6 },
      { tensor: "k", bound: 6 },
    ]);
    expect([...(await observeSaturation(model, samples, { open: openInterpreted }))]).toEqual([
      ["h", 2 / 8],
      ["k", 0],
    ]);
  });

  test("becomes a Relu where it saturated no more than allowed, and nowhere else", async () => {
    const saturation = await observeSaturation(model, samples, { open: openInterpreted });
    const never = relaxClips(model, saturation);
    expect([...never.relaxed]).toEqual([["k", 0]]);
    expect(never.model.graph.nodes.map((n) => n.op)).toEqual(["Conv", "Clip", "Conv", "Relu", "Conv"]);
    const often = relaxClips(model, saturation, { atMost: 0.25 });
    expect([...often.relaxed]).toEqual([
      ["h", 0.25],
      ["k", 0],
    ]);
    expect(relaxClips(model, new Map())).toEqual({ model, relaxed: new Map() });
  });

  test("computes the same on values that never reach its bound, and lets larger ones through", async () => {
    const { model: changed } = relaxClips(model, new Map([["h", 0]]));
    const run = (m: Model, x: readonly number[]): number[] => [
      ...toNumbers(interpret(m.graph, new Map([["x", f32([1, 2, 1, 2], [...x])]])).get("y") as Tensor),
    ];
    expect(run(changed, [1, 2, -3, 5.9])).toEqual(run(model, [1, 2, -3, 5.9]));
    expect(run(model, [12, 0, 0, 0])[0]).toBeCloseTo(0.6, 6);
    expect(run(changed, [12, 0, 0, 0])[0]).toBeCloseTo(1.2, 6);
  });

  test("lets channels be brought to one range that had to stay below the bound before", async () => {
    const largest = async (of: Model) =>
      observeLargest(of, [{ tensor: "h", channels: 2 }], samples.slice(1), { open: openInterpreted });
    const before = equalizingScales(model, await largest(model));
    const { model: changed } = relaxClips(model, new Map([["h", 0]]));
    const after = equalizingScales(changed, await largest(changed));
    // The largest value of the first channel is 2, of the second 5.9: under the bound 6 / 2 / 1.5, without it 5.9 / 2.
    expect(before.get("h")?.[0]).toBeCloseTo(2, 5);
    expect(after.get("h")?.[0]).toBeCloseTo(2.95, 5);
  });
});
