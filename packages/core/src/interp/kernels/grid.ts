import { fail } from "../../base/error.ts";
import { attrInt, attrString } from "../../graph/node.ts";
import { countOf, toInts } from "../../graph/tensor.ts";
import { cubicWeights } from "../../ops/cubic-weights.ts";
import type { Kernel } from "../kernel.ts";
import { fromReals, reals, realsFor } from "../reals.ts";
import { needed } from "./needed.ts";
import { roundHalfEven } from "./quantized.ts";

type Padding = "zeros" | "border" | "reflection";

interface Sampling {
  readonly padding: Padding;
  readonly corners: boolean;
}

/** The cell that index i of an axis of `size` cells reads, or -1 for a zero outside. Reflection is at cell edges, or at cell centres with align_corners. */
function cellAt(i: number, size: number, { padding, corners }: Sampling): number {
  if (i >= 0 && i < size) return i;
  if (padding === "zeros") return -1;
  if (padding === "border") return i < 0 ? 0 : size - 1;
  const period = corners ? 2 * (size - 1) : 2 * size;
  if (period === 0) return 0;
  const m = ((i % period) + period) % period;
  return m < size ? m : corners ? period - m : period - 1 - m;
}

/** Cells and weights along one axis for coordinate g in -1..1. */
function tapsAt(
  g: number,
  size: number,
  mode: string,
  sampling: Sampling,
): { readonly cells: number[]; readonly weights: number[] } {
  const x = sampling.corners ? ((g + 1) / 2) * (size - 1) : ((g + 1) * size - 1) / 2;
  if (mode === "nearest") return { cells: [cellAt(roundHalfEven(x), size, sampling)], weights: [1] };
  const low = Math.floor(x);
  const t = x - low;
  const first = mode === "cubic" ? low - 1 : low;
  const weights = mode === "cubic" ? cubicWeights(t, -0.75) : [1 - t, t];
  return { cells: weights.map((_, k) => cellAt(first + k, size, sampling)), weights };
}

/** Samples X [N, C, ...] at grid [N, ..., rank], whose last axis holds x first (the last axis of X). */
export const gridSample: Kernel = (inputs, context) => {
  const { node } = context;
  const [t, g] = [needed(inputs, 0, context), needed(inputs, 1, context)];
  const spatial = t.shape.slice(2);
  const rank = spatial.length;
  if (g.shape.length !== rank + 2 || g.shape[rank + 1] !== rank || g.shape[0] !== t.shape[0]) {
    throw fail("SHAPE_MISMATCH", `Cannot run GridSample: X [${t.shape}] and grid [${g.shape}] do not fit`, {
      at: { node: node.name },
    });
  }
  const mode = attrString(node, "mode", "linear");
  const sampling: Sampling = {
    padding: attrString(node, "padding_mode", "zeros") as Padding,
    corners: attrInt(node, "align_corners", 0) !== 0,
  };
  const outSpatial = g.shape.slice(1, -1);
  const [batch, channels, points, cells] = [t.shape[0] as number, t.shape[1] as number, countOf(outSpatial), countOf(spatial)];
  const shape = [batch, channels, ...outSpatial];
  const [x, grid, out] = [reals(t), reals(g), realsFor(t.dtype, shape)];
  for (let n = 0; n < batch; n++) {
    for (let p = 0; p < points; p++) {
      // Every combination of one tap of each axis: offsets in the plane and the products of their weights.
      let offsets = [0];
      let weights = [1];
      for (let axis = 0; axis < rank; axis++) {
        const size = spatial[axis] as number;
        const taps = tapsAt(grid[(n * points + p) * rank + (rank - 1 - axis)] as number, size, mode, sampling);
        const nextOffsets: number[] = [];
        const nextWeights: number[] = [];
        offsets.forEach((offset, i) => {
          taps.cells.forEach((cell, k) => {
            nextOffsets.push(offset < 0 || cell < 0 ? -1 : offset * size + cell);
            nextWeights.push((weights[i] as number) * (taps.weights[k] as number));
          });
        });
        offsets = nextOffsets;
        weights = nextWeights;
      }
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let k = 0; k < offsets.length; k++) {
          const offset = offsets[k] as number;
          if (offset >= 0) sum += (weights[k] as number) * (x[(n * channels + c) * cells + offset] as number);
        }
        out[(n * channels + c) * points + p] = sum;
      }
    }
  }
  return [fromReals(t.dtype, shape, out)];
};

/** theta [N, r, r + 1] applied to every cell centre of a picture of `size` [N, C, ...]: grid [N, ..., r], x first. */
export const affineGrid: Kernel = (inputs, context) => {
  const { node } = context;
  const t = needed(inputs, 0, context);
  const size = toInts(needed(inputs, 1, context));
  const rank = size.length - 2;
  if (t.shape.length !== 3 || t.shape[1] !== rank || t.shape[2] !== rank + 1 || t.shape[0] !== size[0]) {
    throw fail("SHAPE_MISMATCH", `Cannot run AffineGrid: theta [${t.shape}] does not fit size [${size}]`, {
      at: { node: node.name },
    });
  }
  const corners = attrInt(node, "align_corners", 0) !== 0;
  const spatial = size.slice(2);
  const points = countOf(spatial);
  const shape = [size[0] as number, ...spatial, rank];
  const [theta, out] = [reals(t), realsFor(t.dtype, shape)];
  const centre = (i: number, cells: number): number => {
    if (!corners) return (2 * i + 1) / cells - 1;
    return cells === 1 ? 0 : (2 * i) / (cells - 1) - 1;
  };
  for (let n = 0, to = 0; n < (size[0] as number); n++) {
    for (let p = 0; p < points; p++) {
      const point = new Array<number>(rank + 1).fill(1);
      let rest = p;
      for (let axis = rank - 1; axis >= 0; axis--) {
        const cells = spatial[axis] as number;
        point[rank - 1 - axis] = centre(rest % cells, cells);
        rest = Math.floor(rest / cells);
      }
      for (let row = 0; row < rank; row++, to++) {
        let sum = 0;
        for (let k = 0; k <= rank; k++) sum += (theta[(n * rank + row) * (rank + 1) + k] as number) * (point[k] as number);
        out[to] = sum;
      }
    }
  }
  return [fromReals(t.dtype, shape, out)];
};
