import type { NodePrecision } from "../../graph/plan.ts";
import type { ChainPoint, GroupSensitivity } from "./engine.ts";

/** One line for each node of a chain's point whose sensitivity is known: what it computes in, and what that does near the threshold. */
export function nodeReasons(
  { groups }: Pick<ChainPoint, "groups">,
  sensitivity: readonly GroupSensitivity[],
  precision: NodePrecision,
): ReadonlyMap<string, string> {
  const inFloat = new Set(groups);
  const reasons = new Map<string, string>();
  for (const group of sensitivity) {
    const flips = `${group.alone.flips} of ${group.nearPairs.toLocaleString("en-US")} near-threshold pairs`;
    const says = inFloat.has(group.name)
      ? `float: in ${precision} alone it flips ${flips}; float costs ${(group.timeShare * 100).toFixed(1)} % time`
      : `${precision}: alone it flips ${flips}; float would cost ${(group.timeShare * 100).toFixed(1)} % time`;
    for (const node of group.nodes) reasons.set(node, says);
  }
  return reasons;
}
