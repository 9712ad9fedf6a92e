import type { MemoryBlock } from "./lifetimes.ts";
import type { AllowedOverlap } from "./plan/allowed-overlap.ts";

/** What is wrong with a placement. */
export type PlacementFault =
  | { readonly kind: "missing"; readonly block: string }
  | { readonly kind: "outside"; readonly block: string; readonly end: number }
  | { readonly kind: "misaligned"; readonly block: string; readonly offset: number }
  | { readonly kind: "overlap"; readonly blocks: readonly [string, string]; readonly step: number };

/**
 * Looks for faults of a placement without knowing how it was made: it goes through the program step by step, sorts what lives there by address, and
 * compares each with those that begin before its end. Overlaps that are allowed must keep their distance. Shares no code with the planner on purpose, so that one mistake cannot hide in both.
 *
 * @returns every fault; an overlap is told once, with the first step at which it shows
 */
export function placementFaults(
  blocks: readonly MemoryBlock[],
  offsets: ReadonlyMap<string, number>,
  arena: { readonly bytes: number; readonly alignment: number; readonly overlaps?: readonly AllowedOverlap[] },
): readonly PlacementFault[] {
  const faults: PlacementFault[] = [];
  const starts = new Map<number, MemoryBlock[]>();
  for (const block of blocks) {
    const offset = offsets.get(block.name);
    if (offset === undefined || !Number.isInteger(offset)) {
      faults.push({ kind: "missing", block: block.name });
      continue;
    }
    if (offset < 0 || offset + block.bytes > arena.bytes)
      faults.push({ kind: "outside", block: block.name, end: offset + block.bytes });
    if (offset % arena.alignment !== 0) faults.push({ kind: "misaligned", block: block.name, offset });
    const here = starts.get(block.first);
    if (here === undefined) starts.set(block.first, [block]);
    else here.push(block);
  }
  const told = new Set<string>();
  let live: MemoryBlock[] = [];
  const at = (block: MemoryBlock): number => offsets.get(block.name) as number;
  const isAllowed = (a: MemoryBlock, b: MemoryBlock): boolean =>
    (arena.overlaps ?? []).some(({ over, under, atMost, atLeast }) => {
      const isPair = (over === a.name && under === b.name) || (over === b.name && under === a.name);
      const distance = (offsets.get(over) as number) - (offsets.get(under) as number);
      return isPair && ((atMost !== undefined && distance <= atMost) || (atLeast !== undefined && distance >= atLeast));
    });
  for (const step of [...starts.keys()].sort((a, b) => a - b)) {
    live = [...live.filter((b) => b.last >= step), ...(starts.get(step) as MemoryBlock[])].sort((a, b) => at(a) - at(b));
    for (const [i, low] of live.entries())
      for (let j = i + 1; j < live.length && at(live[j] as MemoryBlock) < at(low) + low.bytes; j++) {
        const high = live[j] as MemoryBlock;
        const key = JSON.stringify([low.name, high.name].sort());
        if (isAllowed(low, high) || told.has(key)) continue;
        faults.push({ kind: "overlap", blocks: [low.name, high.name], step });
        told.add(key);
      }
  }
  return faults;
}
