import { fail } from "../base/error.ts";
import { seededRandom } from "../base/random.ts";
import type { MemoryBlock } from "./lifetimes.ts";
import { type AllowedOverlap, loadPerStep, pairsApart } from "./plan/allowed-overlap.ts";
import { besideEach, climb, type Placed, placeInOrder } from "./plan/pack.ts";

/** Options of {@link planMemory}. */
export interface MemoryPlanOptions {
  /** Every offset is a multiple of it; a power of two. */
  readonly alignment?: number;
  /** Seed of the search; same blocks and seed, same plan. */
  readonly seed?: number;
  /** Orders of placement that the search tries at most, after the fixed ones. */
  readonly trials?: number;
  /** Blocks that may share memory though they live at one step. */
  readonly overlaps?: readonly AllowedOverlap[];
}

/** Defaults of {@link MemoryPlanOptions}. */
export const MEMORY_PLAN_DEFAULTS = { alignment: 16, seed: 1, trials: 4000, overlaps: [] } as const satisfies MemoryPlanOptions;

/** Where every block of a program lies in one arena. */
export interface MemoryPlan {
  /** Bytes from the start of the arena, by block name. */
  readonly offsets: ReadonlyMap<string, number>;
  readonly arenaBytes: number;
  /** No plan can be smaller: the largest sum of aligned blocks that live at one step, less what allowed overlaps can share. */
  readonly lowerBoundBytes: number;
  /** arenaBytes - lowerBoundBytes; 0 proves that the plan is the best there is. */
  readonly gapBytes: number;
  /** The step at which the lower bound is reached. */
  readonly busiestStep: number;
  /** The order that won: one of the fixed ones, or "search". */
  readonly method: string;
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
  const { alignment, seed, trials, overlaps } = { ...MEMORY_PLAN_DEFAULTS, ...options };
  check(blocks, alignment);
  const sizes = Float64Array.from(blocks, (b) => alignUp(b.bytes, alignment));
  const pairs = pairsApart(blocks, sizes, { overlaps, alignment });
  const loads = loadPerStep(blocks, sizes, pairs);
  const busiestStep = loads.reduce((best, load, step) => (load > (loads[best] ?? 0) ? step : best), 0);
  const lowerBoundBytes = loads[busiestStep] ?? 0;
  const beside = besideEach(blocks.length, pairs);

  let best: { order: number[]; placed: Placed; method: string } | undefined;
  for (const [method, order] of fixedOrders(blocks, sizes, loads)) {
    const placed = placeInOrder(order, sizes, beside);
    if (best === undefined || placed.top < best.placed.top) best = { order, placed, method };
    if (placed.top === lowerBoundBytes) break;
  }
  if (best !== undefined && best.placed.top > lowerBoundBytes) {
    const found = climb(best, { sizes, beside, random: seededRandom(seed), trials, goal: lowerBoundBytes });
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
