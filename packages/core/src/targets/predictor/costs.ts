import type { Target } from "../target.ts";
import type { CostTable } from "./cost.ts";
import { LITERT_COSTS } from "./costs/litert.ts";
import { ORT_NODE_COSTS } from "./costs/ort-node.ts";
import { ORT_WEB_COSTS } from "./costs/ort-web.ts";

const TABLES: Readonly<Record<Target["runtime"], CostTable>> = {
  "ort-node": ORT_NODE_COSTS,
  "ort-web": ORT_WEB_COSTS,
  litert: LITERT_COSTS,
};

/** The cost table of the runtime behind a target; `undefined` where its kernels were measured on no machine like it. */
export function costTableOf({ runtime, here }: Pick<Target, "runtime" | "here">): CostTable | undefined {
  return here === "device" ? TABLES[runtime] : undefined;
}
