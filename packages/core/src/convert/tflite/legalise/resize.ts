import { attrFloat, attrString } from "../../../graph/node.ts";
import { f32 } from "../../../graph/tensor.ts";
import { type AxisResize, axesOfResize, resizeMatrix, tfliteResizeMode } from "../resize-plan.ts";
import type { LegaliseRow, LegaliseSite, Verdict } from "./row.ts";

/** Largest product that stands in for an axis: 4096 cells to 4096. */
const MAX_WEIGHTS = 2 ** 24;

/** [size, to]: the matrix with which rows are multiplied from the right. */
function columns(axis: AxisResize): Float32Array {
  const { size, to } = axis;
  const matrix = resizeMatrix(axis);
  const out = new Float32Array(matrix.length);
  for (let i = 0; i < to; i++) for (let k = 0; k < size; k++) out[k * to + i] = matrix[i * size + k] as number;
  return out;
}

/** One axis of a picture times a constant matrix: exact for every way to interpolate. */
function mixed(site: LegaliseSite, x: string, axis: AxisResize): string {
  const rank = site.shape(site.input(0)).length;
  const matrix = site.tensor("weights", f32([axis.size, axis.to], columns(axis)));
  if (axis.axis === rank - 1) return site.op("MatMul", [x, matrix]);
  const perm = Array.from({ length: rank }, (_, i) => i);
  [perm[axis.axis], perm[rank - 1]] = [rank - 1, axis.axis];
  return site.op("Transpose", [site.op("MatMul", [site.op("Transpose", [x], { perm }), matrix])], { perm });
}

function resize(site: LegaliseSite): Verdict {
  const { node } = site;
  const axes = axesOfResize(site);
  if (typeof axes === "string") return site.cannot(axes, "Export the model with a fixed input size, or give the sizes with dims");
  if (axes.length === 0) return site.finish(site.input(0));
  if (tfliteResizeMode(site, axes) !== undefined) return "keep";
  const nearest = attrString(node, "mode", "nearest") === "nearest";
  const isOutside = axes.some(({ taps }) => taps.outside.includes(true));
  if (isOutside && (nearest || attrFloat(node, "extrapolation_value", 0) !== 0))
    return site.cannot(
      "its region reaches outside of the picture, where it fills in a value",
      "Crop inside the picture, or fill with 0 in a linear or cubic mode",
    );
  if (!nearest && axes.some(({ size, to }) => size * to > MAX_WEIGHTS))
    return site.cannot(
      "TFLite places the cells otherwise, and a product with its weights would be larger than the pictures",
      "Use linear mode with half_pixel, align_corners or asymmetric coordinates and without antialiasing",
    );
  let y = site.input(0);
  for (const axis of axes) {
    if (nearest) {
      const cells = axis.taps.cells.map((c) => c[0] as number);
      y = site.op("Gather", [y, site.list("cells", cells)], { axis: axis.axis });
      site.sameNumbers(y, site.input(0));
    } else y = mixed(site, y, axis);
  }
  return site.finish(y);
}

/** Resizing in ways that TFLite's operators do not have. */
export const RESIZE_ROWS: readonly LegaliseRow[] = [
  {
    name: "resize",
    ops: ["Resize"],
    says: "GATHER of the nearest cells, or a product with the interpolation weights, axis by axis",
    costs: "Nearest: one GATHER an axis. Linear, cubic: a product as wide as the picture for every row and column",
    rewrite: resize,
  },
];
