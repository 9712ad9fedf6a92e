import { at } from "../base/assert.ts";
import type { ScorePair } from "./compare.ts";
import { countAtLeast } from "./scores.ts";

/** A point of a ROC curve: accept at or above the threshold. */
export interface RocPoint {
  /** A score, or infinity for the point where nobody is accepted. */
  readonly threshold: number;
  readonly fmr: number;
  readonly tar: number;
}

/** Errors of a system where the two kinds are closest. */
export interface ClosestPoint {
  readonly threshold: number;
  /** (FMR + FNMR) / 2. */
  readonly rate: number;
  readonly fmr: number;
  readonly fnmr: number;
}

/**
 * The ROC curve at the points that scikit-learn's `roc_curve` keeps: thresholds fall from infinity over the scores; of three points in equal steps on a
 * line the middle one is left out (`drop_intermediate`). Figures that others published by picking one of these points can be repeated only with them.
 */
export function rocPoints(scores: ScorePair): readonly RocPoint[] {
  const { genuine, impostor } = scores;
  const thresholds = [...new Set([...genuine.values, ...impostor.values])].sort((a, b) => b - a);
  const hits = thresholds.map((t) => countAtLeast(genuine, t));
  const falses = thresholds.map((t) => countAtLeast(impostor, t));
  const bends = (list: readonly number[], i: number): boolean => at(list, i - 1) - 2 * at(list, i) + at(list, i + 1) !== 0;
  const last = thresholds.length - 1;
  const kept = thresholds.flatMap((threshold, i) =>
    i === 0 || i === last || bends(hits, i) || bends(falses, i)
      ? [{ threshold, fmr: at(falses, i) / impostor.count, tar: at(hits, i) / genuine.count }]
      : [],
  );
  return [{ threshold: Number.POSITIVE_INFINITY, fmr: 0, tar: 0 }, ...kept];
}

/** Of some points the first one whose FMR and FNMR are closest: how papers often state an equal error rate. For the curve itself see equalErrorRate. */
export function closestPoint(points: readonly RocPoint[]): ClosestPoint {
  const gap = ({ fmr, tar }: RocPoint): number => Math.abs(1 - tar - fmr);
  const best = points.reduce((least, point) => (gap(point) < gap(least) ? point : least), at(points, 0));
  return { threshold: best.threshold, rate: (best.fmr + 1 - best.tar) / 2, fmr: best.fmr, fnmr: 1 - best.tar };
}
