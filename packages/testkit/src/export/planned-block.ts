import { seededRandom } from "@tessera/core/base/random";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import type { Feeds } from "@tessera/core/graph/runtime";
import { countOf, f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { interpret } from "@tessera/core/interp/run";
import { createHistogram, observe } from "@tessera/core/quant/histogram";
import { placeIntegers } from "@tessera/core/quant/placement";
import { staticPlan } from "@tessera/core/quant/static-plan";
import type { Target } from "@tessera/core/targets/target";
import { smallModel, smallNode } from "../small-model.ts";

const random = seededRandom(44);

/** Normal numbers, the same in every run. */
export function noise(...shape: number[]): Tensor {
  return f32(
    shape,
    Array.from({ length: countOf(shape) }, () => random.normal()),
  );
}

/** Two pointwise convolutions around a depthwise one with a bound at 6, the input's convolution added, and a Relu6: a block of a face network. */
export const BLOCK: Model = smallModel({
  x: [1, 4, 6, 6],
  nodes: [
    smallNode("Conv", "x w0 b0", "stem", { kernel_shape: [1, 1] }),
    smallNode("Relu", "stem", "start"),
    smallNode("Conv", "start w1 b1", "wide", { kernel_shape: [1, 1] }),
    smallNode("Clip", "wide zero six", "bounded"),
    smallNode("Conv", "bounded w2 b2", "deep", { kernel_shape: [3, 3], group: 8, pads: [1, 1, 1, 1] }),
    smallNode("Relu", "deep", "kept"),
    smallNode("Conv", "kept w3 b3", "narrow", { kernel_shape: [1, 1] }),
    smallNode("Add", "narrow start", "y"),
  ],
  constants: {
    w0: noise(4, 4, 1, 1),
    b0: noise(4),
    w1: noise(8, 4, 1, 1),
    b1: noise(8),
    w2: noise(8, 1, 3, 3),
    b2: noise(8),
    w3: noise(4, 8, 1, 1),
    b3: noise(4),
    zero: f32([], [0]),
    six: f32([], [6]),
  },
});

/** Inputs of {@link BLOCK}. */
export const BLOCK_FEEDS: readonly Feeds[] = Array.from({ length: 6 }, () => new Map([["x", noise(1, 4, 6, 6)]]));

/** A plan by a target's rules, calibrated on {@link BLOCK_FEEDS} or other inputs. */
export function plannedFor(model: Model, target: Target, feeds: readonly Feeds[] = BLOCK_FEEDS): QuantPlan {
  const placement = placeIntegers(model, target);
  const histograms = new Map(placement.activations.map((name) => [name, createHistogram()] as const));
  for (const fed of feeds) {
    const inner = placement.activations.filter((name) => !fed.has(name));
    const values = new Map([...fed, ...interpret(model.graph, fed, { outputs: inner })]);
    for (const [name, histogram] of histograms) observe(histogram, Float32Array.from(toNumbers(values.get(name) as Tensor)));
  }
  return staticPlan(model, target, placement, { samples: feeds.length, histograms }, { range: { method: "min-max" } });
}
