import { at } from "../base/assert.ts";
import { fail } from "../base/error.ts";
import { type ComparisonScores, rankScores, type ScorePair } from "./compare.ts";
import { requireSameDesign } from "./flips.ts";
import { probit } from "./normal.ts";
import { type Interval, type OperatingPoint, operatingPoint } from "./rates.ts";
import {
  addTarInfluence,
  addVarianceInfluence,
  type FittedPoint,
  fitPoints,
  type ImpostorTail,
  localShift,
  type PeopleOfDesign,
  peopleOfDesign,
} from "./smoothed-people.ts";

/** Options of {@link smoothedReference}. */
export interface SmoothedOptions {
  /** The user's false-accept rates; their losses are averaged. */
  readonly fars: readonly number[];
  /** Standard deviation of the Gaussian kernel, in units of the score (cosine). */
  readonly bandwidth?: number;
  /** How far impostor scores may rise (their mean, and their threshold) before it is penalised, in units of the score. */
  readonly tolerance?: number;
  /** TAR points for each 0.001 of cosine beyond the tolerance. */
  readonly penalty?: number;
  readonly confidence?: number;
  /** Sorted scores of the reference, when at hand. */
  readonly ranked?: ScorePair;
}

/**
 * Defaults of {@link SmoothedOptions}. The bandwidth is about twice what INT8 does to a score of a MobileFaceNet (0.008 to 0.014) and a good deal less
 * than the spread of either class (0.1).
 */
export const SMOOTHED_DEFAULTS = { bandwidth: 0.02, tolerance: 0.002, penalty: 0.1, confidence: 0.95 } as const;

/** How {@link operatingLoss} counts, printed where its figures are. */
export const SMOOTHED_CONVENTION =
  "TAR at FAR with every score blurred by a Gaussian kernel, the threshold fitted to the blurred impostors; the loss is what noise near the " +
  "threshold predicts, plus the rest of the smoothed loss as far as it exceeds its own margin over people, plus a penalty for impostor scores that " +
  "rise; TAR points; intervals by persons, linearised";

/** What {@link operatingLoss} keeps of the reference: made once, used for each candidate. */
export interface SmoothedReference {
  readonly kind: "smoothed-reference";
  readonly scores: ComparisonScores;
  readonly settings: Required<Omit<SmoothedOptions, "ranked" | "fars">>;
  /** The reference at each FAR. */
  readonly points: readonly FittedPoint[];
  readonly people: PeopleOfDesign;
  /** Impostors of the reference near its thresholds. */
  readonly tail: ImpostorTail;
}

/** The part of a candidate's loss at one FAR; all in TAR points (percent of genuine comparisons), positive when the candidate is worse. */
export interface SmoothedLoss {
  readonly far: number;
  /** Smoothed TAR of both, 0..1. */
  readonly referenceTar: number;
  readonly candidateTar: number;
  /** Thresholds fitted on the smoothed impostors. */
  readonly referenceThreshold: number;
  readonly candidateThreshold: number;
  /** 100 (TAR of the reference - TAR of the candidate), smoothed: drift and noise together, in these very people. */
  readonly smoothed: { readonly value: number; readonly interval: Interval };
  /** What the variance of the shifts near the threshold costs in expectation, in any people. */
  readonly noise: number;
  /** The rest of the smoothed loss: genuine scores that fell against impostor scores, much of it chance of these people. */
  readonly drift: number;
  /** What of the drift lies beyond its own margin over people, and so counts: 0 while its interval contains 0. */
  readonly sureDrift: number;
  /** Standard deviation of shifts near the threshold. */
  readonly jitter: { readonly genuine: number; readonly impostor: number };
}

/** The one number that a search minimises, with what it is made of. */
export interface OperatingLoss {
  readonly kind: "operating-loss";
  /** TAR points: mean over the FARs of noise + sure drift, plus the penalty. 0 for the reference itself; below 0 when people surely fare better. */
  readonly value: number;
  /** Interval of the value over people: that of the noise while no drift is sure. What these very people lose has the wider one of `smoothed`. */
  readonly interval: Interval;
  /** Influence of each person on the value; the difference of two candidates' influences gives the interval of the difference of their values. */
  readonly influence: Float64Array;
  readonly points: readonly SmoothedLoss[];
  /** Mean of all impostor scores, candidate minus reference. */
  readonly impostorShift: number;
  /** The largest rise of a threshold among the FARs. */
  readonly tailShift: number;
  /** TAR points. */
  readonly penalty: number;
}

/**
 * Prepares the reference's scores for {@link operatingLoss}.
 *
 * @throws SCORES_INVALID when a FAR has too few impostor comparisons, or a class is empty
 */
export function smoothedReference(reference: ComparisonScores, options: SmoothedOptions): SmoothedReference {
  const { fars, ranked, ...own } = options;
  const settings = { ...SMOOTHED_DEFAULTS, ...own };
  const sorted = ranked ?? rankScores(reference);
  if (fars.length === 0) throw fail("SCORES_INVALID", "Cannot measure a loss: no FAR was given");
  const starts = fars.map((far): OperatingPoint => {
    const point = operatingPoint(sorted, far);
    if (point.kind === "insufficient-data") throw fail("SCORES_INVALID", `Cannot measure the loss at FAR ${far}: ${point.says}`);
    return point;
  });
  const { bandwidth } = settings;
  const fitted = fitPoints(reference, { fars, starts: starts.map((p) => p.threshold), bandwidth });
  return { kind: "smoothed-reference", scores: reference, settings, people: peopleOfDesign(reference), ...fitted };
}

/**
 * What a candidate (INT8) loses against the reference (FP32) at the user's FARs, as one number with little variance.
 *
 * With h the bandwidth, Phi and phi the normal distribution and density: the smoothed threshold t solves mean Phi((impostor - t) / h) = FAR, and the
 * smoothed TAR is mean Phi((genuine - t) / h). Shifts of scores near t, weighted by phi((reference score - t) / h), have variances v_i (impostor) and
 * v_g (genuine). Independent noise of variance v moves the upper tail of a density p by -p' / p * v / 2 and the lower one likewise, so that
 *
 *     noise = 100 (p_g l v_i / 2 + p_g' v_g / 2)      l = -p_i' / p_i,  densities and slopes of the smoothed reference at t
 *     drift = smoothed TAR loss - noise
 *     value = mean over FARs (noise + what of the drift exceeds its margin m: sign(drift) max(0, |drift| - m)) + penalty
 *     penalty = 1000 rate (max(0, mean impostor shift - tolerance) + max(0, threshold rise - tolerance))
 *
 * Why: between two halves of the people of LFW, the TAR loss of an INT8 MobileFaceNet differs by chance with a standard deviation of 0.13 (FAR 1e-3) or
 * 0.29 points (1e-4), and the smoothed loss with 0.11 and 0.20; nearly all of that is drift, and the drift of one half says nothing of the other half's.
 * The noise differs with 0.03 and 0.05, and of these figures it predicts the other half's loss best. A drift that stands out does count.
 *
 * Margins and intervals rest on standard errors of the infinitesimal jackknife over persons (the bootstrap's linear part): an influence for each person through
 * genuine comparisons and through the threshold, as both members of impostor pairs.
 *
 * @throws SCORES_INVALID when the candidate was compared by another design
 * @example
 * const reference = smoothedReference(compareAll(fp32, design), { fars: [1e-4] });
 * const { value, interval } = operatingLoss(reference, compareAll(normaliseRows(int8), design));
 */
export function operatingLoss(reference: SmoothedReference, candidate: ComparisonScores): OperatingLoss {
  requireSameDesign(reference.scores, candidate);
  const { points, settings } = reference;
  const { tolerance, penalty: rate, confidence, bandwidth } = settings;
  const fitted = fitPoints(candidate, {
    fars: points.map((p) => p.far),
    starts: points.map((p) => p.threshold),
    bandwidth,
  });
  const total = new Float64Array(candidate.design.people);
  let value = 0;
  let tailShift = Number.NEGATIVE_INFINITY;
  const losses = points.map((point, n) => {
    const own = at(fitted.points, n);
    const { loss, influence } = lossAt(reference, { scores: candidate, tail: fitted.tail, point: own }, point);
    value += (loss.noise + loss.sureDrift) / points.length;
    for (let person = 0; person < total.length; person++)
      total[person] = at(total, person) + at(influence, person) / points.length;
    tailShift = Math.max(tailShift, own.threshold - point.threshold);
    return loss;
  });
  const impostorShift = meanOf(candidate.impostor) - meanOf(reference.scores.impostor);
  const penalty = 1000 * rate * (Math.max(0, impostorShift - tolerance) + Math.max(0, tailShift - tolerance));
  value += penalty;
  return {
    kind: "operating-loss",
    value,
    interval: intervalAround(value, total, confidence),
    influence: total,
    points: losses,
    impostorShift,
    tailShift,
    penalty,
  };
}

/** The loss at one FAR, and the influence of each person on what counts of it. */
function lossAt(
  reference: SmoothedReference,
  candidate: { readonly scores: ComparisonScores; readonly tail: ImpostorTail; readonly point: FittedPoint },
  point: FittedPoint,
): { readonly loss: SmoothedLoss; readonly influence: Float64Array } {
  const { people, settings, scores, tail } = reference;
  const { bandwidth, confidence } = settings;
  const own = candidate.point;
  const smoothed = 100 * (point.genuine.above - own.genuine.above);
  const influence = new Float64Array(scores.design.people);
  addTarInfluence(people, { scores, tail, point }, { bandwidth, factor: 100, into: influence });
  addTarInfluence(people, candidate, { bandwidth, factor: -100, into: influence });
  const noisy = noiseOf(reference, candidate.scores, point);
  const drift = smoothed - noisy.value;
  const driftInfluence = influence.map((d, person) => d - at(noisy.influence, person));
  const margin = intervalAround(0, driftInfluence, confidence).high;
  const sureDrift = Math.sign(drift) * Math.max(0, Math.abs(drift) - margin);
  return {
    loss: {
      far: point.far,
      referenceTar: point.genuine.above,
      candidateTar: own.genuine.above,
      referenceThreshold: point.threshold,
      candidateThreshold: own.threshold,
      smoothed: { value: smoothed, interval: intervalAround(smoothed, influence, confidence) },
      noise: noisy.value,
      drift,
      sureDrift,
      jitter: noisy.jitter,
    },
    influence: sureDrift === 0 ? noisy.influence : influence,
  };
}

/** What the variance of shifts near the threshold costs, with the influence of each person on it through those shifts. */
function noiseOf(reference: SmoothedReference, candidate: ComparisonScores, point: FittedPoint) {
  const { scores, tail, people, settings } = reference;
  const near = { threshold: point.threshold, bandwidth: settings.bandwidth };
  const before = scores.genuine.scores;
  const after = candidate.genuine.scores;
  const genuine = localShift(before, after, near);
  const moved = Float32Array.from(tail.places, (place) => at(candidate.impostor, place));
  const impostor = localShift(tail.scores, moved, near);
  const decay = point.impostor.density > 0 ? -point.impostor.slope / point.impostor.density : 0;
  const byImpostor = 50 * point.genuine.density * decay;
  const byGenuine = 50 * point.genuine.slope;
  const influence = new Float64Array(scores.design.people);
  addVarianceInfluence(genuine, before, after, { people: [people.genuinePerson], factor: byGenuine, into: influence });
  addVarianceInfluence(impostor, tail.scores, moved, { people: [tail.left, tail.right], factor: byImpostor, into: influence });
  return {
    value: byImpostor * impostor.variance + byGenuine * genuine.variance,
    influence,
    jitter: { genuine: Math.sqrt(genuine.variance), impostor: Math.sqrt(impostor.variance) },
  };
}

function meanOf(scores: Float32Array): number {
  let sum = 0;
  for (let k = 0; k < scores.length; k++) sum += scores[k] as number;
  return sum / scores.length;
}

/** The interval of an estimate from the influence of each person on it: normal, by the infinitesimal jackknife. */
export function intervalAround(value: number, influence: Float64Array, confidence: number): Interval {
  const error = probit(1 - (1 - confidence) / 2) * standardError(influence);
  return { low: value - error, high: value + error, confidence, method: "person-jackknife" };
}

/** Standard error of an estimate from the influence of each person on it. */
function standardError(influence: Float64Array): number {
  let squares = 0;
  let people = 0;
  for (const d of influence) {
    squares += d * d;
    if (d !== 0) people++;
  }
  return people < 2 ? Math.sqrt(squares) : Math.sqrt((squares * people) / (people - 1));
}
