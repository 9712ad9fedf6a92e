import { fail } from "../base/error.ts";
import { type Dim, isStatic, type Shape } from "../graph/dim.ts";
import type { DType } from "../graph/dtype.ts";
import { type Node, type TensorType, tensorType } from "../graph/model.ts";
import { countOf } from "../graph/tensor.ts";
import type { CostRule, InferContext, InferRule, OpRow, Param } from "./row.ts";

/** Formal parameters from short marks: `params("X", "axes?", "inputs*")` is one required, one optional and one variadic parameter. */
export function params(...marks: readonly string[]): readonly Param[] {
  return marks.map((mark) => {
    if (mark.endsWith("?")) return { name: mark.slice(0, -1), arity: "optional" };
    if (mark.endsWith("*")) return { name: mark.slice(0, -1), arity: "many" };
    return { name: mark, arity: "one" };
  });
}

/** Number of elements of a type with static shape, otherwise 0. */
export function elements(type: TensorType | undefined): number {
  return type !== undefined && isStatic(type.shape) ? countOf(type.shape) : 0;
}

/** Cost of operators that only move, rename or describe data. */
export function noCost(): { macs: number; ops: number } {
  return { macs: 0, ops: 0 };
}

/** `n` elementary operations for each element of the first output. */
export function opsPerOutput(n: number): CostRule {
  return (_node, _inputs, outputs) => ({ macs: 0, ops: n * elements(outputs[0]) });
}

/** `n` elementary operations for each element of the first input. */
export function opsPerInput(n: number): CostRule {
  return (_node, inputs) => ({ macs: 0, ops: n * elements(inputs[0]) });
}

/** Output 0 has the type of input 0. */
export function sameAsInput({ inputs }: InferContext): readonly (TensorType | undefined)[] {
  return [inputs[0]];
}

/** Output 0 has the shape of input 0 and element type `dtype`. */
export function sameShapeAs(dtype: DType): InferRule {
  return ({ inputs }) => [tensorType(dtype, inputs[0]?.shape)];
}

/** A row of the simplest kind: one input X, one output Y of the same type, `ops` elementary operations an element. */
export function mapRow(
  since: number,
  options: { readonly attributes?: OpRow["attributes"]; readonly ops?: number; readonly infer?: InferRule } = {},
): OpRow {
  return {
    since,
    inputs: params("X"),
    outputs: params("Y"),
    attributes: options.attributes ?? {},
    infer: options.infer ?? sameAsInput,
    cost: opsPerOutput(options.ops ?? 1),
  };
}

/**
 * An axis in 0..rank-1 from one that may be negative.
 * @throws ATTRIBUTE_INVALID when it is out of range; `extra` allows that many more (1 for positions between axes, as in Unsqueeze or Flatten).
 */
export function normalAxis(axis: number, rank: number, options: { readonly node: Node; readonly extra?: number }): number {
  const { node, extra = 0 } = options;
  const normal = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || normal < 0 || normal >= rank + extra) {
    throw fail("ATTRIBUTE_INVALID", `Cannot use axis ${axis} in ${node.op}: the rank is ${rank}`, { at: { node: node.name } });
  }
  return normal;
}

/** Axes in 0..rank-1, in the given order. @throws ATTRIBUTE_INVALID when one is out of range or given twice. */
export function normalAxes(axes: readonly number[], rank: number, node: Node): number[] {
  const out = axes.map((axis) => normalAxis(axis, rank, { node }));
  if (new Set(out).size !== out.length) {
    throw fail("ATTRIBUTE_INVALID", `Cannot use axes [${axes}] in ${node.op}: one is given twice`, { at: { node: node.name } });
  }
  return out;
}

/** The entries as integers when every one is a number; otherwise `undefined`. */
export function numbersOnly(dims: readonly Dim[] | undefined): readonly number[] | undefined {
  return isStatic(dims) ? dims : undefined;
}

/** The element type all present inputs share; `undefined` when nothing is known. @throws DTYPE_MISMATCH when two differ. */
export function commonDtype(inputs: readonly (TensorType | undefined)[], node: Node): DType | undefined {
  let found: DType | undefined;
  for (const type of inputs) {
    if (type === undefined) continue;
    if (found !== undefined && type.dtype !== found) {
      throw fail("DTYPE_MISMATCH", `Cannot apply ${node.op} to ${found} and ${type.dtype}: the element types differ`, {
        at: { node: node.name },
      });
    }
    found = type.dtype;
  }
  return found;
}

/** No tensor of a network has more axes; a file may claim any number. */
export const MOST_AXES = 64;

/** A shape of `rank` sizes about which nothing is known. @throws SHAPE_MISMATCH for a rank below 0 or beyond {@link MOST_AXES}. */
export function unknownShape(rank: number): Shape {
  if (!(rank >= 0 && rank <= MOST_AXES))
    throw fail("SHAPE_MISMATCH", `Cannot have a tensor of rank ${rank}: it must be 0 to ${MOST_AXES}`);
  return new Array<Dim>(rank).fill("?");
}

/** A type whose dtype may be unknown: then nothing is said. */
export function typeOf(dtype: DType | undefined, shape: Shape | undefined): TensorType | undefined {
  return dtype === undefined ? undefined : tensorType(dtype, shape);
}
