import { fail } from "../../base/error.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { KernelContext } from "../kernel.ts";

/** The input `index`, which the operator cannot do without. @throws DATA_MISSING when it is absent. */
export function needed(inputs: readonly (Tensor | undefined)[], index: number, context: KernelContext): Tensor {
  const found = inputs[index];
  if (found === undefined) {
    const { node } = context;
    throw fail("DATA_MISSING", `Cannot run ${node.op}: input ${index} is absent`, { at: { node: node.name } });
  }
  return found;
}

/** An error for an element type that the reference kernel of a node does not compute with. */
export function unsupportedType(t: Tensor, context: KernelContext): Error {
  const { node } = context;
  return fail("UNSUPPORTED_OP", `Cannot run ${node.op} on ${t.dtype}: the reference kernel has no such form`, {
    at: { node: node.name },
  });
}
