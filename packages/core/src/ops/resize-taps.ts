import { fail } from "../base/error.ts";
import type { Node } from "../graph/model.ts";
import { attrFloat, attrInt, attrString } from "../graph/node.ts";
import { cubicWeights } from "./cubic-weights.ts";

/** For each output index along one axis: which input cells it mixes. */
export interface ResizeTaps {
  readonly cells: readonly Int32Array[];
  readonly weights: readonly Float64Array[];
  /** Output indices that fall outside the picture (tf_crop_and_resize). */
  readonly outside: readonly boolean[];
}

/** One axis of a Resize: sizes before and after, scale as in the formulas, and the region of tf_crop_and_resize. */
export interface ResizeAxis {
  readonly size: number;
  readonly to: number;
  readonly scale: number;
  readonly roi: readonly [number, number];
  readonly node: Node;
}

/** The input coordinate of output index i. Rounded to float32 on the way, as runtimes do: at ties it decides which cell is nearest. */
function original(job: ResizeAxis, i: number): number {
  const { size, to, scale, roi, node } = job;
  const f = Math.fround;
  const mode = attrString(node, "coordinate_transformation_mode", "half_pixel");
  switch (mode) {
    case "half_pixel":
      return f(f(f(i + 0.5) / scale) - 0.5);
    case "pytorch_half_pixel":
      return to > 1 ? f(f(f(i + 0.5) / scale) - 0.5) : 0;
    case "half_pixel_symmetric":
      // Centred on the picture although the last cell may be cut off: (1 - to / (scale * size)) is the part that rounding down took away.
      return f((size / 2) * (1 - to / (scale * size)) + (i + 0.5) / scale - 0.5);
    case "align_corners":
      return to === 1 ? 0 : f(f(i * (size - 1)) / (to - 1));
    case "asymmetric":
      return f(i / scale);
    case "tf_crop_and_resize": {
      const [start, end] = roi;
      if (to === 1) return f(0.5 * f(start + end) * (size - 1));
      return f(f(start * (size - 1)) + f(f(i * f(f(end - start) * (size - 1))) / (to - 1)));
    }
    default:
      throw fail("ATTRIBUTE_INVALID", `Cannot run Resize: there is no coordinate mode "${mode}"`, { at: { node: node.name } });
  }
}

function nearestCell(x: number, node: Node): number {
  const mode = attrString(node, "nearest_mode", "round_prefer_floor");
  switch (mode) {
    case "round_prefer_floor":
      return Math.ceil(x - 0.5);
    case "round_prefer_ceil":
      return Math.floor(x + 0.5);
    case "floor":
      return Math.floor(x);
    case "ceil":
      return Math.ceil(x);
    default:
      throw fail("ATTRIBUTE_INVALID", `Cannot run Resize: there is no nearest mode "${mode}"`, { at: { node: node.name } });
  }
}

/** Triangle or Keys cubic filter at distance d, in cells. */
function filterAt(d: number, cubic: boolean, a: number): number {
  const t = Math.abs(d);
  if (!cubic) return Math.max(0, 1 - t);
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? ((t - 5) * t + 8) * t * a - 4 * a : 0;
}

function weigh(x: number, job: ResizeAxis, mode: string): { readonly cells: number[]; readonly weights: number[] } {
  const { node } = job;
  if (mode === "nearest") return { cells: [nearestCell(x, node)], weights: [1] };
  const cubic = mode === "cubic";
  const a = attrFloat(node, "cubic_coeff_a", -0.75);
  const low = Math.floor(x);
  if (attrInt(node, "antialias", 0) !== 0 && job.scale < 1) {
    // The filter is stretched over the input by 1 / scale and normalised.
    const reach = (cubic ? 2 : 1) / job.scale;
    const cells: number[] = [];
    const weights: number[] = [];
    for (let k = Math.ceil(x - reach); k <= Math.floor(x + reach); k++) {
      cells.push(k);
      weights.push(filterAt((k - x) * job.scale, cubic, a));
    }
    const sum = weights.reduce((s, w) => s + w, 0);
    return { cells, weights: weights.map((w) => w / sum) };
  }
  if (!cubic) return { cells: [low, low + 1], weights: [1 - (x - low), x - low] };
  return { cells: [low - 1, low, low + 1, low + 2], weights: cubicWeights(x - low, a) };
}

/** What a Resize node mixes along one axis, before anything is read: cells clamped to the input. @throws ATTRIBUTE_INVALID for an unknown mode */
export function resizeTaps(job: ResizeAxis): ResizeTaps {
  const { node, size, to } = job;
  const mode = attrString(node, "mode", "nearest");
  const exclude = attrInt(node, "exclude_outside", 0) !== 0;
  const crop = attrString(node, "coordinate_transformation_mode", "half_pixel") === "tf_crop_and_resize";
  const cells: Int32Array[] = [];
  const weights: Float64Array[] = [];
  const outside: boolean[] = [];
  for (let i = 0; i < to; i++) {
    const x = original(job, i);
    outside.push(crop && (x < 0 || x > size - 1));
    const taps = weigh(x, job, mode);
    const own = Float64Array.from(taps.weights);
    if (exclude && mode !== "nearest") {
      let sum = 0;
      taps.cells.forEach((cell, k) => {
        if (cell < 0 || cell >= size) own[k] = 0;
        sum += own[k] as number;
      });
      for (let k = 0; k < own.length; k++) own[k] = (own[k] as number) / sum;
    }
    cells.push(Int32Array.from(taps.cells, (cell) => Math.max(0, Math.min(size - 1, cell))));
    weights.push(own);
  }
  return { cells, weights, outside };
}
