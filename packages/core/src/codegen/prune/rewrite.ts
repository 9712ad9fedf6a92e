import { withAttributes } from "../../graph/edit.ts";
import type { Graph, Node, ValueType } from "../../graph/model.ts";
import { attrInt } from "../../graph/node.ts";
import type { Encoding } from "../../graph/plan.ts";
import { fromNumbers, type Tensor, toNumbers } from "../../graph/tensor.ts";
import { type Channels, channelAt, isConstant } from "./channels.ts";
import type { Kept, Known } from "./choose.ts";
import { type Fold, foldsOf } from "./fold.ts";

/** A network with channels taken out, or the nodes whose bias could not take their part. */
export type Rewritten =
  | { readonly kind: "done"; readonly graph: Graph; readonly tensors: ReadonlyMap<string, Encoding> }
  | { readonly kind: "refused"; readonly nodes: readonly string[] };

/** A constant that a node reads, on its way to being changed. */
interface Operand {
  readonly tensor: Tensor;
  readonly encoding: Encoding | undefined;
}

interface Rewriting {
  readonly known: Known;
  readonly kept: Kept;
  readonly constants: Map<string, Tensor>;
  readonly tensors: Map<string, Encoding>;
  /** How many nodes read each constant. */
  readonly readers: ReadonlyMap<string, number>;
}

/** Takes channels out of a graph: weights, biases and other constants are cut, and what constant channels added goes into biases. */
export function removeChannels(known: Known, tensors: ReadonlyMap<string, Encoding>, kept: Kept): Rewritten {
  const { graph } = known;
  const folds = foldsOf(known, tensors, kept);
  if (folds.refused.length > 0) return { kind: "refused", nodes: folds.refused };
  const readers = new Map<string, number>();
  for (const node of graph.nodes) for (const name of new Set(node.inputs)) readers.set(name, (readers.get(name) ?? 0) + 1);
  const at: Rewriting = { known, kept, constants: new Map(graph.constants), tensors: new Map(tensors), readers };
  const nodes = graph.nodes.map((node) => rewriteNode(at, node, folds.folds.get(node.name)));
  const used = new Set([...nodes.flatMap((node) => node.inputs), ...graph.outputs.map((output) => output.name)]);
  const types = new Map<string, ValueType>(graph.types);
  for (const [name, list] of kept) {
    const type = types.get(name);
    const channels = known.map.channels.get(name);
    if (type?.kind !== "tensor" || type.shape === undefined || channels === undefined) continue;
    const size = channels.outer * list.length * channels.inner;
    types.set(name, { ...type, shape: type.shape.map((old, axis) => (axis === channels.axis ? size : old)) });
  }
  for (const name of graph.constants.keys())
    if (!used.has(name) && !graph.inputs.some((input) => input.name === name)) {
      at.constants.delete(name);
      at.tensors.delete(name);
    }
  return { kind: "done", graph: { ...graph, nodes, constants: at.constants, types }, tensors: at.tensors };
}

/** The indices of a value's channel axis that stay; `undefined` when all do. */
function keptIndices(at: Rewriting, name: string): number[] | undefined {
  const list = at.kept.get(name);
  const channels = at.known.map.channels.get(name);
  if (list === undefined || channels === undefined) return undefined;
  return indicesOf(channels, list);
}

function indicesOf(channels: Channels, list: readonly number[]): number[] {
  const stays = new Set(list);
  const size = channels.outer * channels.count * channels.inner;
  return Array.from({ length: size }, (_, i) => i).filter((i) => stays.has(channelAt(channels, i)));
}

/** Some indices of an axis of a constant, with its encoding. */
function cut(operand: Operand, axis: number, indices: readonly number[] | undefined): Operand {
  if (indices === undefined) return operand;
  const { tensor, encoding } = operand;
  const size = tensor.shape[axis] as number;
  const inner = tensor.shape.slice(axis + 1).reduce((n, s) => n * s, 1);
  const outer = tensor.shape.slice(0, axis).reduce((n, s) => n * s, 1);
  const values = toNumbers(tensor);
  const out = new Float64Array(outer * indices.length * inner);
  let to = 0;
  for (let o = 0; o < outer; o++)
    for (const index of indices) for (let i = 0; i < inner; i++) out[to++] = values[(o * size + index) * inner + i] as number;
  const shape = tensor.shape.map((s, d) => (d === axis ? indices.length : s));
  const pick = (list: readonly number[]): number[] => indices.map((index) => list[index] as number);
  const isAlong = encoding !== undefined && encoding.axis === axis && encoding.scale.length > 1;
  return {
    tensor: fromNumbers(tensor.dtype, shape, out),
    encoding: isAlong ? { ...encoding, scale: pick(encoding.scale), zeroPoint: pick(encoding.zeroPoint) } : encoding,
  };
}

/** Puts a changed constant in its place, under a name of its own when others read the old one. */
function put(at: Rewriting, node: Node, index: number, operand: Operand): string {
  const old = node.inputs[index] ?? "";
  const isOwn = old !== "" && (at.readers.get(old) ?? 0) <= 1;
  const name = isOwn ? old : freshName(at, `${old === "" ? "bias" : old} of ${node.name}`);
  at.constants.set(name, operand.tensor);
  if (operand.encoding !== undefined) at.tensors.set(name, operand.encoding);
  return name;
}

function freshName(at: Rewriting, wanted: string): string {
  let name = wanted;
  for (let i = 2; at.constants.has(name) || at.known.graph.types.has(name); i++) name = `${wanted} ${i}`;
  return name;
}

function rewriteNode(at: Rewriting, node: Node, fold: Fold | undefined): Node {
  const { graph } = at.known;
  const inputs = [...node.inputs];
  const operandOf = (index: number): Operand => {
    const name = node.inputs[index] as string;
    if (fold?.index === index) return fold;
    return { tensor: graph.constants.get(name) as Tensor, encoding: at.tensors.get(name) };
  };
  const change = (index: number, edit: (operand: Operand) => Operand): void => {
    const operand = fold?.index === index ? fold : operandOf(index);
    const edited = edit(operand);
    if (edited !== operand || fold?.index === index) inputs[index] = put(at, node, index, edited);
  };
  const made = (node.outputs[0] ?? "") as string;
  const outputs = keptIndices(at, made);
  const data = keptIndices(at, node.inputs[0] ?? "");
  const hasBias = (node.inputs[2] ?? "") !== "" || fold?.index === 2;
  if (node.op === "Conv") {
    const isDepthwise = attrInt(node, "group", 1) > 1;
    change(1, (weight) => cut(isDepthwise ? weight : cut(weight, 1, data), 0, outputs));
    if (hasBias) change(2, (bias) => cut(bias, 0, outputs));
    const group = data === undefined ? undefined : ({ kind: "int", value: data.length } as const);
    const changed = isDepthwise && group !== undefined ? withAttributes(node, { group }) : node;
    return { ...changed, inputs };
  }
  if (node.op === "Gemm" || node.op === "MatMul") {
    const transposed = node.op === "Gemm" && attrInt(node, "transB", 0) !== 0;
    const depth = isSummed(at, node) ? data : undefined;
    change(1, (weight) => cut(cut(weight, transposed ? 1 : 0, depth), transposed ? 0 : 1, outputs));
    if (hasBias) change(2, (bias) => cut(bias, bias.tensor.shape.length - 1, outputs));
    return { ...node, inputs };
  }
  if (fold !== undefined || BROADCASTING.includes(node.op)) cutConstants(at, node, change);
  else if (node.op === "Reshape") resize(at, node, { index: 1, change });
  else if (node.op === "Resize" && (node.inputs[3] ?? "") !== "") resize(at, node, { index: 3, change });
  return { ...node, inputs };
}

const BROADCASTING = ["Add", "Sub", "Mul", "PRelu", "Max", "Min"];

/** Whether the channels of the input are what a fully connected node sums over. */
function isSummed(at: Rewriting, node: Node): boolean {
  return at.known.map.absorbers.some((absorber) => absorber.node === node);
}

type Change = (index: number, edit: (operand: Operand) => Operand) => void;

/** Cuts the constant operands of a broadcasting node that have the channels of its output. */
function cutConstants(at: Rewriting, node: Node, change: Change): void {
  const output = node.outputs[0] as string;
  const indices = keptIndices(at, output);
  const channels = at.known.map.channels.get(output);
  const rank = at.known.program.values.get(output)?.shape.length ?? at.known.shapes.get(output)?.length ?? 0;
  for (const [index, name] of node.inputs.entries()) {
    if (!isConstant(at.known.graph, name)) continue;
    change(index, (operand) => {
      if (channels === undefined) return operand;
      const axis = channels.axis - (rank - operand.tensor.shape.length);
      const isWhole = axis >= 0 && operand.tensor.shape[axis] === channels.outer * channels.count * channels.inner;
      return isWhole && channels.count > 1 ? cut(operand, axis, indices) : operand;
    });
  }
}

/** Writes the new size of the channel axis into a list of sizes. */
function resize(at: Rewriting, node: Node, how: { readonly index: number; readonly change: Change }): void {
  const output = node.outputs[0] as string;
  const indices = keptIndices(at, output);
  const channels = at.known.map.channels.get(output);
  if (indices === undefined || channels === undefined || !isConstant(at.known.graph, node.inputs[how.index])) return;
  how.change(how.index, (operand) => {
    const sizes = [...toNumbers(operand.tensor)];
    // 0 and -1 follow by themselves.
    if ((sizes[channels.axis] ?? 0) <= 0) return operand;
    sizes[channels.axis] = indices.length;
    return { ...operand, tensor: fromNumbers(operand.tensor.dtype, operand.tensor.shape, sizes) };
  });
}
