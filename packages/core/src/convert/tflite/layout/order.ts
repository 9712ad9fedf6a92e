/**
 * The order in which the axes of a value lie in memory: `order[i]` is the canonical axis that stands at physical position i. The identity is the
 * canonical order; [0, 2, 3, 1] lays [N, C, H, W] out as [N, H, W, C].
 */
export type Order = readonly number[];

/** The canonical order of `rank` axes. */
export function canonicalOrder(rank: number): Order {
  return Array.from({ length: rank }, (_, i) => i);
}

/** Channels (axis 1) moved to the end. The canonical order below rank 3, where no operator knows the difference. */
export function channelsLastOrder(rank: number): Order {
  if (rank < 3) return canonicalOrder(rank);
  return [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];
}

/** What lies in memory: sizes (or anything by axis) in physical order. */
export function inOrder<T>(byAxis: readonly T[], order: Order): T[] {
  return order.map((axis) => byAxis[axis] as T);
}

/** Physical position of each canonical axis. */
export function positionsOf(order: Order): number[] {
  const positions = new Array<number>(order.length);
  order.forEach((axis, i) => {
    positions[axis] = i;
  });
  return positions;
}

/** Whether two orders are the same list. */
export function sameOrder(a: Order, b: Order): boolean {
  return a.length === b.length && a.every((axis, i) => axis === b[i]);
}

/** The axes that matter to memory, in order, as text: two orders of a shape with the same key lay the elements out alike, for axes of size 1 move nothing. */
export function memoryKey(order: Order, shape: readonly number[]): string {
  return order.filter((axis) => shape[axis] !== 1).join();
}

/** The permutation of a TRANSPOSE (`perm[i]`: input position that comes to position i) that takes one order of a value to another. */
export function permBetween(from: Order, to: Order): number[] {
  const positions = positionsOf(from);
  return to.map((axis) => positions[axis] as number);
}
