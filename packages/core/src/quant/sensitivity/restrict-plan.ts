import { fail } from "../../base/error.ts";
import type { Graph, Model } from "../../graph/model.ts";
import type { QuantPlan } from "../../graph/plan.ts";
import type { Target } from "../../targets/target.ts";
import { type Placement, placeIntegers } from "../placement.ts";

/**
 * What is left of a plan when more nodes compute in float: the encodings of the tensors that {@link placeIntegers} still makes integer, and the chosen
 * constants of the nodes that still have integer weights. For a plan whose tensors have grids of their own it is the plan that `staticPlan` would
 * make with these nodes in float; values that shared one grid with a node that is float now keep the grid that they had.
 *
 * @param scaled - the network that the plan's encodings are those of: channels scaled, without the plan's constants
 * @param keepFloat - nodes that go to float: name -> why
 * @throws PLAN_INVALID when a tensor would be integer that the plan has no encoding for
 */
export function restrictPlan(
  scaled: Model,
  plan: QuantPlan,
  options: { readonly target: Target; readonly keepFloat: ReadonlyMap<string, string> },
): QuantPlan {
  const already = [...plan.nodes].filter(([, choice]) => choice.precision === "float32");
  const keepFloat = new Map([...already.map(([name, { reason }]) => [name, reason] as const), ...options.keepFloat]);
  const placement = placeIntegers(scaled, options.target, { keepFloat });
  const integer = integerTensors(placement);
  for (const name of integer)
    if (!plan.tensors.has(name))
      throw fail(
        "PLAN_INVALID",
        `Cannot keep some nodes in float: ${name} would be integer, and the plan has no encoding for it`,
        {
          at: { tensor: name },
        },
      );
  const { constants, ...rest } = plan;
  const tensors = new Map([...plan.tensors].filter(([name]) => integer.has(name)));
  const chosen = new Map([...(constants ?? [])].filter(([name]) => integer.has(name)));
  return { ...rest, tensors, nodes: placement.choices, ...(chosen.size === 0 ? {} : { constants: chosen }) };
}

function integerTensors(placement: Placement): ReadonlySet<string> {
  const names = new Set([...placement.activations, ...placement.shared.keys(), ...placement.operands]);
  for (const { weight, bias } of placement.weights) {
    names.add(weight);
    if (bias !== undefined) names.add(bias);
  }
  return names;
}

/** The part of a plan that concerns a part of its network, channels scaled already. */
export function planWithin(plan: QuantPlan, graph: Graph): QuantPlan {
  const here = new Set([
    ...graph.inputs.map((i) => i.name),
    ...graph.constants.keys(),
    ...graph.nodes.flatMap((node) => node.outputs),
  ]);
  const { channelScales: _, constants, ...rest } = plan;
  const nodes = new Set(graph.nodes.map((node) => node.name));
  const chosen = new Map([...(constants ?? [])].filter(([name]) => graph.constants.has(name)));
  return {
    ...rest,
    tensors: new Map([...plan.tensors].filter(([name]) => here.has(name))),
    nodes: new Map([...plan.nodes].filter(([name]) => nodes.has(name))),
    ...(chosen.size === 0 ? {} : { constants: chosen }),
  };
}
