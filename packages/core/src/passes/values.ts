import type { Shape } from "../graph/dim.ts";
import type { GraphDraft } from "../graph/draft.ts";
import type { DType } from "../graph/dtype.ts";
import type { Node } from "../graph/model.ts";
import { toInts, toNumbers } from "../graph/tensor.ts";

/** The shape of a value, `undefined` when not even the rank is known. */
export function shapeOf(draft: GraphDraft, name: string | undefined): Shape | undefined {
  const type = name ? draft.type(name) : undefined;
  if (type?.kind === "tensor") return type.shape;
  return name ? draft.constant(name)?.shape : undefined;
}

/** The element type of a value. */
export function dtypeOf(draft: GraphDraft, name: string | undefined): DType | undefined {
  const type = name ? draft.type(name) : undefined;
  if (type?.kind === "tensor") return type.dtype;
  return name ? draft.constant(name)?.dtype : undefined;
}

/** The integers of a constant input; `undefined` when it is absent or not constant. */
export function constantInts(draft: GraphDraft, name: string | undefined): number[] | undefined {
  const constant = name ? draft.constant(name) : undefined;
  return constant === undefined || constant.dtype === "string" ? undefined : toInts(constant);
}

/** The one number that all elements of a constant have. */
export function uniformValue(draft: GraphDraft, name: string | undefined): number | undefined {
  const constant = name ? draft.constant(name) : undefined;
  if (
    constant === undefined ||
    constant.dtype === "string" ||
    constant.dtype.startsWith("complex") ||
    constant.dtype.startsWith("float8")
  )
    return undefined;
  if (constant.dtype === "float4e2m1") return undefined;
  const values = toNumbers(constant);
  const first = values[0];
  return first !== undefined && values.every((v) => Object.is(v, first)) ? first : undefined;
}

/** Axes counted from the front. */
export function frontAxes(axes: readonly number[], rank: number): number[] {
  return axes.map((a) => (a < 0 ? a + rank : a));
}

/** Whether a node is one of these operators of the ONNX standard. */
export function isOneOf(node: Node, ops: readonly string[]): boolean {
  return node.domain === "" && ops.includes(node.op);
}
