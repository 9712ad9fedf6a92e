import type { MemoryBlock } from "../lifetimes.ts";
import { alignUp, type MemoryPlan } from "../memory-plan.ts";
import { loadPerStep, pairsApart } from "./allowed-overlap.ts";
import { besideEach, placeInOrder } from "./pack.ts";

/**
 * The plan that TensorFlow Lite Micro makes when it starts: the largest block first, among equals the one that is used first, each at the lowest place
 * that is free during its life. (The rule of its GreedyMemoryPlanner; sizes and offsets are multiples of 16 there.)
 */
export function greedyBySize(blocks: readonly MemoryBlock[], alignment = 16): MemoryPlan {
  const sizes = Float64Array.from(blocks, ({ bytes }) => alignUp(bytes, alignment));
  const pairs = pairsApart(blocks, sizes, { overlaps: [], alignment });
  const order = blocks
    .map((_, i) => i)
    .sort((a, b) => (sizes[b] as number) - (sizes[a] as number) || firstOf(blocks, a) - firstOf(blocks, b) || a - b);
  const { offsets, top } = placeInOrder(order, sizes, besideEach(blocks.length, pairs));
  const loads = loadPerStep(blocks, sizes, pairs);
  const lowerBoundBytes = loads.reduce((most, load) => Math.max(most, load), 0);
  return {
    offsets: new Map(blocks.map(({ name }, i) => [name, offsets[i] as number])),
    arenaBytes: top,
    lowerBoundBytes,
    gapBytes: top - lowerBoundBytes,
    busiestStep: Math.max(0, loads.indexOf(lowerBoundBytes)),
    method: "greedy by size",
  };
}

function firstOf(blocks: readonly MemoryBlock[], index: number): number {
  return blocks[index]?.first ?? 0;
}
