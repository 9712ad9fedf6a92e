import type { MemoryBlock } from "../lifetimes.ts";

/**
 * Two blocks that live at one step and may still share memory, because the step reads `under` before it writes over it with `over`. They may share
 * nothing, as any two blocks, or lie so that offset(over) - offset(under) is at most `atMost` or at least `atLeast`: bytes, negative where `over` has
 * to begin below `under`.
 */
export interface AllowedOverlap {
  readonly over: string;
  readonly under: string;
  /** For steps that go through memory upwards. */
  readonly atMost?: number;
  /** For steps that can go downwards. */
  readonly atLeast?: number;
}

/** Two blocks that live at one step: offset(a) - offset(b) must not lie between `low` and `high`, both excluded. Where low >= high they are free. */
export interface Apart {
  readonly a: number;
  readonly b: number;
  readonly low: number;
  readonly high: number;
}

/**
 * What every pair of blocks that live at one step asks of their offsets. Sizes and distances are multiples of the alignment, as offsets are.
 *
 * @param sizes aligned sizes of the blocks
 */
export function pairsApart(
  blocks: readonly MemoryBlock[],
  sizes: Float64Array,
  { overlaps, alignment }: { readonly overlaps: readonly AllowedOverlap[]; readonly alignment: number },
): readonly Apart[] {
  const index = new Map(blocks.map((block, i) => [block.name, i]));
  const allowed = new Map<string, AllowedOverlap>();
  for (const overlap of overlaps) allowed.set(`${index.get(overlap.over)} ${index.get(overlap.under)}`, overlap);
  const pairs: Apart[] = [];
  for (const [a, one] of blocks.entries())
    for (let b = 0; b < a; b++) {
      const other = blocks[b] as MemoryBlock;
      if (one.first > other.last || other.first > one.last) continue;
      const over = allowed.get(`${a} ${b}`);
      const under = allowed.get(`${b} ${a}`);
      const [x, y, overlap] = over !== undefined ? [a, b, over] : [b, a, under];
      pairs.push({ a: x, b: y, ...apart(sizes[x] as number, sizes[y] as number, { overlap, alignment }) });
    }
  return pairs;
}

function apart(
  a: number,
  b: number,
  { overlap, alignment }: { readonly overlap: AllowedOverlap | undefined; readonly alignment: number },
): { readonly low: number; readonly high: number } {
  const most = overlap?.atMost === undefined ? -a : Math.floor(overlap.atMost / alignment) * alignment;
  const least = overlap?.atLeast === undefined ? b : Math.ceil(overlap.atLeast / alignment) * alignment;
  return { low: Math.max(-a, most), high: Math.min(b, least) };
}

/** The most bytes that two blocks can share. */
export function sharedBytes({ low, high }: Pick<Apart, "low" | "high">, a: number, b: number): number {
  const at = (d: number): number => Math.max(0, Math.min(b, d + a) - Math.max(0, d));
  // Shared bytes rise with the distance d up to the first of these two, then stay, then fall.
  const [from, to] = [Math.min(0, b - a), Math.max(0, b - a)];
  const upward = low >= from ? at(from) : at(low);
  const downward = high <= to ? at(to) : at(high);
  return Math.max(upward, downward);
}

/**
 * Bytes that blocks take at least at each step. Of an allowed overlap the most that can be shared is taken off; several of one block share at most
 * the block itself.
 */
export function loadPerStep(blocks: readonly MemoryBlock[], sizes: Float64Array, pairs: readonly Apart[]): Float64Array {
  const steps = blocks.reduce((most, block) => Math.max(most, block.last + 1), 0);
  const loads = new Float64Array(steps);
  for (const [i, { first, last }] of blocks.entries())
    for (let step = first; step <= last; step++) loads[step] = (loads[step] as number) + (sizes[i] as number);
  const saved = new Map<string, { readonly over: number; readonly step: number; bytes: number }>();
  for (const { a, b, low, high } of pairs) {
    const [one, other] = [blocks[a] as MemoryBlock, blocks[b] as MemoryBlock];
    const bytes = sharedBytes({ low, high }, sizes[a] as number, sizes[b] as number);
    if (bytes === 0) continue;
    for (let step = Math.max(one.first, other.first); step <= Math.min(one.last, other.last); step++) {
      const key = `${a} ${step}`;
      const entry = saved.get(key) ?? { over: a, step, bytes: 0 };
      entry.bytes = Math.min(sizes[a] as number, entry.bytes + bytes);
      saved.set(key, entry);
    }
  }
  for (const { step, bytes } of saved.values()) loads[step] = (loads[step] as number) - bytes;
  return loads;
}
