import { fail } from "../base/error.ts";
import { divergence } from "./divergence.ts";
import { binWidth, type Histogram } from "./histogram.ts";
import { errorTable, squaredError } from "./squared-error.ts";

/** How the range of a tensor is chosen from what was seen. */
export type RangeMethod = "min-max" | "percentile" | "mse" | "entropy";

/** Options of {@link chooseRange}. */
export interface RangeOptions {
  readonly method?: RangeMethod;
  /** Share of values inside the range, in percent (50 to 100), for "percentile". */
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

/** What may be said of the range of one tensor: a method, the percentile method at a figure of its own, or the very range. */
export type RangeChoice = RangeMethod | { readonly percentile: number } | ValueRange;

/** The range of a tensor by a choice of its own, and what to call it: "mse", "percentile 99.9", "given". */
export interface ChosenRange extends ValueRange {
  readonly called: string;
}

/**
 * The range that a {@link RangeChoice} means. A given range is widened to zero, and to both sides alike where it must be symmetric.
 *
 * @throws PLAN_INVALID for a range that is not finite or whose ends are the wrong way round, and as {@link chooseRange} does
 */
export function rangeByChoice(
  histogram: Histogram,
  choice: RangeChoice,
  options: Omit<RangeOptions, "method"> = {},
): ChosenRange {
  if (typeof choice === "string") {
    const { percentile } = { ...RANGE_DEFAULTS, ...options };
    return {
      ...chooseRange(histogram, { ...options, method: choice }),
      called: choice === "percentile" ? `percentile ${percentile}` : choice,
    };
  }
  if ("percentile" in choice) return rangeByChoice(histogram, "percentile", { ...options, percentile: choice.percentile });
  const { min, max } = choice;
  if (!Number.isFinite(min) || !Number.isFinite(max) || min > max)
    throw fail("PLAN_INVALID", `Cannot use the range [${min}, ${max}]: it must be finite, the lower end first`);
  return { ...withZero(min, max, options.symmetric ?? RANGE_DEFAULTS.symmetric), called: "given" };
}

/**
 * The range that a quantized tensor should cover.
 *
 * - min-max: all that was seen
 * - percentile: cuts (100 - p) / 2 percent of the values at either end (all of it at the far end, for one-sided data); right to a bin
 * - mse: of ranges shrunk in steps of 1 percent on either side, the one with the least expected squared error (see {@link squaredError})
 * - entropy: of the same ranges, the one with the least divergence between the distribution and its quantized form (see {@link divergence})
 *
 * @throws CALIBRATION_EMPTY when nothing was observed, PLAN_INVALID for a percentile outside [50, 100]
 */
export function chooseRange(histogram: Histogram, options: RangeOptions = {}): ValueRange {
  const { method, percentile, levels, symmetric } = { ...RANGE_DEFAULTS, ...options };
  if (histogram.count === 0) throw fail("CALIBRATION_EMPTY", "Cannot choose a range: no value was observed");
  const full = withZero(histogram.min, histogram.max, symmetric);
  switch (method) {
    case "min-max":
      return full;
    case "percentile": {
      if (!(percentile >= 50 && percentile <= 100))
        throw fail("PLAN_INVALID", `Cannot choose a range at percentile ${percentile}: it must be between 50 and 100`);
      const { min, max } = percentileRange(histogram, percentile);
      return withZero(min, max, symmetric);
    }
    case "mse": {
      const table = errorTable(histogram);
      return searchRange(full, symmetric, (range) => squaredError(table, range, levels));
    }
    case "entropy":
      return searchRange(full, symmetric, (range) => divergence(histogram, range, levels));
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
  const share = h.min >= 0 || h.max <= 0 ? outside : outside / 2;
  const half = h.counts.length / 2;
  const width = binWidth(h);
  let low = 0;
  for (let seen = 0; low < h.counts.length; low++) {
    seen += h.counts[low] as number;
    if (seen > share) break;
  }
  let high = h.counts.length - 1;
  for (let seen = 0; high >= 0; high--) {
    seen += h.counts[high] as number;
    if (seen > share) break;
  }
  return { min: Math.max(h.min, (low - half) * width), max: Math.min(h.max, (high + 1 - half) * width) };
}

/** Steps of the search on either side; the range shrinks to no less than a tenth. */
const SEARCH_STEPS = 90;

function searchRange(full: ValueRange, symmetric: boolean, cost: (range: ValueRange) => number): ValueRange {
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
