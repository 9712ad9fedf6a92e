import { type Dim, isStatic, type Shape, sameDim } from "../graph/dim.ts";
import type { GraphDraft } from "../graph/draft.ts";
import type { Node } from "../graph/model.ts";
import { attrInts } from "../graph/node.ts";
import { constantInts, frontAxes, isOneOf, shapeOf } from "./values.ts";

/**
 * The constant second input with which Reshape turns a value of shape `from` into shape `to`: numbers where sizes are known, 0 where a
 * symbolic size stays at its place, -1 for at most one other. `undefined` where that does not say it.
 */
export function reshapeTarget(from: Shape, to: Shape): readonly number[] | undefined {
  let rest = 0;
  const target = to.map((dim, i) => {
    if (typeof dim === "number") return dim;
    if (sameDim(dim, from[i] as Dim)) return 0;
    rest++;
    return -1;
  });
  // A size of 0 would be read as "the same as before", and -1 beside it could be anything.
  return rest > 1 || to.includes(0) || from.includes(0) ? undefined : target;
}

/** The permutation of a Transpose; `undefined` when the rank is not known. */
export function permOf(draft: GraphDraft, node: Node): readonly number[] | undefined {
  const rank = shapeOf(draft, node.inputs[0])?.length;
  return attrInts(node, "perm") ?? (rank === undefined ? undefined : Array.from({ length: rank }, (_, i) => rank - 1 - i));
}

/** Whether a permutation keeps the order of all axes that are not certainly of size 1: the elements stay where they are in memory. */
export function keepsOrder(perm: readonly number[], shape: Shape): boolean {
  const wide = perm.filter((axis) => shape[axis] !== 1);
  return wide.every((axis, i) => i === 0 || axis > (wide[i - 1] as number));
}

/**
 * Whether a node only gives its elements another shape. A Squeeze of a size that is not certainly 1 checks something at run time, so it counts only when
 * `sure` sizes say so.
 */
export function isReshapeLike(draft: GraphDraft, node: Node): boolean {
  if (isOneOf(node, ["Reshape", "Flatten", "Unsqueeze"])) return true;
  const shape = shapeOf(draft, node.inputs[0]);
  if (shape === undefined) return false;
  if (isOneOf(node, ["Squeeze"])) {
    const axes = node.inputs[1] ? constantInts(draft, node.inputs[1]) : undefined;
    if (!node.inputs[1]) return isStatic(shape);
    return axes !== undefined && frontAxes(axes, shape.length).every((a) => shape[a] === 1);
  }
  if (!isOneOf(node, ["Transpose"])) return false;
  const perm = permOf(draft, node);
  return perm !== undefined && keepsOrder(perm, shape);
}
