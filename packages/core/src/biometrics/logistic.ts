import { at, invariant } from "../base/assert.ts";
import { cholesky, solveCholesky } from "../base/cholesky.ts";
import { fail } from "../base/error.ts";
import { type Matrix, matrix } from "../base/matrix.ts";

/** Options of {@link fitLogisticRegression}. */
export interface LogisticOptions {
  /** Share of the fit that the genuine class counts for, whatever their numbers are: 0..1, exclusive. */
  readonly prior: number;
  /** Half of it times the squared weights (of features brought to unit deviation) is added to the mean log loss; keeps separable classes finite. */
  readonly ridge: number;
  readonly maxIterations: number;
}

/** Defaults of {@link fitLogisticRegression}. */
export const LOGISTIC_DEFAULTS = { prior: 0.5, ridge: 1e-3, maxIterations: 100 } as const satisfies LogisticOptions;

/** log LR = intercept + weights . x, natural logarithm. */
export interface LogisticFit {
  readonly kind: "logistic";
  readonly intercept: number;
  readonly weights: Float64Array;
  readonly iterations: number;
}

/** Newton steps end when none would lower the objective by more than this. */
const ENOUGH = 1e-13;

/**
 * Logistic regression with as many features as one likes, prior-weighted (Brümmer & du Preez 2006, as in FoCal): the two classes count `prior` and
 * 1 - `prior` whatever their numbers, and the prior's log odds are taken out again, so that what comes out is a log-likelihood ratio. Newton's
 * method on features of unit deviation with a ridge, steps halved until the objective falls; a feature that never changes gets weight 0.
 *
 * @param features f64[trials, features]
 * @param genuine u8[trials]: 1 for genuine
 * @throws SCORES_INVALID when a class is empty or a feature is not finite, or for a prior or ridge that cannot be
 * @example
 * const fit = fitLogisticRegression(matrix(4, 1, Float64Array.of(0.9, 0.7, 0.2, 0.3)), Uint8Array.of(1, 1, 0, 0));
 */
export function fitLogisticRegression(
  features: Matrix,
  genuine: Uint8Array,
  options: Partial<LogisticOptions> = {},
): LogisticFit {
  const { prior, ridge, maxIterations } = { ...LOGISTIC_DEFAULTS, ...options };
  const { rows, cols } = features;
  invariant(rows === genuine.length, `${rows} trials with ${genuine.length} labels`);
  if (!(prior > 0 && prior < 1) || !(ridge > 0 && Number.isFinite(ridge)))
    throw fail("SCORES_INVALID", `Cannot fit a logistic regression with prior ${prior} and ridge ${ridge}`);
  const mates = genuine.reduce((sum, is) => sum + (is === 1 ? 1 : 0), 0);
  if (mates === 0 || mates === rows)
    throw fail(
      "SCORES_INVALID",
      `Cannot fit a logistic regression: ${mates} of ${rows} trials are genuine, both classes are needed`,
    );
  const share = { genuine: prior / mates, impostor: (1 - prior) / (rows - mates) };
  const scaled = standardise(features);
  const problem: Problem = { x: scaled.x, genuine, share, ridge, offset: Math.log(prior / (1 - prior)) };
  let beta = new Float64Array(cols + 1);
  let value = objective(problem, beta);
  let iterations = 0;
  for (; iterations < maxIterations; iterations++) {
    const step = newtonStep(problem, beta);
    let length = 1;
    let next = moved(beta, step, length);
    let lower = objective(problem, next);
    while (!(lower <= value) && length > 1e-8) {
      length /= 2;
      next = moved(beta, step, length);
      lower = objective(problem, next);
    }
    if (!(value - lower > ENOUGH)) break;
    [beta, value] = [next, lower];
  }
  const weights = Float64Array.from({ length: cols }, (_, j) => at(beta, j) / at(scaled.deviation, j));
  const intercept = weights.reduce((sum, weight, j) => sum - weight * at(scaled.mean, j), at(beta, cols));
  return { kind: "logistic", intercept, weights, iterations };
}

interface Problem {
  /** Features of zero mean and unit deviation. */
  readonly x: Matrix;
  readonly genuine: Uint8Array;
  /** What one trial of the class counts. */
  readonly share: { readonly genuine: number; readonly impostor: number };
  readonly ridge: number;
  /** Log odds of the prior. */
  readonly offset: number;
}

function standardise({ rows, cols, data }: Matrix): {
  readonly x: Matrix;
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
} {
  const mean = new Float64Array(cols);
  const deviation = new Float64Array(cols);
  const x = matrix(rows, cols);
  for (let j = 0; j < cols; j++) {
    let sum = 0;
    for (let n = 0; n < rows; n++) {
      const value = data[n * cols + j] as number;
      if (value - value !== 0) throw fail("SCORES_INVALID", `Cannot fit a logistic regression: trial ${n} has feature ${value}`);
      sum += value;
    }
    const centre = sum / rows;
    let squares = 0;
    for (let n = 0; n < rows; n++) squares += ((data[n * cols + j] as number) - centre) ** 2;
    const spread = Math.sqrt(squares / rows);
    // What is left of a constant after subtracting its mean is rounding.
    const still = !(spread > 1e-12 * Math.max(1, Math.abs(centre)));
    mean[j] = centre;
    deviation[j] = still ? 1 : spread;
    for (let n = 0; n < rows; n++) x.data[n * cols + j] = still ? 0 : ((data[n * cols + j] as number) - centre) / spread;
  }
  return { x, mean, deviation };
}

function linear({ x, offset }: Problem, beta: Float64Array, row: number): number {
  const { cols, data } = x;
  let sum = (beta[cols] as number) + offset;
  for (let j = 0; j < cols; j++) sum += (beta[j] as number) * (data[row * cols + j] as number);
  return sum;
}

/** log(1 + e^z) without overflow. */
function softplus(z: number): number {
  return z > 0 ? z + Math.log1p(Math.exp(-z)) : Math.log1p(Math.exp(z));
}

function objective(problem: Problem, beta: Float64Array): number {
  const { x, genuine, share, ridge } = problem;
  let sum = 0;
  for (let n = 0; n < x.rows; n++) {
    const z = linear(problem, beta, n);
    sum += genuine[n] === 1 ? share.genuine * softplus(-z) : share.impostor * softplus(z);
  }
  for (let j = 0; j < x.cols; j++) sum += (ridge / 2) * (beta[j] as number) ** 2;
  return sum;
}

function newtonStep(problem: Problem, beta: Float64Array): Float64Array {
  const { x, genuine, share, ridge } = problem;
  const { cols, data } = x;
  const size = cols + 1;
  const hessian = matrix(size, size);
  const gradient = matrix(size, 1);
  const row = new Float64Array(size);
  row[cols] = 1;
  for (let n = 0; n < x.rows; n++) {
    const p = 1 / (1 + Math.exp(-linear(problem, beta, n)));
    const weight = genuine[n] === 1 ? share.genuine : share.impostor;
    const slope = weight * (p - (genuine[n] === 1 ? 1 : 0));
    const bend = weight * p * (1 - p);
    for (let j = 0; j < cols; j++) row[j] = data[n * cols + j] as number;
    for (let i = 0; i < size; i++) {
      gradient.data[i] = (gradient.data[i] as number) + slope * (row[i] as number);
      const factor = bend * (row[i] as number);
      for (let j = 0; j <= i; j++) {
        const k = i * size + j;
        hessian.data[k] = (hessian.data[k] as number) + factor * (row[j] as number);
      }
    }
  }
  for (let j = 0; j < cols; j++) {
    gradient.data[j] = (gradient.data[j] as number) + ridge * (beta[j] as number);
    hessian.data[j * size + j] = (hessian.data[j * size + j] as number) + ridge;
  }
  // The intercept has no ridge: with all trials certain its curvature drowns, and this keeps the step finite; halving does the rest.
  const last = size * size - 1;
  hessian.data[last] = (hessian.data[last] as number) + 1e-12;
  const lower = cholesky(hessian, 0);
  return lower === undefined ? gradient.data : solveCholesky(lower, gradient).data;
}

function moved(beta: Float64Array, step: Float64Array, length: number): Float64Array<ArrayBuffer> {
  return Float64Array.from(beta, (value, i) => value - length * (step[i] as number));
}
