import { at } from "../base/assert.ts";
import { fail } from "../base/error.ts";

/** Raw comparison scores of one class. Similarity: larger is more alike. Float32 is what the engines of this room produce. */
export type Scores = Float32Array | Float64Array;

/**
 * The scores of one class (genuine or impostor), sorted, as every rate of this room wants them.
 *
 * `values` ascend. `before`, when present, holds how many comparisons lie strictly before each entry (one longer than `values`); absent
 * means one comparison per entry. It is present only for very large sets, where scores below `exactFrom` were counted in bins and stand
 * rounded *up* to their bin's edge: rates there err towards more matches, never fewer. Everything at or above `exactFrom` is exact.
 */
export interface ScoreDistribution {
  readonly kind: "distribution";
  /** Comparisons. */
  readonly count: number;
  readonly values: Scores;
  readonly before?: Float64Array;
  /** `-Infinity` when every score is exact. */
  readonly exactFrom: number;
}

/**
 * Sorts the scores of one class.
 *
 * @throws SCORES_INVALID when empty or when a score is NaN or infinite (`what` names the class in the message).
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { countAtLeast, distributionOf } from "@tessera/core/biometrics/scores";
 *
 * const impostor = distributionOf(Float32Array.of(0.5, -0.1, 0.2), "impostor");
 * assert.equal(countAtLeast(impostor, 0.4), 1); // false matches at 0.4
 * ```
 */
export function distributionOf(scores: Scores, what = "comparison"): ScoreDistribution {
  if (scores.length === 0) throw fail("SCORES_INVALID", `Cannot rank ${what} scores: there are none`);
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] as number;
    if (score - score !== 0) throw fail("SCORES_INVALID", `Cannot rank ${what} scores: number ${i} is ${score}`);
  }
  const values = scores instanceof Float32Array ? sortFloat32(scores) : scores.slice().sort();
  return { kind: "distribution", count: values.length, values, exactFrom: Number.NEGATIVE_INFINITY };
}

/** How many comparisons lie strictly before entry `index` (0..values.length). */
export function countBefore(distribution: ScoreDistribution, index: number): number {
  return distribution.before === undefined ? index : at(distribution.before, index);
}

/** How many comparisons score at or above the threshold: the false matches when given impostors. */
export function countAtLeast(distribution: ScoreDistribution, threshold: number): number {
  return distribution.count - countBefore(distribution, lowerBound(distribution.values, threshold));
}

/** How many comparisons score below the threshold: the false non-matches when given genuine scores. */
export function countBelow(distribution: ScoreDistribution, threshold: number): number {
  return countBefore(distribution, lowerBound(distribution.values, threshold));
}

/** The `rank`-th largest score, 0 for the largest. */
export function kthLargest(distribution: ScoreDistribution, rank: number): number {
  return kthSmallest(distribution, distribution.count - 1 - rank);
}

/** The `rank`-th smallest score, 0 for the smallest. */
export function kthSmallest(distribution: ScoreDistribution, rank: number): number {
  const { values, before } = distribution;
  if (before === undefined) return at(values, rank);
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(before, middle + 1) > rank) high = middle;
    else low = middle + 1;
  }
  return at(values, low);
}

/** The p-quantile, p in 0..1, nearest rank (an observed score, never an interpolated one): the smallest s with share(<= s) >= p. */
export function quantile(distribution: ScoreDistribution, p: number): number {
  const rank = Math.ceil(p * distribution.count - 1e-9) - 1;
  return kthSmallest(distribution, Math.min(distribution.count - 1, Math.max(0, rank)));
}

/** Mean and population variance (divided by n) of a distribution, in two passes for accuracy. */
export function moments(distribution: ScoreDistribution): { readonly mean: number; readonly variance: number } {
  const { values, before, count } = distribution;
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] as number) * weightOf(before, i);
  const mean = sum / count;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += ((values[i] as number) - mean) ** 2 * weightOf(before, i);
  return { mean, variance: squares / count };
}

function weightOf(before: Float64Array | undefined, index: number): number {
  return before === undefined ? 1 : (before[index + 1] as number) - (before[index] as number);
}

/** First index whose value is at or above `threshold` in an ascending list; its length when there is none. */
export function lowerBound(ascending: Scores, threshold: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] as number) < threshold) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** First index whose value is strictly above `threshold` in an ascending list; its length when there is none. */
export function upperBound(ascending: Scores, threshold: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] as number) <= threshold) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The smallest representable number above `value`, in the precision of the scores it came from: a threshold of `nextAbove(s)` rejects
 * `s` and its ties and accepts every larger score.
 */
export function nextAbove(value: number, like: Scores): number {
  if (like instanceof Float32Array) {
    const float = new Float32Array([value]);
    const bits = new Int32Array(float.buffer);
    if (at(float, 0) === 0) bits[0] = 1;
    else bits[0] = at(bits, 0) + (at(float, 0) > 0 ? 1 : -1);
    return at(float, 0);
  }
  const float = new Float64Array([value]);
  const bits = new BigInt64Array(float.buffer);
  if (value === 0) bits[0] = 1n;
  else bits[0] = at(bits, 0) + (value > 0 ? 1n : -1n);
  return at(float, 0);
}

const RADIX_BITS = 11;
const RADIX_SIZE = 1 << RADIX_BITS;

/**
 * Sorts finite float32 ascending into a new array: radix sort over the bit patterns in three passes. 7.26 M scores took 0.1 s where the
 * built-in sort took 0.6 s.
 */
export function sortFloat32(scores: Float32Array): Float32Array {
  const count = scores.length;
  if (count < 4 * RADIX_SIZE) return scores.slice().sort();
  const copy = scores.slice();
  let from = new Uint32Array(copy.buffer);
  let to = new Uint32Array(count);
  const counts = new Uint32Array(3 * RADIX_SIZE);
  for (let i = 0; i < count; i++) {
    // Unsigned order of the key equals numeric order: negatives are inverted, positives get the top bit.
    const bits = from[i] as number;
    const key = (bits & 0x80000000) !== 0 ? ~bits >>> 0 : (bits | 0x80000000) >>> 0;
    from[i] = key;
    bump(counts, key & (RADIX_SIZE - 1));
    bump(counts, RADIX_SIZE + ((key >>> 11) & (RADIX_SIZE - 1)));
    bump(counts, 2 * RADIX_SIZE + (key >>> 22));
  }
  for (let pass = 0; pass < 3; pass++) {
    const base = pass * RADIX_SIZE;
    let position = 0;
    for (let digit = 0; digit < RADIX_SIZE; digit++) {
      const here = counts[base + digit] as number;
      counts[base + digit] = position;
      position += here;
    }
    const shift = pass * RADIX_BITS;
    for (let i = 0; i < count; i++) {
      const key = from[i] as number;
      const slot = base + ((key >>> shift) & (RADIX_SIZE - 1));
      const target = counts[slot] as number;
      counts[slot] = target + 1;
      to[target] = key;
    }
    [from, to] = [to, from];
  }
  for (let i = 0; i < count; i++) {
    const key = from[i] as number;
    from[i] = (key & 0x80000000) !== 0 ? key & 0x7fffffff : ~key >>> 0;
  }
  return new Float32Array(from.buffer, from.byteOffset, count);
}

function bump(counts: Uint32Array, slot: number): void {
  counts[slot] = (counts[slot] as number) + 1;
}
