import { invariant } from "./assert.ts";
import type { Matrix } from "./matrix.ts";

/**
 * The lower triangle L of a symmetric positive definite A = L Lᵀ, row by row (Cholesky-Banachiewicz); `undefined` when a pivot is not above
 * `tolerance` times the largest diagonal entry, that is when A is not positive definite to working precision. Only the lower triangle of A is read.
 */
export function cholesky(a: Matrix, tolerance = 1e-14): Matrix | undefined {
  const n = a.rows;
  invariant(n === a.cols, `Cholesky of ${n} x ${a.cols}`);
  const l = new Float64Array(n * n);
  let largest = 0;
  for (let i = 0; i < n; i++) largest = Math.max(largest, a.data[i * n + i] as number);
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = a.data[i * n + j] as number;
      for (let k = 0; k < j; k++) sum -= (l[i * n + k] as number) * (l[j * n + k] as number);
      if (i !== j) {
        l[i * n + j] = sum / (l[j * n + j] as number);
        continue;
      }
      if (!(sum > tolerance * largest)) return undefined;
      l[i * n + i] = Math.sqrt(sum);
    }
  return { rows: n, cols: n, data: l };
}

/** X of L Lᵀ X = B, column by column, by forward and back substitution. `lower` comes from {@link cholesky}. */
export function solveCholesky(lower: Matrix, b: Matrix): Matrix {
  const n = lower.rows;
  invariant(b.rows === n, `${b.rows} right-hand rows for ${n} unknowns`);
  const { cols } = b;
  const l = lower.data;
  const x = Float64Array.from(b.data);
  /** Row i minus `factor` times row k. */
  const subtract = (i: number, k: number, factor: number): void => {
    for (let c = 0; c < cols; c++) x[i * cols + c] = (x[i * cols + c] as number) - factor * (x[k * cols + c] as number);
  };
  const divide = (i: number): void => {
    const pivot = l[i * n + i] as number;
    for (let c = 0; c < cols; c++) x[i * cols + c] = (x[i * cols + c] as number) / pivot;
  };
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) subtract(i, k, l[i * n + k] as number);
    divide(i);
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) subtract(i, k, l[k * n + i] as number);
    divide(i);
  }
  return { rows: n, cols, data: x };
}
