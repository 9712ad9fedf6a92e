import { fail } from "../base/error.ts";
import type { Histogram } from "./histogram.ts";

/** How the range of a tensor is chosen from what was seen. */
export type RangeMethod = "min-max" | "percentile" | "mse" | "entropy";

/** Options of {@link chooseRange}. */
export interface RangeOptions {
  readonly method?: RangeMethod;
  /** Share of values inside the range, in percent, for "percentile". */
  readonly percentile?: number;
  /** Number of integer levels. */
  readonly levels?: number;
  /** The range is [-a, a]. */
  readonly symmetric?: boolean;
}

/** Defaults of {@link RangeOptions}. */
export const RANGE_DEFAULTS = {
  method: "min-max",
  percentile: 99.999,
  levels: 256,
  symmetric: false,
} as const satisfies RangeOptions;

/** A range of real values that always contains zero. */
export interface ValueRange {
  readonly min: number;
  readonly max: number;
}

/**
 * The range that a quantized tensor should cover.
 *
 * - min-max: all that was seen
 * - percentile: cuts (100 - p) / 2 percent of the values at either end (at the far end only, for one-sided data)
 * - mse: of 100 shrunk ranges on either side, the one with the least expected squared error (rounding inside, distance outside)
 * - entropy: the range with the least Kullback-Leibler divergence between the distribution and its quantized form
 *
 * @throws CALIBRATION_EMPTY when nothing was observed
 */
export function chooseRange(histogram: Histogram, options: RangeOptions = {}): ValueRange {
  const { method, percentile, levels, symmetric } = { ...RANGE_DEFAULTS, ...options };
  if (histogram.count === 0) throw fail("CALIBRATION_EMPTY", "Cannot choose a range: no value was observed");
  const full = withZero(histogram.min, histogram.max, symmetric);
  switch (method) {
    case "min-max":
      return full;
    case "percentile": {
      const { min, max } = percentileRange(histogram, percentile);
      return withZero(Math.max(min, histogram.min), Math.min(max, histogram.max), symmetric);
    }
    case "mse":
      return searchRange(full, (range) => quantizationError(histogram, range, levels), symmetric);
    case "entropy":
      return searchRange(full, (range) => divergence(histogram, range, levels), symmetric);
  }
}

function withZero(min: number, max: number, symmetric: boolean): ValueRange {
  const low = Math.min(0, min);
  const high = Math.max(0, max);
  const bound = Math.max(-low, high);
  return symmetric ? { min: -bound, max: bound } : { min: low, max: high };
}

function percentileRange(h: Histogram, percentile: number): ValueRange {
  const outside = (1 - percentile / 100) * h.count;
  const oneSided = h.min >= 0 || h.max <= 0;
  const share = oneSided ? outside : outside / 2;
  const half = h.counts.length / 2;
  const width = h.limit / half;
  let low = 0;
  let seen = 0;
  for (; low < h.counts.length; low++) {
    seen += h.counts[low] as number;
    if (seen > share) break;
  }
  let high = h.counts.length - 1;
  seen = 0;
  for (; high >= 0; high--) {
    seen += h.counts[high] as number;
    if (seen > share) break;
  }
  return { min: (low - half) * width, max: (high + 1 - half) * width };
}

/** Steps of the search on either side; the range shrinks to no less than a tenth. */
const SEARCH_STEPS = 90;

function searchRange(full: ValueRange, cost: (range: ValueRange) => number, symmetric: boolean): ValueRange {
  let best = full;
  let least = cost(full);
  const consider = (range: ValueRange): void => {
    const c = cost(range);
    if (c < least) {
      least = c;
      best = range;
    }
  };
  if (symmetric || full.min === 0 || full.max === 0) {
    for (let i = 1; i <= SEARCH_STEPS; i++) consider({ min: full.min * (1 - i / 100), max: full.max * (1 - i / 100) });
    return best;
  }
  // The two ends are searched in turn: the cost is close to separable, and two rounds settle it.
  for (let round = 0; round < 2; round++) {
    const atMax = best;
    for (let i = 0; i <= SEARCH_STEPS; i++) consider({ min: atMax.min, max: full.max * (1 - i / 100) });
    const atMin = best;
    for (let i = 0; i <= SEARCH_STEPS; i++) consider({ min: full.min * (1 - i / 100), max: atMin.max });
  }
  return best;
}

/** Expected squared error of quantizing what the histogram holds: step^2/12 inside the range, squared distance to it outside. */
export function quantizationError(h: Histogram, range: ValueRange, levels: number): number {
  const half = h.counts.length / 2;
  const width = h.limit / half;
  const step = (range.max - range.min) / (levels - 1);
  const inside = (step * step) / 12;
  let error = 0;
  const first = Math.max(0, Math.floor(h.min / width) + half);
  const last = Math.min(h.counts.length - 1, Math.floor(h.max / width) + half);
  for (let i = first; i <= last; i++) {
    const n = h.counts[i] as number;
    if (n === 0) continue;
    const value = (i + 0.5 - half) * width;
    // Exact zeros (padding, ReLU) fall on a level and cost nothing; they sit in the bin that starts at zero.
    if (value < range.min) error += n * (range.min - value) ** 2;
    else if (value > range.max) error += n * (value - range.max) ** 2;
    else error += n * inside;
  }
  return error / h.count;
}

/** Kullback-Leibler divergence of the clipped, quantized distribution from the observed one. */
function divergence(h: Histogram, range: ValueRange, levels: number): number {
  const half = h.counts.length / 2;
  const width = h.limit / half;
  const first = Math.max(0, Math.floor(h.min / width) + half);
  const last = Math.min(h.counts.length - 1, Math.floor(h.max / width) + half);
  const low = Math.max(first, Math.floor(range.min / width) + half);
  const high = Math.min(last, Math.ceil(range.max / width) + half - 1);
  const bins = high - low + 1;
  // With fewer bins than levels every bin has a level of its own and nothing could ever be lost: such a range cannot be judged.
  if (bins < levels) return Number.POSITIVE_INFINITY;
  const p = new Float64Array(bins);
  let tail = 0;
  for (let i = first; i <= last; i++) {
    const n = h.counts[i] as number;
    if (i < low) {
      p[0] = (p[0] as number) + n;
      tail += n;
    } else if (i > high) {
      p[bins - 1] = (p[bins - 1] as number) + n;
      tail += n;
    } else p[i - low] = (p[i - low] as number) + n;
  }
  const perLevel = bins / levels;
  let result = 0;
  for (let level = 0; level < levels; level++) {
    const from = Math.floor(level * perLevel);
    const to = level === levels - 1 ? bins : Math.floor((level + 1) * perLevel);
    let mass = 0;
    let used = 0;
    for (let b = from; b < to; b++) {
      // Clipped mass does not help the quantized form: it only sees what lies inside.
      const n = h.counts[b + low] as number;
      mass += n;
      if ((p[b] as number) > 0) used++;
    }
    if (used === 0) continue;
    const q = Math.max(mass / used, 1e-9) / (h.count - tail || 1);
    for (let b = from; b < to; b++) {
      const share = (p[b] as number) / h.count;
      if (share > 0) result += share * Math.log(share / q);
    }
  }
  return result;
}
