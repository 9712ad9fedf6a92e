import { type Matrix, matrix } from "../../base/matrix.ts";
import type { DetectorRow } from "./detector.ts";
import { rowOf } from "./samples.ts";
import { columnDeviations, columnMeans, safeSpreads, squaredDistance } from "./spread.ts";

/** The solution of {@link solveOneClass}. */
export interface OneClassSolution {
  /** f64[n], each between 0 and 1 / (nu n), together 1. */
  readonly alpha: Float64Array;
  /** Where the decision sum alpha_i k(x_i, x) - rho changes its sign. */
  readonly rho: number;
  /** Largest violation of the optimality conditions that was left. */
  readonly gap: number;
}

/** Options of {@link solveOneClass}. */
export interface OneClassOptions {
  /** Upper bound on the share of training samples outside, lower bound on that of support vectors. */
  readonly nu: number;
  readonly tolerance?: number;
  readonly maxSteps?: number;
}

/** Defaults of {@link solveOneClass}. */
const ONE_CLASS_DEFAULTS = { tolerance: 1e-9, maxSteps: 1_000_000 } as const;

/**
 * The one-class support vector machine (Schölkopf et al. 2001): minimises ½ αᵀ K α over 0 <= α_i <= 1 / (ν n), Σ α_i = 1, by sequential minimal
 * optimisation on the most violating pair. `kernel` is f64[n, n], symmetric and positive semi-definite.
 */
export function solveOneClass(kernel: Matrix, options: OneClassOptions): OneClassSolution {
  const { nu, tolerance, maxSteps } = { ...ONE_CLASS_DEFAULTS, ...options };
  const n = kernel.rows;
  const most = 1 / (nu * n);
  const alpha = new Float64Array(n).fill(1 / n);
  const slope = new Float64Array(n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) slope[i] = (slope[i] as number) + (kernel.data[i * n + j] as number) / n;
  let gap = Number.POSITIVE_INFINITY;
  for (let count = 0; count < maxSteps; count++) {
    // Who may grow with the smallest slope takes from who may shrink with the largest.
    let up = -1;
    let down = -1;
    for (let i = 0; i < n; i++) {
      if ((alpha[i] as number) < most && (up < 0 || (slope[i] as number) < (slope[up] as number))) up = i;
      if ((alpha[i] as number) > 0 && (down < 0 || (slope[i] as number) > (slope[down] as number))) down = i;
    }
    gap = up < 0 || down < 0 ? 0 : (slope[down] as number) - (slope[up] as number);
    if (gap <= tolerance) break;
    const bend =
      (kernel.data[up * n + up] as number) +
      (kernel.data[down * n + down] as number) -
      2 * (kernel.data[up * n + down] as number);
    const room = Math.min(most - (alpha[up] as number), alpha[down] as number);
    const move = bend > 0 ? Math.min(room, gap / bend) : room;
    // At a bound exactly, so that rounding does not leave a sample that may move by nothing.
    alpha[up] = move === most - (alpha[up] as number) ? most : (alpha[up] as number) + move;
    alpha[down] = move === alpha[down] ? 0 : (alpha[down] as number) - move;
    for (let i = 0; i < n; i++)
      slope[i] = (slope[i] as number) + move * ((kernel.data[i * n + up] as number) - (kernel.data[i * n + down] as number));
  }
  return { alpha, rho: offset(alpha, slope, most), gap };
}

/** rho: the slope of a support vector between its bounds; the middle of what the bounds allow when there is none. */
function offset(alpha: Float64Array, slope: Float64Array, most: number): number {
  let free = 0;
  let sum = 0;
  let low = Number.NEGATIVE_INFINITY;
  let high = Number.POSITIVE_INFINITY;
  for (let i = 0; i < alpha.length; i++) {
    const a = alpha[i] as number;
    const s = slope[i] as number;
    if (a > 0 && a < most) {
      free++;
      sum += s;
    } else if (a >= most) low = Math.max(low, s);
    else high = Math.min(high, s);
  }
  if (free > 0) return sum / free;
  if (!Number.isFinite(high)) return low;
  return Number.isFinite(low) ? (low + high) / 2 : high;
}

/** Features are standardised by mean and spread before the kernel exp(-gamma |a - b|²). `support` is f64[vectors, features], standardised. */
export interface OneClassSvm {
  readonly mean: Float64Array;
  readonly spread: Float64Array;
  readonly gamma: number;
  readonly support: Matrix;
  readonly alpha: Float64Array;
  readonly rho: number;
}

const NU = 0.5;

function standardised(x: ArrayLike<number>, { mean, spread }: Pick<OneClassSvm, "mean" | "spread">): Float64Array {
  return Float64Array.from(mean, (m, k) => ((x[k] as number) - m) / (spread[k] as number));
}

/** Signed distance (in the kernel's space) beyond the surface that holds half of the training samples. */
export const oneClassSvm: DetectorRow<OneClassSvm> = {
  title: "SVM (one-class)",
  published: { eer: [0.102, 0.065], zeroMissFalseAlarm: [0.504, 0.316] },
  source:
    "Yu & Cho 2003 after Schölkopf et al. 2001, nu = 0.5: rho - sum of alpha_i k(x_i, x). Kernel and scale are ours, as usual in libraries: " +
    "exp(-gamma |a - b|²) with gamma = 1 / p on features standardised by the training mean and standard deviation",
  orderFree: true,
  invariance: "each feature",
  train: (samples) => {
    const mean = columnMeans(samples);
    const spread = safeSpreads(columnDeviations(samples, mean));
    const gamma = 1 / samples.cols;
    const n = samples.rows;
    const scaled = Array.from({ length: n }, (_, i) => standardised(rowOf(samples, i), { mean, spread }));
    const kernel = matrix(n, n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++)
        kernel.data[i * n + j] = Math.exp(-gamma * squaredDistance(scaled[i] as Float64Array, scaled[j] as Float64Array));
    const { alpha, rho } = solveOneClass(kernel, { nu: NU });
    const kept = Array.from(alpha.keys()).filter((i) => (alpha[i] as number) > 0);
    const support = matrix(kept.length, samples.cols);
    kept.forEach((i, k) => {
      support.data.set(scaled[i] as Float64Array, k * samples.cols);
    });
    return { mean, spread, gamma, support, alpha: Float64Array.from(kept, (i) => alpha[i] as number), rho };
  },
  score: (svm, x) => {
    const probe = standardised(x, svm);
    let sum = 0;
    for (let i = 0; i < svm.support.rows; i++)
      sum += (svm.alpha[i] as number) * Math.exp(-svm.gamma * squaredDistance(probe, rowOf(svm.support, i)));
    return svm.rho - sum;
  },
};
