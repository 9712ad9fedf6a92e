import type { Graph } from "../../../../graph/model.ts";
import { countOf } from "../../../../graph/tensor.ts";
import { FlowNetwork } from "../../layout/max-flow.ts";
import type { Label, LayoutRule } from "./rule.ts";
import { LEAST_RANK } from "./rule-parts.ts";

/** What it costs to transpose a value once: a node each, and between equals the smaller ones. */
const NODE_PRICE = 1 << 20;
/** More than all Transposes together. */
const NEVER = 2 ** 50;

/** The labels that were chosen. */
export interface Chosen {
  /** By graph input. */
  readonly inputs: readonly Label[];
  /** By node, the label of each of its groups. */
  readonly nodes: readonly (readonly Label[])[];
}

/**
 * Labels with the fewest Transposes, as a minimum cut; between equals, the smaller values are transposed, rather those behind an activation than those
 * before it, and after that as few values as possible differ from the file. A value is transposed once, however many nodes read it so.
 */
export function chooseLabels(
  graph: Graph,
  given: {
    readonly rules: readonly LayoutRule[];
    readonly shapes: ReadonlyMap<string, readonly number[]>;
    readonly moveEnds: boolean;
  },
): Chosen {
  const { rules, shapes, moveEnds } = given;
  // On the side of the source: channels first.
  const network = new FlowNetwork();
  const [source, sink] = [network.vertex(), network.vertex()];
  const hasLayout = (name: string): boolean => (shapes.get(name)?.length ?? 0) >= LEAST_RANK;
  const isEnd = (name: string): boolean => moveEnds && shapes.get(name)?.length === 4;
  const fix = (vertex: number, label: Label | undefined): void => {
    if (label === 0) network.edge(vertex, sink, NEVER);
    if (label === 1) network.edge(source, vertex, NEVER);
  };
  const groups = rules.map((rule) =>
    rule.groups.map((label) => {
      const vertex = network.vertex();
      fix(vertex, label);
      return vertex;
    }),
  );
  const inputs = graph.inputs.map(({ name }) => {
    const vertex = network.vertex();
    if (!isEnd(name)) fix(vertex, 0);
    return vertex;
  });
  const makers = new Map<string, number>();
  graph.inputs.forEach(({ name }, i) => {
    makers.set(name, inputs[i] as number);
  });
  const readers = new Map<string, Set<number>>();
  graph.nodes.forEach((node, n) => {
    const rule = rules[n] as LayoutRule;
    node.outputs.forEach((name, k) => {
      const vertex = groups[n]?.[rule.outputs[k] as number];
      if (name !== "" && vertex !== undefined) makers.set(name, vertex);
    });
    node.inputs.forEach((name, k) => {
      const vertex = groups[n]?.[rule.inputs[k] as number];
      if (vertex === undefined || !hasLayout(name)) return;
      const set = readers.get(name);
      if (set === undefined) readers.set(name, new Set([vertex]));
      else set.add(vertex);
    });
  });
  for (const { name } of graph.outputs) {
    if (!hasLayout(name) || isEnd(name)) continue;
    readers.set(name, (readers.get(name) ?? new Set()).add(sink));
  }
  const apart = beforeActivations(graph);
  let total = 1;
  for (const shape of shapes.values()) total += countOf(shape);
  for (const [name, vertices] of readers) {
    const maker = makers.get(name);
    if (maker === undefined) continue;
    const share = countOf(shapes.get(name) as readonly number[]) / total;
    // Sizes of a hostile file may be beyond all numbers.
    const price = NODE_PRICE + (share >= 0 ? Math.floor(1024 * share) : 0) + (apart.has(name) ? 1 : 0);
    const [first, ...others] = vertices;
    if (first !== undefined && others.length === 0) {
      network.edge(maker, first, price);
      network.edge(first, maker, price);
      continue;
    }
    // However many readers want the other layout, the value is transposed once.
    const [turned, back] = [network.vertex(), network.vertex()];
    network.edge(turned, maker, price);
    network.edge(maker, back, price);
    for (const vertex of vertices) {
      network.edge(vertex, turned, NEVER);
      network.edge(back, vertex, NEVER);
    }
  }
  const cut = network.minimumCut(source, sink);
  const label = (vertex: number): Label => (cut[vertex] ? 1 : 0);
  return { inputs: inputs.map(label), nodes: groups.map((list) => list.map(label)) };
}

/** Values that an activation alone reads: a Transpose there would part it from the operator that applies it to its own output. */
function beforeActivations({ nodes }: Graph): ReadonlySet<string> {
  const found = new Set<string>();
  const others = new Set<string>();
  for (const { op, inputs } of nodes)
    inputs.forEach((name, i) => {
      (i === 0 && (op === "Relu" || op === "Clip" || op === "Tanh") ? found : others).add(name);
    });
  for (const name of others) found.delete(name);
  return found;
}
