import { at } from "../base/assert.ts";
import { fail } from "../base/error.ts";
import type { Scores } from "./scores.ts";

/** Accuracy by the protocol of LFW View 2 (Huang et al. 2007). */
export interface LfwAccuracy {
  readonly kind: "lfw-accuracy";
  readonly folds: readonly {
    readonly fold: number;
    readonly accuracy: number;
    readonly threshold: number;
    readonly pairs: number;
  }[];
  /** Mean over folds, 0..1. */
  readonly mean: number;
  /** Sample standard deviation over folds divided by the root of their number. */
  readonly standardError: number;
  readonly convention: string;
}

/** How {@link lfwAccuracy} chooses. */
export const LFW_CONVENTION =
  "threshold of a fold = the one with the best accuracy on all other folds, among the midpoints between neighbouring distinct scores there (and " +
  "beyond both ends); of equally good ones the middle (the lower of two); same person when score >= threshold; mean +- standard error over folds";

/**
 * LFW accuracy: each fold is decided with the threshold that was best on the others. `genuine[k]` is 1 for a pair of one person,
 * `folds[k]` its fold number.
 *
 * @throws SCORES_INVALID with fewer than two folds, lists of different length or scores that are not finite.
 * @example
 * lfwAccuracy(scorePairs(set, pairs), { genuine: pairs.genuine, folds: pairs.folds }).mean;
 */
export function lfwAccuracy(scores: Scores, labels: { readonly genuine: Uint8Array; readonly folds: Int32Array }): LfwAccuracy {
  const { genuine, folds } = labels;
  if (genuine.length !== scores.length || folds.length !== scores.length)
    throw fail(
      "SCORES_INVALID",
      `Cannot judge ${scores.length} scores with ${genuine.length} labels and ${folds.length} fold numbers`,
    );
  const bad = scores.findIndex((score) => !Number.isFinite(score));
  if (bad >= 0) throw fail("SCORES_INVALID", `Cannot judge scores: number ${bad} is ${scores[bad]}`);
  const numbers = [...new Set(folds)].sort((a, b) => a - b);
  if (numbers.length < 2) throw fail("SCORES_INVALID", `Cannot use the LFW protocol with ${numbers.length} folds: it needs two`);
  const order = Uint32Array.from(scores, (_, k) => k).sort((x, y) => at(scores, x) - at(scores, y));
  const results = numbers.map((fold) => {
    const threshold = bestThreshold(
      scores,
      genuine,
      order.filter((k) => folds[k] !== fold),
    );
    let right = 0;
    let pairs = 0;
    for (let k = 0; k < scores.length; k++) {
      if (folds[k] !== fold) continue;
      pairs++;
      if (at(scores, k) >= threshold === (genuine[k] === 1)) right++;
    }
    return { fold, accuracy: right / pairs, threshold, pairs };
  });
  const mean = results.reduce((sum, result) => sum + result.accuracy, 0) / results.length;
  const squares = results.reduce((sum, result) => sum + (result.accuracy - mean) ** 2, 0);
  const standardError = Math.sqrt(squares / (results.length - 1)) / Math.sqrt(results.length);
  return { kind: "lfw-accuracy", folds: results, mean, standardError, convention: LFW_CONVENTION };
}

/** The best threshold for the pairs listed in ascending order of score. */
function bestThreshold(scores: Scores, genuine: Uint8Array, ascending: Uint32Array): number {
  const mates = ascending.reduce((sum, k) => sum + at(genuine, k), 0);
  // Threshold below every score: all are accepted, the genuine ones rightly. Each score passed turns one decision.
  let right = mates;
  let best = right;
  let candidates = [at(scores, at(ascending, 0)) - 1];
  for (let n = 0; n < ascending.length; n++) {
    const here = at(ascending, n);
    right += genuine[here] === 1 ? -1 : 1;
    const next = ascending[n + 1];
    if (next !== undefined && at(scores, next) === at(scores, here)) continue;
    const threshold = next === undefined ? at(scores, here) + 1 : between(at(scores, here), at(scores, next));
    if (right > best) {
      best = right;
      candidates = [];
    }
    if (right === best) candidates.push(threshold);
  }
  return at(candidates, (candidates.length - 1) >>> 1);
}

/** A number above `low` and at most `high`. */
function between(low: number, high: number): number {
  const middle = (low + high) / 2;
  return middle > low ? middle : high;
}
