import { seededRandom } from "@tessera/core/base/random";

/** The quantile `q` in [0, 1] of numbers, interpolated linearly between neighbours (type 7 of Hyndman and Fan). NaN for none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * q;
  const low = Math.floor(place);
  const a = sorted[low] ?? Number.NaN;
  const b = sorted[Math.min(low + 1, sorted.length - 1)] ?? Number.NaN;
  return a + (b - a) * (place - low);
}

/** The middle of numbers. NaN for none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** An estimate with the interval that 95 % of the resamples fall into. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** The median of numbers with its percentile bootstrap interval (95 %, 1000 resamples). Same seed, same interval. */
export function medianWithInterval(values: readonly number[], seed: number): Estimate {
  const random = seededRandom(seed);
  const medians = Array.from({ length: 1000 }, () => median(values.map(() => values[random.int(values.length)] as number)));
  return { value: median(values), low: quantile(medians, 0.025), high: quantile(medians, 0.975) };
}

/** 0 to n-1 in a seeded random order (Fisher-Yates). */
export function shuffled(n: number, random: { int(below: number): number }): number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = random.int(i + 1);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}
