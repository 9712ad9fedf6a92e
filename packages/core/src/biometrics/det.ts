import { at } from "../base/assert.ts";
import type { ScorePair } from "./compare.ts";
import { probit } from "./normal.ts";
import { countAtLeast, countBelow, nextAbove } from "./scores.ts";

/**
 * Points of the DET step curve by ascending threshold: FMR falls from 1 to 0, FNMR rises from 0 to 1. Between two
 * points it runs along one axis, or slants where genuine and impostor scores tie.
 */
export interface DetCurve {
  readonly kind: "det";
  readonly thresholds: Float64Array;
  readonly fmr: Float64Array;
  readonly fnmr: Float64Array;
  readonly genuineCount: number;
  readonly impostorCount: number;
}

/**
 * The DET curve (ROC: plot 1 - fnmr) with every corner, losslessly: two points per distinct score of the smaller class, for between two
 * neighbouring scores of one class the curve only runs along one axis. 4,414 genuine against 7.26 M impostors make under 9,000 points.
 */
export function detCurve(scores: ScorePair): DetCurve {
  const { genuine, impostor } = scores;
  const corners = (genuine.values.length <= impostor.values.length ? genuine : impostor).values;
  const thresholds: number[] = [Math.min(at(genuine.values, 0), at(impostor.values, 0))];
  for (let i = 0; i < corners.length; i++) {
    const value = at(corners, i);
    if (i > 0 && value === corners[i - 1]) continue;
    if (value > at(thresholds, thresholds.length - 1)) thresholds.push(value);
    thresholds.push(nextAbove(value, corners));
  }
  const top = Math.max(at(genuine.values, genuine.values.length - 1), at(impostor.values, impostor.values.length - 1));
  if (top >= at(thresholds, thresholds.length - 1)) thresholds.push(nextAbove(top, corners));
  return {
    kind: "det",
    thresholds: Float64Array.from(thresholds),
    fmr: Float64Array.from(thresholds, (t) => countAtLeast(impostor, t) / impostor.count),
    fnmr: Float64Array.from(thresholds, (t) => countBelow(genuine, t) / genuine.count),
    genuineCount: genuine.count,
    impostorCount: impostor.count,
  };
}

/** How a rate is placed on an axis: as is, by its logarithm, or by the normal quantile (the classic DET axes). */
export type DetScale = "linear" | "log" | "probit";

/** A rate on an axis; rates outside [floor, 1 - floor] are put on its edge, since 0 has no place on a log or probit axis. */
export function onScale(rate: number, axis: { readonly scale: DetScale; readonly floor: number }): number {
  const { scale, floor } = axis;
  const inside = Math.min(1 - floor, Math.max(floor, rate));
  if (scale === "linear") return rate;
  return scale === "log" ? Math.log10(inside) : probit(inside);
}

/** Options of {@link thinDet}. */
export interface ThinDetOptions {
  readonly scale?: DetScale;
  /** Largest distance a left-out point may have from the thinned line, as a share of the axis range. */
  readonly tolerance?: number;
  /** Rates below it lie on the edge of the plot. */
  readonly floor?: number;
}

/** Defaults of {@link thinDet}: no visible change in a plot 1,000 pixels wide. */
export const THIN_DET_DEFAULTS = { scale: "probit", tolerance: 5e-4, floor: 1e-7 } as const satisfies Required<ThinDetOptions>;

/**
 * Fewer points for a plot: the line simplification of Ramer, Douglas and Peucker in plot coordinates. Keeps both ends and every corner that
 * stands out by more than the tolerance; kept points are unchanged points of the curve.
 */
export function thinDet(curve: DetCurve, options: ThinDetOptions = {}): DetCurve {
  const { tolerance, ...axis } = { ...THIN_DET_DEFAULTS, ...options };
  const range = onScale(1, axis) - onScale(0, axis);
  const x = curve.fmr.map((rate) => onScale(rate, axis) / range);
  const y = curve.fnmr.map((rate) => onScale(rate, axis) / range);
  const last = x.length - 1;
  const keep = new Uint8Array(x.length);
  keep[0] = 1;
  keep[last] = 1;
  const open: [number, number][] = [[0, last]];
  for (let span = open.pop(); span !== undefined; span = open.pop()) {
    const [from, to] = span;
    const middle = farthest(x, y, from, to, tolerance);
    if (middle < 0) continue;
    keep[middle] = 1;
    open.push([from, middle], [middle, to]);
  }
  const take = (list: Float64Array): Float64Array => list.filter((_, i) => keep[i] === 1);
  return { ...curve, thresholds: take(curve.thresholds), fmr: take(curve.fmr), fnmr: take(curve.fnmr) };
}

/** The point strictly between two that lies farthest from their chord, or -1 when none lies farther than the tolerance. */
function farthest(x: Float64Array, y: Float64Array, from: number, to: number, tolerance: number): number {
  const x0 = at(x, from);
  const y0 = at(y, from);
  const dx = at(x, to) - x0;
  const dy = at(y, to) - y0;
  const length = Math.hypot(dx, dy);
  let best = tolerance;
  let found = -1;
  for (let i = from + 1; i < to; i++) {
    const px = at(x, i) - x0;
    const py = at(y, i) - y0;
    const distance = length === 0 ? Math.hypot(px, py) : Math.abs(px * dy - py * dx) / length;
    if (distance > best) {
      best = distance;
      found = i;
    }
  }
  return found;
}
