import { at } from "../base/assert.ts";
import { fail } from "../base/error.ts";
import { type ComparisonScores, rankScores, type ScorePair } from "./compare.ts";
import { locateImpostors } from "./design.ts";
import { type OperatingPoint, operatingPoint, permittedFalseMatches } from "./rates.ts";
import { countAtLeast, nextAbove, sortFloat32 } from "./scores.ts";
import { type Embeddings, type ScoredPairs, scorePairs } from "./similarity.ts";

/** The comparisons of a reference model (FP32) that its threshold decides most closely: where another model's decisions flip first. */
export interface NearPairs {
  readonly kind: "near-pairs";
  readonly far: number;
  /** The reference's threshold at that FAR. */
  readonly threshold: number;
  /** Items and reference scores, nearest and farther ones in the order of the design. */
  readonly genuine: ScoredPairs;
  readonly impostor: ScoredPairs;
  /** Largest distance of a chosen reference score from the threshold, by kind; 0 when none was chosen. */
  readonly reach: { readonly genuine: number; readonly impostor: number };
  /** How many comparisons of each kind these were chosen from. */
  readonly of: { readonly genuine: number; readonly impostor: number };
  /** False matches that the FAR permits among all impostor comparisons, less those scored too high to be among the chosen. */
  readonly permitted: number;
}

/** Options of {@link nearThreshold}. */
export interface NearThresholdOptions {
  readonly far: number;
  /** Comparisons to choose: half of them genuine, half impostor; where one kind has fewer, the other fills up. */
  readonly count?: number;
  /** Sorted scores, when at hand. */
  readonly ranked?: ScorePair;
}

/** Defaults of {@link nearThreshold}. */
export const NEAR_DEFAULTS = { count: 3000 } as const;

/**
 * Chooses the genuine and the impostor comparisons whose reference scores lie nearest to the reference's threshold at a FAR. Of equally near ones
 * the first in the order of the design.
 *
 * @throws SCORES_INVALID when there are too few impostor comparisons for the FAR
 */
export function nearThreshold(reference: ComparisonScores, options: NearThresholdOptions): NearPairs {
  const { far } = options;
  const count = options.count ?? NEAR_DEFAULTS.count;
  const ranked = options.ranked ?? rankScores(reference);
  const point = operatingPoint(ranked, far);
  if (point.kind === "insufficient-data") throw fail("SCORES_INVALID", `Cannot find pairs near the threshold: ${point.says}`);
  const { threshold } = point satisfies OperatingPoint;
  const of = { genuine: reference.genuine.scores.length, impostor: reference.impostor.length };
  const half = Math.floor(count / 2);
  const genuineCount = Math.min(of.genuine, Math.max(half, count - of.impostor));
  const impostorCount = Math.min(of.impostor, count - genuineCount);
  const places = nearest(reference.genuine.scores, threshold, genuineCount);
  const genuine: ScoredPairs = {
    a: places.map((k) => at(reference.genuine.a, k)),
    b: places.map((k) => at(reference.genuine.b, k)),
    scores: Float32Array.from(places, (k) => at(reference.genuine.scores, k)),
  };
  const strangers = nearest(reference.impostor, threshold, impostorCount);
  const impostor: ScoredPairs = {
    ...locateImpostors(reference.design, strangers),
    scores: Float32Array.from(strangers, (k) => at(reference.impostor, k)),
  };
  const chosenAccepted = countOver(impostor.scores, threshold);
  const above = countAtLeast(ranked.impostor, threshold) - chosenAccepted;
  return {
    kind: "near-pairs",
    far,
    threshold,
    genuine,
    impostor,
    reach: { genuine: reachOf(genuine.scores, threshold), impostor: reachOf(impostor.scores, threshold) },
    of,
    permitted: permittedFalseMatches(far, of.impostor) - above,
  };
}

/** Places (ascending) of the `count` scores nearest to the threshold. */
function nearest(scores: Float32Array, threshold: number, count: number): Uint32Array {
  if (count === 0) return new Uint32Array();
  const distances = new Float32Array(scores.length);
  for (let k = 0; k < scores.length; k++) distances[k] = Math.abs((scores[k] as number) - threshold);
  const farthest = at(sortFloat32(distances), count - 1);
  let closer = 0;
  for (let k = 0; k < distances.length; k++) if ((distances[k] as number) < farthest) closer++;
  const chosen = new Uint32Array(count);
  let ties = count - closer;
  for (let k = 0, n = 0; n < count; k++) {
    const distance = distances[k] as number;
    if (distance > farthest || (distance === farthest && ties-- <= 0)) continue;
    chosen[n++] = k;
  }
  return chosen;
}

function reachOf(scores: Float32Array, threshold: number): number {
  let reach = 0;
  for (const score of scores) reach = Math.max(reach, Math.abs(score - threshold));
  return reach;
}

function countOver(scores: Float32Array, threshold: number): number {
  let count = 0;
  for (const score of scores) if (score >= threshold) count++;
  return count;
}

/** Decisions on the near pairs that another model changes, against the reference at its own threshold. */
export interface NearFlips {
  /** The other model's threshold. */
  readonly threshold: number;
  /** Strangers who get in now and did not before. */
  readonly falseMatchGained: number;
  readonly falseMatchLost: number;
  /** People who are turned away now and were not before. */
  readonly falseNonMatchGained: number;
  readonly falseNonMatchLost: number;
  /** All four together. */
  readonly total: number;
}

/** How scores of one kind moved near the threshold, candidate minus reference. */
export interface NearShift {
  readonly count: number;
  readonly mean: number;
  /** Root of the mean square, the mean not taken out. */
  readonly rms: number;
}

/** What another model does to the near pairs. */
export interface NearVerdict {
  readonly kind: "near-verdict";
  /** Comparisons looked at: "7 of 3,000". */
  readonly pairs: number;
  /** With the threshold fitted anew to the same FAR. */
  readonly refitted: NearFlips;
  /** At the reference's threshold: nobody changes the device's setting. */
  readonly common: NearFlips;
  readonly genuine: NearShift;
  readonly impostor: NearShift;
  /** The comparison that moved most, either way. */
  readonly largest: { readonly kind: "genuine" | "impostor"; readonly a: number; readonly b: number; readonly shift: number };
}

/** Options of {@link judgeNear}. */
export interface JudgeNearOptions {
  /**
   * The other model's own threshold at the FAR. Without it, it is fitted on the near impostors: exact as long as no comparison from outside moves
   * into the decision, which takes a shift of {@link NearPairs.reach}.
   */
  readonly threshold?: number;
}

/**
 * Scores the near pairs with another model's L2-normalised embeddings of the same items and counts what flips. 3,000 comparisons of 128
 * dimensions take about a millisecond.
 *
 * @throws SCORES_INVALID when the embeddings do not have the items
 * @example
 * const near = nearThreshold(compareAll(fp32, design), { far: 1e-4 });
 * const { refitted } = judgeNear(near, normaliseRows(int8));
 * `flips ${refitted.total} of ${near.genuine.a.length + near.impostor.a.length} near-threshold pairs`;
 */
export function judgeNear(near: NearPairs, candidate: Embeddings, options: JudgeNearOptions = {}): NearVerdict {
  const genuine = scorePairs(candidate, near.genuine);
  const impostor = scorePairs(candidate, near.impostor);
  const own = options.threshold ?? refit(near, impostor);
  const flips = (threshold: number): NearFlips => {
    const strangers = changed(near.impostor.scores, impostor, near.threshold, threshold);
    const mates = changed(near.genuine.scores, genuine, near.threshold, threshold);
    return {
      threshold,
      falseMatchGained: strangers.accepted,
      falseMatchLost: strangers.rejected,
      falseNonMatchGained: mates.rejected,
      falseNonMatchLost: mates.accepted,
      total: strangers.accepted + strangers.rejected + mates.accepted + mates.rejected,
    };
  };
  const moved = { genuine: shiftOf(near.genuine.scores, genuine), impostor: shiftOf(near.impostor.scores, impostor) };
  const kind = Math.abs(moved.genuine.worst) >= Math.abs(moved.impostor.worst) ? "genuine" : "impostor";
  const { place, worst } = moved[kind];
  const shift = ({ count, mean, rms }: Shift): NearShift => ({ count, mean, rms });
  return {
    kind: "near-verdict",
    pairs: genuine.length + impostor.length,
    refitted: flips(own),
    common: flips(near.threshold),
    genuine: shift(moved.genuine),
    impostor: shift(moved.impostor),
    largest: { kind, a: near[kind].a[place] ?? 0, b: near[kind].b[place] ?? 0, shift: worst },
  };
}

/** The threshold that lets as many near impostors in as the FAR permits. */
function refit(near: NearPairs, impostor: Float32Array): number {
  const { permitted, threshold } = near;
  if (impostor.length === 0 || permitted >= impostor.length) return threshold;
  return nextAbove(at(sortFloat32(impostor), impostor.length - 1 - Math.max(0, permitted)), impostor);
}

function changed(before: Float32Array, after: Float32Array, old: number, now: number): { accepted: number; rejected: number } {
  let accepted = 0;
  let rejected = 0;
  for (let k = 0; k < before.length; k++) {
    const was = (before[k] as number) >= old;
    const is = (after[k] as number) >= now;
    if (is && !was) accepted++;
    if (was && !is) rejected++;
  }
  return { accepted, rejected };
}

interface Shift extends NearShift {
  readonly place: number;
  readonly worst: number;
}

function shiftOf(before: Float32Array, after: Float32Array): Shift {
  let sum = 0;
  let squares = 0;
  let place = 0;
  let worst = 0;
  for (let k = 0; k < before.length; k++) {
    const shift = (after[k] as number) - (before[k] as number);
    sum += shift;
    squares += shift * shift;
    if (Math.abs(shift) > Math.abs(worst)) [place, worst] = [k, shift];
  }
  const count = before.length;
  return { count, mean: count === 0 ? 0 : sum / count, rms: count === 0 ? 0 : Math.sqrt(squares / count), place, worst };
}
