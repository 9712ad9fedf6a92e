import { fail } from "../../base/error.ts";
import type { Model } from "../../graph/model.ts";
import type { CalibrationEvidence, QuantPlan } from "../../graph/plan.ts";
import { scaleChannels } from "../../graph/quantize-channels.ts";
import type { Target } from "../../targets/target.ts";
import type { Observations } from "../observe.ts";
import { placeIntegers } from "../placement.ts";
import { staticPlan } from "../static-plan.ts";
import { describePoint, type EqualizeChoice, type SearchPoint } from "./point.ts";

/** What calibration says of a network whose channels were treated one way. */
export interface Seen {
  readonly channelScales: ReadonlyMap<string, readonly number[]>;
  /** Of the scaled network. */
  readonly observations: Observations;
}

/** A change of a plan's constants that looks at calibration samples: chosen rounding, corrected biases. The model is the unscaled one. */
export type PlanMethod = (model: Model, plan: QuantPlan) => Promise<QuantPlan>;

/** What points are built from. The same material and point give the same plan. */
export interface PointMaterial {
  /** Made ready for the target's integers, channels as they came. */
  readonly model: Model;
  readonly target: Target;
  readonly seen: (equalize: EqualizeChoice) => Promise<Seen>;
  readonly reducedRange: boolean;
  readonly evidence: Omit<CalibrationEvidence, "method">;
  /** Rounds the weights of a plan; absent: points that ask for it cannot be built. */
  readonly secondOrder?: PlanMethod;
  /** Corrects the biases of a plan, weights rounded already. */
  readonly correctBias?: PlanMethod;
}

/** A point that became a plan. */
export interface BuiltPoint {
  readonly model: Model;
  readonly plan: QuantPlan;
}

/**
 * The plan that a point stands for.
 *
 * @param reasons - one line for a node, in place of what the placement says of it
 * @throws PLAN_INVALID when a tensor was not observed, or the material lacks a method that the point asks for
 */
export async function buildPoint(
  point: SearchPoint,
  material: PointMaterial,
  reasons: ReadonlyMap<string, string> = new Map(),
): Promise<BuiltPoint> {
  const { model, target, reducedRange, evidence } = material;
  const { channelScales, observations } = await material.seen(point.equalize);
  const scaled = scaleChannels(model, channelScales);
  const kept = Object.keys(point.keep).map((name) => [name, "kept in float by the search"] as const);
  const placement = placeIntegers(scaled, target, { keepFloat: new Map(kept) });
  const made = staticPlan(model, target, placement, observations, {
    range: { method: point.method, ...(point.percentile === undefined ? {} : { percentile: point.percentile }) },
    rangeOf: new Map(Object.entries(point.ranges)),
    weights: point.weights,
    weightBits: point.weightBits,
    reducedRange,
    evidence: { ...evidence, method: describePoint(point) },
    channelScales,
  });
  let plan: QuantPlan = {
    ...made,
    nodes: new Map([...made.nodes].map(([name, choice]) => [name, { ...choice, reason: reasons.get(name) ?? choice.reason }])),
  };
  if (point.rounding === "second-order")
    plan = await methodOf(material.secondOrder, "round weights by their inputs")(model, plan);
  if (point.correctBias) plan = await methodOf(material.correctBias, "correct biases")(model, plan);
  return { model, plan };
}

function methodOf(method: PlanMethod | undefined, what: string): PlanMethod {
  if (method === undefined) throw fail("PLAN_INVALID", `Cannot ${what}: no method was given for it`);
  return method;
}
