import { fail } from "../base/error.ts";

/** Bins of a {@link Histogram}: many more than the 256 levels, so that range searches have something to search. */
export const HISTOGRAM_BINS = 8192;

/**
 * A histogram that grows with its data in constant memory. Bins cover [-limit, limit) evenly, and `limit` is a power of two: when a larger value
 * comes, neighbouring bins merge exactly in pairs. So the result does not depend on the order of the samples, and two histograms can be merged.
 */
export interface Histogram {
  limit: number;
  readonly counts: Float64Array;
  count: number;
  min: number;
  max: number;
  sum: number;
  sumOfSquares: number;
}

/** The smallest limit, so that a tensor of zeros has one too. */
const SMALLEST_LIMIT = 2 ** -24;

/** An empty histogram. */
export function createHistogram(bins = HISTOGRAM_BINS): Histogram {
  return {
    limit: SMALLEST_LIMIT,
    counts: new Float64Array(bins),
    count: 0,
    min: Number.POSITIVE_INFINITY,
    max: Number.NEGATIVE_INFINITY,
    sum: 0,
    sumOfSquares: 0,
  };
}

function grow(h: Histogram): void {
  const { counts } = h;
  const half = counts.length / 2;
  const merged = new Float64Array(counts.length);
  for (let i = 0; i < counts.length; i += 2) merged[half / 2 + i / 2] = (counts[i] as number) + (counts[i + 1] as number);
  counts.set(merged);
  h.limit *= 2;
}

function growTo(h: Histogram, magnitude: number): void {
  if (h.count === 0) {
    while (h.limit <= magnitude) h.limit *= 2;
    return;
  }
  while (h.limit <= magnitude) grow(h);
}

/** Adds values. @throws CALIBRATION_NONFINITE for NaN or infinity */
export function observe(h: Histogram, values: Float32Array): void {
  let min = h.min;
  let max = h.max;
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < values.length; i++) {
    const v = values[i] as number;
    if (v < min) min = v;
    if (v > max) max = v;
    sum += v;
    squares += v * v;
  }
  if (!Number.isFinite(sum) || !Number.isFinite(squares)) {
    throw fail("CALIBRATION_NONFINITE", "Cannot calibrate on these values: NaN or infinity among them");
  }
  if (values.length === 0) return;
  growTo(h, Math.max(Math.abs(min), Math.abs(max)));
  h.min = min;
  h.max = max;
  h.sum += sum;
  h.sumOfSquares += squares;
  h.count += values.length;
  const { counts } = h;
  const half = counts.length / 2;
  const perUnit = half / h.limit;
  for (let i = 0; i < values.length; i++) {
    // Never negative, so truncation is floor, and several times as fast.
    const bin = ((values[i] as number) * perUnit + half) | 0;
    counts[bin] = (counts[bin] as number) + 1;
  }
}

/** Adds one histogram to another, which changes. Both need the same number of bins. */
export function mergeHistogram(into: Histogram, other: Histogram): void {
  if (other.count === 0) return;
  const copy: Histogram = { ...other, counts: other.counts.slice() };
  if (into.count === 0) into.limit = copy.limit;
  while (into.limit < copy.limit) grow(into);
  while (copy.limit < into.limit) grow(copy);
  for (let i = 0; i < into.counts.length; i++) into.counts[i] = (into.counts[i] as number) + (copy.counts[i] as number);
  into.count += copy.count;
  into.min = Math.min(into.min, copy.min);
  into.max = Math.max(into.max, copy.max);
  into.sum += copy.sum;
  into.sumOfSquares += copy.sumOfSquares;
}
