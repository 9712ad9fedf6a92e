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
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < length; i++) {
    const v = values[i] as number;
    sum += v;
    squares += v * v;
  }
  // Squares of float32 values cannot overflow a double, so only NaN and infinity lead here.
  if (!Number.isFinite(sum) || !Number.isFinite(squares)) {
    throw fail("CALIBRATION_NONFINITE", "Cannot calibrate on these values: NaN or infinity among them");
  }
  const { min, max } = extremes(values);
  growTo(h, Math.max(-min, max));
  if (min < h.min) h.min = min;
  if (max > h.max) h.max = max;
  h.sum += sum;
  h.sumOfSquares += squares;
  h.count += length;
  const { counts } = h;
  const half = counts.length / 2;
  const perUnit = half / h.limit;
  const even = new Uint32Array(counts.length);
  const odd = new Uint32Array(counts.length);
  h.zeros += length - countBins(values, { perUnit, even, odd });
  const first = half - 1 - Math.max(0, Math.floor(-min * perUnit));
  const last = half + Math.max(0, Math.floor(max * perUnit));
  for (let i = first; i <= last; i++) counts[i] = (counts[i] as number) + (even[i] as number) + (odd[i] as number);
}

/**
 * The least and the greatest of finite values. The bits of floats, with those of negative ones turned round, are in the order of the numbers: as
 * integers they compare in a fraction of the time that the compiled code took for floats.
 */
function extremes(values: Float32Array): { readonly min: number; readonly max: number } {
  const { length } = values;
  const bits = new Int32Array(values.buffer, values.byteOffset, length);
  let low = 0x7fffffff;
  let high = -0x80000000;
  for (let i = 0; i < length; i++) {
    const b = bits[i] as number;
    const key = b ^ ((b >> 31) & 0x7fffffff);
    if (key < low) low = key;
    if (key > high) high = key;
  }
  const ends = Int32Array.of(low ^ ((low >> 31) & 0x7fffffff), high ^ ((high >> 31) & 0x7fffffff));
  const [min, max] = new Float32Array(ends.buffer) as unknown as readonly [number, number];
  // -0 is below 0 in this order, and nowhere else.
  return { min: min + 0, max: max + 0 };
}

/**
 * Counts values by bin and gives how many are not zero. No branch that data decide (half of what comes behind a ReLU is zero, and guessing wrong
 * costs more than counting); 32-bit counts, which fit the nearest cache; and two lists of them, so that a value need not wait for the same bin of
 * the one before it.
 */
function countBins(
  values: Float32Array,
  into: { readonly perUnit: number; readonly even: Uint32Array; readonly odd: Uint32Array },
): number {
  const { length } = values;
  const { even, odd } = into;
  const half = even.length / 2;
  // A power of two: the product is exact, so a value falls into the same bin before and after bins merge.
  const perUnit = Math.fround(into.perUnit);
  const bits = new Int32Array(values.buffer, values.byteOffset, length);
  let nonZero = 0;
  for (let i = 1; i < length; i += 2) {
    const a = bits[i - 1] as number;
    const b = bits[i] as number;
    // 1 for any magnitude but zero, so that -0 counts with 0 and not with the negative numbers.
    const someA = ((a & 0x7fffffff) + 0x7fffffff) >>> 31;
    const someB = ((b & 0x7fffffff) + 0x7fffffff) >>> 31;
    nonZero += someA + someB;
    const binA = half + (Math.fround((values[i - 1] as number) * perUnit) | 0) - ((a >>> 31) & someA);
    const binB = half + (Math.fround((values[i] as number) * perUnit) | 0) - ((b >>> 31) & someB);
    even[binA] = (even[binA] as number) + 1;
    odd[binB] = (odd[binB] as number) + 1;
  }
  if (length % 2 === 1) {
    const v = values[length - 1] as number;
    const bin = v < 0 ? half - 1 - ((-v * perUnit) | 0) : half + ((v * perUnit) | 0);
    even[bin] = (even[bin] as number) + 1;
    if (v !== 0) nonZero++;
  }
  return nonZero;
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
