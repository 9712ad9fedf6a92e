import { fail, type TesseraError } from "../base/error.ts";
import { type Dim, UNKNOWN_DIM } from "../graph/dim.ts";
import type { InferContext } from "./row.ts";

/** A SHAPE_MISMATCH of a node whose shapes contradict each other. */
export function shapeError(context: InferContext, why: string): TesseraError {
  return fail("SHAPE_MISMATCH", `Cannot infer ${context.node.op}: ${why}`, { at: { node: context.node.name } });
}

/** @throws SHAPE_MISMATCH when the rank of input `index` is known and below `least` (or above `most`). */
export function checkRank(context: InferContext, index: number, range: { readonly least: number; readonly most?: number }): void {
  const shape = context.inputs[index]?.shape;
  const { least, most = Number.POSITIVE_INFINITY } = range;
  if (shape === undefined || (shape.length >= least && shape.length <= most)) return;
  const wanted =
    least === most ? `rank ${least}` : most === Number.POSITIVE_INFINITY ? `rank ${least} or more` : `rank ${least} to ${most}`;
  throw shapeError(context, `input ${index} has shape [${shape}], expected ${wanted}`);
}

/** The one size that two places must share: the better known one. @throws SHAPE_MISMATCH on two different numbers. */
export function mergeDim(context: InferContext, pair: readonly [Dim | undefined, Dim | undefined], what: string): Dim {
  const [a, b] = pair;
  if (a === undefined || a === UNKNOWN_DIM) return b ?? UNKNOWN_DIM;
  if (b === undefined || b === UNKNOWN_DIM) return a;
  if (typeof a === "number" && typeof b === "number" && a !== b)
    throw shapeError(context, `${what} is ${a} in one place and ${b} in another`);
  return typeof a === "number" ? a : b;
}

/** A size as a number; 0 where it is unknown. For cost rules. */
export function staticSize(size: Dim | undefined): number {
  return typeof size === "number" ? size : 0;
}
