/** Numbers that are the same in every run, for tests whose cases must be known before a program is built. */
export interface Dice {
  /** From `least` to `most`. */
  pick(least: number, most: number): number;
  /** One of a list. */
  of<T>(...list: readonly T[]): T;
  /** int8 with its ends more often than chance would give, or small numbers, whose sums multipliers without a shift leave inside the bounds, or all at one end. */
  bytes(count: number): Int8Array;
  /** Lowest and highest output. */
  clamp(): readonly [number, number];
  /** Q31, from 2^30. */
  multiplier(): number;
}

/** A linear congruential generator's numbers. */
export function diceOf(seed: number): Dice {
  let state = seed | 0;
  const pick = (least: number, most: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return least + Math.floor(((state >>> 4) / 2 ** 28) * (most - least + 1));
  };
  const of = <T>(...list: readonly T[]): T => list[pick(0, list.length - 1)] as T;
  const drawn = (count: number, next: () => number) => Int8Array.from({ length: count }, next);
  return {
    pick,
    of,
    bytes: (count) => {
      const hot = of(0, 0, 30, 256);
      if (pick(0, 7) === 0) return new Int8Array(count).fill(of(-128, 127));
      if (pick(0, 2) === 0) return drawn(count, () => pick(-2, 2));
      return drawn(count, () => {
        const p = pick(0, 255 + hot);
        return p < 256 ? p - 128 : p % 2 === 0 ? -128 : 127;
      });
    },
    clamp: () => {
      const [a, b] = [pick(-128, 127), pick(-128, 127)];
      return of([-128, 127] as const, [-128, 127] as const, [Math.min(a, b), Math.max(a, b)] as const);
    },
    multiplier: () => of(2 ** 30, 2 ** 31 - 1, pick(2 ** 30, 2 ** 31 - 1)),
  };
}

/** x + zero within the bounds. */
export function placed(x: number, zero: number, [lo, hi]: readonly [number, number]): number {
  return Math.max(lo, Math.min(hi, x + zero));
}
