import { symmetricEigen } from "../../base/jacobi.ts";
import { crossProduct, type Matrix, matrix } from "../../base/matrix.ts";

/** Mean of each column. */
export function columnMeans({ rows, cols, data }: Matrix): Float64Array {
  const means = new Float64Array(cols);
  for (let i = 0; i < rows; i++) for (let k = 0; k < cols; k++) means[k] = (means[k] as number) + (data[i * cols + k] as number);
  return means.map((sum) => sum / rows);
}

/** Standard deviation of each column about its mean, divided by rows - 1. */
export function columnDeviations({ rows, cols, data }: Matrix, means: Float64Array): Float64Array {
  const sums = new Float64Array(cols);
  for (let i = 0; i < rows; i++)
    for (let k = 0; k < cols; k++) sums[k] = (sums[k] as number) + ((data[i * cols + k] as number) - (means[k] as number)) ** 2;
  return sums.map((sum) => Math.sqrt(sum / (rows - 1)));
}

/** Mean absolute deviation of each column from its mean, divided by rows. */
export function meanAbsoluteDeviations({ rows, cols, data }: Matrix, means: Float64Array): Float64Array {
  const sums = new Float64Array(cols);
  for (let i = 0; i < rows; i++)
    for (let k = 0; k < cols; k++)
      sums[k] = (sums[k] as number) + Math.abs((data[i * cols + k] as number) - (means[k] as number));
  return sums.map((sum) => sum / rows);
}

/**
 * Spreads that can be divided by: a feature that never varied gets the smallest spread that any feature had, 1 when none varied. Without
 * that rule one constant feature makes every other sample infinitely far.
 */
export function safeSpreads(spreads: Float64Array): Float64Array {
  const smallest = spreads.reduce((least, s) => (s > 0 && s < least ? s : least), Number.POSITIVE_INFINITY);
  const fallback = Number.isFinite(smallest) ? smallest : 1;
  return spreads.map((s) => (s > 0 ? s : fallback));
}

/**
 * Eigenvalues of a covariance below this share of the largest count as zero: the square root of the double's precision, the rule of `ginv` in R, with which
 * the published figures were made. Features of one text depend on each other (down-down = hold + up-down), and what rounding to 0.1 ms leaves of the
 * dependency, a variance of 8e-10 s², must not be inverted: it stays below where the widest direction has a deviation of a quarter of a second or more,
 * as pauses have.
 */
const RANK_TOLERANCE = 2 ** -26;

/**
 * W with W Wᵀ = the Moore-Penrose inverse of the covariance (divided by rows - 1): f64[features, rank]. The squared Mahalanobis distance of a
 * difference d is |Wᵀ d|². Directions in which the samples never varied are not in W: with fewer samples than features that is most of them.
 */
export function whitening(samples: Matrix, means: Float64Array): Matrix {
  const { rows, cols } = samples;
  const centred = matrix(rows, cols, Float64Array.from(samples.data));
  for (let i = 0; i < rows; i++)
    for (let k = 0; k < cols; k++) centred.data[i * cols + k] = (centred.data[i * cols + k] as number) - (means[k] as number);
  const scatter = crossProduct(centred, centred);
  const { values, vectors } = symmetricEigen(
    matrix(
      cols,
      cols,
      scatter.data.map((v) => v / (rows - 1)),
    ),
  );
  const limit = RANK_TOLERANCE * (values[0] ?? 0);
  let rank = 0;
  while (rank < cols && (values[rank] as number) > limit) rank++;
  const result = matrix(cols, rank);
  for (let i = 0; i < cols; i++)
    for (let j = 0; j < rank; j++)
      result.data[i * rank + j] = (vectors.data[i * cols + j] as number) / Math.sqrt(values[j] as number);
  return result;
}

/** Wᵀ x. */
export function whitened(w: Matrix, x: ArrayLike<number>): Float64Array {
  const result = new Float64Array(w.cols);
  for (let i = 0; i < w.rows; i++) {
    const value = x[i] as number;
    for (let j = 0; j < w.cols; j++) result[j] = (result[j] as number) + (w.data[i * w.cols + j] as number) * value;
  }
  return result;
}

/** |a - b|². */
export function squaredDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += ((a[k] as number) - (b[k] as number)) ** 2;
  return sum;
}

/** |a|. */
export function lengthOf(a: ArrayLike<number>): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += (a[k] as number) ** 2;
  return Math.sqrt(sum);
}
