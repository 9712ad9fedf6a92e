import { isStatic } from "../graph/dim.ts";
import { byteLength } from "../graph/dtype.ts";
import type { Graph, Node, TensorType, ValueType } from "../graph/model.ts";
import { countOf } from "../graph/tensor.ts";
import { type InferOptions, inferGraph } from "./infer.ts";
import { opRow } from "./table.ts";

/** What one node costs. */
export interface NodeCost {
  readonly node: string;
  readonly op: string;
  /** Multiply-accumulates; `undefined` where a size is not known or the operator has no row. */
  readonly macs: number | undefined;
  /** Other elementary operations, as {@link macs}. */
  readonly ops: number | undefined;
  /** Bytes of the constants it reads. A constant that several nodes read is counted at each. */
  readonly weightBytes: number;
  /** Bytes of its outputs; `undefined` where a size is not known. */
  readonly activationBytes: number | undefined;
}

/** What a graph costs: sums over the nodes whose cost is known. Subgraphs are counted once each, as if both branches of an If and one turn of a Loop ran. */
export interface CostReport {
  readonly nodes: readonly NodeCost[];
  readonly macs: number;
  readonly ops: number;
  /** Bytes and elements of all constants of the graph, each counted once. */
  readonly weightBytes: number;
  readonly parameters: number;
  /**
   * Largest sum of activations (inputs included) that live at the same time, when nodes run in the given order and each value is freed after its
   * last use. Values inside subgraphs are not in it. `undefined` when a size is not known.
   */
  readonly peakActivationBytes: number | undefined;
  /** Name of the node at which that peak is reached. */
  readonly peakAt: string | undefined;
  /** Names of the nodes whose cost is not known. */
  readonly unknown: readonly string[];
}

function sizeBytes(type: ValueType | undefined): number | undefined {
  if (type?.kind !== "tensor" || type.dtype === "string" || !isStatic(type.shape)) return undefined;
  return byteLength(type.dtype, countOf(type.shape));
}

function tensorTypeOf(types: ReadonlyMap<string, ValueType>, name: string): TensorType | undefined {
  const type = types.get(name);
  return type?.kind === "tensor" ? type : undefined;
}

function sum(values: readonly (number | undefined)[]): number | undefined {
  let total = 0;
  for (const value of values) {
    if (value === undefined) return undefined;
    total += value;
  }
  return total;
}

interface Types {
  readonly types: ReadonlyMap<string, ValueType>;
  readonly constants: ReadonlySet<string>;
}

function costOf(node: Node, graph: Graph, { types, constants }: Types): NodeCost {
  const row = opRow(node);
  const named = node.inputs.filter((name) => name !== "");
  const inputs = node.inputs.map((name) => (name === "" ? undefined : tensorTypeOf(types, name)));
  const outputs = node.outputs.map((name) => (name === "" ? undefined : tensorTypeOf(types, name)));
  const known = [...named, ...node.outputs.filter((name) => name !== "")].every((name) =>
    isStatic(tensorTypeOf(types, name)?.shape),
  );
  const cost = row !== undefined && known ? row.cost(node, inputs, outputs) : undefined;
  let weightBytes = 0;
  for (const name of new Set(named)) weightBytes += constants.has(name) ? (graph.constants.get(name)?.bytes.byteLength ?? 0) : 0;
  return {
    node: node.name,
    op: node.op,
    macs: cost?.macs,
    ops: cost?.ops,
    weightBytes,
    activationBytes: sum(node.outputs.filter((name) => name !== "").map((name) => sizeBytes(types.get(name)))),
  };
}

// Values that a node reads, those that its subgraphs take from outside included.
function readsOf(node: Node): string[] {
  const reads = node.inputs.filter((name) => name !== "");
  for (const attribute of node.attributes.values()) {
    const graphs = attribute.kind === "graph" ? [attribute.value] : attribute.kind === "graphs" ? attribute.value : [];
    for (const graph of graphs) {
      const own = new Set([
        ...graph.inputs.map((input) => input.name),
        ...graph.constants.keys(),
        ...graph.nodes.flatMap((inner) => inner.outputs),
      ]);
      const inner = [...graph.nodes.flatMap(readsOf), ...graph.outputs.map((output) => output.name)];
      reads.push(...inner.filter((name) => !own.has(name)));
    }
  }
  return reads;
}

function peak(
  graph: Graph,
  { types, constants }: Types,
): { readonly bytes: number; readonly at: string | undefined } | undefined {
  const lastUse = new Map<string, number>();
  graph.nodes.forEach((node, i) => {
    for (const name of [...readsOf(node), ...node.outputs]) if (name !== "") lastUse.set(name, i);
  });
  for (const output of graph.outputs) lastUse.set(output.name, graph.nodes.length);
  const live = new Map<string, number>();
  for (const input of graph.inputs) {
    if (constants.has(input.name)) continue;
    const bytes = sizeBytes(types.get(input.name));
    if (bytes === undefined) return undefined;
    live.set(input.name, bytes);
  }
  let now = [...live.values()].reduce((a, b) => a + b, 0);
  let top = now;
  let at: string | undefined;
  for (const [i, node] of graph.nodes.entries()) {
    for (const name of node.outputs) {
      const bytes = name === "" ? 0 : sizeBytes(types.get(name));
      if (bytes === undefined) return undefined;
      if (name !== "") live.set(name, bytes);
      now += bytes;
    }
    if (now > top) {
      top = now;
      at = node.name;
    }
    for (const name of new Set([...readsOf(node), ...node.outputs])) {
      if (lastUse.get(name) !== i) continue;
      now -= live.get(name) ?? 0;
      live.delete(name);
    }
  }
  return { bytes: top, at };
}

/**
 * Cost of a graph by node and in total. Sizes come from inference, so that symbolic inputs can be bound with `options.bindings`; what depends
 * on a size that stays open is reported as unknown, never guessed. Outputs of Constant nodes count as activations.
 *
 * @example
 * const { macs, peakActivationBytes } = costReport(model.graph, { bindings: new Map([["N", 1]]) });
 */
export function costReport(graph: Graph, options: InferOptions = {}): CostReport {
  const inferred = inferGraph(graph, options);
  const nodes: NodeCost[] = [];
  let weightBytes = 0;
  let parameters = 0;
  const addGraph = (inner: Graph, outer: ReadonlyMap<string, ValueType>): void => {
    const own = inner === graph ? inferred : inferred.subgraphs.get(inner);
    const types = own === undefined ? outer : new Map([...outer, ...own.types]);
    for (const tensor of inner.constants.values()) {
      weightBytes += tensor.bytes.byteLength;
      parameters += countOf(tensor.shape);
    }
    for (const node of inner.nodes) {
      nodes.push(costOf(node, inner, { types, constants: new Set(inner.constants.keys()) }));
      for (const attribute of node.attributes.values()) {
        if (attribute.kind === "graph") addGraph(attribute.value, types);
        if (attribute.kind === "graphs") for (const sub of attribute.value) addGraph(sub, types);
      }
    }
  };
  addGraph(graph, new Map());
  const highest = peak(graph, { types: inferred.types, constants: new Set(graph.constants.keys()) });
  return {
    nodes,
    macs: nodes.reduce((total, node) => total + (node.macs ?? 0), 0),
    ops: nodes.reduce((total, node) => total + (node.ops ?? 0), 0),
    weightBytes,
    parameters,
    peakActivationBytes: highest?.bytes,
    peakAt: highest?.at,
    unknown: nodes.filter((node) => node.macs === undefined).map((node) => node.node),
  };
}
