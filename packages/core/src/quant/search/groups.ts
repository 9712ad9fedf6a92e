import { GraphDraft } from "../../graph/draft.ts";
import type { Model } from "../../graph/model.ts";
import type { Placement } from "../placement.ts";

/** Nodes that change precision together: a node with a kernel, and what vanishes into it. */
export interface NodeGroup {
  readonly name: string;
  readonly op: string;
  readonly nodes: readonly string[];
  /** Activations with an encoding that the group makes. */
  readonly tensors: readonly string[];
}

/**
 * The integer nodes of a placement in groups that go to float together, in graph order: a node whose output has no encoding of its own, and what
 * follows it up to the first that has. Nodes that only move integers, or work on the grid of their input, go with whatever stands around them and are in no group.
 */
export function nodeGroups(model: Model, placement: Placement): readonly NodeGroup[] {
  const draft = new GraphDraft(model.graph);
  const encoded = new Set(placement.activations);
  const taken = new Set<string>();
  const groups: NodeGroup[] = [];
  for (const node of model.graph.nodes) {
    const output = node.outputs[0] ?? "";
    if (taken.has(node.name) || placement.choices.get(node.name)?.precision === "float32" || placement.shared.has(output))
      continue;
    const nodes = [node.name];
    let end = output;
    while (!encoded.has(end)) {
      const next = draft.onlyConsumer(end);
      if (next === undefined || placement.choices.get(next.name)?.precision === "float32") break;
      nodes.push(next.name);
      taken.add(next.name);
      end = next.outputs[0] ?? "";
    }
    groups.push({ name: node.name, op: node.op, nodes, tensors: encoded.has(end) ? [end] : [] });
  }
  return groups;
}
