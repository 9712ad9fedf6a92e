import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import type { CalibrationEvidence, QuantPlan } from "@tessera/core/graph/plan";
import { channelPlaces, scaleChannels } from "@tessera/core/graph/quantize-channels";
import type { Feeds, Session } from "@tessera/core/graph/runtime";
import { inferTypes } from "@tessera/core/ops/infer-types";
import type { Candidate } from "@tessera/core/protocol/report";
import { quantizeDynamic } from "@tessera/core/quant/dynamic";
import { equalizingScales } from "@tessera/core/quant/equalize";
import { storeHalf } from "@tessera/core/quant/half-storage";
import { type Observations, observeLargest, observeTensors } from "@tessera/core/quant/observe";
import { type Placement, placeIntegers, unshareWeights } from "@tessera/core/quant/placement";
import { planFromJson, planToJson } from "@tessera/core/quant/plan-json";
import type { RangeMethod } from "@tessera/core/quant/range";
import { staticPlan } from "@tessera/core/quant/static-plan";
import { quantizeWeights } from "@tessera/core/quant/weight-only";
import type { Target } from "@tessera/core/targets/target";

/** A model variant, built and ready to be judged. */
export interface Variant {
  readonly id: string;
  readonly says: string;
  readonly scheme: Candidate["scheme"];
  readonly bytes: Uint8Array;
  readonly plan?: QuantPlan;
  readonly notes: readonly string[];
}

/** A float model made ready for static quantization, and what calibration saw. */
export interface Calibrated {
  readonly model: Model;
  /** Channels that are brought to one range before quantization; placement and observations are those of the scaled model. */
  readonly channelScales: ReadonlyMap<string, readonly number[]>;
  readonly placement: Placement;
  readonly observations: Observations;
}

/**
 * Runs calibration samples through the model twice: for the range of each channel, which is then equalized, and for every tensor that the target's
 * rules make integer.
 */
export async function calibrate(
  model: Model,
  target: Target,
  options: {
    readonly open: (bytes: Uint8Array) => Promise<Session>;
    /** The samples, from the first each time. */
    readonly samples: () => Iterable<Feeds>;
    readonly keepFloat?: ReadonlyMap<string, string>;
    readonly onSample?: (done: number) => void;
    readonly signal?: AbortSignal;
  },
): Promise<Calibrated> {
  const ready = unshareWeights(inferTypes(model), target);
  const observing = {
    open: (exposed: Model) => options.open(modelToOnnx(exposed)),
    ...(options.onSample === undefined ? {} : { onSample: options.onSample }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  const places = channelPlaces(ready);
  const channelScales: ReadonlyMap<string, readonly number[]> =
    places.length === 0 ? new Map() : equalizingScales(ready, await observeLargest(ready, places, options.samples(), observing));
  const scaled = scaleChannels(ready, channelScales);
  const placement = placeIntegers(scaled, target, options.keepFloat === undefined ? {} : { keepFloat: options.keepFloat });
  const observations = await observeTensors(scaled, placement.activations, options.samples(), observing);
  return { model: ready, channelScales, placement, observations };
}

/** The float model as it is. */
export function floatVariant(model: Model, says: string): Variant {
  return { id: "fp32", says, scheme: "float32", bytes: modelToOnnx(model), notes: [] };
}

/** Weights stored as float16. */
export function halfVariant(model: Model): Variant {
  const { model: half, report } = storeHalf(model);
  const notes = [`${report.stored} weights stored as float16, computed in float32`];
  if (report.kept.length > 0) notes.push(`${report.kept.length} weights left in float32: values beyond 65,504`);
  if (report.underflowed > 0) notes.push(`${report.underflowed} weights below float16's smallest number became zero`);
  return { id: "fp16", says: "FP16 weights", scheme: "float16", bytes: modelToOnnx(half), notes };
}

/** Weights stored as int8, computed in float. */
export function weightOnlyVariant(model: Model): Variant {
  const { model: stored, report } = quantizeWeights(model);
  return {
    id: "int8-weights",
    says: "INT8 weights only",
    scheme: "weight-only-int8",
    bytes: modelToOnnx(stored),
    notes: [`${report.quantized.length} layers store int8 weights`],
  };
}

/** Integer products with ranges taken at run time. */
export function dynamicVariant(model: Model): Variant {
  const { model: dynamic, report } = quantizeDynamic(model);
  const notes = [`${report.quantized.length} layers multiply in integers, ranges taken at run time, no calibration`];
  if (report.left.length > 0) notes.push(`${report.left.length} layers left in float: ${report.left[0]?.why ?? ""}`);
  return { id: "int8-dynamic", says: "INT8 dynamic", scheme: "dynamic-int8", bytes: modelToOnnx(dynamic), notes };
}

/** Calibrated integers under the target's rules. */
export function staticVariant(
  calibrated: Calibrated,
  target: Target,
  options: {
    readonly method: RangeMethod;
    readonly percentile?: number;
    readonly reducedRange: boolean;
    readonly evidence: Omit<CalibrationEvidence, "method">;
  },
): Variant {
  const { model, channelScales, placement, observations } = calibrated;
  const { method, percentile, reducedRange } = options;
  const made = staticPlan(model, target, placement, observations, {
    range: { method, ...(percentile === undefined ? {} : { percentile }) },
    reducedRange,
    evidence: { ...options.evidence, method },
    channelScales,
  });
  // The plan as its file will say it, order of entries included: whoever applies that file gets these very bytes.
  const plan = planFromJson(planToJson(made));
  const integer = [...plan.nodes.values()].filter((c) => c.precision === "int8").length;
  const notes = [`${integer} of ${plan.nodes.size} nodes in integers by the rules of ${target.id}`];
  if (channelScales.size > 0)
    notes.push(`${channelScales.size} values had their channels equalized before depthwise convolutions`);
  if (reducedRange) notes.push("weights use 7 bits: this processor has no VNNI, and 16-bit sums would saturate");
  return {
    id: `int8-${method}`,
    says: `INT8 static, ${method} ranges`,
    scheme: "static-int8",
    bytes: modelToOnnx(applyPlan(model, plan)),
    plan,
    notes,
  };
}
