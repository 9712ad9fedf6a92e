import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { type Tensor, toNumbers, view } from "@tessera/core/graph/tensor";
import { interpret } from "@tessera/core/interp/run";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { createHistogram, observe } from "@tessera/core/quant/histogram";
import { placeIntegers } from "@tessera/core/quant/placement";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { staticPlan } from "@tessera/core/quant/static-plan";
import { LITERT } from "@tessera/core/targets/litert";
import { type SchemeName, withScheme } from "@tessera/core/targets/scheme";

/** A float model and a plan that makes it integer. */
export interface PlannedModel {
  readonly model: Model;
  readonly plan: QuantPlan;
}

/** The plan that one sample gives a model for LiteRT. */
export function plannedFor(source: Model, feeds: ReadonlyMap<string, Tensor>, scheme: SchemeName): PlannedModel {
  const target = withScheme(LITERT, scheme);
  const model = prepareForIntegers(inferTypes(source), target);
  const placement = placeIntegers(model, target);
  const seen = interpret(model.graph, feeds, { outputs: placement.activations });
  const histograms = new Map(
    placement.activations.map((name) => {
      const histogram = createHistogram();
      observe(histogram, view((seen.get(name) ?? feeds.get(name)) as Tensor, "float32"));
      return [name, histogram] as const;
    }),
  );
  const plan = staticPlan(
    model,
    target,
    placement,
    { samples: 1, histograms },
    { range: { method: "min-max", percentile: 100 } },
  );
  return { model, plan };
}

/** What the plan means, computed in float: every value that it encodes is rounded to its grid. */
export function roundedOutputs(planned: PlannedModel, feeds: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> {
  return interpret(applyPlan(planned.model, planned.plan).graph, feeds);
}

/** Largest distance between two tensors, in steps of `scale`. */
export function stepsApart(a: Tensor, b: Tensor, scale: number): number {
  const [x, y] = [toNumbers(a), toNumbers(b)];
  let most = 0;
  for (let i = 0; i < y.length; i++) most = Math.max(most, Math.abs((x[i] as number) - (y[i] as number)));
  return x.length === y.length ? most / scale : Number.POSITIVE_INFINITY;
}
