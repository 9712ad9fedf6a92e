import { binWidth, type Histogram, usedBins } from "./histogram.ts";
import type { ValueRange } from "./range.ts";

/** Probability that the quantized form gives to what it cannot represent, so that the divergence stays finite. */
const FLOOR = 1e-9;

/**
 * Kullback-Leibler divergence, in nats, of the quantized distribution from the observed one, after the idea of S. Migacz (2017): the observed one
 * is clipped to the range, its tails piled onto the end bins; the quantized one knows the bins inside only, and spreads the mass of each level
 * evenly over those of its bins that hold anything. Infinite for a range of fewer bins than levels, where nothing could ever be lost.
 *
 * Exact zeros are left out of both: zero is always a level, and their pile would drown everything else.
 */
export function divergence(h: Histogram, range: ValueRange, levels: number): number {
  const half = h.counts.length / 2;
  const width = binWidth(h);
  const { first, last } = usedBins(h);
  const low = Math.max(first, Math.floor(range.min / width) + half);
  const high = Math.min(last, Math.max(low, Math.ceil(range.max / width) + half - 1));
  const bins = high - low + 1;
  if (bins < levels) return Number.POSITIVE_INFINITY;
  const count = (i: number): number => (h.counts[i] as number) - (i === half ? h.zeros : 0);
  let below = 0;
  let above = 0;
  for (let i = first; i < low; i++) below += count(i);
  for (let i = high + 1; i <= last; i++) above += count(i);
  const total = h.count - h.zeros;
  const inside = total - below - above;
  if (inside <= 0) return Number.POSITIVE_INFINITY;
  const perLevel = bins / levels;
  let result = 0;
  for (let level = 0; level < levels; level++) {
    const from = low + Math.floor(level * perLevel);
    const to = low + Math.floor((level + 1) * perLevel);
    let mass = 0;
    let used = 0;
    for (let i = from; i < to; i++) {
      const n = count(i);
      mass += n;
      if (n > 0 || (i === low && below > 0) || (i === high && above > 0)) used++;
    }
    if (used === 0) continue;
    const q = Math.max(mass / used / inside, FLOOR);
    for (let i = from; i < to; i++) {
      const p = (count(i) + (i === low ? below : 0) + (i === high ? above : 0)) / total;
      if (p > 0) result += p * Math.log(p / q);
    }
  }
  return result;
}
