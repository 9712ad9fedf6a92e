import type { Graph, Node } from "./model.ts";

/** The graphs that a node carries in its attributes (branches of If, bodies of Loop and Scan), in attribute order. */
export function subgraphs(node: Node): readonly Graph[] {
  const found: Graph[] = [];
  for (const attribute of node.attributes.values()) {
    if (attribute.kind === "graph") found.push(attribute.value);
    else if (attribute.kind === "graphs") found.push(...attribute.value);
  }
  return found;
}

/** Names that a graph reads from the graphs around it. */
export function capturedNames(graph: Graph): ReadonlySet<string> {
  const inside = new Set<string>();
  for (const input of graph.inputs) inside.add(input.name);
  for (const name of graph.constants.keys()) inside.add(name);
  for (const node of graph.nodes) for (const name of node.outputs) inside.add(name);
  const captured = new Set<string>();
  for (const node of graph.nodes) for (const name of usedNames(node)) if (!inside.has(name)) captured.add(name);
  for (const output of graph.outputs) if (!inside.has(output.name)) captured.add(output.name);
  return captured;
}

/** Names that a node reads: its present inputs, and what its subgraphs capture. Each name once. */
export function usedNames(node: Node): ReadonlySet<string> {
  const used = new Set<string>();
  for (const name of node.inputs) if (name !== "") used.add(name);
  for (const graph of subgraphs(node)) for (const name of capturedNames(graph)) used.add(name);
  return used;
}

/** Calls `visit` for the graph and every subgraph, outermost first. */
export function eachGraph(graph: Graph, visit: (graph: Graph, depth: number) => void, depth = 0): void {
  visit(graph, depth);
  for (const node of graph.nodes) for (const inner of subgraphs(node)) eachGraph(inner, visit, depth + 1);
}

/** Number of nodes of a graph; with `deep`, of its subgraphs too. */
export function countNodes(graph: Graph, deep = false): number {
  let count = 0;
  eachGraph(graph, (g, depth) => {
    if (deep || depth === 0) count += g.nodes.length;
  });
  return count;
}

/**
 * The nodes in an order in which producers come first; nodes that are already in order keep their places. Answers the names of a cycle's nodes
 * instead when there is one.
 */
export function sortNodes(nodes: readonly Node[]): { readonly sorted: readonly Node[]; readonly cycle: readonly string[] } {
  const producer = new Map<string, number>();
  nodes.forEach((node, i) => {
    for (const name of node.outputs) if (name !== "") producer.set(name, i);
  });
  let inOrder = true;
  const needs = nodes.map((node, i) => {
    const list: number[] = [];
    for (const name of usedNames(node)) {
      const p = producer.get(name);
      if (p === undefined) continue;
      list.push(p);
      if (p >= i) inOrder = false;
    }
    return list;
  });
  if (inOrder) return { sorted: nodes, cycle: [] };
  const state = new Uint8Array(nodes.length);
  const sorted: Node[] = [];
  for (let root = 0; root < nodes.length; root++) {
    // An explicit stack: graphs from files may be one long chain.
    const stack: { index: number; next: number }[] = [{ index: root, next: 0 }];
    while (stack.length > 0) {
      const top = stack[stack.length - 1] as { index: number; next: number };
      if (state[top.index] === 2) {
        stack.pop();
        continue;
      }
      state[top.index] = 1;
      const need = needs[top.index]?.[top.next++];
      if (need === undefined) {
        state[top.index] = 2;
        sorted.push(nodes[top.index] as Node);
        stack.pop();
      } else if (state[need] === 1) {
        const from = stack.findIndex((s) => s.index === need);
        return { sorted: nodes, cycle: stack.slice(from).map((s) => (nodes[s.index] as Node).name) };
      } else if (state[need] === 0) stack.push({ index: need, next: 0 });
    }
  }
  return { sorted, cycle: [] };
}
