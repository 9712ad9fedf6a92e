import { fail } from "../../base/error.ts";
import { attrString } from "../../graph/node.ts";
import { toInts } from "../../graph/tensor.ts";
import { normalAxes } from "../../ops/signature.ts";
import type { Kernel } from "../kernel.ts";
import { everyPosition, takeMapped } from "../move.ts";
import { needed } from "./needed.ts";

function remainder(a: number, b: number): number {
  return ((a % b) + b) % b;
}

// Position inside 0..size-1 that a position outside stands for; -1 is the constant.
function outside(at: number, size: number, mode: string): number {
  if (mode === "constant") return -1;
  if (mode === "edge") return at < 0 ? 0 : size - 1;
  if (mode === "wrap") return remainder(at, size);
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const folded = remainder(at, period);
  return folded < size ? folded : period - folded;
}

// A negative pad cuts first; the other end is then continued from what is left.
function axisMap(size: number, options: { readonly before: number; readonly after: number; readonly mode: string }): Int32Array {
  const { before, after, mode } = options;
  const low = Math.max(0, -before);
  const left = size - low - Math.max(0, -after);
  const first = -Math.max(0, before);
  return Int32Array.from({ length: size + before + after }, (_, i) => {
    const at = first + i;
    if (at >= 0 && at < left) return low + at;
    const inside = outside(at, left, mode);
    return inside < 0 ? -1 : low + inside;
  });
}

/** Pad in the modes constant, reflect, edge and wrap; negative pads cut. */
export const pad: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const { node } = context;
  const pads = toInts(needed(inputs, 1, context));
  const axes = normalAxes(inputs[3] === undefined ? x.shape.map((_, i) => i) : toInts(inputs[3]), x.shape.length, node);
  const mode = attrString(node, "mode", "constant");
  const at = { node: node.name };
  if (pads.length !== 2 * axes.length) {
    throw fail("SHAPE_MISMATCH", `Cannot pad ${axes.length} axes of [${x.shape}] by [${pads}]: two counts per axis are needed`, {
      at,
    });
  }
  const maps = x.shape.map(everyPosition);
  axes.forEach((axis, i) => {
    const size = x.shape[axis] as number;
    const before = pads[i] as number;
    const after = pads[i + axes.length] as number;
    if (size + before + after < 0)
      throw fail("SHAPE_MISMATCH", `Cannot pad [${x.shape}] by [${pads}]: a size would be negative`, { at });
    if (size === 0 && mode !== "constant" && (before > 0 || after > 0)) {
      throw fail("SHAPE_MISMATCH", `Cannot pad [${x.shape}] by [${pads}]: an empty axis has nothing to ${mode}`, { at });
    }
    maps[axis] = axisMap(size, { before, after, mode });
  });
  return [takeMapped(x, maps, inputs[2])];
};
