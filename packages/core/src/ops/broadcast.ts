import { fail } from "../base/error.ts";
import { type Dim, type Shape, sameDim, UNKNOWN_DIM } from "../graph/dim.ts";

function broadcastDim(a: Dim, b: Dim): Dim | undefined {
  if (sameDim(a, b)) return a;
  if (a === 1) return b;
  if (b === 1) return a;
  if (typeof a === "number" && typeof b === "number") return undefined;
  // A number other than 1 forces the unknown partner to be 1 or equal to it.
  if (typeof a === "number") return a;
  if (typeof b === "number") return b;
  return UNKNOWN_DIM;
}

/**
 * The shape to which all given shapes broadcast by the ONNX (NumPy) rules; sizes stay symbolic where that is certain. `undefined` when the
 * rank of one is unknown. @throws SHAPE_MISMATCH when two sizes can never fit.
 */
export function broadcastShapes(shapes: readonly (Shape | undefined)[]): Shape | undefined {
  let out: Shape | undefined = [];
  for (const shape of shapes) {
    if (shape === undefined) return undefined;
    const rank: number = Math.max(out.length, shape.length);
    const next: Dim[] = [];
    for (let i = 0; i < rank; i++) {
      const a: Dim = out[i - rank + out.length] ?? 1;
      const b: Dim = shape[i - rank + shape.length] ?? 1;
      const dim = broadcastDim(a, b);
      if (dim === undefined) {
        throw fail(
          "SHAPE_MISMATCH",
          `Cannot broadcast [${shapes.map((s) => `[${s}]`).join(", ")}]: sizes ${a} and ${b} differ and neither is 1`,
        );
      }
      next.push(dim);
    }
    out = next;
  }
  return out;
}

/**
 * Strides in elements with which a dense tensor of shape `from` is walked as if it had shape `to`: 0 along broadcast axes.
 * `from` must broadcast to `to`.
 */
export function broadcastStrides(from: readonly number[], to: readonly number[]): number[] {
  const strides = new Array<number>(to.length).fill(0);
  let step = 1;
  for (let i = from.length - 1, k = to.length - 1; i >= 0; i--, k--) {
    const size = from[i] as number;
    strides[k] = size === 1 ? 0 : step;
    step *= size;
  }
  return strides;
}
