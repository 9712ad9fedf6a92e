import { at } from "../base/assert.ts";
import { extremes, momentsOf } from "./fusion-normalise.ts";
import { lowerBound } from "./scores.ts";

/** How densities are estimated. */
export const DENSITIES = ["gaussian", "kde"] as const;

/** One of {@link DENSITIES}. */
export type Density = (typeof DENSITIES)[number];

/** The log-likelihood ratio of a score, as points on ascending scores with straight lines between; level outside them. Never falls. */
export interface RatioCurve {
  /** Mean quality of the trials behind it; 0 where there are no qualities. */
  readonly quality: number;
  readonly scores: readonly number[];
  readonly logRatios: readonly number[];
}

/**
 * Curves of one modality by ascending quality: between two the log ratios are mixed in proportion, outside the outermost holds. `low` and `high` are
 * what the answer bends to: see {@link ratioAt}.
 */
export interface RatioCurves {
  readonly low: number;
  readonly high: number;
  readonly curves: readonly RatioCurve[];
}

/** Points of a curve. */
const POINTS = 65;
/** Trials of each class that a curve of its own needs, when trials are parted by quality. */
const TRIALS_PER_CURVE = 40;
/** Curves by quality at most. */
const MAX_CURVES = 3;
/** Where even the spare trial underflows: keeps quotients finite. */
const LEAST_DENSITY = 1e-300;

/** Scores of one class with their qualities, if any. */
export interface QualifiedScores {
  readonly scores: Float64Array;
  readonly qualities?: Float64Array;
}

/**
 * Fits the log-likelihood ratio of a modality: the quotient of the densities of genuine and of impostor scores (Nandakumar, Chen, Dass & Jain 2008), where
 * qualities are given apart for up to three bands of equally many impostors (quality as a condition of the densities, Nandakumar et al. 2006).
 *
 * Three clamps keep it sane where there are no data. Densities never fall below what one trial more, spread over three deviations, would give. The
 * ratio is made to rise with the score by pooling adjacent violators: two Gaussians of unequal width cross twice, and the second crossing would let a
 * perfect match count against. And it bends towards ln(impostors + 1) above and -ln(genuine + 1) below: n trials without an exception show no more.
 */
export function fitRatio(genuine: QualifiedScores, impostor: QualifiedScores, density: Density): RatioCurves {
  const bands = bandsOf(genuine, impostor);
  const curves = bands.map(({ quality, from, to }) =>
    curveOf(within(genuine, from, to), within(impostor, from, to), { quality, density }),
  );
  return { low: -Math.log(genuine.scores.length + 1), high: Math.log(impostor.scores.length + 1), curves };
}

/**
 * The log-likelihood ratio of a score. Values between `low` and `high` are given as they are; beyond, they approach one nat further and no more, so that
 * their order is kept and nothing is infinite.
 */
export function ratioAt({ low, high, curves }: RatioCurves, score: number, quality: number | undefined): number {
  const value = mixed(curves, score, quality ?? at(curves, 0).quality);
  if (value > high) return high - Math.expm1(high - value);
  return value < low ? low + Math.expm1(value - low) : value;
}

function mixed(curves: readonly RatioCurve[], score: number, quality: number): number {
  const above = curves.findIndex((curve) => curve.quality > quality);
  if (above === 0) return onCurve(at(curves, 0), score);
  if (above < 0) return onCurve(at(curves, curves.length - 1), score);
  const [left, right] = [at(curves, above - 1), at(curves, above)];
  const share = (quality - left.quality) / (right.quality - left.quality);
  return (1 - share) * onCurve(left, score) + share * onCurve(right, score);
}

function onCurve({ scores, logRatios }: RatioCurve, score: number): number {
  const last = scores.length - 1;
  if (score <= at(scores, 0)) return at(logRatios, 0);
  if (score >= at(scores, last)) return at(logRatios, last);
  let [low, high] = [0, last];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (at(scores, middle) <= score) low = middle;
    else high = middle;
  }
  const share = (score - at(scores, low)) / (at(scores, high) - at(scores, low));
  return (1 - share) * at(logRatios, low) + share * at(logRatios, high);
}

interface Band {
  readonly quality: number;
  readonly from: number;
  readonly to: number;
}

const WHOLE = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY } as const;

/** Bands of quality with enough trials of either class, as many as there can be. */
function bandsOf(genuine: QualifiedScores, impostor: QualifiedScores): readonly Band[] {
  const { qualities } = impostor;
  if (qualities === undefined || genuine.qualities === undefined) return [{ quality: 0, ...WHOLE }];
  const sorted = qualities.slice().sort();
  for (let count = MAX_CURVES; count > 1; count--) {
    const inner = Array.from({ length: count - 1 }, (_, i) => at(sorted, Math.floor(((i + 1) * sorted.length) / count)));
    const edges = [WHOLE.from, ...inner, WHOLE.to];
    const bands = Array.from({ length: count }, (_, i) => ({ from: at(edges, i), to: at(edges, i + 1) })).map((band) => {
      const [a, b] = [within(genuine, band.from, band.to), within(impostor, band.from, band.to)];
      return { ...band, quality: meanQuality(a, b), trials: Math.min(a.scores.length, b.scores.length) };
    });
    if (bands.every((b, i) => b.trials >= TRIALS_PER_CURVE && (i === 0 || b.quality > at(bands, i - 1).quality)))
      return bands.map(({ trials: _, ...band }) => band);
  }
  return [{ quality: 0, ...WHOLE }];
}

/** Mean quality of both classes, every trial counting the same. */
function meanQuality(a: QualifiedScores, b: QualifiedScores): number {
  let sum = 0;
  for (const { qualities = [] } of [a, b]) for (const quality of qualities) sum += quality;
  return sum / (a.scores.length + b.scores.length);
}

/** The scores with a quality in [from, to). */
function within({ scores, qualities }: QualifiedScores, from: number, to: number): QualifiedScores {
  if (qualities === undefined || (from === WHOLE.from && to === WHOLE.to)) return { scores };
  const inside = (_: number, i: number): boolean => at(qualities, i) >= from && at(qualities, i) < to;
  return { scores: scores.filter(inside), qualities: qualities.filter(inside) };
}

function curveOf(
  genuine: QualifiedScores,
  impostor: QualifiedScores,
  { quality, density }: { readonly quality: number; readonly density: Density },
): RatioCurve {
  const [low, high] = extremes([genuine.scores, impostor.scores]);
  const width = high > low ? high - low : 1;
  const grid = Float64Array.from({ length: POINTS }, (_, i) => low + (width * i) / (POINTS - 1));
  const [g, n] = [densityOn(grid, genuine.scores, density, width), densityOn(grid, impostor.scores, density, width)];
  const ratios = Float64Array.from(grid, (_, i) => Math.log(at(g, i) / at(n, i)));
  const mass = Float64Array.from(grid, (_, i) => at(g, i) + at(n, i));
  return { quality, scores: Array.from(grid), logRatios: Array.from(poolAdjacent(ratios, mass)) };
}

/** A density on a grid, with one trial more spread over three deviations. */
function densityOn(grid: Float64Array, scores: Float64Array, density: Density, width: number): Float64Array {
  const { mean, deviation } = momentsOf(scores);
  const count = scores.length;
  // Scores that do not vary are taken to vary a little: a density needs a width.
  const spread = deviation > 1e-6 * width ? deviation : 1e-3 * width;
  const spare = 1 / (count + 1);
  const sorted = scores.slice().sort();
  const bandwidth = kernelWidth(sorted, spread);
  return grid.map((x) => {
    const own = density === "gaussian" ? bell((x - mean) / spread) / spread : kernels(sorted, x, bandwidth);
    const value = (1 - spare) * own + (spare * bell((x - mean) / (3 * spread))) / (3 * spread);
    return Math.max(value, LEAST_DENSITY);
  });
}

/** Silverman's rule of thumb: 0.9 min(deviation, quartile distance / 1.34) n^(-1/5). */
function kernelWidth(sorted: Float64Array, spread: number): number {
  const quartile = (p: number): number => at(sorted, Math.min(sorted.length - 1, Math.floor(p * sorted.length)));
  const distance = (quartile(0.75) - quartile(0.25)) / 1.34;
  return 0.9 * (distance > 0 ? Math.min(spread, distance) : spread) * sorted.length ** -0.2;
}

function kernels(sorted: Float64Array, x: number, width: number): number {
  // Eight deviations away a kernel is nothing in double precision next to the spare trial.
  const end = lowerBound(sorted, x + 8 * width);
  let sum = 0;
  for (let i = lowerBound(sorted, x - 8 * width); i < end; i++) sum += bell((x - (sorted[i] as number)) / width);
  return sum / (sorted.length * width);
}

function bell(z: number): number {
  return Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
}

/** The rising sequence nearest to `values` in weighted squares: neighbours that fall are pooled to their mean (Ayer et al. 1955). */
function poolAdjacent(values: Float64Array, weights: Float64Array): Float64Array {
  const blocks: { value: number; weight: number; length: number }[] = [];
  for (let i = 0; i < values.length; i++) {
    // A weight of nothing at all would make the mean of a pool 0/0.
    let block = { value: at(values, i), weight: Math.max(at(weights, i), 1e-300), length: 1 };
    for (let top = blocks.at(-1); top !== undefined && top.value >= block.value; top = blocks.at(-1)) {
      blocks.pop();
      const weight = top.weight + block.weight;
      const value = (top.value * top.weight + block.value * block.weight) / weight;
      block = { value, weight, length: top.length + block.length };
    }
    blocks.push(block);
  }
  const result = new Float64Array(values.length);
  let place = 0;
  for (const { value, length } of blocks) {
    result.fill(value, place, place + length);
    place += length;
  }
  return result;
}
