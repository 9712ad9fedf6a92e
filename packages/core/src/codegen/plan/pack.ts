import type { Random } from "../../base/random.ts";
import type { Apart } from "./allowed-overlap.ts";

/** Offsets of all blocks, and the end of the highest one. */
export interface Placed {
  readonly offsets: Float64Array;
  readonly top: number;
}

/** A block beside another one in time: offset(own) - offset(other) must not lie between `low` and `high`, both excluded. */
interface Beside {
  readonly other: number;
  readonly low: number;
  readonly high: number;
}

/** The pairs of a plan as each block sees them. */
export function besideEach(count: number, pairs: readonly Apart[]): readonly (readonly Beside[])[] {
  const beside: Beside[][] = Array.from({ length: count }, () => []);
  for (const { a, b, low, high } of pairs) {
    if (low >= high) continue;
    beside[a]?.push({ other: b, low, high });
    beside[b]?.push({ other: a, low: -high, high: -low });
  }
  return beside;
}

/** Puts each block of the order at the lowest place that those before it leave. */
export function placeInOrder(order: readonly number[], sizes: Float64Array, beside: readonly (readonly Beside[])[]): Placed {
  const offsets = new Float64Array(sizes.length).fill(-1);
  let top = 0;
  for (const block of order) {
    const taken: [from: number, to: number][] = [];
    for (const { other, low, high } of beside[block] as readonly Beside[]) {
      const at = offsets[other] as number;
      if (at >= 0 && at + high > 0) taken.push([at + low, at + high]);
    }
    taken.sort((a, b) => a[0] - b[0]);
    let at = 0;
    for (const [from, to] of taken) {
      if (at <= from) break;
      at = Math.max(at, to);
    }
    offsets[block] = at;
    top = Math.max(top, at + (sizes[block] as number));
  }
  return { offsets, top };
}

/** What {@link climb} works on. */
export interface Search {
  readonly sizes: Float64Array;
  readonly beside: readonly (readonly Beside[])[];
  readonly random: Random;
  readonly trials: number;
  readonly goal: number;
}

/**
 * Moves a block that reaches the top of the arena, or one that lives beside it, to an earlier turn. Orders that are as good as the best so far are
 * accepted too: most steps of such a landscape are flat.
 */
export function climb(
  start: { readonly order: readonly number[]; readonly placed: Placed },
  { sizes, beside, random, trials, goal }: Search,
): { order: number[]; placed: Placed } {
  let current = { order: [...start.order], placed: start.placed };
  for (let trial = 0; trial < trials && current.placed.top > goal; trial++) {
    const { order, placed } = current;
    const atTop = order.filter((b) => (placed.offsets[b] as number) + (sizes[b] as number) === placed.top);
    const chosen = atTop[random.int(atTop.length)] as number;
    const around = beside[chosen] as readonly Beside[];
    const moved = around.length > 0 && random.next() < 0.5 ? (around[random.int(around.length)] as Beside).other : chosen;
    const from = order.indexOf(moved);
    const to = random.next() < 0.7 ? random.int(from + 1) : random.int(order.length);
    const next = [...order];
    next.splice(from, 1);
    next.splice(to, 0, moved);
    const tried = placeInOrder(next, sizes, beside);
    if (tried.top <= placed.top) current = { order: next, placed: tried };
  }
  return current;
}
