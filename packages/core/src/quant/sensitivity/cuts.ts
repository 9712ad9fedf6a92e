import type { DType } from "../../graph/dtype.ts";
import type { Graph } from "../../graph/model.ts";
import { usedNames } from "../../graph/walk.ts";

/** A place where a graph can be cut in two: the nodes before `position` make the tensors, the nodes from there on read them and nothing else from before. */
export interface Cut {
  /** Nodes before it, in graph order. */
  readonly position: number;
  /** What crosses it, in the order in which it was made; graph inputs that are read later are among them. */
  readonly tensors: readonly string[];
}

/** Options of {@link findCuts}. */
export interface CutOptions {
  /** The output that the second part has to give. */
  readonly output: string;
  /** Tensors that may cross a cut at most. */
  readonly maxTensors?: number;
  /** Values that may not cross: those that have no existence of their own in the integer graph. */
  readonly never?: ReadonlySet<string>;
}

/** Defaults of {@link findCuts}: inside a residual block two tensors cross, beside a squeeze-and-excitation three. */
export const CUT_DEFAULTS = { maxTensors: 3 } as const;

/**
 * The places where few float tensors cross from one part of a graph to the rest, in graph order. The first is before all nodes: what crosses are the
 * inputs. Cuts behind the node that makes the output are none.
 */
export function findCuts(graph: Graph, options: CutOptions): readonly Cut[] {
  const { output, never } = options;
  const maxTensors = options.maxTensors ?? CUT_DEFAULTS.maxTensors;
  const lastUse = new Map<string, number>();
  const end = graph.nodes.findIndex((node) => node.outputs.includes(output));
  const nodes = end < 0 ? [] : graph.nodes.slice(0, end + 1);
  const needed = ancestors(graph, output);
  nodes.forEach((node, i) => {
    if (needed.has(node.name)) for (const name of usedNames(node)) lastUse.set(name, i);
  });
  let live = graph.inputs.map((i) => i.name).filter((name) => lastUse.has(name) && !graph.constants.has(name));
  const cuts: Cut[] = [{ position: 0, tensors: live }];
  for (const [i, node] of nodes.slice(0, -1).entries()) {
    live = [...live, ...node.outputs].filter((name) => (lastUse.get(name) ?? -1) > i);
    const fits = live.length > 0 && live.length <= maxTensors;
    if (fits && live.every((name) => typeOf(graph, name) === "float32" && never?.has(name) !== true))
      cuts.push({ position: i + 1, tensors: live });
  }
  return cuts;
}

/** Names of the nodes that an output depends on. */
function ancestors(graph: Graph, output: string): ReadonlySet<string> {
  const wanted = new Set([output]);
  const found = new Set<string>();
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((name) => wanted.has(name))) continue;
    found.add(node.name);
    for (const name of usedNames(node)) wanted.add(name);
  }
  return found;
}

function typeOf(graph: Graph, name: string): DType | undefined {
  const type = graph.types.get(name) ?? graph.inputs.find((i) => i.name === name)?.type;
  return type?.kind === "tensor" ? type.dtype : undefined;
}

/** The part of a graph that makes `to` from the values `from`: their nodes and constants, with names as they are. Values that are in both are not made. */
export function graphBetween(graph: Graph, from: readonly string[], to: readonly string[]): Graph {
  const given = new Set(from);
  const wanted = new Set(to.filter((name) => !given.has(name)));
  const outputs = [...wanted];
  const kept = graph.nodes
    .toReversed()
    .filter((node) => {
      if (!node.outputs.some((name) => wanted.has(name) && !given.has(name))) return false;
      for (const name of usedNames(node)) wanted.add(name);
      return true;
    })
    .reverse();
  const used = new Set(kept.flatMap((node) => [...usedNames(node)]));
  const here = new Set([...used, ...kept.flatMap((node) => node.outputs)]);
  const info = (name: string) => {
    const known = [...graph.inputs, ...graph.outputs].find((value) => value.name === name);
    const type = graph.types.get(name) ?? known?.type ?? ({ kind: "tensor", dtype: "float32", shape: undefined } as const);
    return { name, type };
  };
  return {
    ...graph,
    inputs: from.filter((name) => used.has(name)).map(info),
    outputs: outputs.map(info),
    nodes: kept,
    constants: new Map([...graph.constants].filter(([name]) => used.has(name) && !given.has(name))),
    types: new Map([...graph.types].filter(([name]) => here.has(name))),
  };
}
