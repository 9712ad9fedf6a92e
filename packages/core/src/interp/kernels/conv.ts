import { fail } from "../../base/error.ts";
import type { Node } from "../../graph/model.ts";
import { attrInt } from "../../graph/node.ts";
import { countOf, fromNumbers, type Tensor, toNumbers } from "../../graph/tensor.ts";
import { type CONV, transposeGeometry } from "../../ops/conv.ts";
import { readWindow, windowPads, windowPositions } from "../../ops/spatial.ts";
import { type ConvJob, convolve } from "../convolve.ts";
import type { Kernel, KernelContext, NoKernel } from "../kernel.ts";
import { fromReals, type Reals, reals, realsFor } from "../reals.ts";
import { slide, tapAt } from "../slide.ts";
import { needed } from "./needed.ts";
import { centred, requantize } from "./quantized.ts";

/** Geometry of a convolution node at static sizes, without the data. @throws SHAPE_MISMATCH */
function convGeometry(node: Node, x: readonly number[], w: readonly number[]): Omit<ConvJob, "x" | "w" | "bias" | "out"> {
  const input = x.slice(2);
  const kernel = w.slice(2);
  const window = readWindow(node, kernel);
  const groups = attrInt(node, "group", 1);
  const [channelsIn, channelsOut] = [x[1] as number, w[0] as number];
  if (x.length !== w.length || channelsIn !== (w[1] as number) * groups || channelsOut % groups !== 0) {
    throw fail("SHAPE_MISMATCH", `Cannot convolve [${x}] with [${w}] in ${groups} groups: channels do not fit`, {
      at: { node: node.name },
    });
  }
  const output = input.map((size, i) => Math.max(0, windowPositions(window, size, i) as number));
  const begin = input.map((size, i) => windowPads(window, size, i)[0]);
  return {
    batch: x[0] as number,
    channelsIn,
    channelsOut,
    groups,
    input,
    kernel,
    output,
    begin,
    strides: window.strides,
    dilations: window.dilations,
  };
}

const conv: Kernel = (inputs, context) => {
  const [x, w, b] = [needed(inputs, 0, context), needed(inputs, 1, context), inputs[2]];
  const geometry = convGeometry(context.node, x.shape, w.shape);
  const shape = [geometry.batch, geometry.channelsOut, ...geometry.output];
  const out = realsFor(x.dtype, shape);
  convolve({ ...geometry, x: reals(x), w: reals(w), bias: b && reals(b), out });
  return [fromReals(x.dtype, shape, out)];
};

function integerSums(
  context: KernelContext,
  data: {
    readonly x: Tensor;
    readonly xZero: Tensor | undefined;
    readonly w: Tensor;
    readonly wZero: Tensor | undefined;
    readonly bias: Reals | undefined;
  },
): { readonly shape: readonly number[]; readonly sums: Float64Array } {
  const { node } = context;
  const geometry = convGeometry(node, data.x.shape, data.w.shape);
  const shape = [geometry.batch, geometry.channelsOut, ...geometry.output];
  const sums = new Float64Array(countOf(shape));
  // Padding adds nothing to the sum: it stands for the zero point, which is zero once centred.
  convolve({
    ...geometry,
    x: centred(data.x, data.xZero, { node, axis: 1 }),
    w: centred(data.w, data.wZero, { node, axis: 0 }),
    bias: data.bias,
    out: sums,
  });
  return { shape, sums };
}

const convInteger: Kernel = (inputs, context) => {
  const { shape, sums } = integerSums(context, {
    x: needed(inputs, 0, context),
    w: needed(inputs, 1, context),
    xZero: inputs[2],
    wZero: inputs[3],
    bias: undefined,
  });
  return [fromNumbers("int32", shape, sums)];
};

const qlinearConv: Kernel = (inputs, context) => {
  const [x, w, yZero] = [needed(inputs, 0, context), needed(inputs, 3, context), needed(inputs, 7, context)];
  const xScale = toNumbers(needed(inputs, 1, context))[0] as number;
  const wScale = toNumbers(needed(inputs, 4, context));
  const yScale = toNumbers(needed(inputs, 6, context))[0] as number;
  const bias = inputs[8];
  const { shape, sums } = integerSums(context, {
    x,
    xZero: needed(inputs, 2, context),
    w,
    wZero: needed(inputs, 5, context),
    bias: bias && toNumbers(bias),
  });
  const scales = wScale.map((s) => Math.fround(Math.fround(xScale * s) / yScale));
  const inner = countOf(shape.slice(2));
  const channels = shape[1] as number;
  const multiplier =
    scales.length === 1 ? () => scales[0] as number : (i: number) => scales[Math.floor(i / inner) % channels] as number;
  return [requantize(sums, shape, { dtype: yZero.dtype, zeroPoint: toNumbers(yZero)[0] as number, multiplier })];
};

// The window slides over the *output*: each input cell adds its multiple of the kernel there.
const convTranspose: Kernel = (inputs, context) => {
  const { node } = context;
  const [x, w, b] = [needed(inputs, 0, context), needed(inputs, 1, context), inputs[2]];
  const groups = attrInt(node, "group", 1);
  const input = x.shape.slice(2);
  const kernel = w.shape.slice(2);
  const geometry = transposeGeometry(node, { input, kernel });
  const [batch, channelsIn, perGroup] = [x.shape[0] as number, x.shape[1] as number, w.shape[1] as number];
  if (x.shape.length !== w.shape.length || channelsIn !== w.shape[0] || channelsIn % groups !== 0) {
    throw fail("SHAPE_MISMATCH", `Cannot convolve [${x.shape}] with [${w.shape}] in ${groups} groups: channels do not fit`, {
      at: { node: node.name },
    });
  }
  const table = slide({
    input: geometry.output,
    kernel,
    output: input,
    strides: geometry.strides,
    dilations: geometry.dilations,
    begin: geometry.begin,
  });
  const shape = [batch, perGroup * groups, ...geometry.output];
  const cells = countOf(geometry.output);
  const [data, weights, bias] = [reals(x), reals(w), b && reals(b)];
  const sums = new Float64Array(countOf(shape));
  const groupIn = channelsIn / groups;
  for (let n = 0; n < batch; n++) {
    for (let m = 0; m < perGroup * groups; m++) {
      const group = Math.floor(m / perGroup);
      const to = (n * perGroup * groups + m) * cells;
      for (let c = group * groupIn; c < (group + 1) * groupIn; c++) {
        const from = (n * channelsIn + c) * table.positions;
        const at = (c * perGroup + (m % perGroup)) * table.taps;
        for (let p = 0; p < table.positions; p++) {
          const value = data[from + p] as number;
          for (let t = 0; t < table.taps; t++) {
            const cell = tapAt(table, p, t);
            if (cell >= 0) sums[to + cell] = (sums[to + cell] as number) + value * (weights[at + t] as number);
          }
        }
      }
      if (bias !== undefined) for (let i = 0; i < cells; i++) sums[to + i] = (sums[to + i] as number) + (bias[m] as number);
    }
  }
  const out = x.dtype === "float32" ? Float32Array.from(sums) : sums;
  return [fromReals(x.dtype, shape, out)];
};

/** Convolutions. */
export const CONV_KERNELS = {
  Conv: conv,
  ConvInteger: convInteger,
  ConvTranspose: convTranspose,
  DeformConv: { unsupported: "sampling at learned offsets has no reference kernel; no model in reach uses it" },
  QLinearConv: qlinearConv,
} as const satisfies Record<keyof typeof CONV, Kernel | NoKernel>;
