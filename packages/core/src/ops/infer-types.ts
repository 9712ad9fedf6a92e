import type { Graph, Model } from "../graph/model.ts";
import { type InferOptions, type InferResult, inferGraph } from "./infer.ts";

function annotated(graph: Graph, result: InferResult, all: ReadonlyMap<Graph, InferResult>): Graph {
  const into = (inner: Graph): Graph => {
    const found = all.get(inner);
    return found === undefined ? inner : annotated(inner, found, all);
  };
  const nodes = graph.nodes.map((node) => {
    let changed = false;
    const attributes = new Map(node.attributes);
    for (const [name, attribute] of node.attributes) {
      if (attribute.kind === "graph") attributes.set(name, { kind: "graph", value: into(attribute.value) });
      else if (attribute.kind === "graphs") attributes.set(name, { kind: "graphs", value: attribute.value.map(into) });
      else continue;
      changed = true;
    }
    return changed ? { ...node, attributes } : node;
  });
  const outputs = graph.outputs.map((output) => ({ ...output, type: result.types.get(output.name) ?? output.type }));
  return { ...graph, nodes, outputs, types: result.types };
}

/**
 * The model with all inferred types in `graph.types` and in its outputs, subgraphs included. What does not fit is not reported here:
 * {@link inferGraph} tells.
 */
export function inferTypes(model: Model, options: InferOptions = {}): Model {
  const result = inferGraph(model.graph, options);
  return { ...model, graph: annotated(model.graph, result, result.subgraphs) };
}
