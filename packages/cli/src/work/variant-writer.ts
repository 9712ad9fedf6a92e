import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { modelToTflite } from "@tessera/core/convert/tflite/bytes";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { type PlanBorders, planBorders } from "@tessera/core/graph/plan-borders";
import { plannedModel } from "@tessera/core/graph/planned";
import { quantizeDynamic } from "@tessera/core/quant/dynamic";
import { storeHalf } from "@tessera/core/quant/half-storage";
import { quantizeWeights } from "@tessera/core/quant/weight-only";
import { assertPlan } from "@tessera/core/targets/check-plan";
import { targetById } from "@tessera/core/targets/table";
import type { Target } from "@tessera/core/targets/target";

/** The bytes of a variant, and what there is to say of them. */
export interface Written {
  readonly bytes: Uint8Array;
  readonly notes: readonly string[];
  /** Of a plan: where floats and integers meet. */
  readonly borders?: PlanBorders;
}

/** Whether the values at a file's border are floats, or the integers that the network computes in. */
export type Border = "float" | "integer";

/** How variants become files of a format. */
export interface VariantWriter {
  readonly format: Target["format"];
  readonly float: (model: Model) => Written;
  /** Weights stored as float16. */
  readonly half: (model: Model) => Written;
  /** Weights stored as int8, computed in float; absent where a format's runtimes have no such thing apart from `dynamic`. */
  readonly weightOnly?: (model: Model) => Written;
  /** int8 weights, ranges of the rest taken at run time. */
  readonly dynamic: (model: Model) => Written;
  /** Integers by a plan. */
  readonly planned: (model: Model, plan: QuantPlan, border: Border) => Written;
}

/** Holds a plan against its target's kernels before it is written, and says where it changes between floats and integers. @throws PLAN_INVALID */
function checkedPlan(model: Model, plan: QuantPlan): { readonly borders: PlanBorders; readonly notes: readonly string[] } {
  const network = plannedModel(model, plan);
  assertPlan(network, plan, targetById(plan.target));
  const borders = planBorders(network, plan);
  const times = (n: number): string => (n === 1 ? "once" : `${n} times`);
  const says = `floats become integers ${times(borders.quantize)} and integers floats ${times(borders.dequantize)}: no value is converted twice`;
  return { borders, notes: [says] };
}

function plain(bytes: Uint8Array): Written {
  return { bytes, notes: [] };
}

function halfNotes(model: Model): { readonly half: Model; readonly notes: readonly string[] } {
  const { model: half, report } = storeHalf(model);
  const notes = [`${report.stored} weights stored as float16, computed in float32`];
  if (report.kept.length > 0) notes.push(`${report.kept.length} weights left in float32: values beyond 65,504`);
  if (report.underflowed > 0) notes.push(`${report.underflowed} weights below float16's smallest number became zero`);
  return { half, notes };
}

const ONNX_WRITER: VariantWriter = {
  format: "onnx",
  float: (model) => plain(modelToOnnx(model)),
  half: (model) => {
    const { half, notes } = halfNotes(model);
    return { bytes: modelToOnnx(half), notes };
  },
  weightOnly: (model) => {
    const { model: stored, report } = quantizeWeights(model);
    return { bytes: modelToOnnx(stored), notes: [`${report.quantized.length} layers store int8 weights`] };
  },
  dynamic: (model) => {
    const { model: dynamic, report } = quantizeDynamic(model);
    const notes = [`${report.quantized.length} layers multiply in integers, ranges taken at run time, no calibration`];
    if (report.left.length > 0) notes.push(`${report.left.length} layers left in float: ${report.left[0]?.why ?? ""}`);
    return { bytes: modelToOnnx(dynamic), notes };
  },
  planned: (model, plan) => {
    const { borders, notes } = checkedPlan(model, plan);
    return { bytes: modelToOnnx(applyPlan(model, plan)), notes, borders };
  },
};

const TFLITE_WRITER: VariantWriter = {
  format: "tflite",
  float: (model) => plain(modelToTflite(model)),
  half: (model) => ({ bytes: modelToTflite(model, { weights: "float16" }), notes: halfNotes(model).notes }),
  dynamic: (model) => ({
    bytes: modelToTflite(model, { weights: "dynamic-int8" }),
    notes: ["int8 weights, ranges of the rest taken at run time, no calibration"],
  }),
  planned: (model, plan, border) => {
    const { borders, notes } = checkedPlan(model, plan);
    return { bytes: modelToTflite(model, { plan, io: border }), notes, borders };
  },
};

const WRITERS: Readonly<Record<Target["format"], VariantWriter>> = { onnx: ONNX_WRITER, tflite: TFLITE_WRITER };

/** The writer of a format. */
export function variantWriter(format: Target["format"]): VariantWriter {
  return WRITERS[format];
}
