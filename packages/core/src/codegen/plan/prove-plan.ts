import type { MemoryBlock } from "../lifetimes.ts";
import { alignUp, type MemoryPlan } from "../memory-plan.ts";
import { type AllowedOverlap, pairsApart } from "./allowed-overlap.ts";
import { packBelow } from "./prove.ts";

/** Options of {@link provePlan}. */
export interface ProveOptions {
  readonly alignment: number;
  readonly overlaps: readonly AllowedOverlap[];
  /** Branches that each search may look at. */
  readonly nodes: number;
}

/** A plan and what is known about plans that are smaller. */
export interface ProvenPlan {
  readonly plan: MemoryPlan;
  /** No plan is smaller than this: the lower bound, or what searches have shown beyond it. */
  readonly provenBytes: number;
  /** "bound-reached": no plan can be smaller. "gap-proven": it was searched that none is. "open": a smaller one may exist. */
  readonly proof: "bound-reached" | "gap-proven" | "open";
}

/**
 * Closes the gap between a plan and its lower bound where an exact search can: either by a smaller plan, or by the proof that there is none. Sizes in
 * between are halved, so that a search that gives up at one of them costs no more than that one.
 */
export function provePlan(blocks: readonly MemoryBlock[], start: MemoryPlan, options: ProveOptions): ProvenPlan {
  const { alignment, overlaps, nodes } = options;
  const sizes = Float64Array.from(blocks, ({ bytes }) => alignUp(bytes, alignment));
  const pairs = pairsApart(blocks, sizes, { overlaps, alignment });
  let plan = start;
  let proven = start.lowerBoundBytes;
  let open = false;
  let limit = proven;
  while (plan.arenaBytes > proven && !open) {
    const answer = packBelow({ sizes, pairs, limit, nodes });
    if (answer.kind === "found") plan = withOffsets(plan, { blocks, sizes, offsets: answer.offsets });
    else if (answer.kind === "impossible") proven = limit + alignment;
    else open = true;
    limit = alignUp((proven + plan.arenaBytes - alignment) / 2, alignment);
    limit = Math.min(limit, plan.arenaBytes - alignment);
  }
  const isBound = plan.arenaBytes === plan.lowerBoundBytes;
  return { plan, provenBytes: proven, proof: isBound ? "bound-reached" : open ? "open" : "gap-proven" };
}

function withOffsets(
  plan: MemoryPlan,
  {
    blocks,
    sizes,
    offsets,
  }: { readonly blocks: readonly MemoryBlock[]; readonly sizes: Float64Array; readonly offsets: Float64Array },
): MemoryPlan {
  const arenaBytes = offsets.reduce((top, at, i) => Math.max(top, at + (sizes[i] as number)), 0);
  return {
    ...plan,
    offsets: new Map(blocks.map(({ name }, i) => [name, offsets[i] as number])),
    arenaBytes,
    gapBytes: arenaBytes - plan.lowerBoundBytes,
    method: "exact search",
  };
}
