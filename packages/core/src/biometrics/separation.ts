import { at } from "../base/assert.ts";
import type { ScorePair } from "./compare.ts";
import { countAtLeast, countBefore, countBelow, moments, type ScoreDistribution, upperBound } from "./scores.ts";

/** How far the two classes lie apart, without a threshold. */
export interface Separation {
  readonly kind: "separation";
  /** d' = |mean_g - mean_i| / sqrt((var_g + var_i) / 2), population variances; 0 when nothing differs, Infinity when neither class spreads. */
  readonly dPrime: number;
  /** Area under the ROC curve: P(genuine > impostor) + P(equal) / 2, exact by ranks (Mann-Whitney). */
  readonly auc: number;
  readonly genuine: { readonly mean: number; readonly deviation: number; readonly count: number };
  readonly impostor: { readonly mean: number; readonly deviation: number; readonly count: number };
}

/** d' and AUC. */
export function separation(scores: ScorePair): Separation {
  const genuine = moments(scores.genuine);
  const impostor = moments(scores.impostor);
  const gap = Math.abs(genuine.mean - impostor.mean);
  return {
    kind: "separation",
    dPrime: gap === 0 ? 0 : gap / Math.sqrt((genuine.variance + impostor.variance) / 2),
    auc: areaUnderRoc(scores),
    genuine: { mean: genuine.mean, deviation: Math.sqrt(genuine.variance), count: scores.genuine.count },
    impostor: { mean: impostor.mean, deviation: Math.sqrt(impostor.variance), count: scores.impostor.count },
  };
}

/** AUC by counting, for each score of the smaller class, the scores of the other one below it and tied with it. */
export function areaUnderRoc(scores: ScorePair): number {
  const { genuine, impostor } = scores;
  const pairs = genuine.count * impostor.count;
  const byGenuine = genuine.values.length <= impostor.values.length;
  const [small, large] = byGenuine ? [genuine, impostor] : [impostor, genuine];
  let twice = 0;
  for (let i = 0; i < small.values.length; i++) {
    const weight = countBefore(small, i + 1) - countBefore(small, i);
    const value = at(small.values, i);
    const below = countBelow(large, value);
    const notAbove = countBefore(large, upperBound(large.values, value));
    twice += weight * (byGenuine ? below + notAbove : 2 * large.count - below - notAbove);
  }
  return twice / 2 / pairs;
}

/** Counts of scores in equal bins for a plot; the first and the last bin also take what lies outside. */
export interface ScoreHistogram {
  readonly kind: "histogram";
  readonly low: number;
  readonly high: number;
  readonly counts: Float64Array;
}

/** Histogram of one class over [low, high): bin k holds low + k·w <= s < low + (k+1)·w. */
export function scoreHistogram(
  distribution: ScoreDistribution,
  options: { readonly low: number; readonly high: number; readonly bins: number },
): ScoreHistogram {
  const { low, high, bins } = options;
  const counts = new Float64Array(bins);
  const width = (high - low) / bins;
  for (let k = 0; k < bins; k++) {
    const from = k === 0 ? distribution.count : countAtLeast(distribution, low + k * width);
    const to = k === bins - 1 ? 0 : countAtLeast(distribution, low + (k + 1) * width);
    counts[k] = from - to;
  }
  return { kind: "histogram", low, high, counts };
}
