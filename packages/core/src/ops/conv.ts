import { type Dim, dimAdd, dimMul, type Shape, UNKNOWN_DIM } from "../graph/dim.ts";
import type { Node, TensorType } from "../graph/model.ts";
import { attrInt, attrInts, attrString } from "../graph/node.ts";
import { checkRank, mergeDim, shapeError, staticSize } from "./nn-rules.ts";
import type { AttrSpec, Cost, InferContext, OpRow } from "./row.ts";
import { elements, params, typeOf } from "./signature.ts";
import { readWindow, windowPositions } from "./spatial.ts";

const AUTO_PAD: AttrSpec = { kind: "string", fallback: "NOTSET", oneOf: ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"] };

const WINDOW_ATTRIBUTES = {
  auto_pad: AUTO_PAD,
  dilations: { kind: "ints" },
  group: { kind: "int", fallback: 1 },
  kernel_shape: { kind: "ints" },
  pads: { kind: "ints" },
  strides: { kind: "ints" },
} as const satisfies Record<string, AttrSpec>;

/** The window of a convolution: `kernel_shape`, or the sizes of the weight; throws SHAPE_MISMATCH when both are known and differ. */
function kernelSizes(context: InferContext, w: Shape): readonly Dim[] {
  const declared = attrInts(context.node, "kernel_shape");
  if (declared === undefined) return w.slice(2);
  if (declared.length !== w.length - 2) throw shapeError(context, `kernel_shape [${declared}] does not fit weights [${w}]`);
  return declared.map((size, i) => mergeDim(context, [size, w[i + 2]], `kernel size ${i}`));
}

/** Output of X [N, C, ...] * W [M, C / group, ...]. */
function convShape(context: InferContext, xAt: number, wAt: number): Shape | undefined {
  checkRank(context, xAt, { least: 3 });
  checkRank(context, wAt, { least: 3 });
  const x = context.inputs[xAt]?.shape;
  const w = context.inputs[wAt]?.shape;
  if (w === undefined) return x && [x[0] as Dim, ...x.slice(1).map(() => UNKNOWN_DIM)];
  const kernel = kernelSizes(context, w);
  const window = readWindow(context.node, kernel);
  const group = attrInt(context.node, "group", 1);
  const m = w[0] as Dim;
  if (typeof m === "number" && m % group !== 0)
    throw shapeError(context, `${m} output channels do not divide into ${group} groups`);
  if (x === undefined) return [UNKNOWN_DIM, m, ...kernel.map(() => UNKNOWN_DIM)];
  if (x.length !== w.length) throw shapeError(context, `input [${x}] and weights [${w}] differ in rank`);
  mergeDim(context, [x[1], dimMul(group, w[1] as Dim)], `the channel count of [${x}] by [${w}] with ${group} groups`);
  const spatial = kernel.map((_, i) => windowPositions(window, x[i + 2] as Dim, i));
  if (spatial.some((d) => typeof d === "number" && d < 0))
    throw shapeError(context, `the window [${kernel}] does not fit the input [${x}]`);
  return [x[0] as Dim, m, ...spatial];
}

function transposeShape(context: InferContext): Shape | undefined {
  const { node } = context;
  checkRank(context, 0, { least: 3 });
  checkRank(context, 1, { least: 3 });
  const x = context.inputs[0]?.shape;
  const w = context.inputs[1]?.shape;
  if (w === undefined) return x && [x[0] as Dim, ...x.slice(1).map(() => UNKNOWN_DIM)];
  const kernel = kernelSizes(context, w);
  const window = readWindow(node, kernel);
  const m = dimMul(attrInt(node, "group", 1), w[1] as Dim);
  if (x === undefined) return [UNKNOWN_DIM, m, ...kernel.map(() => UNKNOWN_DIM)];
  if (x.length !== w.length) throw shapeError(context, `input [${x}] and weights [${w}] differ in rank`);
  mergeDim(context, [x[1], w[0]], "the input channel count");
  const wanted = attrInts(node, "output_shape");
  // The specification speaks of the spatial sizes; some exporters write all of them.
  const sizes = wanted?.slice(wanted.length - kernel.length);
  const extra = attrInts(node, "output_padding") ?? [];
  return [
    x[0] as Dim,
    m,
    ...kernel.map((size, i): Dim => {
      if (sizes !== undefined) return sizes[i] ?? UNKNOWN_DIM;
      const stride = window.strides[i] as number;
      const whole = x[i + 2] as Dim;
      if (window.autoPad === "SAME_UPPER" || window.autoPad === "SAME_LOWER") return dimMul(stride, whole);
      if (typeof size !== "number") return UNKNOWN_DIM;
      const extent = (size - 1) * (window.dilations[i] as number) + 1;
      const pads = (window.pads[i] as number) + (window.pads[i + kernel.length] as number);
      return dimAdd(dimMul(stride, dimAdd(whole, -1)), extent + (extra[i] ?? 0) - pads);
    }),
  ];
}

function convCost(wAt: number): OpRow["cost"] {
  return (_node: Node, inputs: readonly (TensorType | undefined)[], outputs: readonly (TensorType | undefined)[]): Cost => {
    const w = inputs[wAt];
    const channels = staticSize(w?.shape?.[0]);
    return { macs: channels === 0 ? 0 : elements(outputs[0]) * (elements(w) / channels), ops: 0 };
  };
}

/** Convolutions. */
export const CONV = {
  Conv: {
    since: 11,
    inputs: params("X", "W", "B?"),
    outputs: params("Y"),
    attributes: WINDOW_ATTRIBUTES,
    infer: (context) => {
      const shape = convShape(context, 0, 1);
      const bias = context.inputs[2]?.shape;
      if (bias !== undefined && shape !== undefined) mergeDim(context, [bias[0], shape[1]], "the output channel count");
      return [typeOf(context.inputs[0]?.dtype ?? context.inputs[1]?.dtype, shape)];
    },
    cost: convCost(1),
  },
  ConvTranspose: {
    since: 11,
    inputs: params("X", "W", "B?"),
    outputs: params("Y"),
    attributes: { ...WINDOW_ATTRIBUTES, output_padding: { kind: "ints" }, output_shape: { kind: "ints" } },
    infer: (context) => [typeOf(context.inputs[0]?.dtype ?? context.inputs[1]?.dtype, transposeShape(context))],
    cost: (_node, inputs) => {
      const w = inputs[1];
      const channels = staticSize(w?.shape?.[0]);
      return { macs: channels === 0 ? 0 : elements(inputs[0]) * (elements(w) / channels), ops: 0 };
    },
  },
  ConvInteger: {
    since: 10,
    inputs: params("x", "w", "x_zero_point?", "w_zero_point?"),
    outputs: params("y"),
    attributes: WINDOW_ATTRIBUTES,
    infer: (context) => [typeOf("int32", convShape(context, 0, 1))],
    cost: convCost(1),
  },
  QLinearConv: {
    since: 10,
    inputs: params("x", "x_scale", "x_zero_point", "w", "w_scale", "w_zero_point", "y_scale", "y_zero_point", "B?"),
    outputs: params("y"),
    attributes: WINDOW_ATTRIBUTES,
    infer: (context) => [typeOf(context.inputs[7]?.dtype ?? context.inputs[0]?.dtype, convShape(context, 0, 3))],
    cost: convCost(3),
  },
  DeformConv: {
    since: 19,
    inputs: params("X", "W", "offset", "B?", "mask?"),
    outputs: params("Y"),
    attributes: {
      dilations: { kind: "ints" },
      group: { kind: "int", fallback: 1 },
      kernel_shape: { kind: "ints" },
      offset_group: { kind: "int", fallback: 1 },
      pads: { kind: "ints" },
      strides: { kind: "ints" },
    },
    infer: (context) => [typeOf(context.inputs[0]?.dtype ?? context.inputs[1]?.dtype, convShape(context, 0, 1))],
    cost: convCost(1),
  },
} as const satisfies Record<string, OpRow>;

/**
 * Padding and output sizes of a ConvTranspose at static sizes: `begin[i]` cells are cut from the front of the full result. Source: the formulas of
 * the ONNX operator for `output_shape` and `auto_pad`.
 */
export function transposeGeometry(
  node: Node,
  sizes: { readonly input: readonly number[]; readonly kernel: readonly number[] },
): {
  readonly begin: readonly number[];
  readonly output: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
} {
  const { input, kernel } = sizes;
  const window = readWindow(node, kernel);
  const wanted = attrInts(node, "output_shape");
  const shape = wanted?.slice(wanted.length - kernel.length);
  const extra = attrInts(node, "output_padding") ?? [];
  const begin: number[] = [];
  const output: number[] = [];
  for (let i = 0; i < kernel.length; i++) {
    const stride = window.strides[i] as number;
    const extent = ((kernel[i] as number) - 1) * (window.dilations[i] as number) + 1;
    const full = stride * ((input[i] as number) - 1) + (extra[i] ?? 0) + extent;
    const same = window.autoPad === "SAME_UPPER" || window.autoPad === "SAME_LOWER";
    const target = shape?.[i] ?? (same ? (input[i] as number) * stride : undefined);
    if (target === undefined) {
      begin.push(window.pads[i] as number);
      output.push(full - (window.pads[i] as number) - (window.pads[i + kernel.length] as number));
      continue;
    }
    const total = Math.max(0, full - target);
    const less = Math.floor(total / 2);
    begin.push(attrString(node, "auto_pad", "NOTSET") === "SAME_UPPER" ? less : total - less);
    output.push(target);
  }
  return { begin, output, strides: window.strides, dilations: window.dilations };
}
