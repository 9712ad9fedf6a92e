import { openInterpreted } from "@tessera/testkit/interpreted";
import { smallModel } from "@tessera/testkit/small-model";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import { type Model, type Node, tensorType } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import { channelPlaces, scaleChannels } from "../graph/quantize-channels.ts";
import type { Feeds } from "../graph/runtime.ts";
import { f32, type Tensor, toNumbers, view } from "../graph/tensor.ts";
import { interpret } from "../interp/run.ts";
import { LITERT } from "../targets/litert.ts";
import { ORT_X64 } from "../targets/ort.ts";
import { equalizablePlaces, equalizingScales } from "./equalize.ts";
import { exposeValues } from "./observe.ts";
import { observeLargest } from "./observe-largest.ts";

const random = seededRandom(3);
const noise = (shape: readonly number[], size = 1): Tensor =>
  f32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => size * random.normal()),
  );

/** Conv -> act -> depthwise -> act -> grouped, with channels of very different sizes. */
function network(activation: readonly Node[], constants: Readonly<Record<string, Tensor>> = {}): Model {
  const weight = toNumbers(noise([6, 2, 1, 1]));
  for (let i = 0; i < weight.length; i++) weight[i] = (weight[i] as number) * 4 ** -Math.floor(i / 2);
  const nodes = [
    makeNode("Conv", { inputs: ["x", "w1", "b1"], outputs: ["a"] }, { name: "first" }),
    ...activation,
    makeNode(
      "Conv",
      { inputs: ["h", "w2"], outputs: ["d"] },
      { name: "depthwise", attributes: { group: 6, pads: [1, 1, 1, 1] } },
    ),
    makeNode("Relu", { inputs: ["d"], outputs: ["e"] }, { name: "relu" }),
    makeNode("Conv", { inputs: ["e", "w3"], outputs: ["y"] }, { name: "grouped", attributes: { group: 2 } }),
  ];
  return smallModel({
    x: [2, 2, 5, 5],
    nodes,
    constants: Object.fromEntries(
      new Map(
        Object.entries({
          w1: f32([6, 2, 1, 1], Array.from(weight)),
          b1: noise([6], 0.01),
          w2: noise([6, 1, 3, 3]),
          w3: noise([4, 3, 1, 1]),
          ...constants,
        }),
      ),
    ),
  });
}

const relu = network([makeNode("Relu", { inputs: ["a"], outputs: ["h"] }, { name: "act" })]);
const clip = network([makeNode("Clip", { inputs: ["a", "lo", "hi"], outputs: ["h"] }, { name: "act" })], {
  lo: f32([], [0]),
  hi: f32([], [2]),
});
/** Slopes of every sign and size, one a channel. */
const prelu = network([makeNode("PRelu", { inputs: ["a", "s"], outputs: ["h"] }, { name: "act" })], {
  s: f32([6, 1, 1], [0.25, -0.5, 0, 1.5, -2, 1]),
});
const samples: readonly Feeds[] = Array.from({ length: 5 }, () => new Map([["x", noise([2, 2, 5, 5])]]));

async function scalesOf(model: Model, options = {}): Promise<ReadonlyMap<string, readonly number[]>> {
  const places = channelPlaces(model, { slopes: true });
  return equalizingScales(model, await observeLargest(model, places, samples, { open: openInterpreted }), options);
}

async function values(model: Model, name: string): Promise<number[]> {
  const exposed = exposeValues(model, [name]);
  return samples.flatMap((feeds) => Array.from(view(interpret(exposed.graph, feeds).get(name) as Tensor, "float32")));
}

describe("equalizing channels", () => {
  test("finds values between convolutions only", () => {
    expect(channelPlaces(relu).map((p) => [p.tensor, p.channels, p.bound])).toEqual([
      ["h", 6, undefined],
      ["e", 6, undefined],
    ]);
    expect(channelPlaces(clip)[0]?.bound).toBe(2);
    const lifted = network([makeNode("Clip", { inputs: ["a", "lo", "hi"], outputs: ["h"] }, { name: "act" })], {
      lo: f32([], [-1]),
      hi: f32([], [2]),
    });
    expect(channelPlaces(lifted).map((p) => p.tensor)).toEqual(["e"]);
    const output = {
      ...relu,
      graph: { ...relu.graph, outputs: [...relu.graph.outputs, { name: "h", type: tensorType("float32", undefined) }] },
    };
    expect(channelPlaces(output).map((p) => p.tensor)).toEqual(["e"]);
  });

  test("sees the largest magnitude of each channel over all samples and pictures of a batch", async () => {
    const largest = await observeLargest(relu, [{ tensor: "h", channels: 6 }], samples, { open: openInterpreted });
    const seen = new Array<number>(6).fill(0);
    (await values(relu, "h")).forEach((v, i) => {
      const c = Math.floor((i % 300) / 25) % 6;
      seen[c] = Math.max(seen[c] as number, Math.abs(v));
    });
    expect([...(largest.get("h") as Float64Array)]).toEqual(seen);
  });

  for (const [what, model] of Object.entries({ relu, clip, prelu })) {
    test(`leaves what the network computes as it is (${what}), and fills the range with each channel`, async () => {
      const scales = await scalesOf(model, { strength: 1, limit: 1e6, headroom: 1 });
      const scaled = scaleChannels(model, scales);
      expect([...scales.keys()]).toEqual(["h", "e"]);
      const [before, after] = [await values(model, "y"), await values(scaled, "y")];
      const size = Math.max(...before.map(Math.abs));
      before.forEach((v, i) => {
        expect(Math.abs(v - (after[i] as number))).toBeLessThan(2e-6 * size);
      });
      const largest = await observeLargest(scaled, channelPlaces(scaled, { slopes: true }), samples, { open: openInterpreted });
      // Of the two values around a slope, each channel fills the range of one, and overruns that of neither.
      const filled = ["h", ...(largest.has("a") ? ["a"] : [])].map((name) => {
        const seen = [...(largest.get(name) as Float64Array)];
        // A channel that is always zero fills nothing, and needs nothing.
        return seen.map((v) => (v === 0 ? 1 : v / Math.max(...seen)));
      });
      for (let c = 0; c < 6; c++) expect(Math.max(...filled.map((f) => f[c] as number))).toBeGreaterThan(0.9999);
    });
  }

  test("looks behind slopes only for targets that compute them in integers", () => {
    expect(equalizablePlaces(prelu, ORT_X64).map((p) => [p.tensor, p.before])).toEqual([["e", undefined]]);
    expect(equalizablePlaces(prelu, LITERT).map((p) => [p.tensor, p.before])).toEqual([
      ["h", "a"],
      ["e", undefined],
    ]);
    expect(equalizablePlaces(relu, LITERT)).toEqual(equalizablePlaces(relu, ORT_X64));
  });

  test("by default touches only what depthwise convolutions read, within its limit, and never shrinks a channel", async () => {
    const scales = await scalesOf(relu);
    expect([...scales.keys()]).toEqual(["h"]);
    for (const f of scales.get("h") ?? []) {
      expect(f).toBeGreaterThanOrEqual(1);
      expect(f).toBeLessThanOrEqual(32);
    }
  });

  test("keeps its headroom under a Clip", async () => {
    const scales = await scalesOf(clip, { headroom: 2 });
    const largest = await observeLargest(clip, channelPlaces(clip), samples, { open: openInterpreted });
    scales.get("h")?.forEach((f, c) => {
      const seen = largest.get("h")?.[c] as number;
      if (f > 1) expect(f * seen).toBeLessThanOrEqual(1.0001);
    });
  });

  test("is refused where it would change results", () => {
    const code = expect.objectContaining({ code: "PLAN_INVALID" });
    for (const [tensor, factors] of [
      ["a", [1, 1, 1, 1, 1, 1]],
      ["y", [1, 1, 1, 1]],
      ["nowhere", [1]],
      ["h", [1, 1]],
      ["h", [1, 1, 1, 1, 1, 0]],
      ["h", [1, 1, 1, 1, 1, Number.NaN]],
    ] as const)
      expect(() => scaleChannels(relu, new Map([[tensor, [...factors]]]))).toThrowError(code);
  });
});
