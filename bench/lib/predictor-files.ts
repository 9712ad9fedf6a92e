import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { modelToTflite } from "@tessera/core/convert/tflite/bytes";
import type { Model } from "@tessera/core/graph/model";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { unitPlan } from "@tessera/core/quant/unit-plan";
import type { Kernel } from "@tessera/core/targets/predictor/kernel";
import { expectedKernels, type PredictRequest } from "@tessera/core/targets/predictor/predict";
import type { Target } from "@tessera/core/targets/target";

/** A network as a target would run it, in float and in integers, with the kernels that are expected of each. */
export interface PredictedFiles {
  readonly float: { readonly bytes: Uint8Array; readonly kernels: readonly Kernel[] };
  readonly integer: { readonly bytes: Uint8Array; readonly kernels: readonly Kernel[] };
  /** What the predictor is asked with. */
  readonly request: PredictRequest;
}

/** Builds both files. The integers mean nothing: speed does not depend on them. */
export async function predictedFiles(source: Model, target: Target): Promise<PredictedFiles> {
  const { model: float } = await simplifyModel(source, { target, prove: false });
  const { model: plain } = await simplifyModel(source, { prove: false });
  const { model, plan } = unitPlan(plain, target);
  const tflite = target.format === "tflite";
  return {
    float: { bytes: tflite ? modelToTflite(float) : modelToOnnx(float), kernels: expectedKernels(float, undefined, target) },
    integer: {
      bytes: tflite ? modelToTflite(model, { plan }) : modelToOnnx(applyPlan(model, plan)),
      kernels: expectedKernels(model, plan, target),
    },
    request: { float, integer: { model, plan } },
  };
}
