import type { Graph, Node } from "../graph/model.ts";

/** The subgraphs of a node. */
export function subgraphsOf(node: Node): Graph[] {
  const out: Graph[] = [];
  for (const attribute of node.attributes.values()) {
    if (attribute.kind === "graph") out.push(attribute.value);
    else if (attribute.kind === "graphs") out.push(...attribute.value);
  }
  return out;
}

/** Names of outer values that a subgraph reads, its own subgraphs included. */
function capturedBy(graph: Graph, into: Set<string>): void {
  const own = new Set<string>(graph.constants.keys());
  for (const input of graph.inputs) own.add(input.name);
  for (const node of graph.nodes) for (const name of node.outputs) own.add(name);
  const used = new Set<string>(graph.outputs.map((output) => output.name));
  for (const node of graph.nodes) readNames(node, used);
  for (const name of used) if (!own.has(name)) into.add(name);
}

/** Adds every value name that a node reads, also from inside its subgraphs. */
export function readNames(node: Node, into: Set<string>): void {
  for (const name of node.inputs) if (name !== "") into.add(name);
  for (const graph of subgraphsOf(node)) capturedBy(graph, into);
}

/** The nodes that must run, in order, and after which of them a value is not needed any more. */
export interface Schedule {
  readonly nodes: readonly Node[];
  /** Names read by each node of `nodes`. */
  readonly reads: readonly ReadonlySet<string>[];
  /** By value: index of the last node that reads it. Wanted values are not in it. */
  readonly lastUse: ReadonlyMap<string, number>;
}

/** Plans a run that makes the values `wanted`, when the values for which `known` holds are there already. */
export function schedule(graph: Graph, wanted: readonly string[], known: (name: string) => boolean): Schedule {
  const needed = new Set(wanted.filter((name) => !known(name)));
  const nodes: Node[] = [];
  const reads: Set<string>[] = [];
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i] as Node;
    if (!node.outputs.some((name) => name !== "" && needed.has(name))) continue;
    const names = new Set<string>();
    readNames(node, names);
    for (const name of names) if (!known(name)) needed.add(name);
    nodes.push(node);
    reads.push(names);
  }
  nodes.reverse();
  reads.reverse();
  const keep = new Set(wanted);
  const lastUse = new Map<string, number>();
  reads.forEach((names, index) => {
    for (const name of names) if (!keep.has(name)) lastUse.set(name, index);
  });
  return { nodes, reads, lastUse };
}
