import { attrFloat, attrString } from "../../graph/node.ts";
import { reshaped, type Tensor } from "../../graph/tensor.ts";
import type { ACTIVATION } from "../../ops/activation.ts";
import { broadcastStrides } from "../../ops/broadcast.ts";
import { bigRoomFor, bigsOf, boolTensor, finish, isBig, type Numbers, numbersOf, roomFor, sizeOf } from "../elements.ts";
import type { Kernel, KernelContext } from "../kernel.ts";
import { denseStrides } from "../move.ts";
import { planRuns } from "../runs.ts";
import { erf } from "./erf.ts";
import { needed } from "./needed.ts";
import { mapKernel } from "./unary.ts";

// Activations with attributes: the map is made once for the node, then run over the elements.
function configured(make: (context: KernelContext) => (v: number) => number): Kernel {
  return (inputs, context) => mapKernel(make(context))(inputs, context);
}

function sigmoid(v: number): number {
  // Each branch keeps exp from overflowing.
  if (v >= 0) return 1 / (1 + Math.exp(-v));
  const e = Math.exp(v);
  return e / (1 + e);
}

function softplus(v: number): number {
  return v > 0 ? v + Math.log1p(Math.exp(-v)) : Math.log1p(Math.exp(v));
}

function geluErf(v: number): number {
  return 0.5 * v * (1 + erf(v * Math.SQRT1_2));
}

// The tanh form of Hendrycks and Gimpel (arXiv 1606.08415).
function geluTanh(v: number): number {
  return 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v * v * v)));
}

const relu: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  if (x.dtype !== "float32") {
    return mapKernel(
      (v) => Math.max(0, v),
      (v) => (v < 0n ? 0n : v),
    )(inputs, context);
  }
  const from = numbersOf(x) as Float32Array;
  const out = new Float32Array(from.length);
  for (let i = 0; i < from.length; i++) {
    // Math.max keeps NaN.
    out[i] = Math.max(0, from[i] as number);
  }
  return [finish(x.dtype, x.shape, out)];
};

const prelu: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const slope = needed(inputs, 1, context);
  const runs = planRuns(x.shape, [denseStrides(x.shape), broadcastStrides(slope.shape, x.shape)]);
  const [, slopeStarts] = runs.starts as [Int32Array, Int32Array];
  const [, slopeStep] = runs.steps as [number, number];
  if (isBig(x.dtype)) {
    const from = bigsOf(x);
    const slopes = bigsOf(slope);
    const out = bigRoomFor(x.dtype, from.length);
    for (let r = 0, o = 0; r < runs.count; r++) {
      let s = slopeStarts[r] as number;
      for (let i = 0; i < runs.length; i++, o++, s += slopeStep) {
        const v = from[o] as bigint;
        out[o] = v < 0n ? v * (slopes[s] as bigint) : v;
      }
    }
    return [finish(x.dtype, x.shape, out)];
  }
  const walk: SlopeWalk = { starts: slopeStarts, step: slopeStep, length: runs.length };
  const from = numbersOf(x);
  const slopes = numbersOf(slope);
  const out = roomFor(x.dtype, from.length);
  if (from instanceof Float32Array) preluFloat32(from, slopes as Float32Array, { out: out as Float32Array, walk });
  else preluNumbers(from, slopes, { out, walk });
  return [finish(x.dtype, x.shape, out)];
};

interface SlopeWalk {
  readonly starts: Int32Array;
  readonly step: number;
  readonly length: number;
}

// Twice the same loop: the one for float32 sees one kind of array only, which the engine turns into straight machine code.
function preluFloat32(
  x: Float32Array,
  slopes: Float32Array,
  { out, walk }: { readonly out: Float32Array; readonly walk: SlopeWalk },
): void {
  for (let r = 0, o = 0; r < walk.starts.length; r++) {
    let s = walk.starts[r] as number;
    for (let i = 0; i < walk.length; i++, o++, s += walk.step) {
      const v = x[o] as number;
      out[o] = v < 0 ? v * (slopes[s] as number) : v;
    }
  }
}

function preluNumbers(x: Numbers, slopes: Numbers, { out, walk }: { readonly out: Numbers; readonly walk: SlopeWalk }): void {
  for (let r = 0, o = 0; r < walk.starts.length; r++) {
    let s = walk.starts[r] as number;
    for (let i = 0; i < walk.length; i++, o++, s += walk.step) {
      const v = x[o] as number;
      out[o] = v < 0 ? v * (slopes[s] as number) : v;
    }
  }
}

function clipFloat32(x: Float32Array, out: Float32Array, { low, high }: { readonly low: number; readonly high: number }): void {
  for (let i = 0; i < x.length; i++) {
    let v = x[i] as number;
    if (v < low) v = low;
    if (v > high) v = high;
    out[i] = v;
  }
}

function bound(t: Tensor | undefined): number | undefined {
  return t === undefined ? undefined : numbersOf(t)[0];
}

const clip: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  if (isBig(x.dtype)) {
    const [low, high] = [inputs[1], inputs[2]].map((t) => (t === undefined ? undefined : bigsOf(t)[0]));
    return mapKernel(Math.abs, (v) => {
      const raised = low !== undefined && v < low ? low : v;
      return high !== undefined && raised > high ? high : raised;
    })(inputs, context);
  }
  const low = bound(inputs[1]) ?? Number.NEGATIVE_INFINITY;
  const high = bound(inputs[2]) ?? Number.POSITIVE_INFINITY;
  const from = numbersOf(x);
  if (from instanceof Float32Array) {
    const out = new Float32Array(from.length);
    clipFloat32(from, out, { low, high });
    return [finish(x.dtype, x.shape, out)];
  }
  const out = roomFor(x.dtype, from.length);
  for (let i = 0; i < from.length; i++) {
    out[i] = Math.min(high, Math.max(low, from[i] as number));
  }
  return [finish(x.dtype, x.shape, out)];
};

const shrink: Kernel = (inputs, context) => {
  const lambd = attrFloat(context.node, "lambd", 0.5);
  const bias = attrFloat(context.node, "bias", 0);
  const f = (v: number): number => (v < -lambd ? v + bias : v > lambd ? v - bias : 0);
  return mapKernel(f, (v) => BigInt(Math.trunc(f(Number(v)))))(inputs, context);
};

// At inference nothing is dropped; with training_mode the random draw would belong to the runtime, so only ratio 0 has one answer.
const dropout: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const mask = context.outputCount > 1 ? boolTensor(x.shape, new Uint8Array(sizeOf(x)).fill(1)) : undefined;
  return [reshaped(x, x.shape), mask];
};

/** Reference kernels of the activation functions. */
export const ACTIVATION_KERNELS = {
  Celu: configured(({ node }) => {
    const alpha = attrFloat(node, "alpha", 1);
    return (v) => (v > 0 ? v : alpha * Math.expm1(v / alpha));
  }),
  Clip: clip,
  Dropout: dropout,
  Elu: configured(({ node }) => {
    const alpha = attrFloat(node, "alpha", 1);
    return (v) => (v > 0 ? v : alpha * Math.expm1(v));
  }),
  Gelu: configured(({ node }) => (attrString(node, "approximate", "none") === "tanh" ? geluTanh : geluErf)),
  HardSigmoid: configured(({ node }) => {
    const alpha = attrFloat(node, "alpha", Math.fround(0.2));
    const beta = attrFloat(node, "beta", 0.5);
    return (v) => Math.max(0, Math.min(1, alpha * v + beta));
  }),
  HardSwish: mapKernel((v) => v * Math.max(0, Math.min(1, v / 6 + 0.5))),
  LeakyRelu: configured(({ node }) => {
    const alpha = attrFloat(node, "alpha", Math.fround(0.01));
    return (v) => (v < 0 ? alpha * v : v);
  }),
  Mish: mapKernel((v) => v * Math.tanh(softplus(v))),
  PRelu: prelu,
  Relu: relu,
  Selu: configured(({ node }) => {
    const alpha = attrFloat(node, "alpha", Math.fround(1.6732631921768188));
    const gamma = attrFloat(node, "gamma", Math.fround(1.0507010221481323));
    return (v) => gamma * (v > 0 ? v : alpha * Math.expm1(v));
  }),
  Shrink: shrink,
  Sigmoid: mapKernel(sigmoid),
  Softplus: mapKernel(softplus),
  Softsign: mapKernel((v) => v / (1 + Math.abs(v))),
  Swish: configured(({ node }) => {
    const alpha = attrFloat(node, "alpha", 1);
    return (v) => v * sigmoid(alpha * v);
  }),
  ThresholdedRelu: configured(({ node }) => {
    const alpha = attrFloat(node, "alpha", 1);
    return (v) => (v > alpha ? v : 0);
  }),
} as const satisfies Record<keyof typeof ACTIVATION, Kernel>;
