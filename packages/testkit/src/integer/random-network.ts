import { type Random, seededRandom } from "@tessera/core/base/random";
import type { Model, Node } from "@tessera/core/graph/model";
import { float } from "@tessera/core/graph/node";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { countOf, f32, i64, type Tensor } from "@tessera/core/graph/tensor";
import { unitPlan } from "@tessera/core/quant/unit-plan";
import { targetById } from "@tessera/core/targets/table";
import { smallModel, smallNode } from "../small-model.ts";

/** What {@link randomNetwork} makes. */
export interface RandomNetworkOptions {
  /** Filters that are zero, and inputs that no filter reads, among those of convolutions. */
  readonly dead?: boolean;
}

/** A network on its way. */
interface Building {
  readonly random: Random;
  readonly dead: boolean;
  readonly nodes: Node[];
  readonly constants: Record<string, Tensor>;
  /** Values by name, with shapes. */
  readonly shapes: Map<string, readonly number[]>;
  count: number;
}

/** Adds a node and gives the name of what it makes. */
function add(
  at: Building,
  op: string,
  inputs: readonly string[],
  how: { shape: readonly number[]; attributes?: object },
): string {
  const name = `v${at.count++}`;
  at.nodes.push(
    smallNode(op, inputs.map((input) => (input === "" ? "-" : input)).join(" "), name, how.attributes ?? {}, `${op}:${name}`),
  );
  at.shapes.set(name, how.shape);
  return name;
}

function constant(at: Building, tensor: Tensor): string {
  const name = `c${at.count++}`;
  at.constants[name] = tensor;
  return name;
}

/** Normal numbers of a size that keeps sums over `depth` of them in the range that plans give every activation. */
function noise(at: Building, shape: readonly number[], depth = 1): Float32Array {
  return Float32Array.from({ length: countOf(shape) }, () => at.random.normal() / Math.sqrt(depth));
}

/** Weights [outputs, inputs, ...], some of whose outputs or inputs are zero where dead ones are asked for. */
function weights(at: Building, shape: readonly number[]): string {
  const data = noise(at, shape, countOf(shape.slice(1)));
  const [outputs, inputs] = shape as [number, number];
  const taps = countOf(shape.slice(2));
  const isDead = (): boolean => at.dead && at.random.int(3) === 0;
  for (let o = 0; o < outputs; o++) if (isDead()) data.fill(0, o * inputs * taps, (o + 1) * inputs * taps);
  for (let i = 0; i < inputs; i++)
    if (isDead() && inputs > 1)
      for (let o = 0; o < outputs; o++) data.fill(0, (o * inputs + i) * taps, (o * inputs + i + 1) * taps);
  return constant(at, f32(shape, data));
}

/** Biases that leave dead channels at zero, or at some other constant. */
function bias(at: Building, outputs: number): string {
  return constant(
    at,
    f32(
      [outputs],
      Float32Array.from(noise(at, [outputs]), (b) => (at.random.int(3) === 0 ? 0 : b * 0.3)),
    ),
  );
}

type Step = (at: Building, name: string) => string | undefined;

function windowed(size: number, kernel: number, stride: number, pads: number): number {
  return Math.floor((size + pads - kernel) / stride) + 1;
}

/** A convolution of some kind, perhaps behind a Pad, perhaps with an activation. */
const conv: Step = (at, name) => {
  const { random } = at;
  const [, c, h, w] = at.shapes.get(name) as [number, number, number, number];
  const kernel = Math.min(1 + random.int(3), h, w);
  const stride = h > 3 && w > 3 ? 1 + random.int(2) : 1;
  const pads = kernel === 1 ? [0, 0, 0, 0] : Array.from({ length: 4 }, () => random.int(2));
  const depthwise = random.int(2) === 0;
  const multiple = depthwise ? 1 + random.int(2) : 1;
  const outputs = depthwise ? c * multiple : 2 + random.int(7);
  const group = depthwise ? c : 1;
  const padded = random.int(3) === 0;
  let input = name;
  if (padded && kernel > 1) {
    const amounts = [0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]] as number[];
    const shape = [1, c, h + (pads[0] as number) + (pads[2] as number), w + (pads[1] as number) + (pads[3] as number)];
    input = add(at, "Pad", [name, constant(at, i64([8], amounts))], { shape });
  }
  const shape = [
    1,
    outputs,
    windowed(h, kernel, stride, (pads[0] as number) + (pads[2] as number)),
    windowed(w, kernel, stride, (pads[1] as number) + (pads[3] as number)),
  ];
  const inputs = [input, weights(at, [outputs, c / group, kernel, kernel])];
  if (random.int(4) > 0) inputs.push(bias(at, outputs));
  const attributes = { group, strides: [stride, stride], ...(input === name ? { pads } : {}) };
  const made = add(at, "Conv", inputs, { shape, attributes });
  return random.int(2) === 0 ? add(at, "Relu", [made], { shape }) : made;
};

const unary: Step = (at, name) => {
  const shape = at.shapes.get(name) as readonly number[];
  const op = ["Relu", "LeakyRelu", "Sigmoid", "Tanh", "HardSwish"][at.random.int(5)] as string;
  return add(at, op, [name], { shape, attributes: op === "LeakyRelu" ? { alpha: float(0.2) } : {} });
};

/** An operator with another value of the same shape, a constant by channel, or a slope. */
const binary: Step = (at, name) => {
  const shape = at.shapes.get(name) as readonly number[];
  const others = [...at.shapes].filter(([other, s]) => other !== name && s.join() === shape.join()).map(([other]) => other);
  const op = ["Add", "Mul", "Sub", "PRelu"][at.random.int(4)] as string;
  const other = op === "PRelu" ? undefined : others[at.random.int(Math.max(1, others.length))];
  const byChannel = shape.slice(1).map((size, i) => (i === 0 ? size : 1));
  return add(at, op, [name, other ?? constant(at, f32(byChannel, noise(at, byChannel)))], { shape });
};

/** Squeeze and excite: channels times factors made of their means. */
const excite: Step = (at, name) => {
  const shape = at.shapes.get(name) as readonly number[];
  const c = shape[1] as number;
  const mean = add(at, "GlobalAveragePool", [name], { shape: [1, c, 1, 1] });
  const made = add(at, "Conv", [mean, weights(at, [c, c, 1, 1]), bias(at, c)], { shape: [1, c, 1, 1] });
  const factors = add(at, "Sigmoid", [made], { shape: [1, c, 1, 1] });
  return add(at, "Mul", [name, factors], { shape });
};

const pool: Step = (at, name) => {
  const [, c, h, w] = at.shapes.get(name) as [number, number, number, number];
  if (h < 2 || w < 2) return undefined;
  const attributes = { kernel_shape: [2, 2], strides: [1 + at.random.int(2), 1], pads: [0, at.random.int(2), 0, 0] };
  const shape = [1, c, windowed(h, 2, attributes.strides[0] as number, 0), windowed(w, 2, 1, attributes.pads[1] as number)];
  return add(at, at.random.int(2) === 0 ? "MaxPool" : "AveragePool", [name], { shape, attributes });
};

const concat: Step = (at, name) => {
  const shape = at.shapes.get(name) as readonly number[];
  const fits = [...at.shapes].filter(([, s]) => s.length === 4 && s[2] === shape[2] && s[3] === shape[3]).map(([other]) => other);
  const other = fits[at.random.int(fits.length)] as string;
  const c = (shape[1] as number) + (at.shapes.get(other)?.[1] as number);
  return c > 24 ? undefined : add(at, "Concat", [name, other], { shape: [1, c, ...shape.slice(2)], attributes: { axis: 1 } });
};

const pick: Step = (at, name) => {
  const shape = at.shapes.get(name) as readonly number[];
  const axis = 1 + at.random.int(3);
  const size = shape[axis] as number;
  const resized = (n: number): number[] => shape.map((s, i) => (i === axis ? n : s));
  if (at.random.int(2) === 0) {
    const indices = Array.from({ length: 1 + at.random.int(6) }, () => at.random.int(size));
    return add(at, "Gather", [name, constant(at, i64([indices.length], indices))], {
      shape: resized(indices.length),
      attributes: { axis },
    });
  }
  const start = at.random.int(size);
  const step = 1 + at.random.int(2);
  const list = [[start], [size], [axis], [step]].map((values) => constant(at, i64([1], values)));
  return add(at, "Slice", [name, ...list], { shape: resized(Math.ceil((size - start) / step)) });
};

const turn: Step = (at, name) => {
  const shape = at.shapes.get(name) as readonly number[];
  const perm = [
    0,
    ...([
      [1, 3, 2],
      [2, 1, 3],
      [3, 2, 1],
      [2, 3, 1],
      [3, 1, 2],
    ][at.random.int(5)] as number[]),
  ];
  return add(at, "Transpose", [name], { shape: perm.map((d) => shape[d] as number), attributes: { perm } });
};

/** Axes joined or split: channels stay channels, or do not. */
const reshape: Step = (at, name) => {
  const [, c, h, w] = at.shapes.get(name) as [number, number, number, number];
  const shape = [
    [1, c, 1, h * w],
    [1, c * h, 1, w],
    [1, 1, c, h * w],
    [1, h, w, c],
  ][at.random.int(4)] as number[];
  return add(at, "Reshape", [name, constant(at, i64([4], shape))], { shape });
};

const resize: Step = (at, name) => {
  const [, c, h, w] = at.shapes.get(name) as [number, number, number, number];
  if (h * w > 100) return undefined;
  const linear = at.random.int(2) === 0;
  const [sy, sx] = linear ? [2, 2] : [1 + at.random.int(2), 1.5];
  const shape = [1, c, Math.floor(h * sy), Math.floor(w * sx)];
  const attributes = linear
    ? { mode: "linear", coordinate_transformation_mode: "half_pixel" }
    : { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" };
  return add(at, "Resize", [name, "", constant(at, f32([4], [1, 1, sy, sx]))], { shape, attributes });
};

/** A step of 2 by 2 between space and channels. */
const shuffle: Step = (at, name) => {
  const [, c, h, w] = at.shapes.get(name) as [number, number, number, number];
  const attributes = { blocksize: 2 };
  if (c % 4 === 0) return add(at, "DepthToSpace", [name], { shape: [1, c / 4, h * 2, w * 2], attributes });
  if (h % 2 === 0 && w % 2 === 0 && c < 6)
    return add(at, "SpaceToDepth", [name], { shape: [1, c * 4, h / 2, w / 2], attributes });
  return undefined;
};

/** Lengths along the channels made one, before a convolution, where plans keep it in integers. */
const normalize: Step = (at, name) => {
  const shape = at.shapes.get(name) as readonly number[];
  return conv(at, add(at, "LpNormalization", [name], { shape, attributes: { axis: 1 } }));
};

/** A padding by itself: with zeros, or mirrored. */
const pad: Step = (at, name) => {
  const shape = at.shapes.get(name) as readonly number[];
  const amounts = shape.map((size, axis) => (axis > 1 && size > 1 ? at.random.int(2) : 0));
  const behind = shape.map((size, axis) => (axis > 1 && size > 1 ? at.random.int(2) : 0));
  const out = shape.map((size, axis) => size + (amounts[axis] as number) + (behind[axis] as number));
  const all = constant(at, i64([8], [...amounts, ...behind]));
  if (at.random.int(2) === 0) return add(at, "Pad", [name, all], { shape: out, attributes: { mode: "reflect" } });
  return add(at, "Pad", [name, all], { shape: out });
};

const STEPS: readonly Step[] = [
  conv,
  conv,
  conv,
  conv,
  unary,
  binary,
  binary,
  excite,
  pool,
  concat,
  pick,
  turn,
  reshape,
  resize,
  shuffle,
  normalize,
  pad,
];

/** The end: a fully connected layer on means or on all values, or the value as it is. */
function head(at: Building, name: string): string {
  const { random } = at;
  const [, c, h, w] = at.shapes.get(name) as [number, number, number, number];
  const which = random.int(5);
  if (which === 0) return name;
  const axes = constant(at, i64([2], [2, 3]));
  const flat =
    which === 1
      ? add(at, "ReduceMean", [name, axes], { shape: [1, c], attributes: { keepdims: 0 } })
      : add(at, "Flatten", [name], { shape: [1, c * h * w] });
  const depth = (at.shapes.get(flat) as readonly number[])[1] as number;
  const outputs = 3 + random.int(4);
  const made = add(at, "Gemm", [flat, weights(at, [outputs, depth]), bias(at, outputs)], {
    shape: [1, outputs],
    attributes: { transB: 1 },
  });
  return which === 2 ? add(at, "Softmax", [made], { shape: [1, outputs], attributes: { axis: -1 } }) : made;
}

/**
 * A network of a few random operators on [1, C, H, W] with the plan that a microcontroller's rules make of it, every activation in [-1, 1]. The same for
 * the same seed.
 */
export function randomNetwork(
  seed: number,
  options: RandomNetworkOptions = {},
): { readonly model: Model; readonly plan: QuantPlan } {
  const random = seededRandom(seed);
  const x = [1, 1 + random.int(6), 3 + random.int(6), 3 + random.int(6)];
  const at: Building = { random, dead: options.dead ?? false, nodes: [], constants: {}, shapes: new Map([["x", x]]), count: 0 };
  let last = conv(at, "x") ?? "x";
  for (let left = 2 + random.int(6); left > 0; left--) last = (STEPS[random.int(STEPS.length)] as Step)(at, last) ?? last;
  const middle = [...at.shapes.keys()][1 + random.int(at.shapes.size - 1)] as string;
  const outputs = [head(at, last)];
  if (random.int(4) === 0 && !outputs.includes(middle)) outputs.push(middle);
  const model = smallModel({ x, nodes: at.nodes, constants: at.constants, outputs });
  return unitPlan(model, targetById("cortex-m"));
}
