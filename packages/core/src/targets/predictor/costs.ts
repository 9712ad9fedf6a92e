import type { Target } from "../target.ts";
import type { CostTable } from "./cost.ts";

/** The cost table of the runtime behind a target; `undefined` where its kernels were measured on no machine like it. */
export function costTableOf(_target: Target): CostTable | undefined {
  return undefined;
}
