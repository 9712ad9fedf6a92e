import { GraphDraft } from "../graph/draft.ts";
import type { Model } from "../graph/model.ts";
import { isOp } from "../graph/node.ts";
import type { QuantPlan } from "../graph/plan.ts";
import { inferTypes } from "../ops/infer-types.ts";
import { boundsOf } from "../targets/bounds.ts";
import { assertIntegers } from "../targets/scheme.ts";
import type { Target } from "../targets/target.ts";
import { createHistogram, type Histogram, observe } from "./histogram.ts";
import { placeIntegers } from "./placement.ts";
import { prepareForIntegers } from "./prepare.ts";
import { staticPlan } from "./static-plan.ts";

/** A plan whose numbers mean nothing, and the model it is for. */
export interface UnitPlan {
  readonly model: Model;
  readonly plan: QuantPlan;
}

/** Ends of the range that every activation is said to have. */
const UNIT = [-1, 1] as const;

/**
 * The plan that a target's rules make of a model when every activation is said to lie in [-1, 1] (and within the bounds of the Relu or Clip that made it): where integers stand, what moves and what stays in
 * float is that of any plan for this target, and nothing had to be calibrated. For looking ahead, and never for a file that anybody uses.
 *
 * @throws TARGET_RULE when the target has no integers; what {@link staticPlan} throws
 */
export function unitPlan(source: Model, target: Target, options: { readonly reducedRange?: boolean } = {}): UnitPlan {
  assertIntegers(target);
  const model = prepareForIntegers(inferTypes(source), target);
  const placement = placeIntegers(model, target);
  const draft = new GraphDraft(model.graph);
  const known = new Map<string, Histogram>();
  const histograms = new Map(placement.activations.map((name) => [name, unitHistogram(draft, name, known)] as const));
  const plan = staticPlan(model, target, placement, { samples: 1, histograms }, { range: { method: "min-max" }, ...options });
  return { model, plan };
}

/** A Relu or Clip that vanishes needs a grid that ends where it does. */
function unitHistogram(draft: GraphDraft, name: string, known: Map<string, Histogram>): Histogram {
  const maker = draft.producer(name);
  const [low, high] =
    maker !== undefined && (isOp(maker, "Relu") || isOp(maker, "Clip")) ? boundsOf(maker, (c) => draft.constant(c)) : UNIT;
  const range = Float32Array.of(Math.max(low, UNIT[0]), Math.min(high, UNIT[1]));
  // There are few of them, and they are only read.
  const there = known.get(range.join());
  if (there !== undefined) return there;
  const histogram = createHistogram();
  observe(histogram, range);
  known.set(range.join(), histogram);
  return histogram;
}
