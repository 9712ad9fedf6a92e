import { fail } from "../base/error.ts";
import { type Random, seededRandom } from "../base/random.ts";
import type { MemoryBlock } from "./lifetimes.ts";

/** Options of {@link planMemory}. */
export interface MemoryPlanOptions {
  /** Every offset is a multiple of it; a power of two. */
  readonly alignment?: number;
  /** Seed of the search; same blocks and seed, same plan. */
  readonly seed?: number;
  /** Orders of placement that the search tries at most, after the fixed ones. */
  readonly trials?: number;
}

/** Defaults of {@link MemoryPlanOptions}. */
export const MEMORY_PLAN_DEFAULTS = { alignment: 16, seed: 1, trials: 4000 } as const satisfies MemoryPlanOptions;

/** Where every block of a program lies in one arena. */
export interface MemoryPlan {
  /** Bytes from the start of the arena, by block name. */
  readonly offsets: ReadonlyMap<string, number>;
  readonly arenaBytes: number;
  /** No plan can be smaller: the largest sum of aligned blocks that live at one step. */
  readonly lowerBoundBytes: number;
  /** arenaBytes - lowerBoundBytes; 0 proves that the plan is the best there is. */
  readonly gapBytes: number;
  /** The step at which the lower bound is reached. */
  readonly busiestStep: number;
  /** The order that won: one of the fixed ones, or "search". */
  readonly method: string;
}

interface Placed {
  readonly offsets: Float64Array;
  readonly top: number;
}

/**
 * Packs blocks into the smallest arena it can find. Each trial is an order of the blocks; a block goes to the lowest place that is free during its
 * whole life. Four fixed orders are tried (by size, by size times life, by life, by the busiest step it lives through), and the best of them
 * is improved by seeded hill-climbing over orders, until the live lower bound is reached or the trials are used up.
 *
 * Packing of this kind is NP-hard (dynamic storage allocation: Garey and Johnson 1979, problem SR2), so a gap that is left is printed and never hidden.
 *
 * @throws USAGE for an alignment that is no power of two, for sizes or lives that make no sense, for a name that stands twice
 */
export function planMemory(blocks: readonly MemoryBlock[], options: MemoryPlanOptions = {}): MemoryPlan {
  const { alignment, seed, trials } = { ...MEMORY_PLAN_DEFAULTS, ...options };
  check(blocks, alignment);
  const sizes = Float64Array.from(blocks, (b) => alignUp(b.bytes, alignment));
  const loads = loadPerStep(blocks, sizes);
  const busiestStep = loads.reduce((best, load, step) => (load > (loads[best] ?? 0) ? step : best), 0);
  const lowerBoundBytes = loads[busiestStep] ?? 0;
  const neighbours = blocks.map((a, i) =>
    blocks.flatMap((b, j) => (i !== j && a.first <= b.last && b.first <= a.last ? [j] : [])),
  );

  let best: { order: number[]; placed: Placed; method: string } | undefined;
  for (const [method, order] of fixedOrders(blocks, sizes, loads)) {
    const placed = place(order, sizes, neighbours);
    if (best === undefined || placed.top < best.placed.top) best = { order, placed, method };
    if (placed.top === lowerBoundBytes) break;
  }
  if (best !== undefined && best.placed.top > lowerBoundBytes) {
    const found = climb(best, { sizes, neighbours, random: seededRandom(seed), trials, goal: lowerBoundBytes });
    if (found.placed.top < best.placed.top) best = { ...found, method: "search" };
  }
  const arenaBytes = best?.placed.top ?? 0;
  return {
    offsets: new Map(blocks.map((b, i) => [b.name, best?.placed.offsets[i] ?? 0])),
    arenaBytes,
    lowerBoundBytes,
    gapBytes: arenaBytes - lowerBoundBytes,
    busiestStep,
    method: best?.method ?? "nothing to place",
  };
}

function check(blocks: readonly MemoryBlock[], alignment: number): void {
  if (!Number.isInteger(Math.log2(alignment)) || alignment < 1)
    throw fail("USAGE", `Cannot plan memory: an alignment of ${alignment} is no power of two`);
  const names = new Set<string>();
  for (const { name, bytes, first, last } of blocks) {
    if (names.has(name)) throw fail("USAGE", `Cannot plan memory: two blocks are called ${name}`);
    names.add(name);
    const isWhole = [bytes, first, last].every(Number.isInteger);
    if (!isWhole || bytes <= 0 || first < 0 || last < first)
      throw fail("USAGE", `Cannot plan memory: ${name} has ${bytes} bytes and lives from step ${first} to ${last}`);
  }
}

/** The next multiple of a power of two. */
export function alignUp(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}

function loadPerStep(blocks: readonly MemoryBlock[], sizes: Float64Array): Float64Array {
  const steps = blocks.reduce((most, b) => Math.max(most, b.last + 1), 0);
  const loads = new Float64Array(steps);
  for (const [i, { first, last }] of blocks.entries())
    for (let step = first; step <= last; step++) loads[step] = (loads[step] as number) + (sizes[i] as number);
  return loads;
}

function fixedOrders(
  blocks: readonly MemoryBlock[],
  sizes: Float64Array,
  loads: Float64Array,
): readonly (readonly [string, number[]])[] {
  const life = blocks.map((b) => b.last - b.first + 1);
  const busiest = blocks.map((b) => loads.subarray(b.first, b.last + 1).reduce((a, v) => Math.max(a, v), 0));
  const size = (i: number): number => sizes[i] as number;
  const area = (i: number): number => size(i) * (life[i] as number);
  // Ties are settled by the place in the list, so that the order is the same everywhere.
  const by = (...keys: readonly ((i: number) => number)[]): number[] =>
    blocks
      .map((_, i) => i)
      .sort((a, b) => {
        for (const key of keys) if (key(a) !== key(b)) return key(b) - key(a);
        return a - b;
      });
  return [
    ["by size", by(size, area)],
    ["by size times life", by(area, size)],
    ["by life", by((i) => life[i] as number, size)],
    ["by busiest step", by((i) => busiest[i] as number, size)],
  ];
}

/** Puts each block of the order at the lowest place where no neighbour in time lies. */
function place(order: readonly number[], sizes: Float64Array, neighbours: readonly (readonly number[])[]): Placed {
  const offsets = new Float64Array(sizes.length).fill(-1);
  let top = 0;
  for (const block of order) {
    const size = sizes[block] as number;
    const taken = (neighbours[block] as readonly number[]).filter((other) => (offsets[other] as number) >= 0);
    taken.sort((a, b) => (offsets[a] as number) - (offsets[b] as number));
    let at = 0;
    for (const other of taken) {
      const start = offsets[other] as number;
      if (start - at >= size) break;
      at = Math.max(at, start + (sizes[other] as number));
    }
    offsets[block] = at;
    top = Math.max(top, at + size);
  }
  return { offsets, top };
}

interface Search {
  readonly sizes: Float64Array;
  readonly neighbours: readonly (readonly number[])[];
  readonly random: Random;
  readonly trials: number;
  readonly goal: number;
}

/**
 * Moves a block that reaches the top of the arena, or one that lives beside it, to an earlier turn. Orders that are as good as the best so far are
 * accepted too: most steps of such a landscape are flat.
 */
function climb(
  start: { readonly order: readonly number[]; readonly placed: Placed },
  { sizes, neighbours, random, trials, goal }: Search,
): { order: number[]; placed: Placed } {
  let current = { order: [...start.order], placed: start.placed };
  for (let trial = 0; trial < trials && current.placed.top > goal; trial++) {
    const { order, placed } = current;
    const atTop = order.filter((b) => (placed.offsets[b] as number) + (sizes[b] as number) === placed.top);
    const chosen = atTop[random.int(atTop.length)] as number;
    const beside = neighbours[chosen] as readonly number[];
    const moved = beside.length > 0 && random.next() < 0.5 ? (beside[random.int(beside.length)] as number) : chosen;
    const from = order.indexOf(moved);
    const to = random.next() < 0.7 ? random.int(from + 1) : random.int(order.length);
    const next = [...order];
    next.splice(from, 1);
    next.splice(to, 0, moved);
    const tried = place(next, sizes, neighbours);
    if (tried.top <= placed.top) current = { order: next, placed: tried };
  }
  return current;
}
