import type { Attribute, Graph, Model, Node } from "./model.ts";
import { capturedNames, subgraphs } from "./walk.ts";

/** The node with its subgraphs replaced by `change` of each; the same node when none changed. */
export function mapSubgraphs(node: Node, change: (graph: Graph, attribute: string) => Graph): Node {
  let attributes: Map<string, Attribute> | undefined;
  for (const [key, attribute] of node.attributes) {
    if (attribute.kind === "graph") {
      const value = change(attribute.value, key);
      if (value !== attribute.value) attributes = (attributes ?? new Map(node.attributes)).set(key, { kind: "graph", value });
    } else if (attribute.kind === "graphs") {
      const value = attribute.value.map((g) => change(g, key));
      if (value.some((g, i) => g !== attribute.value[i])) {
        attributes = (attributes ?? new Map(node.attributes)).set(key, { kind: "graphs", value });
      }
    }
  }
  return attributes === undefined ? node : { ...node, attributes };
}

/** The node with every use of the value `from` replaced by `to`, in its inputs and inside its subgraphs. */
export function renameUse(node: Node, from: string, to: string): Node {
  const inputs = node.inputs.includes(from) ? node.inputs.map((name) => (name === from ? to : name)) : node.inputs;
  const renamed = subgraphs(node).length === 0 ? node : mapSubgraphs(node, (graph) => renameCaptured(graph, from, to));
  return renamed === node && inputs === node.inputs ? node : { ...renamed, inputs };
}

function renameCaptured(graph: Graph, from: string, to: string): Graph {
  if (!capturedNames(graph).has(from)) return graph;
  return {
    ...graph,
    nodes: graph.nodes.map((node) => renameUse(node, from, to)),
    // Outputs of a subgraph count by position, so one that hands an outer value straight out may change its name.
    outputs: graph.outputs.map((o) => (o.name === from ? { ...o, name: to } : o)),
  };
}

/** The node with some attributes set (or, with `undefined`, removed). */
export function withAttributes(node: Node, changes: Readonly<Record<string, Attribute | undefined>>): Node {
  const attributes = new Map(node.attributes);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) attributes.delete(name);
    else attributes.set(name, value);
  }
  return { ...node, attributes };
}

/** The model with another graph; the same model when the graph is the same. */
export function withGraph(model: Model, graph: Graph): Model {
  return graph === model.graph ? model : { ...model, graph };
}

/** Applies `change` to the graph and, innermost first, to every subgraph. */
export function mapGraphs(graph: Graph, change: (graph: Graph, depth: number) => Graph, depth = 0): Graph {
  const nodes = graph.nodes.map((node) => mapSubgraphs(node, (inner) => mapGraphs(inner, change, depth + 1)));
  return change(nodes.some((node, i) => node !== graph.nodes[i]) ? { ...graph, nodes } : graph, depth);
}
