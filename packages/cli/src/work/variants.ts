import type { Model } from "@tessera/core/graph/model";
import type { CalibrationEvidence, QuantPlan } from "@tessera/core/graph/plan";
import type { Candidate } from "@tessera/core/protocol/report";
import { planFromJson, planToJson } from "@tessera/core/quant/plan-json";
import type { RangeMethod } from "@tessera/core/quant/range";
import { staticPlan } from "@tessera/core/quant/static-plan";
import { type SchemeName, schemeOf } from "@tessera/core/targets/scheme";
import type { Target } from "@tessera/core/targets/target";
import type { Calibrated } from "./calibrate.ts";
import type { Border, VariantWriter } from "./variant-writer.ts";

/** A model variant, built and ready to be judged. */
export interface Variant {
  readonly id: string;
  readonly says: string;
  readonly scheme: Candidate["scheme"];
  readonly format: Target["format"];
  readonly bytes: Uint8Array;
  readonly plan?: QuantPlan;
  /** Its place among the points of the search, see Candidate. */
  readonly searched?: "plain" | number;
  readonly notes: readonly string[];
}

/** The float model as it is. */
export function floatVariant(model: Model, says: string, writer: VariantWriter): Variant {
  return { id: "fp32", says, scheme: "float32", format: writer.format, ...writer.float(model) };
}

/** Weights stored as float16. */
export function halfVariant(model: Model, writer: VariantWriter): Variant {
  return { id: "fp16", says: "FP16 weights", scheme: "float16", format: writer.format, ...writer.half(model) };
}

/** Weights stored as int8, computed in float; `undefined` where the format has no such thing. */
export function weightOnlyVariant(model: Model, writer: VariantWriter): Variant | undefined {
  const written = writer.weightOnly?.(model);
  if (written === undefined) return undefined;
  return { id: "int8-weights", says: "INT8 weights only", scheme: "weight-only-int8", format: writer.format, ...written };
}

/** Integer products with ranges taken at run time. */
export function dynamicVariant(model: Model, writer: VariantWriter): Variant {
  return { id: "int8-dynamic", says: "INT8 dynamic", scheme: "dynamic-int8", format: writer.format, ...writer.dynamic(model) };
}

const STATIC_SCHEMES = {
  int8: { id: "int8", says: "INT8 static", scheme: "static-int8" },
  int16x8: { id: "int16x8", says: "INT16x8 static", scheme: "static-int16x8" },
} as const satisfies Readonly<Record<SchemeName, Pick<Variant, "id" | "says" | "scheme">>>;

/** Calibrated integers under the target's rules. */
export function staticVariant(
  calibrated: Calibrated,
  target: Target,
  options: {
    readonly method: RangeMethod;
    readonly percentile?: number;
    readonly reducedRange: boolean;
    readonly writer: VariantWriter;
    /** Of the file's inputs and outputs; floats unless given. */
    readonly border?: Border;
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
  const variant = plannedVariant({ model, plan: made, target, writer: options.writer, border: options.border ?? "float" });
  return {
    ...variant,
    id: `${variant.id}-${method}`,
    says: `${variant.says}, ${method} ranges`,
    notes: [
      ...variant.notes,
      ...(reducedRange ? ["weights use 7 bits: this processor has no VNNI, and 16-bit sums would saturate"] : []),
    ],
  };
}

/** A plan written for its target. */
export function plannedVariant(options: {
  readonly model: Model;
  readonly plan: QuantPlan;
  readonly target: Target;
  readonly writer: VariantWriter;
  readonly border?: Border;
}): Variant {
  const { model, target, writer } = options;
  // The plan as its file will say it, order of entries included: whoever applies that file gets these very bytes.
  const plan = planFromJson(planToJson(options.plan));
  const integer = [...plan.nodes.values()].filter((c) => c.precision !== "float32").length;
  const notes = [`${integer} of ${plan.nodes.size} nodes in integers by the rules of ${target.id}`];
  const scaled = plan.channelScales?.size ?? 0;
  if (scaled > 0) notes.push(`${scaled} values had their channels equalized before depthwise convolutions`);
  const written = writer.planned(model, plan, options.border ?? "float");
  const { id, says, scheme } = STATIC_SCHEMES[schemeOf(target)];
  return { id, says, scheme, format: writer.format, bytes: written.bytes, plan, notes: [...notes, ...written.notes] };
}
