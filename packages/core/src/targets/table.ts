import { fail } from "../base/error.ts";
import { LITERT, RPI4 } from "./litert.ts";
import { ORT_ARM, ORT_WEB, ORT_X64 } from "./ort.ts";
import type { Target } from "./target.ts";

/** Every target, in plain sight. */
export const TARGETS: readonly Target[] = [ORT_X64, ORT_ARM, ORT_WEB, LITERT, RPI4];

/** The target of that id. @throws UNKNOWN_TARGET with the list of ids */
export function targetById(id: string): Target {
  const found = TARGETS.find((t) => t.id === id);
  if (found === undefined)
    throw fail("UNKNOWN_TARGET", `Cannot use target "${id}": known are ${TARGETS.map((t) => t.id).join(", ")}`);
  return found;
}
