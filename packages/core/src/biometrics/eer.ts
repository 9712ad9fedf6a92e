import { at } from "../base/assert.ts";
import type { ScorePair } from "./compare.ts";
import { detCurve } from "./det.ts";
import { countAtLeast, countBelow, nextAbove, type Scores } from "./scores.ts";

/** The equal error rate by two conventions, which differ on small sets; print both. */
export interface EqualErrorRate {
  readonly kind: "eer";
  /** On the step curve: the mean of FMR and FNMR where they are closest. */
  readonly raw: { readonly rate: number; readonly threshold: number; readonly fmr: number; readonly fnmr: number };
  /** On the convex hull of the curve (randomising between two thresholds): where the hull crosses FMR = FNMR. Never above the raw corner points. */
  readonly convexHull: { readonly rate: number };
  readonly genuineCount: number;
  readonly impostorCount: number;
  readonly convention: string;
}

/** How {@link equalErrorRate} decides. */
export const EER_CONVENTION =
  "raw: threshold at an observed score (or just above all) with the smallest |FMR - FNMR|, the lower threshold on a tie, rate = (FMR + FNMR) / 2; " +
  "convex hull: crossing of FMR = FNMR with the lower convex hull of the DET points in linear axes";

/** EER, raw and on the ROC convex hull. */
export function equalErrorRate(scores: ScorePair): EqualErrorRate {
  return {
    kind: "eer",
    raw: rawEer(scores),
    convexHull: { rate: hullEer(scores) },
    genuineCount: scores.genuine.count,
    impostorCount: scores.impostor.count,
    convention: EER_CONVENTION,
  };
}

function rawEer(scores: ScorePair): EqualErrorRate["raw"] {
  const { genuine, impostor } = scores;
  const rates = (threshold: number): EqualErrorRate["raw"] => {
    const fmr = countAtLeast(impostor, threshold) / impostor.count;
    const fnmr = countBelow(genuine, threshold) / genuine.count;
    return { rate: (fmr + fnmr) / 2, threshold, fmr, fnmr };
  };
  // FMR - FNMR falls with the threshold and changes only just above a score: look at the two neighbours of its sign change.
  const crossed = (threshold: number): boolean => {
    const { fmr, fnmr } = rates(threshold);
    return fmr <= fnmr;
  };
  const inGenuine = firstWhere(genuine.values, crossed);
  const inImpostor = firstWhere(impostor.values, crossed);
  const top = Math.max(at(genuine.values, genuine.values.length - 1), at(impostor.values, impostor.values.length - 1));
  const after = Math.min(
    genuine.values[inGenuine] ?? Number.POSITIVE_INFINITY,
    impostor.values[inImpostor] ?? Number.POSITIVE_INFINITY,
  );
  const before = Math.max(
    genuine.values[inGenuine - 1] ?? Number.NEGATIVE_INFINITY,
    impostor.values[inImpostor - 1] ?? Number.NEGATIVE_INFINITY,
  );
  const upper = rates(after === Number.POSITIVE_INFINITY ? nextAbove(top, impostor.values) : after);
  if (before === Number.NEGATIVE_INFINITY) return upper;
  const lower = rates(before);
  return Math.abs(lower.fmr - lower.fnmr) <= Math.abs(upper.fmr - upper.fnmr) ? lower : upper;
}

/** First index of an ascending list for which a condition that stays true holds; its length when never. */
function firstWhere(ascending: Scores, holds: (value: number) => boolean): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(at(ascending, middle))) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Vertices of the lower convex hull of the DET points, FMR ascending from (0, ...) to (1, 0): the ROC convex hull (Fawcett & Niculescu-Mizil 2007). */
export function detHull(scores: ScorePair): { readonly fmr: readonly number[]; readonly fnmr: readonly number[] } {
  const curve = detCurve(scores);
  const fmr: number[] = [];
  const fnmr: number[] = [];
  for (let i = curve.fmr.length - 1; i >= 0; i--) {
    const x = at(curve.fmr, i);
    const y = at(curve.fnmr, i);
    while (fmr.length >= 2) {
      const n = fmr.length;
      const ax = at(fmr, n - 2);
      const ay = at(fnmr, n - 2);
      const turn = (at(fmr, n - 1) - ax) * (y - ay) - (at(fnmr, n - 1) - ay) * (x - ax);
      if (turn > 0) break;
      fmr.pop();
      fnmr.pop();
    }
    // Of points one above the other only the lowest is on the hull.
    if (fmr.length === 1 && x === fmr[0] && y <= at(fnmr, 0)) {
      fnmr[0] = y;
      continue;
    }
    fmr.push(x);
    fnmr.push(y);
  }
  return { fmr, fnmr };
}

function hullEer(scores: ScorePair): number {
  const { fmr, fnmr } = detHull(scores);
  for (let i = 0; i < fmr.length; i++) {
    const x = at(fmr, i);
    const y = at(fnmr, i);
    if (x < y) continue;
    if (i === 0 || x === y) return x;
    const px = at(fmr, i - 1);
    const py = at(fnmr, i - 1);
    // Where the segment from (px, py) to (x, y) meets x = y.
    const share = (py - px) / (py - px + (x - y));
    return px + share * (x - px);
  }
  // Not reached: the last point is (1, 0).
  return at(fmr, fmr.length - 1);
}
