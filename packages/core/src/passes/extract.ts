import { withGraph } from "../graph/edit.ts";
import type { Graph, Model, Node, ValueInfo } from "../graph/model.ts";
import type { Feeds } from "../graph/runtime.ts";
import type { Tensor } from "../graph/tensor.ts";
import { usedNames } from "../graph/walk.ts";
import { interpret } from "../interp/run.ts";
import { type ProofOptions, prove, runReference } from "./proof.ts";

/** The part of a graph made of `nodes`: it reads `inputs` (values made elsewhere) and gives `outputs`. */
export function extractGraph(
  graph: Graph,
  nodes: readonly Node[],
  values: ReadonlyMap<string, Tensor>,
  outputs: readonly string[],
): Graph {
  const made = new Set(nodes.flatMap((n) => n.outputs));
  const inputs: ValueInfo[] = [];
  const constants = new Map<string, Tensor>();
  for (const name of new Set(nodes.flatMap((n) => [...usedNames(n)]))) {
    if (made.has(name)) continue;
    const constant = graph.constants.get(name);
    if (constant !== undefined) constants.set(name, constant);
    else {
      const value = values.get(name);
      const type = graph.types.get(name) ??
        graph.inputs.find((i) => i.name === name)?.type ?? { kind: "opaque", record: undefined };
      inputs.push({ name, type: value === undefined ? type : { kind: "tensor", dtype: value.dtype, shape: value.shape } });
    }
  }
  return {
    name: graph.name,
    inputs,
    outputs: outputs.map((name) => ({ name, type: graph.types.get(name) ?? { kind: "opaque", record: undefined } })),
    nodes,
    constants,
    types: new Map(),
  };
}

function nodesBetween(graph: Graph, outputs: ReadonlySet<string>, stops: ReadonlySet<string>): Node[] {
  const wanted = new Set(outputs);
  const kept: Node[] = [];
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i] as Node;
    if (!node.outputs.some((o) => wanted.has(o))) continue;
    kept.push(node);
    for (const name of usedNames(node)) if (!stops.has(name)) wanted.add(name);
  }
  return kept.reverse();
}

/**
 * Looks for the smallest pair of graphs that still differ: the nodes that the rewrite removed and what replaced them, fed with the very values that
 * reach them. Falls back to the whole graphs, and to nothing when not even those can be run here.
 */
export async function smallestFailure(
  before: Model,
  after: Model,
  options: ProofOptions,
): Promise<{ readonly before: Model; readonly after: Model; readonly feeds: Feeds } | undefined> {
  const kept = new Set(after.graph.nodes.map((n) => n.name));
  const afterByName = new Map(after.graph.nodes.map((n) => [n.name, n] as const));
  const same = (n: Node): boolean => {
    const other = afterByName.get(n.name);
    return (
      other !== undefined &&
      other.op === n.op &&
      other.inputs.join() === n.inputs.join() &&
      other.outputs.join() === n.outputs.join() &&
      n.inputs.every((name) => before.graph.constants.get(name) === after.graph.constants.get(name))
    );
  };
  const removed = before.graph.nodes.filter((n) => !kept.has(n.name) || !same(n));
  const { cases } = await runReference(before, options);
  for (const { feeds } of cases) {
    const values = new Map<string, Tensor>(feeds);
    try {
      interpret(before.graph, feeds, {
        onValue: (name, tensor) => {
          values.set(name, tensor);
        },
      });
    } catch {
      continue;
    }
    const made = new Set(removed.flatMap((n) => n.outputs));
    const outside = before.graph.nodes.filter((n) => !removed.includes(n));
    const leaves = [...made].filter(
      (name) => outside.some((n) => usedNames(n).has(name)) || before.graph.outputs.some((o) => o.name === name),
    );
    const stops = new Set([...removed.flatMap((n) => [...usedNames(n)])].filter((name) => !made.has(name)));
    const part = extractGraph(before.graph, removed, values, leaves);
    const changed = extractGraph(after.graph, nodesBetween(after.graph, new Set(leaves), stops), values, leaves);
    const changedModel = withGraph(after, { ...changed, inputs: part.inputs });
    const partModel = withGraph(before, part);
    const partFeeds = new Map(
      part.inputs.flatMap((i) => (values.has(i.name) ? [[i.name, values.get(i.name) as Tensor] as const] : [])),
    );
    const proof = await prove(partModel, changedModel, { ...options, feeds: [partFeeds], trials: 0 });
    if (proof.kind === "refuted") return { before: partModel, after: changedModel, feeds: partFeeds };
    const whole = await prove(before, after, { ...options, feeds: [feeds], trials: 0 });
    if (whole.kind === "refuted") return { before, after, feeds };
  }
  return undefined;
}
