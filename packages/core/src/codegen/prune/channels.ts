import type { Graph, Node } from "../../graph/model.ts";
import { attrInt, attrInts } from "../../graph/node.ts";
import { toInts } from "../../graph/tensor.ts";
import { subgraphs } from "../../graph/walk.ts";

/** Where the channels of a value are: index (o * count + c) * inner + i of `axis` belongs to channel c. A flattened picture has an inner size. */
export interface Channels {
  readonly axis: number;
  readonly outer: number;
  readonly count: number;
  readonly inner: number;
}

/** The channel of each index of an axis. */
export function channelAt(channels: Channels, index: number): number {
  return Math.floor(index / channels.inner) % channels.count;
}

/** Channel c of `from` goes with channels offset + c * multiple and the multiple - 1 behind it of `to`: neither can go without the other. */
export interface Link {
  readonly from: string;
  readonly to: string;
  readonly offset: number;
  readonly multiple: number;
}

/** A node that sums over the channels of its input, so that a channel may go where what it adds is known. */
export interface Absorber {
  readonly node: Node;
  readonly input: string;
}

/** What a graph says about channels. */
export interface ChannelMap {
  readonly channels: ReadonlyMap<string, Channels>;
  readonly links: readonly Link[];
  readonly absorbers: readonly Absorber[];
  /** Values whose channels all have to stay. */
  readonly fixed: ReadonlySet<string>;
}

/** Shapes of all values and constants, by name. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

interface Tracing {
  readonly graph: Graph;
  readonly shapes: Shapes;
  readonly channels: Map<string, Channels>;
  readonly links: Link[];
  readonly absorbers: Absorber[];
  readonly fixed: Set<string>;
}

/** Says what becomes of channels at a node; false when it does not know. */
type Tracer = (at: Tracing, node: Node) => boolean;

/** Follows channels through a graph of known shapes. */
export function traceChannels(graph: Graph, shapes: Shapes): ChannelMap {
  const at: Tracing = { graph, shapes, channels: new Map(), links: [], absorbers: [], fixed: new Set() };
  for (const { name } of graph.inputs) {
    const shape = shapes.get(name);
    if (shape !== undefined && shape.length > 1)
      at.channels.set(name, { axis: 1, outer: 1, count: shape[1] as number, inner: 1 });
    at.fixed.add(name);
  }
  for (const { name } of graph.outputs) at.fixed.add(name);
  for (const node of graph.nodes) {
    const tracer = node.domain === "" && Object.hasOwn(TRACERS, node.op) ? TRACERS[node.op] : undefined;
    if (tracer?.(at, node) && subgraphs(node).length === 0) continue;
    for (const name of [...node.inputs, ...node.outputs]) at.fixed.add(name);
    // A subgraph may read any value.
    if (subgraphs(node).length > 0) for (const name of shapes.keys()) at.fixed.add(name);
  }
  return at;
}

/** Whether a name is a constant of the graph. */
export function isConstant(graph: Graph, name: string | undefined): boolean {
  return name !== undefined && graph.constants.has(name) && !graph.inputs.some((input) => input.name === name);
}

function link(at: Tracing, node: Node, channels: Channels, inputs: readonly string[]): boolean {
  const to = node.outputs[0] as string;
  at.channels.set(to, channels);
  for (const from of inputs) at.links.push({ from, to, offset: 0, multiple: 1 });
  return true;
}

/** Each channel of the output comes from the same one of the input. */
const same: Tracer = (at, node) => {
  const channels = at.channels.get(node.inputs[0] as string);
  if (channels === undefined || node.outputs.slice(1).some((name) => name !== "")) return false;
  return link(at, node, channels, [node.inputs[0] as string]);
};

/** Windows slide over the axes from 2 on: channels along one of those meet each other. */
const pooled: Tracer = (at, node) => at.channels.get(node.inputs[0] as string)?.axis === 1 && same(at, node);

const conv: Tracer = (at, node) => {
  const [input, weight] = node.inputs as [string, string];
  const [from, kernel] = [at.channels.get(input), at.shapes.get(weight)];
  const group = attrInt(node, "group", 1);
  if (
    from === undefined ||
    kernel === undefined ||
    from.axis !== 1 ||
    from.outer * from.inner !== 1 ||
    !isConstant(at.graph, weight)
  )
    return false;
  const to = { axis: 1, outer: 1, count: kernel[0] as number, inner: 1 };
  at.channels.set(node.outputs[0] as string, to);
  if (group === 1) at.absorbers.push({ node, input });
  else if (group === from.count)
    at.links.push({ from: input, to: node.outputs[0] as string, offset: 0, multiple: to.count / from.count });
  else return false;
  return true;
};

const fullyConnected: Tracer = (at, node) => {
  const [input, weight] = node.inputs as [string, string];
  const [from, shape, kernel] = [at.channels.get(input), at.shapes.get(input), at.shapes.get(weight)];
  const out = at.shapes.get(node.outputs[0] as string);
  if (shape === undefined || out === undefined || kernel?.length !== 2 || !isConstant(at.graph, weight)) return false;
  const transposed = node.op === "Gemm" && attrInt(node, "transB", 0) !== 0;
  if (node.op === "Gemm" && attrInt(node, "transA", 0) !== 0) return false;
  const count = kernel[transposed ? 0 : 1] as number;
  at.channels.set(node.outputs[0] as string, { axis: out.length - 1, outer: 1, count, inner: 1 });
  if (from === undefined || from.axis !== shape.length - 1) {
    at.fixed.add(input);
    return true;
  }
  at.absorbers.push({ node, input });
  return true;
};

/** Operands with broadcasting: those that have the channels go together, constants are cut, others stay whole. */
const binary: Tracer = (at, node) => {
  const out = at.shapes.get(node.outputs[0] as string);
  const operands = node.inputs.filter((name) => !isConstant(at.graph, name));
  if (out === undefined || operands.length === 0 || node.inputs.some((name) => !at.shapes.has(name))) return false;
  let channels: Channels | undefined;
  const linked: string[] = [];
  for (const name of operands) {
    const own = at.channels.get(name);
    const shape = at.shapes.get(name) as readonly number[];
    if (own === undefined) return false;
    const moved = { ...own, axis: own.axis + out.length - shape.length };
    if (shape[own.axis] !== out[moved.axis]) {
      at.fixed.add(name);
      continue;
    }
    channels ??= moved;
    if (!sameChannels(channels, moved)) return false;
    linked.push(name);
  }
  return channels === undefined ? false : link(at, node, channels, linked);
};

function sameChannels(a: Channels, b: Channels): boolean {
  return a.axis === b.axis && a.outer === b.outer && a.count === b.count && a.inner === b.inner;
}

const reduce: Tracer = (at, node) => {
  const input = node.inputs[0] as string;
  const [channels, shape] = [at.channels.get(input), at.shapes.get(input)];
  const given = at.graph.constants.get(node.inputs[1] ?? "");
  const listed = given === undefined ? attrInts(node, "axes") : toInts(given);
  if (channels === undefined || shape === undefined || listed === undefined || listed.length === 0) return false;
  const axes = listed.map((axis) => (axis < 0 ? axis + shape.length : axis));
  if (axes.includes(channels.axis)) return false;
  const gone = attrInt(node, "keepdims", 1) === 0 ? axes.filter((axis) => axis < channels.axis).length : 0;
  return link(at, node, { ...channels, axis: channels.axis - gone }, [input]);
};

const concat: Tracer = (at, node) => {
  const all = node.inputs.map((name) => at.channels.get(name));
  const rank = at.shapes.get(node.outputs[0] as string)?.length ?? 0;
  const axis = attrInt(node, "axis", 0);
  const along = axis < 0 ? axis + rank : axis;
  const [first] = all;
  if (first === undefined || node.inputs.some((name) => isConstant(at.graph, name))) return false;
  if (all.some((own) => own === undefined || own.axis !== first.axis || own.outer !== first.outer || own.inner !== first.inner))
    return false;
  if (along !== first.axis) return all.every((own) => own?.count === first.count) && link(at, node, first, node.inputs);
  if (first.outer !== 1) return false;
  const to = node.outputs[0] as string;
  let offset = 0;
  for (const [i, own] of all.entries()) {
    at.links.push({ from: node.inputs[i] as string, to, offset, multiple: 1 });
    offset += own?.count ?? 0;
  }
  at.channels.set(to, { ...first, count: offset });
  return true;
};

/** Padding and resizing of other axes. */
const around: Tracer = (at, node) => {
  const [input, output] = [node.inputs[0] as string, node.outputs[0] as string];
  const channels = at.channels.get(input);
  const [shape, out] = [at.shapes.get(input), at.shapes.get(output)];
  if (channels === undefined || shape === undefined || out === undefined || shape.length !== out.length) return false;
  if (shape[channels.axis] !== out[channels.axis] || (node.op === "Pad" && node.inputs[3])) return false;
  if (node.op === "Pad" && !padsElsewhere(at, node, channels.axis)) return false;
  return link(at, node, channels, [input]);
};

/** Whether a Pad leaves an axis alone: equal sizes may hide a shift. */
function padsElsewhere(at: Tracing, node: Node, axis: number): boolean {
  const amounts = at.graph.constants.get(node.inputs[1] ?? "");
  if (amounts === undefined) return false;
  const all = toInts(amounts);
  return all[axis] === 0 && all[axis + all.length / 2] === 0;
}

const transpose: Tracer = (at, node) => {
  const channels = at.channels.get(node.inputs[0] as string);
  const rank = at.shapes.get(node.inputs[0] as string)?.length ?? 0;
  if (channels === undefined) return false;
  const perm = attrInts(node, "perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  return link(at, node, { ...channels, axis: perm.indexOf(channels.axis) }, [node.inputs[0] as string]);
};

const reshape: Tracer = (at, node) => {
  const input = node.inputs[0] as string;
  const [channels, shape, out] = [at.channels.get(input), at.shapes.get(input), at.shapes.get(node.outputs[0] as string)];
  if (channels === undefined || shape === undefined || out === undefined) return false;
  if (node.op === "Reshape" && !isConstant(at.graph, node.inputs[1])) return false;
  const product = (sizes: readonly number[]): number => sizes.reduce((n, size) => n * size, 1);
  const before = product(shape.slice(0, channels.axis)) * channels.outer;
  const behind = channels.inner * product(shape.slice(channels.axis + 1));
  for (const [axis, size] of out.entries()) {
    const outer = before / product(out.slice(0, axis));
    const inner = behind / product(out.slice(axis + 1));
    if (!Number.isInteger(outer) || !Number.isInteger(inner) || outer * channels.count * inner !== size) continue;
    return link(at, node, { axis, outer, count: channels.count, inner }, [input]);
  }
  return false;
};

const TRACERS: Readonly<Record<string, Tracer>> = {
  Conv: conv,
  Gemm: fullyConnected,
  MatMul: fullyConnected,
  Relu: same,
  Clip: same,
  Identity: same,
  LeakyRelu: same,
  HardSwish: same,
  Sigmoid: same,
  Tanh: same,
  Elu: same,
  MaxPool: pooled,
  AveragePool: pooled,
  GlobalAveragePool: pooled,
  GlobalMaxPool: pooled,
  Add: binary,
  Sub: binary,
  Mul: binary,
  PRelu: binary,
  Max: binary,
  Min: binary,
  ReduceMean: reduce,
  ReduceSum: reduce,
  Concat: concat,
  Pad: around,
  Resize: around,
  Transpose: transpose,
  Reshape: reshape,
  Flatten: reshape,
  Squeeze: reshape,
  Unsqueeze: reshape,
};
