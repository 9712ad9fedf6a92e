import { fail } from "../base/error.ts";
import type { Model } from "../graph/model.ts";
import { attrInt } from "../graph/node.ts";
import type { CalibrationEvidence, Encoding, QuantPlan } from "../graph/plan.ts";
import { scaleChannels } from "../graph/quantize-channels.ts";
import { toNumbers } from "../graph/tensor.ts";
import { biasType, withScheme } from "../targets/scheme.ts";
import type { Target } from "../targets/target.ts";
import { activationGrids } from "./activation-grids.ts";
import { type WeightMethod, weightEncoding } from "./encoding.ts";
import type { Observations } from "./observe.ts";
import type { Placement, WeightPlace } from "./placement.ts";
import { RANGE_DEFAULTS, type RangeChoice, type RangeOptions } from "./range.ts";

/** Options of {@link staticPlan}. */
export interface StaticPlanOptions {
  readonly range?: Pick<RangeOptions, "method" | "percentile">;
  /** Range of single tensors, by name: a method, a percentile of their own, or the very range. */
  readonly rangeOf?: ReadonlyMap<string, RangeChoice>;
  readonly perChannel?: boolean;
  /** How weight scales are found. */
  readonly weights?: WeightMethod;
  /** Bits of weights: 4 use the integers -7 to 7 of an int8, so that the same kernels run them (a stress, and a preview of int4 storage). */
  readonly weightBits?: 8 | 4;
  /** Use 7-bit weights; the caller decides from the target's rule and the processor. */
  readonly reducedRange?: boolean;
  readonly evidence?: CalibrationEvidence;
  /** Channels that are scaled before quantization, see {@link equalizingScales}; placement and observations are those of the scaled model. */
  readonly channelScales?: ReadonlyMap<string, readonly number[]>;
}

/** Defaults of {@link StaticPlanOptions}. */
export const STATIC_PLAN_DEFAULTS = {
  range: { method: "mse", percentile: RANGE_DEFAULTS.percentile },
  perChannel: true,
  weights: "max",
  weightBits: 8,
  reducedRange: false,
} as const satisfies StaticPlanOptions;

/** Largest magnitude that a bias may have in its type: the accumulator needs room beside it. 16-bit kernels bring sums of int64 down to int32. */
const BIAS_ROOM = { int32: 2 ** 30, int64: 2 ** 46 } as const;

/**
 * Turns a placement and what calibration saw into encodings: activations by the chosen range method, weights symmetric per channel, and biases as
 * int32 at exactly float32(input scale * weight scale), the one form that runtimes fuse.
 *
 * Default range method: the least squared error. On a MobileFaceNet with equalized channels (half of the calibration images held out) its cosine to
 * FP32 was 0.9974, as with percentile 99.999, which has a knob; min-max kept less, and entropy lost everywhere (0.943 without equalization).
 * Weights keep their largest magnitude: their own squared error was less with shrunk scales, but that of the network was not.
 *
 * @param source - the float model, before channels are scaled
 * @throws PLAN_INVALID when a tensor of the placement was not observed
 */
export function staticPlan(
  source: Model,
  target: Target,
  placement: Placement,
  observations: Observations,
  options: StaticPlanOptions = {},
): QuantPlan {
  const model = scaleChannels(source, options.channelScales ?? new Map());
  const tensors = activationGrids(model, target, placement, observations, {
    range: { ...STATIC_PLAN_DEFAULTS.range, ...options.range },
    ...(options.rangeOf === undefined ? {} : { rangeOf: options.rangeOf }),
  });
  const wideTarget = placement.wide === undefined ? target : withScheme(target, "int16x8");
  for (const place of placement.weights) {
    const own = placement.wide?.has(place.input) ? wideTarget : target;
    placeWeight(model, own, place, tensors, options);
  }
  return {
    kind: "quant-plan",
    version: 1,
    target: target.id,
    tensors,
    nodes: placement.choices,
    ...(options.channelScales === undefined || options.channelScales.size === 0 ? {} : { channelScales: options.channelScales }),
    ...(options.evidence === undefined ? {} : { calibration: options.evidence }),
  };
}

function placeWeight(
  model: Model,
  target: Target,
  place: WeightPlace,
  tensors: Map<string, Encoding>,
  options: StaticPlanOptions,
): void {
  const weight = model.graph.constants.get(place.weight);
  const input = tensors.get(place.input);
  if (weight === undefined || input === undefined)
    throw fail("PLAN_INVALID", `Cannot encode the weight of ${place.node}: it or its input has no encoding`);
  const { perChannel, weights, weightBits, reducedRange } = { ...STATIC_PLAN_DEFAULTS, ...options };
  const axis = perChannel ? channelAxis(model, target, place) : undefined;
  const limit = weightBits === 4 ? 7 : reducedRange ? 64 : 127;
  const bits =
    weightBits === 4 ? ", 4 bits (-7 to 7) stored as int8" : reducedRange ? ", 7 bits because sums would saturate" : "";
  const bias = place.bias === undefined ? undefined : model.graph.constants.get(place.bias);
  const inputScale = input.scale[0] as number;
  // A scale may not be so small that the bias overflows its 32 bits.
  const type = biasType(target);
  const floors = bias === undefined ? [] : Array.from(toNumbers(bias), (b) => Math.abs(b) / BIAS_ROOM[type] / inputScale);
  const encoding = weightEncoding(weight, {
    dtype: target.weights.dtype,
    method: weights,
    limit,
    ...(axis === undefined ? { atLeast: [Math.max(0, ...floors)] } : { axis, atLeast: floors }),
    reason: `${axis === undefined ? "one scale" : `scale per output channel (axis ${axis})`}, symmetric, ${weights === "mse" ? "least squared error" : "largest magnitude"}${bits}`,
  });
  tensors.set(place.weight, encoding);
  if (bias === undefined || place.bias === undefined) return;
  tensors.set(place.bias, {
    dtype: type,
    scale: encoding.scale.map((s) => Math.fround(s * inputScale)),
    zeroPoint: encoding.scale.map(() => 0),
    ...(axis === undefined ? {} : { axis: 0 }),
    reason: "float32(input scale * weight scale), the form that runtimes fuse",
  });
}

/** The axis along which a target gives a weight a scale for each channel. */
function channelAxis(model: Model, target: Target, place: WeightPlace): number | undefined {
  const { perChannelAxis } = target.weights;
  const axis = Object.hasOwn(perChannelAxis, place.op) ? perChannelAxis[place.op] : undefined;
  if (axis !== "columns") return axis;
  const node = model.graph.nodes.find((n) => n.name === place.node);
  const rank = model.graph.constants.get(place.weight)?.shape.length;
  // Columns of a matrix only: with more axes in front, or none at all, one scale serves.
  if (node === undefined || rank !== 2) return undefined;
  return attrInt(node, "transB", 0) === 0 ? 1 : 0;
}
