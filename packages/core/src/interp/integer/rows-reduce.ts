import { attrFloat, attrInt, attrInts, attrString } from "../../graph/node.ts";
import { toInts, toNumbers } from "../../graph/tensor.ts";
import { quantizeMultiplier } from "./multiplier.ts";
import type { IntegerStep, Rescale } from "./program.ts";
import { type CompileRow, clampOf, constantOf, type Grid, gridOf, roundingOf, type Site, sameGrid, shapeOf } from "./site.ts";
import { spatial, window } from "./window.ts";

/** Input and output encodings of an operator with one of each. */
function grids(site: Site): { readonly input: Grid; readonly out: Grid } | undefined {
  const input = gridOf(site.at, site.node.inputs[0]);
  const out = gridOf(site.at, site.output);
  return input === undefined || out === undefined ? undefined : { input, out };
}

function maxPool(global: boolean): CompileRow {
  return (site) => {
    const { at, node, output } = site;
    const g = grids(site);
    const name = node.inputs[0] as string;
    const shape = spatial(shapeOf(at, name));
    const outShape = spatial(shapeOf(at, output));
    if (g === undefined || !sameGrid(g.input, g.out) || node.outputs[1] || shape === undefined || outShape === undefined)
      return undefined;
    const kernel: readonly [number, number] = global ? [shape[2], shape[3]] : kernelOf(attrInts(node, "kernel_shape"));
    const sizes = window(node, { shape, outShape, kernel });
    return [{ kind: "maxPool", node: node.name, inputs: [name], output, ...sizes, clamp: clampOf(g.out, site.bounds) }];
  };
}

function kernelOf(kernel: readonly number[] | undefined): readonly [number, number] {
  return kernel?.length === 1 ? [1, kernel[0] as number] : [kernel?.[0] ?? 1, kernel?.[1] ?? 1];
}

const averagePool: CompileRow = (site) => {
  const { at, node, output } = site;
  const g = grids(site);
  if (g === undefined || roundingOf(at, "averagePool") === undefined || !sameGrid(g.input, g.out)) return undefined;
  const name = node.inputs[0] as string;
  const shape = spatial(shapeOf(at, name));
  const outShape = spatial(shapeOf(at, output));
  if (shape === undefined || outShape === undefined) return undefined;
  return [
    {
      kind: "averagePool",
      node: node.name,
      inputs: [name],
      output,
      ...window(node, { shape, outShape, kernel: kernelOf(attrInts(node, "kernel_shape")) }),
      countPadding: attrInt(node, "count_include_pad", 0) !== 0,
      inputZero: g.input.zeroPoint,
      clamp: clampOf(g.out, site.bounds),
    },
  ];
};

/** The mean of each whole plane, which may change the encoding: TensorFlow Lite has no global pool. */
const globalAverage: CompileRow = (site) => {
  const g = grids(site);
  const rank = shapeOf(site.at, site.node.inputs[0] as string).length;
  return g === undefined ? undefined : meanStep(site, g, { axes: Array.from({ length: rank - 2 }, (_, i) => i + 2), sum: false });
};

/** The multiplier of a mean: that of the scales, divided by the count with as many bits kept as fit. */
function meanRescale(ratio: number, count: number, rule: "double" | "single" | "float"): Rescale {
  if (rule === "float") return { rule, scales: Float32Array.of(Math.fround(Math.fround(ratio) / count)) };
  const { value, shift } = quantizeMultiplier(ratio);
  const room = Math.min(Math.floor(Math.log2(count)), 32, 31 + shift);
  const divided = Number((BigInt(value) << BigInt(room)) / BigInt(count));
  return { rule, multipliers: Int32Array.of(divided), shifts: Int32Array.of(shift - room) };
}

function meanStep(
  site: Site,
  g: { readonly input: Grid; readonly out: Grid },
  how: { readonly axes: readonly number[]; readonly sum: boolean },
): readonly IntegerStep[] | undefined {
  const { at, node, output } = site;
  const { mean: rule } = at.profile.rules;
  if (rule !== "double" && rule !== "single" && rule !== "float") return undefined;
  const name = node.inputs[0] as string;
  const sizes = shapeOf(at, name);
  const axes = how.axes.map((axis) => (axis < 0 ? axis + sizes.length : axis));
  const count = axes.reduce((n, axis) => n * (sizes[axis] as number), 1);
  if (count === 0) return undefined;
  const ratio = g.input.scale / g.out.scale;
  return [
    {
      kind: "mean",
      node: node.name,
      inputs: [name],
      output,
      sizes,
      axes,
      count,
      inputZero: g.input.zeroPoint,
      outputZero: g.out.zeroPoint,
      rescale: meanRescale(ratio, how.sum ? 1 : count, rule),
      clamp: clampOf(g.out, site.bounds),
    },
  ];
}

function reduce(sum: boolean): CompileRow {
  return (site) => {
    const { at, node } = site;
    const g = grids(site);
    if (g === undefined) return undefined;
    const name = node.inputs[1];
    const given = name ? constantOf(at, name) : undefined;
    if (name && given === undefined) return undefined;
    const rank = shapeOf(at, node.inputs[0] as string).length;
    const listed = given === undefined ? attrInts(node, "axes") : toInts(given);
    if (listed === undefined || listed.length === 0)
      return attrInt(node, "noop_with_empty_axes", 0) !== 0
        ? undefined
        : meanStep(site, g, { axes: Array.from({ length: rank }, (_, i) => i), sum });
    return meanStep(site, g, { axes: listed, sum });
  };
}

/** [outer, depth, inner] around an axis. */
function around(shape: readonly number[], axis: number): readonly [number, number, number] {
  const a = axis < 0 ? axis + shape.length : axis;
  const product = (sizes: readonly number[]): number => sizes.reduce((n, size) => n * size, 1);
  return [product(shape.slice(0, a)), shape[a] ?? 1, product(shape.slice(a + 1))];
}

/** Integer bits of the exponent of softmax. */
const EXPONENT_BITS = 5;

/** The grid that softmax has to have, by type. */
function onSoftmaxGrid(out: Grid): boolean {
  if (out.dtype === "int8") return out.scale === 1 / 256 && out.zeroPoint === -128;
  return out.dtype === "uint8" && out.scale === 1 / 256 && out.zeroPoint === 0;
}

const softmax: CompileRow = (site) => {
  const { at, node, output } = site;
  const g = grids(site);
  if (g === undefined || at.profile.rules.softmax !== "fixed" || g.input.dtype === "int16" || !onSoftmaxGrid(g.out))
    return undefined;
  const multiplier = quantizeMultiplier(Math.min(g.input.scale * 2 ** (31 - EXPONENT_BITS), 2 ** 31 - 1));
  const least = -Math.floor(((2 ** EXPONENT_BITS - 1) * 2 ** (31 - EXPONENT_BITS)) / 2 ** multiplier.shift);
  const name = node.inputs[0] as string;
  const sizes = around(shapeOf(at, name), attrInt(node, "axis", -1));
  return [{ kind: "softmax", node: node.name, inputs: [name], output, sizes, multiplier, least }];
};

const l2Normalization: CompileRow = (site) => {
  const { at, node, output } = site;
  const g = grids(site);
  const rounding = roundingOf(at, "l2Normalization");
  if (g === undefined || rounding === undefined || attrInt(node, "p", 2) !== 2) return undefined;
  const zero = g.out.dtype === "int8" ? 0 : 128;
  if (g.out.scale !== 1 / 128 || g.out.zeroPoint !== zero || g.input.dtype !== g.out.dtype) return undefined;
  const name = node.inputs[0] as string;
  const sizes = around(shapeOf(at, name), attrInt(node, "axis", -1));
  return [{ kind: "l2Normalization", node: node.name, inputs: [name], output, sizes, inputZero: g.input.zeroPoint, rounding }];
};

const resize: CompileRow = (site) => {
  const { at, node, output } = site;
  const g = grids(site);
  const rule = at.profile.rules.resizeBilinear;
  if (g === undefined || rule === "real" || !sameGrid(g.input, g.out)) return undefined;
  const name = node.inputs[0] as string;
  const shape = shapeOf(at, name);
  const outShape = shapeOf(at, output);
  const mode = attrString(node, "coordinate_transformation_mode", "half_pixel");
  const plain = attrInt(node, "antialias", 0) === 0 && !attrInt(node, "exclude_outside", 0);
  const linear = attrString(node, "mode", "nearest") === "linear";
  const known = mode === "half_pixel" || mode === "align_corners" || mode === "asymmetric" || mode === "pytorch_half_pixel";
  const framed = shape.length === 4 && shape[0] === outShape[0] && shape[1] === outShape[1];
  if (!linear || !plain || !known || !framed || !exactScales(site, shape, outShape)) return undefined;
  const [n, c, height, width] = shape as [number, number, number, number];
  const [, , outHeight, outWidth] = outShape as [number, number, number, number];
  // For one pixel this mode is not the half-pixel rule.
  if (mode === "pytorch_half_pixel" && (outHeight === 1 || outWidth === 1)) return undefined;
  return [
    {
      kind: "resizeBilinear",
      fine: rule === "xnn" && g.input.dtype !== "int16",
      node: node.name,
      inputs: [name],
      output,
      planes: n * c,
      height,
      width,
      outHeight,
      outWidth,
      alignCorners: mode === "align_corners",
      halfPixel: mode === "half_pixel" || mode === "pytorch_half_pixel",
    },
  ];
};

/** Whether scales, when they are given, are the ratios of the sizes. */
function exactScales(site: Site, shape: readonly number[], outShape: readonly number[]): boolean {
  const scales = constantOf(site.at, site.node.inputs[2]);
  if (scales === undefined || scales.shape[0] === 0) return true;
  return toNumbers(scales).every((s, i) => Math.abs(s * (shape[i] as number) - (outShape[i] as number)) < 1e-3);
}

/** Operators that look at several values of one tensor. */
export const REDUCE_ROWS = {
  MaxPool: maxPool(false),
  GlobalMaxPool: maxPool(true),
  AveragePool: averagePool,
  GlobalAveragePool: globalAverage,
  ReduceMean: reduce(false),
  ReduceSum: reduce(true),
  Softmax: softmax,
  LpNormalization: l2Normalization,
  Resize: resize,
} as const satisfies Record<string, CompileRow>;

/** Whether a Resize takes the nearest pixel, so that integers only move. */
export function isNearest(site: Site): boolean {
  return attrString(site.node, "mode", "nearest") === "nearest" && attrFloat(site.node, "extrapolation_value", 0) === 0;
}
