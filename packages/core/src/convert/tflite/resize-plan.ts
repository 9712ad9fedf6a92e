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

/** The input cells that one output cell mixes, and how much of each. */
type Mix = ReadonlyMap<number, number>;

/** What TFLite mixes: the formulas of its reference kernels, in float32 as they have it. */
function tfliteMix({ size, to }: AxisResize, mode: ResizeMode, at: { readonly i: number; readonly nearest: boolean }): Mix {
  const f = Math.fround;
  const scale = mode.alignCorners && to > 1 ? f(f(size - 1) / f(to - 1)) : f(size / to);
  if (at.nearest) {
    const x = f(f(at.i + (mode.halfPixelCenters ? 0.5 : 0)) * scale);
    const cell = mode.alignCorners ? Math.floor(x + 0.5) : Math.floor(x);
    return new Map([[Math.min(size - 1, Math.max(0, cell)), 1]]);
  }
  const x = mode.halfPixelCenters ? f(f(f(at.i + 0.5) * scale) - 0.5) : f(at.i * scale);
  const low = Math.max(0, Math.floor(x));
  const high = Math.min(size - 1, Math.ceil(x));
  const part = f(x - low);
  return low === high ? new Map([[low, 1]]) : new Map([[low, 1 - part] as const, [high, part] as const]);
}

/** What the node itself mixes. */
function ownMix({ taps }: AxisResize, i: number): Mix {
  const mix = new Map<number, number>();
  (taps.cells[i] as Int32Array).forEach((cell, k) => {
    mix.set(cell, (mix.get(cell) ?? 0) + (taps.weights[i]?.[k] ?? 0));
  });
  return mix;
}

function sameMix(a: Mix, b: Mix, limit: number): boolean {
  return [...a.keys(), ...b.keys()].every((cell) => Math.abs((a.get(cell) ?? 0) - (b.get(cell) ?? 0)) <= limit);
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
  const limit = nearest ? 0 : SAME_WEIGHT;
  return MODES.find((mode) =>
    axes.every((axis) =>
      Array.from({ length: axis.to }, (_, i) => i).every((i) =>
        sameMix(ownMix(axis, i), tfliteMix(axis, mode, { i, nearest }), limit),
      ),
    ),
  );
}
