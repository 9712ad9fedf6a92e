import type { Node } from "../../graph/model.ts";
import { attrString } from "../../graph/node.ts";
import { countOf, type Tensor, toInts, toNumbers } from "../../graph/tensor.ts";
import { planResize } from "../../ops/resize.ts";
import { type ResizeTaps, resizeTaps } from "../../ops/resize-taps.ts";

/** What a Resize does to one axis. */
export interface AxisResize {
  readonly axis: number;
  readonly size: number;
  readonly to: number;
  readonly taps: ResizeTaps;
}

/** How TFLite's resizing operators place the output cells on the input. */
export interface ResizeMode {
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
}

/** What a shape-like view of a node gives. */
interface ResizeNode {
  readonly node: Node;
  shape(name: string): readonly number[];
  constant(name: string): Tensor | undefined;
}

/** The axes that a Resize changes, or why they are not known. */
export function axesOfResize(site: ResizeNode): readonly AxisResize[] | string {
  const { node } = site;
  const [roi, scales, sizes] = [1, 2, 3].map((i) => node.inputs[i] ?? "") as [string, string, string];
  for (const name of [roi, scales, sizes])
    if (name !== "" && site.constant(name) === undefined) return `its scales, sizes or region (${name}) are computed`;
  const list = (name: string): Tensor | undefined => {
    const constant = name === "" ? undefined : site.constant(name);
    return constant === undefined || countOf(constant.shape) === 0 ? undefined : constant;
  };
  const [region, byScale, bySize] = [list(roi), list(scales), list(sizes)];
  const shape = site.shape(node.inputs[0] as string);
  const plan = planResize(node, shape, {
    scales: byScale && Array.from(toNumbers(byScale)),
    sizes: bySize && toInts(bySize),
    error: (why) => new Error(why),
  });
  const crops = attrString(node, "coordinate_transformation_mode", "half_pixel") === "tf_crop_and_resize";
  const corners = region && toNumbers(region);
  return plan.axes.flatMap((axis, i) => {
    const [size, to, scale] = [shape[axis] as number, plan.sizes[axis] as number, plan.scales[axis] as number];
    if (size === to && scale === 1 && !crops) return [];
    const own = [corners?.[i] ?? 0, corners?.[i + plan.axes.length] ?? 1] as const;
    return [{ axis, size, to, taps: resizeTaps({ size, to, scale, roi: own, node }) }];
  });
}

/** The weights of one axis as a matrix [to, size], row by row. Rows outside of the picture are zero. */
export function resizeMatrix({ size, to, taps }: AxisResize): Float32Array {
  const matrix = new Float32Array(to * size);
  for (let i = 0; i < to; i++) {
    if (taps.outside[i]) continue;
    const [cells, weights] = [taps.cells[i] as Int32Array, taps.weights[i] as Float64Array];
    for (let k = 0; k < cells.length; k++) {
      const at = i * size + (cells[k] as number);
      matrix[at] = (matrix[at] as number) + (weights[k] as number);
    }
  }
  return matrix;
}

/** TFLite's own weights: the formulas of its reference kernels, in float32 as they have it. */
function tfliteMatrix({ size, to }: AxisResize, mode: ResizeMode, nearest: boolean): Float32Array {
  const f = Math.fround;
  const aligned = mode.alignCorners && to > 1;
  const scale = aligned ? f(f(size - 1) / f(to - 1)) : f(size / to);
  const matrix = new Float32Array(to * size);
  const clamp = (v: number): number => Math.min(size - 1, Math.max(0, v));
  for (let i = 0; i < to; i++) {
    const row = i * size;
    if (nearest) {
      const x = f(f(i + (mode.halfPixelCenters ? 0.5 : 0)) * scale);
      matrix[row + clamp(mode.alignCorners ? Math.floor(x + 0.5) : Math.floor(x))] = 1;
      continue;
    }
    const x = mode.halfPixelCenters ? f(f(f(i + 0.5) * scale) - 0.5) : f(i * scale);
    const low = Math.max(0, Math.floor(x));
    const high = Math.min(size - 1, Math.ceil(x));
    const part = f(x - low);
    matrix[row + low] = (matrix[row + low] as number) + 1 - part;
    matrix[row + high] = (matrix[row + high] as number) + part;
  }
  return matrix;
}

const MODES: readonly ResizeMode[] = [
  { alignCorners: false, halfPixelCenters: true },
  { alignCorners: true, halfPixelCenters: false },
  { alignCorners: false, halfPixelCenters: false },
];

/** Difference of weights that rounding of coordinates explains: a few float32 steps of a coordinate up to 1000. */
const SAME_WEIGHT = 1e-4;

/**
 * The mode in which RESIZE_BILINEAR or RESIZE_NEAREST_NEIGHBOR mixes the very cells that the node mixes; `undefined` when none does. Found by comparing
 * the weights of every output row and column, not the names of modes: many modes agree at some sizes and not at others.
 */
export function tfliteResizeMode(site: ResizeNode, axes: readonly AxisResize[]): ResizeMode | undefined {
  const nearest = attrString(site.node, "mode", "nearest") === "nearest";
  if (site.shape(site.node.inputs[0] as string).length !== 4) return undefined;
  if (axes.some(({ axis, taps }) => axis < 2 || taps.outside.includes(true))) return undefined;
  return MODES.find((mode) =>
    axes.every((axis) => {
      const own = resizeMatrix(axis);
      const theirs = tfliteMatrix(axis, mode, nearest);
      const limit = nearest ? 0 : SAME_WEIGHT;
      return own.every((w, i) => Math.abs(w - (theirs[i] as number)) <= limit);
    }),
  );
}
