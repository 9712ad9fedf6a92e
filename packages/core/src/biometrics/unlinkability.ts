import { fail } from "../base/error.ts";
import { seededRandom } from "../base/random.ts";

/** Options of {@link unlinkability}. */
export interface UnlinkabilityOptions {
  /** Bins of equal width from the least to the largest score; the tenth part of the smaller class's count, at most 100, unless given. */
  readonly bins?: number;
  /** Prior ratio of mated to non-mated pairs. */
  readonly priorRatio?: number;
  /** Times the classes are mixed at random to see what chance alone gives. */
  readonly mixes?: number;
  readonly seed?: number;
}

/** What {@link unlinkability} does unless told otherwise. */
export const UNLINKABILITY_DEFAULTS = { priorRatio: 1, mixes: 50, seed: 1 } as const;

/** How well protected templates of one person under different keys can be told from those of different people. */
export interface Unlinkability {
  readonly kind: "unlinkability";
  /** D_sys, 0 (unlinkable) to 1 (linkable by every score). */
  readonly dSys: number;
  /** Mean and 95th percentile of what D_sys comes to when the classes are mixed at random: a finite sample never gives 0. */
  readonly chance: { readonly mean: number; readonly p95: number };
  readonly mated: number;
  readonly nonMated: number;
  readonly bins: number;
}

/**
 * D_sys of ISO/IEC 30136 after Gomez-Barrero et al.: the mean over mated scores of D(s) = 2 LR w / (1 + LR w) - 1 where LR w > 1, else 0; LR(s) =
 * p(s | mated) / p(s | non-mated), densities by histograms, w the prior ratio. Both classes are scores of templates under *different* keys: mated of the same
 * person, non-mated of different people. @throws INSUFFICIENT_DATA, SCORES_INVALID
 */
export function unlinkability(mated: Float64Array, nonMated: Float64Array, options: UnlinkabilityOptions = {}): Unlinkability {
  const { priorRatio, mixes, seed } = { ...UNLINKABILITY_DEFAULTS, ...options };
  const fewest = Math.min(mated.length, nonMated.length);
  if (fewest < 20)
    throw fail("INSUFFICIENT_DATA", `Cannot judge unlinkability: ${fewest} scores of one class, at least 20 are needed`);
  const all = new Float64Array(mated.length + nonMated.length);
  all.set(mated);
  all.set(nonMated, mated.length);
  if (!all.every(Number.isFinite)) throw fail("SCORES_INVALID", "Cannot judge unlinkability: a score is not finite");
  const bins = options.bins ?? Math.min(100, Math.floor(fewest / 10));
  const index = binned(all, bins);
  const dSys = linkedShare(index, mated.length, { bins, priorRatio });
  const random = seededRandom(seed);
  const mixed = Array.from({ length: mixes }, () => {
    for (let i = index.length - 1; i > 0; i--) {
      const j = random.int(i + 1);
      const other = index[j] ?? 0;
      index[j] = index[i] ?? 0;
      index[i] = other;
    }
    return linkedShare(index, mated.length, { bins, priorRatio });
  }).sort((a, b) => a - b);
  const mean = mixed.reduce((sum, value) => sum + value, 0) / Math.max(mixes, 1);
  const chance = { mean, p95: mixed[Math.min(mixes - 1, Math.floor(0.95 * mixes))] ?? 0 };
  return { kind: "unlinkability", dSys, chance, mated: mated.length, nonMated: nonMated.length, bins };
}

/** The bin of every score. */
function binned(scores: Float64Array, bins: number): Int32Array {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const score of scores) {
    least = Math.min(least, score);
    most = Math.max(most, score);
  }
  const width = (most - least) / bins || 1;
  return Int32Array.from(scores, (score) => Math.min(bins - 1, Math.floor((score - least) / width)));
}

/** D_sys where the first `matedCount` of the scores are the mated ones. */
function linkedShare(index: Int32Array, matedCount: number, how: { readonly bins: number; readonly priorRatio: number }): number {
  const mated = new Float64Array(how.bins);
  const others = new Float64Array(how.bins);
  for (let i = 0; i < index.length; i++) {
    const bin = index[i] ?? 0;
    const counts = i < matedCount ? mated : others;
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  let sum = 0;
  for (let bin = 0; bin < how.bins; bin++) {
    const p = (mated[bin] ?? 0) / matedCount;
    const q = (others[bin] ?? 0) / (index.length - matedCount);
    if (p * how.priorRatio > q) sum += p * ((2 * p * how.priorRatio) / (q + p * how.priorRatio) - 1);
  }
  return sum;
}
