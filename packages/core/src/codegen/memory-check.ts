import type { MemoryBlock } from "./lifetimes.ts";

/** What is wrong with a placement. */
export type PlacementFault =
  | { readonly kind: "missing"; readonly block: string }
  | { readonly kind: "outside"; readonly block: string; readonly end: number }
  | { readonly kind: "misaligned"; readonly block: string; readonly offset: number }
  | { readonly kind: "overlap"; readonly blocks: readonly [string, string]; readonly step: number };

/**
 * Looks for faults of a placement without knowing how it was made: it goes through the program step by step, sorts what lives there by address, and
 * compares neighbours. Shares no code with the planner on purpose, so that one mistake cannot hide in both.
 *
 * @returns every fault; an overlap is told once, with the first step at which it shows
 */
export function placementFaults(
  blocks: readonly MemoryBlock[],
  offsets: ReadonlyMap<string, number>,
  arena: { readonly bytes: number; readonly alignment: number },
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
  for (const step of [...starts.keys()].sort((a, b) => a - b)) {
    live = [...live.filter((b) => b.last >= step), ...(starts.get(step) as MemoryBlock[])].sort((a, b) => at(a) - at(b));
    let highest: MemoryBlock | undefined;
    for (const block of live) {
      if (highest !== undefined && at(block) < at(highest) + highest.bytes) {
        const pair = [highest.name, block.name] as const;
        const key = JSON.stringify([...pair].sort());
        if (!told.has(key)) faults.push({ kind: "overlap", blocks: pair, step });
        told.add(key);
      }
      if (highest === undefined || at(block) + block.bytes > at(highest) + highest.bytes) highest = block;
    }
  }
  return faults;
}
