import { freshNames } from "../graph/draft.ts";
import type { Graph, Node } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import { i64, type Tensor } from "../graph/tensor.ts";

/** Reductions of a graph's values to one number a channel (axis 1), as nodes to add to it. */
export interface ChannelReductions {
  readonly nodes: readonly Node[];
  /** The graph's constants, and the axes of the reductions. */
  readonly constants: Map<string, Tensor>;
  /** What each added output tells, in order. */
  readonly meanings: ReadonlyMap<string, { readonly tensor: string; readonly end: string }>;
}

/**
 * Nodes that reduce values of shape [N, C, ...] to [C].
 *
 * @param places values with their ranks
 * @param reductions operators by what their result is called: { mean: "ReduceMean" }
 */
export function reduceChannels<End extends string>(
  graph: Graph,
  places: readonly { readonly tensor: string; readonly rank: number }[],
  reductions: Readonly<Record<End, "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin">>,
): ChannelReductions & { readonly meanings: ReadonlyMap<string, { readonly tensor: string; readonly end: End }> } {
  const fresh = freshNames(graph);
  const constants = new Map(graph.constants);
  const nodes: Node[] = [];
  const meanings = new Map<string, { readonly tensor: string; readonly end: End }>();
  for (const { tensor, rank } of places) {
    const axes = Array.from({ length: rank }, (_, i) => i).filter((i) => i !== 1);
    const axesName = fresh(`${tensor}_axes`);
    constants.set(axesName, i64([axes.length], axes));
    for (const end of Object.keys(reductions) as End[]) {
      const output = fresh(`${tensor}_${end}`);
      const attributes = { keepdims: 0, noop_with_empty_axes: 1 };
      nodes.push(makeNode(reductions[end], { inputs: [tensor, axesName], outputs: [output] }, { name: output, attributes }));
      meanings.set(output, { tensor, end });
    }
  }
  return { nodes, constants, meanings };
}
