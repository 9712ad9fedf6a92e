import { fail } from "../base/error.ts";
import type { ScorePair } from "./compare.ts";
import { countAtLeast, countBelow, kthLargest, kthSmallest, nextAbove, type ScoreDistribution } from "./scores.ts";

/** How this room counts, printed in report headers. Terms of ISO/IEC 19795-1. */
export const RATE_CONVENTION =
  "FMR(t) = share of impostor comparisons with score >= t; FNMR(t) = share of genuine comparisons with score < t; TAR = 1 - FNMR; " +
  "threshold at FAR f = smallest representable t with FMR(t) <= f, so scores tied with the first rejected impostor are all rejected";

/** An interval with the way it was made. */
export interface Interval {
  readonly low: number;
  readonly high: number;
  /** 0.95 for a 95 % interval. */
  readonly confidence: number;
  /** "subject-bootstrap", "clopper-pearson" and so on. */
  readonly method: string;
}

/** No figure: too few comparisons. Rule of 3: fewer than 3/FAR cannot show that FAR even without an error. */
export interface InsufficientData {
  readonly kind: "insufficient-data";
  readonly far: number;
  readonly impostorCount: number;
  /** Impostor comparisons that are missing. */
  readonly needsMore: number;
  /** "insufficient data, needs N more impostor comparisons for FAR 0.0001". */
  readonly says: string;
}

/** The point of the curve at a false-accept rate (one comparison, no acquisition failures: FAR = FMR). */
export interface OperatingPoint {
  readonly kind: "operating-point";
  /** The rate asked for. */
  readonly far: number;
  readonly threshold: number;
  /** The rate realised, at most `far`. */
  readonly fmr: number;
  readonly fnmr: number;
  /** 1 - fnmr. */
  readonly tar: number;
  readonly falseMatches: number;
  readonly falseNonMatches: number;
  readonly genuineCount: number;
  readonly impostorCount: number;
  /** False when the threshold fell into the binned part of a streamed distribution (then it errs to the strict side). */
  readonly exact: boolean;
}

/** Either a point or the reason there is none. */
export type OperatingPointResult = OperatingPoint | InsufficientData;

/** FMR(threshold). */
export function falseMatchRate(impostor: ScoreDistribution, threshold: number): number {
  return countAtLeast(impostor, threshold) / impostor.count;
}

/** FNMR(threshold). */
export function falseNonMatchRate(genuine: ScoreDistribution, threshold: number): number {
  return countBelow(genuine, threshold) / genuine.count;
}

/** Impostor comparisons below which a FAR is not answered: 3 / FAR, rounded up. */
export function impostorsNeeded(far: number): number {
  // A FAR that was computed, such as 1 - 0.9999, asks for 30000.0000000033; a relative guard keeps the round number.
  return Math.ceil((3 / far) * (1 - 1e-12));
}

/** The refusal for a FAR, or undefined when there are enough impostor comparisons. @throws SCORES_INVALID unless 0 < far < 1. */
export function insufficientFor(far: number, impostorCount: number): InsufficientData | undefined {
  if (!(far > 0 && far < 1)) throw fail("SCORES_INVALID", `Cannot answer FAR ${far}: it must lie between 0 and 1`);
  const needsMore = impostorsNeeded(far) - impostorCount;
  if (needsMore <= 0) return undefined;
  const says = `insufficient data, needs ${needsMore} more impostor comparisons for FAR ${far} (has ${impostorCount}, rule of 3 asks ${impostorsNeeded(far)})`;
  return { kind: "insufficient-data", far, impostorCount, needsMore, says };
}

/** False matches that a FAR permits among `count` comparisons: the largest k with k / count <= far. */
export function permittedFalseMatches(far: number, count: number): number {
  return Math.floor(far * count * (1 + 1e-12));
}

/**
 * The smallest representable threshold whose FMR is at most `far`: just above the (k+1)-th largest impostor score, k the permitted number
 * of false matches. Ties: if that score also occurs above rank k, all of its ties are rejected and the realised FMR is below `far`.
 * Does not judge whether the data suffice; {@link operatingPoint} does.
 */
export function thresholdAtFar(impostor: ScoreDistribution, far: number): number {
  const permitted = permittedFalseMatches(far, impostor.count);
  if (permitted >= impostor.count) return kthSmallest(impostor, 0);
  return nextAbove(kthLargest(impostor, permitted), impostor.values);
}

/** Both rates at a given threshold; `far` is only noted as the rate that was asked for. */
export function pointAtThreshold(scores: ScorePair, at: { readonly threshold: number; readonly far: number }): OperatingPoint {
  const { genuine, impostor } = scores;
  const { threshold, far } = at;
  const falseMatches = countAtLeast(impostor, threshold);
  const falseNonMatches = countBelow(genuine, threshold);
  return {
    kind: "operating-point",
    far,
    threshold,
    fmr: falseMatches / impostor.count,
    fnmr: falseNonMatches / genuine.count,
    tar: 1 - falseNonMatches / genuine.count,
    falseMatches,
    falseNonMatches,
    genuineCount: genuine.count,
    impostorCount: impostor.count,
    exact: threshold >= impostor.exactFrom,
  };
}

/**
 * TAR at a false-accept rate, or how many comparisons are missing.
 *
 * @throws SCORES_INVALID unless 0 < far < 1.
 * @example
 * const point = operatingPoint(rankScores(scores), 1e-4);
 * if (point.kind === "operating-point") point.tar;
 */
export function operatingPoint(scores: ScorePair, far: number): OperatingPointResult {
  const refusal = insufficientFor(far, scores.impostor.count);
  if (refusal !== undefined) return refusal;
  return pointAtThreshold(scores, { threshold: thresholdAtFar(scores.impostor, far), far });
}

/** Rates of a whole transaction with one attempt. */
export interface TransactionRates {
  /** Failure to acquire: share of attempts without a usable sample. */
  readonly fta: number;
  /** Failure to enrol: share of people without a template. */
  readonly fte: number;
  readonly far: number;
  readonly frr: number;
  readonly gfar: number;
  readonly gfrr: number;
}

/**
 * FAR and FRR with acquisition failures, and their generalised forms with enrolment failures (ISO/IEC 19795-1): FAR = FMR (1 - FTA),
 * FRR = FTA + FNMR (1 - FTA), GFAR = FMR (1 - FTA)(1 - FTE), GFRR = FTE + (1 - FTE)(FTA + (1 - FTA) FNMR). One attempt: transactions of
 * several attempts must be replayed, not derived, because attempts of one person are not independent.
 *
 * @throws SCORES_INVALID when a rate lies outside 0..1.
 */
export function transactionRates(rates: {
  readonly fmr: number;
  readonly fnmr: number;
  readonly fta: number;
  readonly fte: number;
}): TransactionRates {
  for (const [name, rate] of Object.entries(rates))
    if (!(rate >= 0 && rate <= 1)) throw fail("SCORES_INVALID", `Cannot combine rates: ${name} is ${rate}, outside 0..1`);
  const { fmr, fnmr, fta, fte } = rates;
  const far = fmr * (1 - fta);
  const frr = fta + fnmr * (1 - fta);
  return { fta, fte, far, frr, gfar: far * (1 - fte), gfrr: fte + (1 - fte) * frr };
}
