import { fail } from "../base/error.ts";
import { type Dim, dimFloorDiv, dimMul, isStatic, type Shape, UNKNOWN_DIM } from "../graph/dim.ts";
import type { Node } from "../graph/model.ts";
import { countOf } from "../graph/tensor.ts";

// total / part after cancelling factors that stand in both; "?" when that does not settle it.
function quotient(total: readonly Dim[], part: readonly Dim[]): Dim {
  const above = [...total];
  let below: Dim = 1;
  for (const dim of part) {
    const at = dim === UNKNOWN_DIM ? -1 : above.indexOf(dim);
    if (at >= 0) above.splice(at, 1);
    else below = dimMul(below, dim);
  }
  const product = above.reduce<Dim>(dimMul, 1);
  if (below === 0) return UNKNOWN_DIM;
  return dimFloorDiv(product, below);
}

/**
 * The shape that Reshape gives: `target` may hold -1 (what is left, once) and, without `allowZero`, 0 (copied from the same place of the
 * input). Symbolic sizes cancel where they stand on both sides. @throws SHAPE_MISMATCH when the element counts certainly differ,
 * ATTRIBUTE_INVALID for two -1.
 */
export function reshapeShape(
  input: Shape | undefined,
  target: readonly Dim[],
  options: { readonly node: Node; readonly allowZero: boolean },
): Shape {
  const { node, allowZero } = options;
  const at = { node: node.name };
  const out: Dim[] = [];
  const left: Dim[] = input === undefined ? [] : [...input];
  const rest: Dim[] = [];
  let free = -1;
  target.forEach((dim, i) => {
    if (dim === -1) {
      if (free >= 0) throw fail("ATTRIBUTE_INVALID", `Cannot reshape to [${target}]: -1 stands more than once`, { at });
      free = i;
      out.push(-1);
    } else if (dim === 0 && !allowZero) {
      const copied = input === undefined ? UNKNOWN_DIM : input[i];
      if (copied === undefined) {
        throw fail("SHAPE_MISMATCH", `Cannot reshape [${input}] to [${target}]: there is no size ${i} to copy for the 0`, { at });
      }
      // The copied size divides out even when its value is unknown.
      if (input !== undefined) left[i] = 1;
      out.push(copied);
    } else {
      if (typeof dim === "number" && dim < -1)
        throw fail("SHAPE_MISMATCH", `Cannot reshape to [${target}]: ${dim} is no size`, { at });
      rest.push(dim);
      out.push(dim);
    }
  });
  if (free >= 0) out[free] = input === undefined ? UNKNOWN_DIM : quotient(left, rest);
  if (isStatic(input) && isStatic(out) && countOf(input) !== countOf(out)) {
    throw fail("SHAPE_MISMATCH", `Cannot reshape [${input}] to [${target}]: ${countOf(input)} elements do not fit`, { at });
  }
  return out;
}
