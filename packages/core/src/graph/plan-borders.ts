import type { Graph, Model, Node } from "./model.ts";
import type { QuantPlan } from "./plan.ts";
import { usedNames } from "./walk.ts";

/** Conversions that stand where float and integers meet; those inside integer kernels are not among them. */
export interface PlanBorders {
  /** Float values that become integers: each once, however many integer nodes read it. */
  readonly quantize: number;
  /** Integer values that become floats: each once, however many float nodes and outputs read it. */
  readonly dequantize: number;
  /** Values that change their element type as floats: weights stored as float16. */
  readonly cast: number;
}

/** Who reads a value, and how. */
interface Readers {
  readonly float: number;
  readonly other: number;
}

/** Whether a plan says in so many words that a node computes in float. */
export function isFloatNode(node: Node, plan: Pick<QuantPlan, "nodes">): boolean {
  const precision = plan.nodes.get(node.name)?.precision;
  return precision === "float32" || precision === "float16";
}

function readersOf(graph: Graph, plan: QuantPlan): ReadonlyMap<string, Readers> {
  const readers = new Map<string, { float: number; other: number }>();
  for (const node of graph.nodes) {
    const isFloat = isFloatNode(node, plan);
    for (const name of usedNames(node)) {
      if (!plan.tensors.has(name)) continue;
      const of = readers.get(name) ?? { float: 0, other: 0 };
      readers.set(name, of);
      if (isFloat) of.float++;
      else of.other++;
    }
  }
  return readers;
}

/** Values of the graph that are made as floats: its inputs, and what nodes make that the plan keeps in float. */
function madeAsFloats(graph: Graph, plan: QuantPlan): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { name } of graph.inputs) if (plan.tensors.has(name) && !graph.constants.has(name)) names.add(name);
  for (const node of graph.nodes)
    if (isFloatNode(node, plan)) for (const name of node.outputs) if (plan.tensors.has(name)) names.add(name);
  return names;
}

/**
 * Values with an encoding that stay floats for those who read them as floats: made by a float node (or fed), so that rounding them would cost accuracy and
 * a conversion for nothing. Integer nodes beside read the same value rounded. Only what the plan says of nodes counts: a plan without choices, as one
 * raised from a file has, rounds for all readers.
 */
export function unroundedValues(model: Model, plan: QuantPlan): ReadonlySet<string> {
  const { graph } = model;
  const readers = readersOf(graph, plan);
  const outputs = new Set(graph.outputs.map((o) => o.name));
  return new Set([...madeAsFloats(graph, plan)].filter((name) => (readers.get(name)?.float ?? 0) > 0 || outputs.has(name)));
}

/** Where a plan makes a network change between floats and integers, when each value is converted once. For plans with a choice for each node. */
export function planBorders(model: Model, plan: QuantPlan): PlanBorders {
  const { graph } = model;
  const readers = readersOf(graph, plan);
  const floats = madeAsFloats(graph, plan);
  const outputs = new Set(graph.outputs.map((o) => o.name));
  let quantize = 0;
  let dequantize = 0;
  for (const name of plan.tensors.keys()) {
    if (graph.constants.has(name)) continue;
    const { float, other } = readers.get(name) ?? { float: 0, other: 0 };
    if (floats.has(name)) quantize += other > 0 ? 1 : 0;
    else if (float > 0 || outputs.has(name)) dequantize++;
  }
  return { quantize, dequantize, cast: 0 };
}
