import { binWidth, type Histogram } from "./histogram.ts";
import type { ValueRange } from "./range.ts";

/** Running sums over the bins of a histogram, from which {@link squaredError} is had without going through the bins again. */
export interface ErrorTable {
  readonly width: number;
  readonly half: number;
  readonly total: number;
  /** Sums over all bins before each index: of the counts without exact zeros, of count * centre, of count * centre^2. */
  readonly counts: Float64Array;
  readonly first: Float64Array;
  readonly second: Float64Array;
}

/** Makes the sums. Values count at the centres of their bins, exact zeros not at all: zero is always a level. */
export function errorTable(h: Histogram): ErrorTable {
  const bins = h.counts.length;
  const half = bins / 2;
  const width = binWidth(h);
  const counts = new Float64Array(bins + 1);
  const first = new Float64Array(bins + 1);
  const second = new Float64Array(bins + 1);
  for (let i = 0; i < bins; i++) {
    const n = (h.counts[i] as number) - (i === half ? h.zeros : 0);
    const centre = (i + 0.5 - half) * width;
    counts[i + 1] = (counts[i] as number) + n;
    first[i + 1] = (first[i] as number) + n * centre;
    second[i + 1] = (second[i] as number) + n * centre * centre;
  }
  return { width, half, total: h.count, counts, first, second };
}

/**
 * Expected squared error of a value that is quantized to `levels` levels over a range: the squared distance to the end for values
 * outside; the value's own square where it rounds to zero; step^2/12 elsewhere (uniform rounding noise); nothing for exact zeros.
 */
export function squaredError(table: ErrorTable, range: ValueRange, levels: number): number {
  const { width, half, counts, first, second } = table;
  const bins = counts.length - 1;
  // The first bin whose centre is not below a value.
  const from = (value: number): number => Math.min(bins, Math.max(0, Math.ceil(value / width + half - 0.5)));
  const step = (range.max - range.min) / (levels - 1);
  const low = from(range.min);
  const high = Math.max(low, from(range.max));
  const zeroFrom = Math.max(low, from(-step / 2));
  const zeroTo = Math.min(high, Math.max(zeroFrom, from(step / 2)));
  const at = (sums: Float64Array, i: number): number => sums[i] as number;
  const distance = (start: number, end: number, to: number): number => {
    const n = at(counts, end) - at(counts, start);
    const sum = at(first, end) - at(first, start);
    const squares = at(second, end) - at(second, start);
    return Math.max(0, squares - 2 * to * sum + n * to * to);
  };
  const rounded = at(counts, high) - at(counts, low) - (at(counts, zeroTo) - at(counts, zeroFrom));
  const inside = rounded * ((step * step) / 12) + distance(zeroFrom, zeroTo, 0);
  return (inside + distance(0, low, range.min) + distance(high, bins, range.max)) / table.total;
}
