import { fail } from "../base/error.ts";

/** Bins of a {@link Histogram}: many more than the 256 levels, so that range searches have something to search. */
export const HISTOGRAM_BINS = 8192;

/**
 * A histogram that grows with its data in constant memory. Bins divide the magnitudes below `limit` evenly, from the
 * middle outwards, positive values to the right (a bin is closed at the end nearer to zero), and `limit` is a power of two: when a larger value
 * comes, neighbouring bins merge exactly in pairs. So the counts do not depend on the order of the samples, and two histograms can be merged.
 */
export interface Histogram {
  limit: number;
  readonly counts: Float64Array;
  count: number;
  /** Values that are exactly zero (ReLU, padding): they fall on a level and cost nothing. They are in `counts` too. */
  zeros: number;
  min: number;
  max: number;
  sum: number;
  sumOfSquares: number;
}

/** The smallest limit, so that a tensor of zeros has one too. */
const SMALLEST_LIMIT = 2 ** -24;

/** An empty histogram; `bins` is a power of two. */
export function createHistogram(bins = HISTOGRAM_BINS): Histogram {
  return {
    limit: SMALLEST_LIMIT,
    counts: new Float64Array(bins),
    count: 0,
    zeros: 0,
    min: Number.POSITIVE_INFINITY,
    max: Number.NEGATIVE_INFINITY,
    sum: 0,
    sumOfSquares: 0,
  };
}

function grow(h: Histogram): void {
  const { counts } = h;
  const quarter = counts.length / 4;
  const merged = new Float64Array(counts.length);
  for (let i = 0; i < counts.length; i += 2) merged[quarter + i / 2] = (counts[i] as number) + (counts[i + 1] as number);
  counts.set(merged);
  h.limit *= 2;
}

function growTo(h: Histogram, magnitude: number): void {
  while (h.limit <= magnitude) {
    if (h.count === 0) h.limit *= 2;
    else grow(h);
  }
}

/** Adds values. @throws CALIBRATION_NONFINITE for NaN or infinity; the histogram is then as it was */
export function observe(h: Histogram, values: Float32Array): void {
  const { length } = values;
  if (length === 0) return;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < length; i++) {
    const v = values[i] as number;
    if (v < min) min = v;
    if (v > max) max = v;
    sum += v;
    squares += v * v;
  }
  // Squares of float32 values cannot overflow a double, so only NaN and infinity lead here.
  if (!Number.isFinite(sum) || !Number.isFinite(squares)) {
    throw fail("CALIBRATION_NONFINITE", "Cannot calibrate on these values: NaN or infinity among them");
  }
  growTo(h, Math.max(-min, max));
  if (min < h.min) h.min = min;
  if (max > h.max) h.max = max;
  h.sum += sum;
  h.sumOfSquares += squares;
  h.count += length;
  const { counts } = h;
  const half = counts.length / 2;
  const perUnit = half / h.limit;
  let zeros = 0;
  for (let i = 0; i < length; i++) {
    const v = values[i] as number;
    if (v === 0) {
      zeros++;
      continue;
    }
    // Scaling by a power of two is exact, so a value falls into the same bin before and after bins merge.
    const bin = v > 0 ? half + ((v * perUnit) | 0) : half - 1 - ((-v * perUnit) | 0);
    counts[bin] = (counts[bin] as number) + 1;
  }
  counts[half] = (counts[half] as number) + zeros;
  h.zeros += zeros;
}

/** Adds one histogram to another, which changes; `other` stays. @throws PLAN_INVALID when the numbers of bins differ */
export function mergeHistogram(into: Histogram, other: Histogram): void {
  if (into.counts.length !== other.counts.length)
    throw fail("PLAN_INVALID", `Cannot merge histograms of ${into.counts.length} and ${other.counts.length} bins`);
  if (other.count === 0) return;
  const copy: Histogram = { ...other, counts: other.counts.slice() };
  if (into.count === 0) into.limit = copy.limit;
  while (into.limit < copy.limit) grow(into);
  while (copy.limit < into.limit) grow(copy);
  for (let i = 0; i < into.counts.length; i++) into.counts[i] = (into.counts[i] as number) + (copy.counts[i] as number);
  into.count += copy.count;
  into.zeros += copy.zeros;
  into.min = Math.min(into.min, copy.min);
  into.max = Math.max(into.max, copy.max);
  into.sum += copy.sum;
  into.sumOfSquares += copy.sumOfSquares;
}

/** The bins that hold the least and the greatest value: first and last index. */
export function usedBins(h: Histogram): { readonly first: number; readonly last: number } {
  const half = h.counts.length / 2;
  const perUnit = half / h.limit;
  const binOf = (v: number): number => (v < 0 ? half - 1 - Math.floor(-v * perUnit) : half + Math.floor(v * perUnit));
  return { first: binOf(h.min), last: binOf(h.max) };
}

/** Width of a bin, in units of the values. */
export function binWidth(h: Histogram): number {
  return h.limit / (h.counts.length / 2);
}
