import { readTensor } from "@tessera/core/convert/onnx/read-tensor";
import { readOnnx } from "@tessera/core/formats/onnx/read";
import type { GraphProto, NodeProto } from "@tessera/core/formats/onnx/records";
import { type DType, dtypeFromOnnx, isFloat } from "@tessera/core/graph/dtype";
import { countOf, type Tensor, toNumbers } from "@tessera/core/graph/tensor";

/** A node of a runtime's graph, as far as fusions are concerned. */
export interface FusionNode {
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Of a Cast. */
  readonly to?: DType;
}

/** A runtime's graph as a flat list, with what is known of its values. Subgraphs are not looked into. */
export interface FusionGraph {
  readonly nodes: readonly FusionNode[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly constants: ReadonlyMap<string, Tensor>;
  /** Element types that the file states. */
  readonly dtypes: ReadonlyMap<string, DType>;
}

/** Constants above this many elements are never scales or zero points; their elements are not read. */
const SMALL = 1 << 16;

function dtypesOf(graph: GraphProto): Map<string, DType> {
  const dtypes = new Map<string, DType>();
  for (const { name, type } of [...(graph.valueInfo ?? []), ...(graph.input ?? []), ...(graph.output ?? [])]) {
    const code = type?.tensorType?.elemType;
    if (name !== undefined && code) dtypes.set(name, dtypeFromOnnx(code));
  }
  return dtypes;
}

function nodeOf(n: NodeProto): FusionNode {
  const to = n.opType === "Cast" ? n.attribute?.find((a) => a.name === "to")?.i : undefined;
  return {
    name: n.name ?? n.output?.[0] ?? "",
    op: n.opType ?? "",
    domain: n.domain ?? "",
    inputs: n.input ?? [],
    outputs: n.output ?? [],
    ...(to === undefined ? {} : { to: dtypeFromOnnx(Number(to)) }),
  };
}

/** The graph of the bytes of an `.onnx` file. @throws what `readOnnx` throws. */
export function fusionGraph(bytes: Uint8Array): FusionGraph {
  const graph = readOnnx(bytes).graph ?? {};
  const constants = new Map<string, Tensor>();
  for (const t of graph.initializer ?? []) if (t.name !== undefined) constants.set(t.name, readTensor(t, undefined));
  const dtypes = dtypesOf(graph);
  for (const [name, t] of constants) dtypes.set(name, t.dtype);
  return {
    nodes: (graph.node ?? []).map(nodeOf),
    inputs: (graph.input ?? []).flatMap((i) => (i.name !== undefined && !constants.has(i.name) ? [i.name] : [])),
    outputs: (graph.output ?? []).flatMap((o) => o.name ?? []),
    constants,
    dtypes,
  };
}

/** Who makes and who uses each value of a {@link FusionGraph}. */
export interface FusionLinks {
  readonly graph: FusionGraph;
  maker(value: string): FusionNode | undefined;
  users(value: string): readonly FusionNode[];
  /** Element type where the file states it or the operator that makes it settles it. */
  dtype(value: string): DType | undefined;
  /** Whether the value is a constant, perhaps behind a DequantizeLinear. */
  isConstant(value: string): boolean;
  /** Numbers of a small constant. */
  numbers(value: string): Float64Array | undefined;
}

/** Element type of the first output of operators that settle it by themselves. */
const SETTLED: Readonly<Record<string, DType>> = {
  DequantizeLinear: "float32",
  Shape: "int64",
  Size: "int64",
  ArgMax: "int64",
  ArgMin: "int64",
  NonZero: "int64",
  ConvInteger: "int32",
  MatMulInteger: "int32",
  MatMulIntegerToFloat: "float32",
  DynamicQuantizeMatMul: "float32",
  MatMulNBits: "float32",
};

/** Element types of a node's outputs; the last one stands for the rest. */
function madeTypes(node: FusionNode, typeOf: (input: number) => DType | undefined): readonly (DType | undefined)[] {
  const settled = SETTLED[node.op];
  if (settled) return [settled];
  if (node.op === "Cast") return [node.to];
  if (node.op === "DynamicQuantizeLinear") return ["uint8", "float32", "uint8"];
  if (node.op === "QuantizeLinear") return [typeOf(2) ?? "uint8"];
  if (node.op.startsWith("QLinear")) return [typeOf(0)];
  // Any float among the inputs makes float: indices, masks and shapes stand beside the data.
  return [node.inputs.map((_, i) => typeOf(i)).find((d) => d !== undefined && isFloat(d)) ?? typeOf(0)];
}

/** Builds the tables behind {@link FusionLinks}. */
export function linksOf(graph: FusionGraph): FusionLinks {
  const makers = new Map<string, FusionNode>();
  const users = new Map<string, FusionNode[]>();
  for (const node of graph.nodes) {
    for (const value of node.outputs) if (value !== "") makers.set(value, node);
    for (const value of node.inputs) {
      if (value === "") continue;
      const list = users.get(value);
      if (list) list.push(node);
      else users.set(value, [node]);
    }
  }
  // The nodes of a file stand in an order in which values are made before they are used, so that one pass settles all types.
  const dtypes = new Map(graph.dtypes);
  for (const node of graph.nodes) {
    const made = madeTypes(node, (i) => dtypes.get(node.inputs[i] ?? ""));
    node.outputs.forEach((value, i) => {
      const dtype = made[Math.min(i, made.length - 1)];
      if (dtype !== undefined && !dtypes.has(value)) dtypes.set(value, dtype);
    });
  }
  const links: FusionLinks = {
    graph,
    maker: (value) => makers.get(value),
    users: (value) => users.get(value) ?? [],
    dtype: (value) => dtypes.get(value),
    isConstant(value) {
      const maker = makers.get(value);
      return maker?.op === "DequantizeLinear" ? links.isConstant(maker.inputs[0] ?? "") : graph.constants.has(value);
    },
    numbers(value) {
      const t = graph.constants.get(value);
      return t && countOf(t.shape) <= SMALL && t.dtype !== "string" ? toNumbers(t) : undefined;
    },
  };
  return links;
}
