import { toInts } from "../../../graph/tensor.ts";
import type { EmitContext } from "./row.ts";

/** A constant list of integers among the inputs; `undefined` when it is absent. @throws UNSUPPORTED_OP where it is computed */
export function constantInts(context: EmitContext, index: number, what: string): number[] | undefined {
  const name = context.node.inputs[index] ?? "";
  if (name === "") return undefined;
  const constant = context.constant(name);
  if (constant !== undefined) return toInts(constant);
  throw context.refuse(`its ${what} (${name}) are computed`, `make the ${what} constants, or let \`tessera simplify\` fold them`);
}

/** An axis counted from the front. */
export function frontAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}
