import { fail } from "../base/error.ts";
import { type Dim, dimAdd, sameDim, UNKNOWN_DIM } from "../graph/dim.ts";
import { type TensorType, tensorType } from "../graph/model.ts";
import type { InferContext } from "./row.ts";
import { normalAxes, numbersOnly, typeOf, unknownShape } from "./signature.ts";

/** The part of an axis that Slice takes: first index, step, and how many. Follows the clamping rules of the specification. */
export function sliceRange(
  size: number,
  options: { readonly start: number; readonly end: number; readonly step: number },
): { start: number; count: number } {
  const { step } = options;
  const wrapAround = (at: number): number => (at < 0 ? at + size : at);
  const start = wrapAround(options.start);
  const end = wrapAround(options.end);
  if (step > 0) {
    const from = Math.max(0, Math.min(size, start));
    const to = Math.max(0, Math.min(size, end));
    return { start: from, count: Math.max(0, Math.ceil((to - from) / step)) };
  }
  const from = Math.max(0, Math.min(size - 1, start));
  const to = Math.max(-1, Math.min(size - 1, end));
  return { start: from, count: size === 0 ? 0 : Math.max(0, Math.ceil((to - from) / step)) };
}

// Ends at or beyond this mean "to the end" in every exporter: int32 maximum and up.
const TO_THE_END = 2 ** 31 - 1;

// dim - cut, never negative. One may be cut from a plain name, which stands for at least 1; other differences say that they end at 0.
function shortened(dim: Dim, cut: number): Dim {
  if (cut === 0 || typeof dim === "number" || (cut === 1 && /^\w+$/.test(dim))) return dimAdd(dim, -cut);
  return `max(0, ${dimAdd(dim, -cut)})`;
}

// The smaller of a symbolic size and a count.
function atMost(dim: Dim, count: number): Dim {
  return count === 0 || (count === 1 && typeof dim === "string" && /^\w+$/.test(dim)) ? count : `min(${count}, ${dim})`;
}

function sliceDim(dim: Dim, start: Dim, range: { readonly end: Dim; readonly step: Dim }): Dim {
  const { end, step } = range;
  if (typeof step !== "number" || step === 0) return UNKNOWN_DIM;
  if (typeof dim === "number" && typeof start === "number" && typeof end === "number")
    return sliceRange(dim, { start, end, step }).count;
  if (typeof start !== "number" || typeof dim === "number" || dim === UNKNOWN_DIM) return UNKNOWN_DIM;
  if (step === -1) return start === -1 && typeof end === "number" && end <= -TO_THE_END ? dim : UNKNOWN_DIM;
  if (step !== 1) return UNKNOWN_DIM;
  if (sameDim(dim, end) || (typeof end === "number" && end >= TO_THE_END))
    return start >= 0 ? shortened(dim, start) : atMost(dim, -start);
  if (typeof end !== "number") return UNKNOWN_DIM;
  if (end < 0) return start >= 0 ? shortened(dim, start - end) : start >= end ? 0 : UNKNOWN_DIM;
  return start === 0 ? atMost(dim, end) : UNKNOWN_DIM;
}

/** Output type of Slice. Symbolic sizes are taken to be at least 1. */
export function inferSlice(context: InferContext): readonly (TensorType | undefined)[] {
  const { node, inputs } = context;
  const [x] = inputs;
  if (x?.shape === undefined) return [typeOf(x?.dtype, undefined)];
  const rank = x.shape.length;
  const starts = context.dims(1);
  const ends = context.dims(2);
  const count = starts?.length ?? ends?.length ?? (inputs[1]?.shape?.[0] as number | undefined);
  const axesGiven =
    (node.inputs[3] ?? "") === "" ? Array.from({ length: Number(count) }, (_, i) => i) : numbersOnly(context.dims(3));
  if (typeof count !== "number" || axesGiven === undefined) return [tensorType(x.dtype, unknownShape(rank))];
  const axes = normalAxes(axesGiven, rank, node);
  const steps = (node.inputs[4] ?? "") === "" ? axes.map(() => 1) : context.dims(4);
  const out = [...x.shape];
  axes.forEach((axis, i) => {
    if (steps?.[i] === 0) throw fail("ATTRIBUTE_INVALID", "Cannot slice with step 0: it never ends", { at: { node: node.name } });
    out[axis] = sliceDim(x.shape?.[axis] as Dim, starts?.[i] ?? UNKNOWN_DIM, {
      end: ends?.[i] ?? UNKNOWN_DIM,
      step: steps?.[i] ?? UNKNOWN_DIM,
    });
  });
  return [tensorType(x.dtype, out)];
}
