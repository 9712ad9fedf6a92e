import { fail } from "../../base/error.ts";
import { attrFloat, attrString } from "../../graph/node.ts";
import { countOf, toInts, toNumbers } from "../../graph/tensor.ts";
import { planResize, type RESIZE } from "../../ops/resize.ts";
import { type ResizeTaps, resizeTaps } from "../../ops/resize-taps.ts";
import type { Kernel, NoKernel } from "../kernel.ts";
import { fromReals, type Reals, reals, realsFor } from "../reals.ts";
import { affineGrid, gridSample } from "./grid.ts";
import { needed } from "./needed.ts";

/** Resamples one axis; `shape` is the shape before. */
function resampleAxis(x: Reals, shape: readonly number[], axis: number, taps: ResizeTaps): Float64Array {
  const inner = countOf(shape.slice(axis + 1));
  const outer = countOf(shape.slice(0, axis));
  const size = shape[axis] as number;
  const to = taps.cells.length;
  const out = new Float64Array(outer * to * inner);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < to; i++) {
      const cells = taps.cells[i] as Int32Array;
      const weights = taps.weights[i] as Float64Array;
      const at = (o * to + i) * inner;
      for (let k = 0; k < cells.length; k++) {
        const from = (o * size + (cells[k] as number)) * inner;
        const weight = weights[k] as number;
        if (weight === 0) continue;
        // A weight of one (nearest) must not turn an infinity elsewhere into NaN, nor -0 into 0.
        if (cells.length === 1) for (let j = 0; j < inner; j++) out[at + j] = x[from + j] as number;
        else for (let j = 0; j < inner; j++) out[at + j] = (out[at + j] as number) + weight * (x[from + j] as number);
      }
    }
  }
  return out;
}

const resize: Kernel = (inputs, context) => {
  const { node } = context;
  const t = needed(inputs, 0, context);
  const scales = inputs[2] === undefined || countOf(inputs[2].shape) === 0 ? undefined : Array.from(toNumbers(inputs[2]));
  const sizes = inputs[3] === undefined ? undefined : toInts(inputs[3]);
  const error = (why: string): Error => fail("ATTRIBUTE_INVALID", `Cannot run Resize: ${why}`, { at: { node: node.name } });
  const plan = planResize(node, t.shape, { scales, sizes, error });
  const roi = inputs[1] === undefined || countOf(inputs[1].shape) === 0 ? undefined : toNumbers(inputs[1]);
  const mode = attrString(node, "coordinate_transformation_mode", "half_pixel");
  if (mode === "tf_crop_and_resize" && roi === undefined) throw error("tf_crop_and_resize needs a roi");
  if (countOf(plan.sizes) === 0) return [fromReals(t.dtype, plan.sizes, realsFor(t.dtype, plan.sizes))];
  let data: Reals = reals(t);
  let shape: number[] = [...t.shape];
  const outside = new Map<number, readonly boolean[]>();
  plan.axes.forEach((axis, i) => {
    const [size, to, scale] = [t.shape[axis] as number, plan.sizes[axis] as number, plan.scales[axis] as number];
    if (size === to && scale === 1 && mode !== "tf_crop_and_resize") return;
    const taps = resizeTaps({ size, to, scale, roi: [roi?.[i] ?? 0, roi?.[i + plan.axes.length] ?? 1], node });
    data = resampleAxis(data, shape, axis, taps);
    shape = shape.map((s, k) => (k === axis ? to : s));
    if (taps.outside.includes(true)) outside.set(axis, taps.outside);
  });
  const out = realsFor(t.dtype, shape);
  out.set(data);
  const filler = attrFloat(node, "extrapolation_value", 0);
  for (const [axis, flags] of outside) {
    const inner = countOf(shape.slice(axis + 1));
    const size = shape[axis] as number;
    for (let i = 0; i < out.length; i++) if (flags[Math.floor(i / inner) % size] === true) out[i] = filler;
  }
  return [fromReals(t.dtype, shape, out)];
};

/** Sampling pictures at other places. */
export const RESIZE_KERNELS = {
  AffineGrid: affineGrid,
  GridSample: gridSample,
  Resize: resize,
} as const satisfies Record<keyof typeof RESIZE, Kernel | NoKernel>;
