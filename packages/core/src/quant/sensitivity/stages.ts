import { withGraph } from "../../graph/edit.ts";
import type { Graph, Model } from "../../graph/model.ts";
import type { QuantPlan } from "../../graph/plan.ts";
import { type Cut, findCuts, graphBetween } from "./cuts.ts";
import { planWithin } from "./restrict-plan.ts";

/** Groups that are measured from one cut. */
export interface Stage<G> {
  readonly cut: Cut;
  readonly groups: readonly G[];
  /** Bytes that cross the cut for one sample. */
  readonly bytes: number;
}

/** Samples that a block should hold at least: cuts at which fewer would fit into the cache are passed over. */
const LEAST_BLOCK = 64;

/** Names of values that no integer kernel writes: those between a node and what vanishes into its range. */
export function hiddenValues(graph: Graph, plan: QuantPlan): ReadonlySet<string> {
  const hidden = new Set<string>();
  for (const node of graph.nodes)
    if (isInteger(plan, node.name)) for (const name of node.outputs) if (!plan.tensors.has(name)) hidden.add(name);
  return hidden;
}

function isInteger(plan: QuantPlan, node: string): boolean {
  const precision = plan.nodes.get(node)?.precision ?? "float32";
  return precision === "int8" || precision === "int16x8";
}

/** Each group at the last cut before all of its nodes, in graph order; a stage without groups is left out. */
export function stagesOf<G extends { readonly nodes: readonly string[] }>(
  model: Model,
  plan: QuantPlan,
  groups: readonly G[],
  options: {
    readonly output: string;
    readonly maxTensors?: number;
    readonly cacheBytes: number;
    readonly samples: number;
    /** Copies of a cut's values that are kept for each sample. */
    readonly copies: number;
  },
): readonly Stage<G>[] {
  const { graph } = model;
  const { output, maxTensors, cacheBytes, samples, copies } = options;
  const never = hiddenValues(graph, plan);
  const found = findCuts(graph, { output, never, ...(maxTensors === undefined ? {} : { maxTensors }) });
  const room = cacheBytes / Math.min(samples, LEAST_BLOCK) / copies;
  const cuts = found.filter((cut) => cut.position === 0 || bytesAt(graph, cut) <= room);
  const place = new Map(graph.nodes.map((node, i) => [node.name, i] as const));
  const at = new Map<Cut, G[]>();
  for (const group of groups) {
    const first = Math.min(...group.nodes.map((name) => place.get(name) ?? 0));
    const cut = cuts.findLast((c) => c.position <= first) as Cut;
    const others = at.get(cut);
    if (others === undefined) at.set(cut, [group]);
    else others.push(group);
  }
  return cuts.flatMap((cut) => {
    const here = at.get(cut);
    return here === undefined ? [] : [{ cut, groups: here, bytes: bytesAt(graph, cut) }];
  });
}

/** Bytes that cross a cut for one sample; sizes that are not known count as one. */
function bytesAt(graph: Graph, cut: Cut): number {
  const bytes = (name: string): number => {
    const type = graph.types.get(name) ?? graph.inputs.find((i) => i.name === name)?.type;
    const shape = type?.kind === "tensor" ? (type.shape ?? []) : [];
    return 4 * shape.reduce<number>((product, d) => product * (typeof d === "number" ? d : 1), 1);
  };
  return cut.tensors.reduce((sum, name) => sum + bytes(name), 0);
}

/** Writes a plan into a network: applyPlan, as the runtime that simulates wants it. */
export type ApplyPlan = (model: Model, plan: QuantPlan) => Model;

/** The part of the float network between two cuts, or up to the output. */
export function floatPart(scaled: Model, from: readonly string[], to: readonly string[]): Model {
  return withGraph(scaled, graphBetween(scaled.graph, from, to));
}

/** The same part with a plan written into it. What crosses at the end is handed on as the integers that it is made of. */
export function plannedPart(
  scaled: Model,
  plan: QuantPlan,
  ends: { readonly from: readonly string[]; readonly to: readonly string[]; readonly apply: ApplyPlan },
): Model {
  const part = floatPart(scaled, ends.from, ends.to);
  const within = planWithin(plan, part.graph);
  // A float node's value is quantized by whoever reads it, and who reads it next may be in float.
  const handed = new Set(
    part.graph.nodes.flatMap((node) => (isInteger(plan, node.name) ? [] : node.outputs.filter((name) => ends.to.includes(name)))),
  );
  const tensors = new Map([...within.tensors].filter(([name]) => !handed.has(name)));
  return ends.apply(part, { ...within, tensors });
}
