import { fail } from "../../base/error.ts";
import { dtypeFromOnnx } from "../../graph/dtype.ts";
import { attrInt } from "../../graph/node.ts";
import { countOf, fromNumbers, type Tensor, toInts, toNumbers } from "../../graph/tensor.ts";
import type { SIGNAL } from "../../ops/signal.ts";
import { normalAxis } from "../../ops/signature.ts";
import type { Kernel, NoKernel } from "../kernel.ts";
import { fromReals, reals, realsFor } from "../reals.ts";
import { needed } from "./needed.ts";

/** cos and sin of 2 pi k / n for k = 0..n-1. */
function circle(n: number): { readonly cos: Float64Array; readonly sin: Float64Array } {
  const cos = new Float64Array(n);
  const sin = new Float64Array(n);
  for (let k = 0; k < n; k++) {
    cos[k] = Math.cos((2 * Math.PI * k) / n);
    sin[k] = Math.sin((2 * Math.PI * k) / n);
  }
  return { cos, sin };
}

interface Line {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** The sum of the definition, bin by bin: exact enough to be a reference, quadratic in the length. */
function transform(
  line: Line,
  table: ReturnType<typeof circle>,
  options: { readonly bins: number; readonly inverse: boolean },
): Line {
  const n = line.re.length;
  const { bins, inverse } = options;
  const [re, im] = [new Float64Array(bins), new Float64Array(bins)];
  const sign = inverse ? 1 : -1;
  for (let k = 0; k < bins; k++) {
    let [a, b, step] = [0, 0, 0];
    for (let i = 0; i < n; i++) {
      const c = table.cos[step] as number;
      const s = sign * (table.sin[step] as number);
      const [x, y] = [line.re[i] as number, line.im[i] as number];
      a += x * c - y * s;
      b += x * s + y * c;
      step += k;
      if (step >= n) step -= n;
    }
    re[k] = inverse ? a / n : a;
    im[k] = inverse ? b / n : b;
  }
  return { re, im };
}

function first(t: Tensor): number {
  return toInts(t)[0] as number;
}

const dft: Kernel = (inputs, context) => {
  const { node } = context;
  const t = needed(inputs, 0, context);
  const rank = t.shape.length;
  const axis = normalAxis(inputs[2] === undefined ? -2 : first(inputs[2]), rank, { node });
  const parts = t.shape[rank - 1] as number;
  if (axis === rank - 1 || parts > 2) {
    throw fail(
      "SHAPE_MISMATCH",
      `Cannot run DFT of [${t.shape}] along axis ${axis}: the last axis holds the real and imaginary part`,
      { at: { node: node.name } },
    );
  }
  const length = inputs[1] === undefined ? (t.shape[axis] as number) : first(inputs[1]);
  const onesided = attrInt(node, "onesided", 0) !== 0;
  const bins = onesided ? Math.floor(length / 2) + 1 : length;
  const shape = t.shape.map((size, i) => (i === axis ? bins : i === rank - 1 ? 2 : size));
  const [x, out, table] = [reals(t), realsFor(t.dtype, shape), circle(length)];
  const inner = countOf(t.shape.slice(axis + 1, -1));
  const outer = countOf(t.shape.slice(0, axis));
  const size = t.shape[axis] as number;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const line = { re: new Float64Array(length), im: new Float64Array(length) };
      for (let k = 0; k < Math.min(length, size); k++) {
        const at = ((o * size + k) * inner + i) * parts;
        line.re[k] = x[at] as number;
        line.im[k] = parts === 2 ? (x[at + 1] as number) : 0;
      }
      const { re, im } = transform(line, table, { bins, inverse: attrInt(node, "inverse", 0) !== 0 });
      for (let k = 0; k < bins; k++) {
        const at = ((o * bins + k) * inner + i) * 2;
        out[at] = re[k] as number;
        out[at + 1] = im[k] as number;
      }
    }
  }
  return [fromReals(t.dtype, shape, out)];
};

const stft: Kernel = (inputs, context) => {
  const { node } = context;
  const [t, windowTensor] = [needed(inputs, 0, context), inputs[2]];
  const step = first(needed(inputs, 1, context));
  const length = inputs[3] === undefined ? windowTensor?.shape[0] : first(inputs[3]);
  const at = { at: { node: node.name } };
  if (length === undefined) throw fail("DATA_MISSING", "Cannot run STFT: neither a window nor a frame length is given", at);
  const [batch, samples, parts] = [t.shape[0] as number, t.shape[1] as number, t.shape[2] ?? 1];
  if (length > samples || step < 1)
    throw fail("SHAPE_MISMATCH", `Cannot run STFT: frames of ${length} by steps of ${step} in ${samples} samples`, at);
  const frames = Math.floor((samples - length) / step) + 1;
  const bins = attrInt(node, "onesided", 1) !== 0 ? Math.floor(length / 2) + 1 : length;
  const shape = [batch, frames, bins, 2];
  const [x, out, table] = [reals(t), realsFor(t.dtype, shape), circle(length)];
  const window = windowTensor && toNumbers(windowTensor);
  for (let b = 0, to = 0; b < batch; b++) {
    for (let frame = 0; frame < frames; frame++) {
      const line = { re: new Float64Array(length), im: new Float64Array(length) };
      for (let k = 0; k < length; k++) {
        const from = (b * samples + frame * step + k) * parts;
        const weight = window === undefined ? 1 : (window[k] as number);
        line.re[k] = weight * (x[from] as number);
        line.im[k] = parts === 2 ? weight * (x[from + 1] as number) : 0;
      }
      const { re, im } = transform(line, table, { bins, inverse: false });
      for (let k = 0; k < bins; k++) {
        out[to++] = re[k] as number;
        out[to++] = im[k] as number;
      }
    }
  }
  return [fromReals(t.dtype, shape, out)];
};

/** A window a0 - a1 cos(x) + a2 cos(2x), x = 2 pi n / size, or / (size - 1) when it is symmetric. */
function cosineWindow(a0: number, a1: number, a2: number): Kernel {
  return (inputs, context) => {
    const { node } = context;
    const size = first(needed(inputs, 0, context));
    const period = attrInt(node, "periodic", 1) !== 0 ? size : size - 1;
    const values = Float64Array.from({ length: size }, (_, n) => {
      const x = period === 0 ? 0 : (2 * Math.PI * n) / period;
      return a0 - a1 * Math.cos(x) + a2 * Math.cos(2 * x);
    });
    return [fromNumbers(dtypeFromOnnx(attrInt(node, "output_datatype", 1)), [size], values)];
  };
}

// Triangles between mel-spaced edges, which are rounded down to bins. Source: the operator's reference formula, mel = 2595 log10(1 + f / 700).
const melWeightMatrix: Kernel = (inputs, context) => {
  const [bands, length, rate] = [0, 1, 2].map((i) => first(needed(inputs, i, context))) as [number, number, number];
  const [low, high] = [3, 4].map((i) => toNumbers(needed(inputs, i, context))[0] as number) as [number, number];
  const mel = (hertz: number): number => 2595 * Math.log10(1 + hertz / 700);
  const step = (mel(high) - mel(low)) / (bands + 2);
  const edges = Array.from({ length: bands + 2 }, (_, i) => {
    const hertz = 700 * (10 ** ((i * step + mel(low)) / 2595) - 1);
    return Math.floor(((length + 1) * hertz) / rate);
  });
  const bins = Math.floor(length / 2) + 1;
  const out = new Float64Array(bins * bands);
  for (let band = 0; band < bands; band++) {
    const [from, centre, to] = [edges[band], edges[band + 1], edges[band + 2]] as [number, number, number];
    if (to > bins)
      throw fail("ATTRIBUTE_INVALID", `Cannot run MelWeightMatrix: band ${band} ends at bin ${to} of ${bins}`, {
        at: { node: context.node.name },
      });
    if (centre === from) out[centre * bands + band] = 1;
    else for (let j = from; j <= centre; j++) out[j * bands + band] = (j - from) / (centre - from);
    for (let j = centre; j < to; j++) out[j * bands + band] = (to - j) / (to - centre);
  }
  return [fromNumbers(dtypeFromOnnx(attrInt(context.node, "output_datatype", 1)), [bins, bands], out)];
};

/** Fourier transforms, windows and mel filters. */
export const SIGNAL_KERNELS = {
  BlackmanWindow: cosineWindow(0.42, 0.5, 0.08),
  DFT: dft,
  HammingWindow: cosineWindow(25 / 46, 21 / 46, 0),
  HannWindow: cosineWindow(0.5, 0.5, 0),
  MelWeightMatrix: melWeightMatrix,
  STFT: stft,
} as const satisfies Record<keyof typeof SIGNAL, Kernel | NoKernel>;
