import type { Apart } from "./allowed-overlap.ts";

/** What a search for offsets below a limit found. */
export type PackingAnswer =
  | { readonly kind: "found"; readonly offsets: Float64Array }
  /** No offsets keep all blocks below the limit. */
  | { readonly kind: "impossible" }
  /** The search was given up. */
  | { readonly kind: "open" };

/** A packing problem: aligned sizes, what pairs ask of their offsets, the end that no block may pass. */
export interface PackingProblem {
  readonly sizes: Float64Array;
  readonly pairs: readonly Apart[];
  readonly limit: number;
  /** Branches that the search looks at, at most. */
  readonly nodes: number;
}

interface Bounds {
  /** Lowest and highest offset that each block can still have. */
  readonly low: Float64Array;
  readonly high: Float64Array;
}

/**
 * Whether blocks fit below a limit, exactly: a branch and bound over pairs. Each pair must be settled on one of two sides, each side is an inequality
 * between two offsets, and inequalities shrink the ranges in which offsets can lie until a range is empty, a side is the only one left, or the lowest
 * offsets of all ranges satisfy every pair, which is then a plan. Complete, unlike a search over orders: a pair that may overlap can lie in ways that no
 * order of lowest places produces.
 */
export function packBelow({ sizes, pairs, limit, nodes }: PackingProblem): PackingAnswer {
  const bounds: Bounds = {
    low: new Float64Array(sizes.length),
    high: Float64Array.from(sizes, (size) => limit - size),
  };
  if (bounds.high.some((high) => high < 0)) return { kind: "impossible" };
  const close = pairs.filter(({ low, high }) => low < high);
  const state = { left: nodes, pairs: close, touching: touchingOf(sizes.length, close) };
  return visit(state, bounds, new Uint8Array(close.length)) ?? { kind: "impossible" };
}

interface State {
  left: number;
  readonly pairs: readonly Apart[];
  /** Pairs of each block. */
  readonly touching: readonly (readonly number[])[];
}

function touchingOf(count: number, pairs: readonly Apart[]): readonly (readonly number[])[] {
  const touching: number[][] = Array.from({ length: count }, () => []);
  for (const [i, { a, b }] of pairs.entries()) {
    touching[a]?.push(i);
    touching[b]?.push(i);
  }
  return touching;
}

/** Settles pairs one after the other; in `sides` 0: not yet, 1: offset(a) - offset(b) <= low, 2: >= high. @returns nothing where it is impossible */
function visit(state: State, bounds: Bounds, sides: Uint8Array): PackingAnswer | undefined {
  if (state.left-- <= 0) return { kind: "open" };
  if (!propagate(state, bounds, sides)) return undefined;
  const pair = openPair(state, bounds, sides);
  if (pair < 0) return { kind: "found", offsets: bounds.low };
  // The side first that leaves the wider ranges: solutions are more likely there.
  const [one, two] = [slack(state.pairs[pair] as Apart, bounds, 1), slack(state.pairs[pair] as Apart, bounds, 2)];
  for (const side of one >= two ? ([1, 2] as const) : ([2, 1] as const)) {
    const next = { low: bounds.low.slice(), high: bounds.high.slice() };
    const chosen = sides.slice();
    chosen[pair] = side;
    const answer = visit(state, next, chosen);
    if (answer !== undefined) return answer;
  }
  return undefined;
}

/** By how much a side of a pair can still be satisfied; below 0 it cannot. */
function slack({ a, b, low, high }: Apart, bounds: Bounds, side: 1 | 2): number {
  if (side === 1) return (bounds.high[b] as number) + low - (bounds.low[a] as number);
  return (bounds.high[a] as number) - high - (bounds.low[b] as number);
}

/** Shrinks ranges by all settled pairs and settles pairs that have one side left, until nothing changes. @returns whether no range is empty */
function propagate({ pairs, touching }: State, bounds: Bounds, sides: Uint8Array): boolean {
  const queue = new Set(pairs.keys());
  for (const index of queue) {
    queue.delete(index);
    const pair = pairs[index] as Apart;
    if (sides[index] === 0) {
      const can1 = slack(pair, bounds, 1) >= 0;
      const can2 = slack(pair, bounds, 2) >= 0;
      if (!can1 && !can2) return false;
      if (can1 && can2) continue;
      sides[index] = can1 ? 1 : 2;
    }
    // As offset(x) >= offset(y) + by.
    const [x, y, by] = sides[index] === 1 ? [pair.b, pair.a, -pair.low] : [pair.a, pair.b, pair.high];
    const low = (bounds.low[y] as number) + by;
    const high = (bounds.high[x] as number) - by;
    const isLow = low > (bounds.low[x] as number);
    const isHigh = high < (bounds.high[y] as number);
    if (isLow) bounds.low[x] = low;
    if (isHigh) bounds.high[y] = high;
    if ((bounds.low[x] as number) > (bounds.high[x] as number) || (bounds.low[y] as number) > (bounds.high[y] as number))
      return false;
    if (isLow) for (const other of touching[x] as readonly number[]) queue.add(other);
    if (isHigh) for (const other of touching[y] as readonly number[]) queue.add(other);
  }
  return true;
}

/** The tightest pair that the lowest offsets break; -1 where they break none. */
function openPair({ pairs }: State, bounds: Bounds, sides: Uint8Array): number {
  let best = -1;
  let least = Number.POSITIVE_INFINITY;
  for (const [index, pair] of pairs.entries()) {
    if (sides[index] !== 0) continue;
    const distance = (bounds.low[pair.a] as number) - (bounds.low[pair.b] as number);
    if (distance <= pair.low || distance >= pair.high) continue;
    const room = Math.max(0, slack(pair, bounds, 1)) + Math.max(0, slack(pair, bounds, 2));
    if (room < least) [best, least] = [index, room];
  }
  return best;
}
