import { fail } from "../../base/error.ts";
import type { Scores } from "../../biometrics/scores.ts";

/** Mean and standard deviation of the scores of one side of a trial against a cohort. */
export interface CohortStatistics {
  readonly mean: number;
  readonly deviation: number;
}

/** Scores of the two sides of a trial against the cohort: people who are neither. */
export interface TrialStatistics {
  /** Of the enrolled template. */
  readonly enrolled: CohortStatistics;
  /** Of the probe. */
  readonly probe: CohortStatistics;
}

/**
 * Statistics of one side's cohort scores, deviation divided by n. `top`: only the that many highest (adaptive normalisation, where the cohort is
 * made of those who are most alike); all of them unless given. @throws SCORES_INVALID for fewer than two scores, or ones that are all equal
 */
export function cohortStatistics(scores: Scores, top?: number): CohortStatistics {
  const used =
    top === undefined
      ? scores
      : scores
          .slice()
          .sort()
          .subarray(Math.max(0, scores.length - top));
  let sum = 0;
  for (let i = 0; i < used.length; i++) sum += used[i] as number;
  const mean = sum / used.length;
  let squares = 0;
  for (let i = 0; i < used.length; i++) squares += ((used[i] as number) - mean) ** 2;
  const deviation = Math.sqrt(squares / used.length);
  if (used.length < 2 || !(deviation > 0) || !Number.isFinite(deviation)) {
    throw fail("SCORES_INVALID", `Cannot normalise by a cohort of ${used.length} scores that deviate by ${deviation}`);
  }
  return { mean, deviation };
}

/**
 * How a score is normalised.
 * - `z`: by the template's cohort scores (Li & Porter 1988; Reynolds 1997). `t`: by the probe's (Auckenthaler, Carey & Lloyd-Thomas 2000).
 * - `s`: the mean of both (Kenny 2010). With statistics of the top scores only, this is adaptive s-norm (Cumani et al. 2011; Matějka et al. 2017).
 */
export type ScoreNorm = "z" | "t" | "s";

/** The normalised score: deviations above what strangers reach. */
export function normaliseScore(score: number, trial: TrialStatistics, norm: ScoreNorm): number {
  const z = (score - trial.enrolled.mean) / trial.enrolled.deviation;
  const t = (score - trial.probe.mean) / trial.probe.deviation;
  return norm === "z" ? z : norm === "t" ? t : (z + t) / 2;
}
