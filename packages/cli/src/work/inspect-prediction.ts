import { isTesseraError } from "@tessera/core/base/error";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { unitPlan } from "@tessera/core/quant/unit-plan";
import { type Prediction, predict } from "@tessera/core/targets/predictor/predict";
import { schemeOfPlan, usesReducedRange, withScheme } from "@tessera/core/targets/scheme";
import type { Target } from "@tessera/core/targets/target";
import { closedSizes } from "./lifted.ts";
import { simplifiedToLookAt } from "./simplified.ts";

/** What is expected of a model on a target, or why nothing can be said. */
export type ExpectedOnTarget = { readonly prediction: Prediction } | { readonly predictionUnknown: string };

/**
 * What a target will make of a model, before anything is calibrated or run: both forms are simplified as they would be for the real work, and the
 * integers are placed by the target's rules, or by a plan where the file has one.
 */
export async function expectOnTarget(
  source: Model,
  target: Target,
  options: { readonly plan?: QuantPlan; readonly dims?: ReadonlyMap<string, number> } = {},
): Promise<ExpectedOnTarget> {
  try {
    const { model } = closedSizes(source, options.dims);
    const float = await simplifiedToLookAt(model, target);
    if (target.noIntegers !== undefined) return { prediction: predict({ float }, target) };
    return { prediction: predict({ float, integer: await integersOf(model, target, options.plan) }, target) };
  } catch (error) {
    if (!isTesseraError(error)) throw error;
    return { predictionUnknown: error.message };
  }
}

async function integersOf(model: Model, target: Target, plan: QuantPlan | undefined) {
  if (plan === undefined)
    return unitPlan(await simplifiedToLookAt(model), target, { reducedRange: usesReducedRange(target, undefined) });
  const byScheme = withScheme(target, schemeOfPlan(plan));
  return { model: prepareForIntegers(inferTypes(model), byScheme), plan };
}
