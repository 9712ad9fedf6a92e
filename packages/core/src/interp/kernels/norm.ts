import { fail } from "../../base/error.ts";
import { dtypeFromOnnx } from "../../graph/dtype.ts";
import type { Node } from "../../graph/model.ts";
import { attrFloat, attrInt, attrInts } from "../../graph/node.ts";
import { countOf, type Tensor } from "../../graph/tensor.ts";
import type { NORM } from "../../ops/norm.ts";
import { normalAxis } from "../../ops/signature.ts";
import type { Kernel, NoKernel } from "../kernel.ts";
import { fromReals, type Reals, reals, realsFor } from "../reals.ts";
import { needed } from "./needed.ts";
import { noKernelFor } from "./quantized.ts";

/** How a tensor falls into lines along one axis: element k of line (o, i) is at (o * size + k) * inner + i. */
interface Lines {
  readonly outer: number;
  readonly size: number;
  readonly inner: number;
}

function linesOf(shape: readonly number[], axis: number): Lines {
  return { outer: countOf(shape.slice(0, axis)), size: shape[axis] ?? 1, inner: countOf(shape.slice(axis + 1)) };
}

/** A kernel that maps each line along `axis` by itself: `map(x, out, first, step, size)`. */
function alongAxis(
  map: (x: Reals, out: Reals, line: { readonly first: number; readonly step: number; readonly size: number }, node: Node) => void,
): Kernel {
  return (inputs, context) => {
    const t = needed(inputs, 0, context);
    const rank = t.shape.length;
    const axis = rank === 0 ? 0 : normalAxis(attrInt(context.node, "axis", -1), rank, { node: context.node });
    const { outer, size, inner } = linesOf(t.shape, axis);
    const [x, out] = [reals(t), realsFor(t.dtype, t.shape)];
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) map(x, out, { first: o * size * inner + i, step: inner, size }, context.node);
    }
    return [fromReals(t.dtype, t.shape, out)];
  };
}

type Line = { readonly first: number; readonly step: number; readonly size: number };

function maxOfLine(x: Reals, { first, step, size }: Line): number {
  let best = Number.NEGATIVE_INFINITY;
  for (let k = 0, i = first; k < size; k++, i += step) best = Math.max(best, x[i] as number);
  return best;
}

function softmaxLine(x: Reals, out: Reals, line: Line): void {
  const { first, step, size } = line;
  const best = maxOfLine(x, line);
  const terms = new Float64Array(size);
  let sum = 0;
  for (let k = 0, i = first; k < size; k++, i += step) {
    const term = Math.exp((x[i] as number) - best);
    terms[k] = term;
    sum += term;
  }
  for (let k = 0, i = first; k < size; k++, i += step) out[i] = (terms[k] as number) / sum;
}

function logSoftmaxLine(x: Reals, out: Reals, line: Line): void {
  const { first, step, size } = line;
  const best = maxOfLine(x, line);
  let sum = 0;
  for (let k = 0, i = first; k < size; k++, i += step) sum += Math.exp((x[i] as number) - best);
  const log = Math.log(sum);
  for (let k = 0, i = first; k < size; k++, i += step) out[i] = (x[i] as number) - best - log;
}

function hardmaxLine(x: Reals, out: Reals, { first, step, size }: Line): void {
  let where = 0;
  for (let k = 1; k < size; k++) if ((x[first + k * step] as number) > (x[first + where * step] as number)) where = k;
  if (size > 0) out[first + where * step] = 1;
}

function lpLine(x: Reals, out: Reals, { first, step, size }: Line, node: Node): void {
  const one = attrInt(node, "p", 2) === 1;
  let sum = 0;
  for (let k = 0, i = first; k < size; k++, i += step) sum += one ? Math.abs(x[i] as number) : (x[i] as number) ** 2;
  const norm = one ? sum : Math.sqrt(sum);
  // A zero line stays zero: the specification leaves 0 / 0 open, runtimes give zeros.
  for (let k = 0, i = first; k < size; k++, i += step) out[i] = norm === 0 ? 0 : (x[i] as number) / norm;
}

function perChannel(t: Tensor, index: Tensor, node: Node): Reals {
  if (countOf(index.shape) !== t.shape[1]) {
    throw fail(
      "SHAPE_MISMATCH",
      `Cannot run ${node.op}: [${index.shape}] does not hold one number for each channel of [${t.shape}]`,
      { at: { node: node.name } },
    );
  }
  return reals(index);
}

const batchNorm: Kernel = (inputs, context) => {
  const { node } = context;
  if (attrInt(node, "training_mode", 0) !== 0)
    throw noKernelFor(node, "training mode updates running statistics, which inference graphs do not hold");
  const t = needed(inputs, 0, context);
  const [scale, bias, mean, variance] = [1, 2, 3, 4].map((i) => perChannel(t, needed(inputs, i, context), node)) as [
    Reals,
    Reals,
    Reals,
    Reals,
  ];
  const epsilon = attrFloat(node, "epsilon", Math.fround(1e-5));
  const channels = t.shape[1] ?? 1;
  const cells = countOf(t.shape.slice(2));
  const [x, out] = [reals(t), realsFor(t.dtype, t.shape)];
  for (let i = 0, plane = 0; i < x.length; plane++) {
    const c = plane % channels;
    const factor = (scale[c] as number) / Math.sqrt((variance[c] as number) + epsilon);
    const [shift, centre] = [bias[c] as number, mean[c] as number];
    for (let k = 0; k < cells; k++, i++) out[i] = ((x[i] as number) - centre) * factor + shift;
  }
  return [fromReals(t.dtype, t.shape, out)];
};

/** Mean and variance (divided by the count) of `count` elements from `from` on. */
function moments(x: Reals, from: number, count: number): readonly [number, number] {
  let sum = 0;
  for (let i = from; i < from + count; i++) sum += x[i] as number;
  const mean = sum / count;
  let squares = 0;
  for (let i = from; i < from + count; i++) squares += ((x[i] as number) - mean) ** 2;
  return [mean, squares / count];
}

/** Normalises groups of channels that lie side by side; scale and bias by channel. */
function groupNorm(t: Tensor, scale: Reals, bias: Reals, options: { readonly groups: number; readonly epsilon: number }): Tensor {
  const channels = t.shape[1] as number;
  const cells = countOf(t.shape.slice(2));
  const perGroup = channels / options.groups;
  const [x, out] = [reals(t), realsFor(t.dtype, t.shape)];
  const span = perGroup * cells;
  for (let n = 0, from = 0; n < (t.shape[0] as number); n++) {
    for (let g = 0; g < options.groups; g++, from += span) {
      const [mean, variance] = moments(x, from, span);
      const factor = 1 / Math.sqrt(variance + options.epsilon);
      for (let k = 0; k < span; k++) {
        const c = g * perGroup + Math.floor(k / cells);
        out[from + k] = ((x[from + k] as number) - mean) * factor * (scale[c] as number) + (bias[c] as number);
      }
    }
  }
  return fromReals(t.dtype, t.shape, out);
}

const instanceNormalization: Kernel = (inputs, context) => {
  const { node } = context;
  const t = needed(inputs, 0, context);
  const [scale, bias] = [1, 2].map((i) => perChannel(t, needed(inputs, i, context), node)) as [Reals, Reals];
  return [groupNorm(t, scale, bias, { groups: t.shape[1] as number, epsilon: attrFloat(node, "epsilon", Math.fround(1e-5)) })];
};

const groupNormalization: Kernel = (inputs, context) => {
  const { node } = context;
  const t = needed(inputs, 0, context);
  const [scale, bias] = [1, 2].map((i) => perChannel(t, needed(inputs, i, context), node)) as [Reals, Reals];
  const groups = attrInt(node, "num_groups");
  if ((t.shape[1] as number) % groups !== 0) {
    throw fail("SHAPE_MISMATCH", `Cannot run GroupNormalization: ${t.shape[1]} channels do not divide into ${groups} groups`, {
      at: { node: node.name },
    });
  }
  return [groupNorm(t, scale, bias, { groups, epsilon: attrFloat(node, "epsilon", Math.fround(1e-5)) })];
};

/** Index into a tensor that broadcasts to the shape `to` from its end. */
function broadcastReader(from: Tensor, to: readonly number[]): (element: number) => number {
  if (countOf(from.shape) === countOf(to)) return (element) => element;
  const data = from.shape;
  const steps = to.map((_, i) => {
    const axis = i - (to.length - data.length);
    return axis < 0 || data[axis] === 1 ? 0 : countOf(data.slice(axis + 1));
  });
  return (element) => {
    let [rest, at] = [element, 0];
    for (let i = to.length - 1; i >= 0; i--) {
      at += (rest % (to[i] as number)) * (steps[i] as number);
      rest = Math.floor(rest / (to[i] as number));
    }
    return at;
  };
}

const layerNormalization: Kernel = (inputs, context) => {
  const { node } = context;
  const [t, scaleTensor, biasTensor] = [needed(inputs, 0, context), needed(inputs, 1, context), inputs[2]];
  const axis = normalAxis(attrInt(node, "axis", -1), t.shape.length, { node });
  const epsilon = attrFloat(node, "epsilon", Math.fround(1e-5));
  const inner = t.shape.slice(axis);
  const span = countOf(inner);
  const [x, out, scale, bias] = [reals(t), realsFor(t.dtype, t.shape), reals(scaleTensor), biasTensor && reals(biasTensor)];
  const scaleAt = broadcastReader(scaleTensor, inner);
  const biasAt = biasTensor === undefined ? scaleAt : broadcastReader(biasTensor, inner);
  const stash = dtypeFromOnnx(attrInt(node, "stash_type", 1));
  const reduced = t.shape.map((size, i) => (i < axis ? size : 1));
  const [means, deviations] = [realsFor(stash, reduced), realsFor(stash, reduced)];
  for (let line = 0, from = 0; line < means.length; line++, from += span) {
    const [mean, variance] = moments(x, from, span);
    const factor = 1 / Math.sqrt(variance + epsilon);
    means[line] = mean;
    deviations[line] = factor;
    for (let k = 0; k < span; k++) {
      const shift = bias === undefined ? 0 : (bias[biasAt(k)] as number);
      out[from + k] = ((x[from + k] as number) - mean) * factor * (scale[scaleAt(k)] as number) + shift;
    }
  }
  return [fromReals(t.dtype, t.shape, out), fromReals(stash, reduced, means), fromReals(stash, reduced, deviations)];
};

const rmsNormalization: Kernel = (inputs, context) => {
  const { node } = context;
  const [t, scaleTensor] = [needed(inputs, 0, context), needed(inputs, 1, context)];
  const axis = normalAxis(attrInt(node, "axis", -1), t.shape.length, { node });
  const epsilon = attrFloat(node, "epsilon", Math.fround(1e-5));
  const inner = t.shape.slice(axis);
  const span = countOf(inner);
  const [x, out, scale] = [reals(t), realsFor(t.dtype, t.shape), reals(scaleTensor)];
  const scaleAt = broadcastReader(scaleTensor, inner);
  for (let from = 0; from < x.length; from += span) {
    let squares = 0;
    for (let k = 0; k < span; k++) squares += (x[from + k] as number) ** 2;
    const factor = 1 / Math.sqrt(squares / span + epsilon);
    for (let k = 0; k < span; k++) out[from + k] = (x[from + k] as number) * factor * (scale[scaleAt(k)] as number);
  }
  return [fromReals(t.dtype, t.shape, out)];
};

// (x - mean) / (deviation + 1e-9), as the operator's function body in the specification has it.
const meanVariance: Kernel = (inputs, context) => {
  const { node } = context;
  const t = needed(inputs, 0, context);
  const rank = t.shape.length;
  const axes = new Set((attrInts(node, "axes") ?? [0, 2, 3]).map((axis) => normalAxis(axis, rank, { node })));
  const kept: Tensor = { dtype: t.dtype, shape: t.shape.map((size, i) => (axes.has(i) ? 1 : size)), bytes: t.bytes };
  const slot = broadcastReader(kept, t.shape);
  const slots = countOf(kept.shape);
  const x = reals(t);
  const [sums, squares] = [new Float64Array(slots), new Float64Array(slots)];
  const count = x.length / slots;
  for (let i = 0; i < x.length; i++) sums[slot(i)] = (sums[slot(i)] as number) + (x[i] as number);
  for (let i = 0; i < x.length; i++)
    squares[slot(i)] = (squares[slot(i)] as number) + ((x[i] as number) - (sums[slot(i)] as number) / count) ** 2;
  const out = realsFor(t.dtype, t.shape);
  for (let i = 0; i < x.length; i++) {
    const s = slot(i);
    out[i] = ((x[i] as number) - (sums[s] as number) / count) / (Math.sqrt((squares[s] as number) / count) + 1e-9);
  }
  return [fromReals(t.dtype, t.shape, out)];
};

// Divides by (bias + alpha / size * sum of squares over neighbouring channels) ^ beta.
const localResponse: Kernel = (inputs, context) => {
  const { node } = context;
  const t = needed(inputs, 0, context);
  const size = attrInt(node, "size");
  const [alpha, beta, bias] = [
    attrFloat(node, "alpha", Math.fround(1e-4)),
    attrFloat(node, "beta", 0.75),
    attrFloat(node, "bias", 1),
  ];
  const channels = t.shape[1] as number;
  const cells = countOf(t.shape.slice(2));
  const [x, out] = [reals(t), realsFor(t.dtype, t.shape)];
  const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  for (let n = 0; n < (t.shape[0] as number); n++) {
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < cells; i++) {
        let squares = 0;
        for (let k = Math.max(0, c - before); k <= Math.min(channels - 1, c + after); k++)
          squares += (x[(n * channels + k) * cells + i] as number) ** 2;
        const at = (n * channels + c) * cells + i;
        out[at] = (x[at] as number) / (bias + (alpha / size) * squares) ** beta;
      }
    }
  }
  return [fromReals(t.dtype, t.shape, out)];
};

/** Normalisation and softmax. */
export const NORM_KERNELS = {
  BatchNormalization: batchNorm,
  GroupNormalization: groupNormalization,
  Hardmax: alongAxis(hardmaxLine),
  InstanceNormalization: instanceNormalization,
  LayerNormalization: layerNormalization,
  LogSoftmax: alongAxis(logSoftmaxLine),
  LpNormalization: alongAxis(lpLine),
  LRN: localResponse,
  MeanVarianceNormalization: meanVariance,
  RMSNormalization: rmsNormalization,
  Softmax: alongAxis(softmaxLine),
} as const satisfies Record<keyof typeof NORM, Kernel | NoKernel>;
