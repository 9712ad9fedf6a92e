import { openInterpreted } from "@tessera/testkit/interpreted";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import { type Model, tensorType } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import type { Feeds } from "../graph/runtime.ts";
import { f32 } from "../graph/tensor.ts";
import { interpret } from "../interp/run.ts";
import { inferTypes } from "../ops/infer-types.ts";
import { noisePicture, normDistance, normPlaces, PICTURE_NOISES } from "./synthetic.ts";

const size = { channels: 3, height: 32, width: 32 };

function moments(values: ArrayLike<number>): { readonly mean: number; readonly deviation: number } {
  const list = Array.from(values);
  const mean = list.reduce((a, b) => a + b, 0) / list.length;
  return { mean, deviation: Math.sqrt(list.reduce((a, b) => a + (b - mean) ** 2, 0) / list.length) };
}

/** Mean difference of neighbours against the deviation of all. */
function roughness(picture: Float32Array): number {
  let total = 0;
  for (let i = 1; i < picture.length; i++)
    total += Math.abs((picture[i] as number) - (picture[i - 1] as number)) / picture.length;
  return total / moments(picture).deviation;
}

describe("noise that stands for pictures", () => {
  test("has the brightness and contrast asked for, stays in range, and is the same for a seed", () => {
    const noise = { slope: 1, contrast: 0.15 };
    const picture = noisePicture(seededRandom(3), size, noise);
    expect(picture).toEqual(noisePicture(seededRandom(3), size, noise));
    expect(picture).not.toEqual(noisePicture(seededRandom(4), size, noise));
    expect(Math.min(...picture)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...picture)).toBeLessThanOrEqual(1);
    expect(moments(picture).mean).toBeCloseTo(0.45, 1);
    expect(moments(picture).deviation).toBeCloseTo(0.15, 1);
  });

  test("is smoother the steeper its spectrum falls", () => {
    const at = (slope: number): number => roughness(noisePicture(seededRandom(3), size, { slope, contrast: 0.2 }));
    expect(at(0)).toBeGreaterThan(1.2 * at(1));
    expect(at(1)).toBeGreaterThan(1.2 * at(1.5));
  });
});

describe("statistics that training left", () => {
  // A difference of neighbours before the normalisation: its variance tells how rough the pictures were.
  const graph = {
    name: "g",
    inputs: [{ name: "x", type: tensorType("float32", [1, 3, 32, 32]) }],
    outputs: [{ name: "y", type: tensorType("float32", undefined) }],
    nodes: [
      makeNode("Conv", { inputs: ["x", "w"], outputs: ["d"] }, { name: "conv" }),
      makeNode("BatchNormalization", { inputs: ["d", "s", "b", "m", "v"], outputs: ["y"] }, { name: "norm" }),
    ],
    constants: new Map([
      ["w", f32([2, 3, 1, 2], [1, -1, 1, -1, 1, -1, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3])],
      ["s", f32([2], [1, 1])],
      ["b", f32([2], [0, 0])],
      ["m", f32([2], [0, 0])],
      ["v", f32([2], [1, 1])],
    ]),
    types: new Map(),
  };
  const bare: Model = inferTypes({
    kind: "model",
    graph,
    domains: new Map(),
    metadata: new Map(),
    producer: { name: "", version: "" },
  });
  function* samples(noise: (typeof PICTURE_NOISES)[number], seed: number): Generator<Feeds> {
    const random = seededRandom(seed);
    for (let i = 0; i < 4; i++) yield new Map([["x", f32([1, 3, 32, 32], noisePicture(random, size, noise))]]);
  }

  test("are found at batch normalisations, and nowhere in a graph without", () => {
    expect(normPlaces(bare).map((p) => p.tensor)).toEqual(["d"]);
    expect(normPlaces({ ...bare, graph: { ...bare.graph, nodes: bare.graph.nodes.slice(0, 1) } })).toEqual([]);
  });

  test("tell the noise that they were taken from among others", async () => {
    for (const made of [PICTURE_NOISES[1], PICTURE_NOISES[8]] as (typeof PICTURE_NOISES)[number][]) {
      const seen = { sum: [0, 0], squares: [0, 0], count: 0 };
      for (const feeds of samples(made, 77)) {
        const d = interpret(bare.graph, feeds, { outputs: ["d"] }).get("d");
        const values = new Float32Array((d?.bytes ?? new Uint8Array(0)).slice().buffer);
        const inner = values.length / 2;
        values.forEach((v, i) => {
          const c = Math.floor(i / inner);
          seen.sum[c] = (seen.sum[c] as number) + v;
          seen.squares[c] = (seen.squares[c] as number) + v * v;
        });
        seen.count += inner;
      }
      const mean = seen.sum.map((s) => s / seen.count);
      const variance = seen.squares.map((s, c) => s / seen.count - (mean[c] as number) ** 2);
      const places = [{ tensor: "d", mean, variance }];
      const distances: number[] = [];
      for (const noise of PICTURE_NOISES)
        distances.push(await normDistance(bare, places, samples(noise, 5), { open: openInterpreted }));
      expect(PICTURE_NOISES[distances.indexOf(Math.min(...distances))]).toEqual(made);
      expect(await normDistance(bare, places, samples(made, 77), { open: openInterpreted })).toBeCloseTo(0, 5);
    }
  });
});
