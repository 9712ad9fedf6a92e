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
  if (values.length === 0) return;
  const { min, max, sum, squares } = extremesAndSums(values);
  // Squares of float32 values cannot overflow a double, so only NaN and infinity lead here.
  if (!Number.isFinite(sum) || !Number.isFinite(squares)) {
    throw fail("CALIBRATION_NONFINITE", "Cannot calibrate on these values: NaN or infinity among them");
  }
  growTo(h, Math.max(-min, max));
  if (min < h.min) h.min = min;
  if (max > h.max) h.max = max;
  h.sum += sum;
  h.sumOfSquares += squares;
  h.count += values.length;
  h.zeros += countBins(values, h);
}

interface ExtremesAndSums {
  readonly min: number;
  readonly max: number;
  readonly sum: number;
  readonly squares: number;
}

/**
 * One pass, in two lanes because each addition waits for the last one of its lane. Extremes are found among the bits, drawn into the order of the
 * numbers: comparing floats took four times as long as all the rest.
 */
function extremesAndSums(values: Float32Array): ExtremesAndSums {
  const { length } = values;
  const bits = new Int32Array(values.buffer, values.byteOffset, length);
  let low = 0x7fffffff;
  let high = -0x80000000;
  let sumA = 0;
  let sumB = 0;
  let squaresA = 0;
  let squaresB = 0;
  const pairs = length - (length & 1);
  for (let i = 0; i < pairs; i += 2) {
    const v = values[i] as number;
    const w = values[i + 1] as number;
    sumA += v;
    squaresA += v * v;
    sumB += w;
    squaresB += w * w;
    const one = inOrder(bits[i] as number);
    const two = inOrder(bits[i + 1] as number);
    if (one < low) low = one;
    if (one > high) high = one;
    if (two < low) low = two;
    if (two > high) high = two;
  }
  if (pairs < length) {
    const v = values[pairs] as number;
    sumA += v;
    squaresA += v * v;
    const last = inOrder(bits[pairs] as number);
    low = Math.min(low, last);
    high = Math.max(high, last);
  }
  // The change is its own reverse. Adding 0 makes 0 of -0.
  const [min, max] = new Float32Array(Int32Array.of(inOrder(low), inOrder(high)).buffer) as unknown as [number, number];
  return { min: min + 0, max: max + 0, sum: sumA + sumB, squares: squaresA + squaresB };
}

/** The bits of a float32 as an integer that is larger where the number is. */
function inOrder(bits: number): number {
  return bits ^ ((bits >> 31) & 0x7fffffff);
}

/** Counts of one call in two tables of 32 bits: neighbours often fall into one bin (zeros behind a Relu), and would wait for each other in one table. */
const tables = new Map<number, readonly [Uint32Array, Uint32Array]>();

/** Most values that are counted before the tables are emptied: no count in them can overflow. */
const MOST_COUNTED = 2 ** 30;

/**
 * Counts values, all below the limit, into bins; gives the number of zeros. Half the values of a network are negative or zero at random, so a branch
 * on either would be mispredicted half the time: sign and zero are taken from the bits instead.
 */
function countBins(values: Float32Array, h: Histogram): number {
  const { counts } = h;
  const bins = counts.length;
  let pair = tables.get(bins);
  if (pair === undefined) {
    pair = [new Uint32Array(bins), new Uint32Array(bins)];
    tables.set(bins, pair);
  }
  const [even, odd] = pair;
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  let zeros = 0;
  for (let start = 0; start < values.length; start += MOST_COUNTED) {
    const end = Math.min(values.length, start + MOST_COUNTED);
    zeros += countPart(values, bits, { start, end, even, odd, limit: h.limit });
    for (let i = 0; i < bins; i++) counts[i] = (counts[i] as number) + (even[i] as number) + (odd[i] as number);
    even.fill(0);
    odd.fill(0);
  }
  return zeros;
}

interface CountedPart {
  readonly start: number;
  readonly end: number;
  readonly even: Uint32Array;
  readonly odd: Uint32Array;
  readonly limit: number;
}

/** Counts into two tables; gives the number of zeros. */
function countPart(values: Float32Array, bits: Int32Array, { start, end, even, odd, limit }: CountedPart): number {
  const half = even.length / 2;
  const mask = even.length - 1;
  // Scaling by a power of two is exact, so a value falls into the same bin before and after bins merge.
  const perUnit = half / limit;
  let zeros = 0;
  let i = start;
  for (; i + 1 < end; i += 2) {
    const b = bits[i] as number;
    const c = bits[i + 1] as number;
    // Only of zero is "magnitude bits less one" negative.
    const isZero = ((b & 0x7fffffff) - 1) >>> 31;
    const isZeroToo = ((c & 0x7fffffff) - 1) >>> 31;
    // Truncation goes towards zero on either side; the sign bit, drawn out to -1, moves negative values one bin down, and -0 back.
    const one = (half + (((values[i] as number) * perUnit) | 0) + (b >> 31) + (isZero & (b >>> 31))) & mask;
    even[one] = (even[one] as number) + 1;
    const two = (half + (((values[i + 1] as number) * perUnit) | 0) + (c >> 31) + (isZeroToo & (c >>> 31))) & mask;
    odd[two] = (odd[two] as number) + 1;
    zeros += isZero + isZeroToo;
  }
  if (i < end) {
    const b = bits[i] as number;
    const isZero = ((b & 0x7fffffff) - 1) >>> 31;
    const last = (half + (((values[i] as number) * perUnit) | 0) + (b >> 31) + (isZero & (b >>> 31))) & mask;
    even[last] = (even[last] as number) + 1;
    zeros += isZero;
  }
  return zeros;
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

/** The smallest and the largest `limit` of a histogram of float32 values. */
export function histogramLimits(): { readonly least: number; readonly most: number } {
  return { least: SMALLEST_LIMIT, most: 2 ** 128 };
}

/** The bins that hold the least and the greatest value: first and last index. */
export function usedBins(h: Pick<Histogram, "limit" | "counts" | "min" | "max">): {
  readonly first: number;
  readonly last: number;
} {
  const half = h.counts.length / 2;
  const perUnit = half / h.limit;
  const binOf = (v: number): number => (v < 0 ? half - 1 - Math.floor(-v * perUnit) : half + Math.floor(v * perUnit));
  return { first: binOf(h.min), last: binOf(h.max) };
}

/** Width of a bin, in units of the values. */
export function binWidth(h: Histogram): number {
  return h.limit / (h.counts.length / 2);
}
