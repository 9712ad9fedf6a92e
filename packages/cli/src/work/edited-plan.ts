import { fail } from "@tessera/core/base/error";
import type { Model } from "@tessera/core/graph/model";
import type { NodeChoice, QuantPlan } from "@tessera/core/graph/plan";
import { plannedModel } from "@tessera/core/graph/planned";
import { type Placement, placeIntegers } from "@tessera/core/quant/placement";
import { assertPlan } from "@tessera/core/targets/check-plan";
import type { Target } from "@tessera/core/targets/target";

/** Every tensor that a placement gives an encoding. */
function encodedBy(placement: Placement): ReadonlySet<string> {
  const names = new Set([...placement.activations, ...placement.shared.keys(), ...placement.operands]);
  for (const { weight, bias } of placement.weights) {
    names.add(weight);
    if (bias !== undefined) names.add(bias);
  }
  return names;
}

/**
 * A plan that somebody edited, made consistent with the model: encodings of tensors that only nodes now kept in float would need are left out, so that
 * setting a node's precision to float32 is all there is to do. A plan nobody touched comes back as it is.
 *
 * @throws PLAN_INVALID when the plan belongs to another target, makes a node integer without encodings for its tensors, or contradicts
 *   the target's kernels
 */
export function consistentPlan(
  model: Model,
  target: Target,
  plan: QuantPlan,
  wideNodes: ReadonlySet<string> = new Set(),
): QuantPlan {
  if (plan.target !== target.id)
    throw fail("PLAN_INVALID", `Cannot apply the plan to ${target.id}: it was made by the rules of ${plan.target}`, {
      hint: `Use --target ${plan.target}, or make a new plan`,
    });
  const unknown = [...plan.nodes.keys()].find((name) => !model.graph.nodes.some((node) => node.name === name));
  if (unknown !== undefined)
    throw fail("PLAN_INVALID", `Cannot apply the plan: the model has no node ${unknown}`, { at: { node: unknown } });
  const keepFloat = new Map<string, string>();
  for (const [name, choice] of plan.nodes) if (choice.precision === "float32") keepFloat.set(name, choice.reason);
  const placement = placeIntegers(plannedModel(model, plan), target, { keepFloat, wideNodes });
  const wanted = encodedBy(placement);
  const missing = [...wanted].find((name) => !plan.tensors.has(name));
  if (missing !== undefined)
    throw fail("PLAN_INVALID", `Cannot apply the plan: it has no encoding for ${missing}, which an integer node needs`, {
      at: { tensor: missing },
      hint: "Keep the node that reads it in float32, or calibrate again",
    });
  const tensors = new Map([...plan.tensors].filter(([name]) => wanted.has(name)));
  const nodes = new Map<string, NodeChoice>();
  for (const [name, choice] of placement.choices)
    nodes.set(name, plan.nodes.get(name)?.precision === choice.precision ? (plan.nodes.get(name) as NodeChoice) : choice);
  // Whoever computes in float after all reads the model's own weights.
  const constants = new Map([...(plan.constants ?? [])].filter(([name]) => tensors.has(name)));
  const consistent = { ...plan, tensors, nodes, ...(plan.constants === undefined ? {} : { constants }) };
  assertPlan(plannedModel(model, consistent), consistent, target);
  return consistent;
}
