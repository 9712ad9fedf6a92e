import { at } from "../base/assert.ts";
import { fail } from "../base/error.ts";
import type { ComparisonScores } from "./compare.ts";
import { locateImpostors } from "./design.ts";
import type { IndexPairs } from "./similarity.ts";

/** A comparison that two models decide differently. */
export interface Flip {
  readonly kind: "genuine" | "impostor";
  /** `rejected`: the reference accepted it, the candidate does not. `accepted`: the other way round. */
  readonly now: "accepted" | "rejected";
  /** Item numbers: enrolled and probe. */
  readonly a: number;
  readonly b: number;
  readonly referenceScore: number;
  readonly candidateScore: number;
  /** The larger of the two distances between score and that model's threshold: small means a close call both times. */
  readonly distance: number;
}

/** All comparisons whose decision changed at a pair of thresholds. */
export interface FlipReport {
  readonly kind: "flips";
  readonly referenceThreshold: number;
  readonly candidateThreshold: number;
  readonly genuineLost: number;
  readonly genuineGained: number;
  readonly impostorLost: number;
  /** Strangers who got in: the dangerous ones. */
  readonly impostorGained: number;
  /** Closest calls first, at most `limit` of each class. */
  readonly genuine: readonly Flip[];
  readonly impostor: readonly Flip[];
}

/** Options of {@link listFlips}. */
export interface FlipOptions {
  readonly referenceThreshold: number;
  readonly candidateThreshold: number;
  /** Flips listed per class at most; the counts are always complete. */
  readonly limit?: number;
}

/** Defaults of {@link listFlips}. */
export const FLIP_DEFAULTS = { limit: 10_000 } as const;

/**
 * Lists decisions that differ between two models on the same comparisons (accept when score >= threshold).
 *
 * @throws SCORES_INVALID when the models were not compared by the same design.
 */
export function listFlips(reference: ComparisonScores, candidate: ComparisonScores, options: FlipOptions): FlipReport {
  requireSameDesign(reference, candidate);
  const { referenceThreshold, candidateThreshold } = options;
  const limit = options.limit ?? FLIP_DEFAULTS.limit;
  const genuine = flipsOf("genuine", reference.genuine.scores, candidate.genuine.scores, options, (places) => ({
    a: places.map((k) => at(reference.genuine.a, k)),
    b: places.map((k) => at(reference.genuine.b, k)),
  }));
  const impostor = flipsOf("impostor", reference.impostor, candidate.impostor, options, (places) =>
    locateImpostors(reference.design, places),
  );
  const count = (flips: readonly Flip[], now: Flip["now"]): number => flips.filter((flip) => flip.now === now).length;
  return {
    kind: "flips",
    referenceThreshold,
    candidateThreshold,
    genuineLost: count(genuine, "rejected"),
    genuineGained: count(genuine, "accepted"),
    impostorLost: count(impostor, "rejected"),
    impostorGained: count(impostor, "accepted"),
    genuine: genuine.slice(0, limit),
    impostor: impostor.slice(0, limit),
  };
}

function flipsOf(
  kind: Flip["kind"],
  before: Float32Array,
  after: Float32Array,
  thresholds: FlipOptions,
  locate: (places: Uint32Array) => IndexPairs,
): readonly Flip[] {
  const { referenceThreshold, candidateThreshold } = thresholds;
  const changed: number[] = [];
  for (let k = 0; k < before.length; k++)
    if ((before[k] as number) >= referenceThreshold !== (after[k] as number) >= candidateThreshold) changed.push(k);
  const places = Uint32Array.from(changed);
  const items = locate(places);
  const flips = changed.map((k, n): Flip => {
    const referenceScore = at(before, k);
    const candidateScore = at(after, k);
    const distance = Math.max(Math.abs(referenceScore - referenceThreshold), Math.abs(candidateScore - candidateThreshold));
    return {
      kind,
      now: candidateScore >= candidateThreshold ? "accepted" : "rejected",
      a: at(items.a, n),
      b: at(items.b, n),
      referenceScore,
      candidateScore,
      distance,
    };
  });
  return flips.sort((x, y) => x.distance - y.distance);
}

/** How the scores of one class moved from one model to the other (candidate minus reference). */
export interface ScoreShift {
  readonly mean: number;
  readonly deviation: number;
  /** The comparison that moved most, either way. */
  readonly worst: {
    readonly a: number;
    readonly b: number;
    readonly referenceScore: number;
    readonly candidateScore: number;
    readonly shift: number;
  };
  readonly count: number;
}

/** Shifts of both classes. An impostor mean that rises eats the margin even when the mean cosine to the reference looks good. */
export function scoreShift(
  reference: ComparisonScores,
  candidate: ComparisonScores,
): { readonly genuine: ScoreShift; readonly impostor: ScoreShift } {
  requireSameDesign(reference, candidate);
  return {
    genuine: shiftOf(reference.genuine.scores, candidate.genuine.scores, (k) => ({
      a: at(reference.genuine.a, k),
      b: at(reference.genuine.b, k),
    })),
    impostor: shiftOf(reference.impostor, candidate.impostor, (k) => {
      const { a, b } = locateImpostors(reference.design, Uint32Array.of(k));
      return { a: at(a, 0), b: at(b, 0) };
    }),
  };
}

function shiftOf(
  before: Float32Array,
  after: Float32Array,
  locate: (place: number) => { readonly a: number; readonly b: number },
): ScoreShift {
  const count = before.length;
  if (count === 0) throw fail("SCORES_INVALID", "Cannot compare scores of two models: one class has no comparisons");
  let sum = 0;
  let squares = 0;
  let worst = 0;
  let largest = -1;
  for (let k = 0; k < count; k++) {
    const shift = (after[k] as number) - (before[k] as number);
    sum += shift;
    squares += shift * shift;
    if (Math.abs(shift) > largest) {
      largest = Math.abs(shift);
      worst = k;
    }
  }
  const mean = sum / count;
  const referenceScore = at(before, worst);
  const candidateScore = at(after, worst);
  return {
    mean,
    deviation: Math.sqrt(Math.max(0, squares / count - mean * mean)),
    worst: { ...locate(worst), referenceScore, candidateScore, shift: candidateScore - referenceScore },
    count,
  };
}

/** @throws SCORES_INVALID unless both score sets come from the same design, so that place k is the same comparison in both. */
export function requireSameDesign(reference: ComparisonScores, candidate: ComparisonScores): void {
  if (reference.design !== candidate.design)
    throw fail("SCORES_INVALID", "Cannot pair two models: their scores come from different designs", {
      hint: "Pass one and the same design to compareAll for both",
    });
}
