import { invariant } from "./assert.ts";
import { type Matrix, transposed } from "./matrix.ts";

/** Sweeps after which Jacobi gives up; convergence is quadratic and takes about ten. */
const MAX_SWEEPS = 60;

/** A symmetric matrix taken apart: A = V diag(values) Vᵀ. */
export interface SymmetricEigen {
  /** Descending. */
  readonly values: Float64Array;
  /** Orthogonal; column j belongs to value j. */
  readonly vectors: Matrix;
}

/** A matrix taken apart: A = U diag(values) Vᵀ, with k = min(rows, cols). */
export interface SingularValues {
  /** rows x k with orthonormal columns, also where values are zero. */
  readonly u: Matrix;
  /** k values, descending, none negative. */
  readonly values: Float64Array;
  /** cols x k with orthonormal columns. */
  readonly v: Matrix;
}

/**
 * Eigenvalues and eigenvectors of a symmetric matrix by cyclic Jacobi rotations (Golub and Van Loan, Matrix Computations, 8.5). Only the
 * symmetric part of the input is meant; the upper triangle is read.
 */
export function symmetricEigen(a: Matrix): SymmetricEigen {
  const n = a.rows;
  invariant(n === a.cols, `eigenvalues of ${n} x ${a.cols}`);
  // Rows of `work` are rotated on both sides, rows of `basis` collect the rotations.
  const work = Float64Array.from(a.data);
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) work[i * n + j] = work[j * n + i] as number;
  const basis = identity(n);
  const norm = Math.sqrt(work.reduce((sum, value) => sum + value * value, 0));
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    let rotated = false;
    for (let p = 0; p < n - 1; p++)
      for (let q = p + 1; q < n; q++) {
        const off = work[p * n + q] as number;
        if (Math.abs(off) <= 1e-17 * norm) continue;
        rotated = true;
        const turn = rotation((work[q * n + q] as number) - (work[p * n + p] as number), off);
        rotateColumns(work, { n, p, q, ...turn });
        rotateRows(work, { width: n, p, q, ...turn });
        rotateRows(basis, { width: n, p, q, ...turn });
      }
    if (!rotated) break;
  }
  const values = Float64Array.from({ length: n }, (_, i) => work[i * n + i] as number);
  const order = descending(values);
  return { values: Float64Array.from(order, (i) => values[i] as number), vectors: transposed(rowsOf(basis, n, order)) };
}

/**
 * Singular value decomposition by one-sided Jacobi rotations (Hestenes 1958): pairs of columns are turned until all are orthogonal; their
 * lengths are the singular values, small ones to high relative precision. Left vectors of values that are zero are completed to an
 * orthonormal set.
 */
export function singularValues(a: Matrix): SingularValues {
  if (a.rows < a.cols) {
    const { u, values, v } = singularValues(transposed(a));
    return { u: v, values, v: u };
  }
  const { rows, cols } = a;
  // Columns as rows, so that they lie together.
  const work = transposed(a).data;
  const basis = identity(cols);
  const scale = work.reduce((sum, value) => sum + value * value, 0);
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    let rotated = false;
    for (let p = 0; p < cols - 1; p++)
      for (let q = p + 1; q < cols; q++) {
        let pp = 0;
        let qq = 0;
        let pq = 0;
        for (let k = 0, i = p * rows, j = q * rows; k < rows; k++, i++, j++) {
          const x = work[i] as number;
          const y = work[j] as number;
          pp += x * x;
          qq += y * y;
          pq += x * y;
        }
        // Columns of no length are as orthogonal as they can be.
        if (Math.abs(pq) <= 1e-15 * Math.sqrt(pp * qq) || Math.abs(pq) <= 1e-32 * scale) continue;
        rotated = true;
        const turn = rotation(qq - pp, pq);
        rotateRows(work, { width: rows, p, q, ...turn });
        rotateRows(basis, { width: cols, p, q, ...turn });
      }
    if (!rotated) break;
  }
  const lengths = Float64Array.from({ length: cols }, (_, j) => Math.hypot(...work.subarray(j * rows, (j + 1) * rows)));
  const order = descending(lengths);
  const values = Float64Array.from(order, (j) => lengths[j] as number);
  const left = rowsOf(work, rows, order);
  const negligible = (values[0] ?? 0) * 1e-15 * rows;
  let rank = 0;
  for (; rank < cols && (values[rank] as number) > negligible; rank++)
    for (let k = rank * rows; k < (rank + 1) * rows; k++) left.data[k] = (left.data[k] as number) / (values[rank] as number);
  complete(left, rank);
  return { u: transposed(left), values, v: transposed(rowsOf(basis, cols, order)) };
}

/** The tangent's cosine and sine that annul `off` between two entries whose difference is `gap` (q minus p). */
function rotation(gap: number, off: number): { readonly c: number; readonly s: number } {
  const tau = gap / (2 * off);
  const t = (tau >= 0 ? 1 : -1) / (Math.abs(tau) + Math.sqrt(1 + tau * tau));
  const c = 1 / Math.sqrt(1 + t * t);
  return { c, s: t * c };
}

interface Turn {
  readonly p: number;
  readonly q: number;
  readonly c: number;
  readonly s: number;
}

function rotateRows(data: Float64Array, { width, p, q, c, s }: Turn & { readonly width: number }): void {
  for (let k = 0, i = p * width, j = q * width; k < width; k++, i++, j++) {
    const x = data[i] as number;
    const y = data[j] as number;
    data[i] = c * x - s * y;
    data[j] = s * x + c * y;
  }
}

function rotateColumns(data: Float64Array, { n, p, q, c, s }: Turn & { readonly n: number }): void {
  for (let k = 0; k < n; k++) {
    const x = data[k * n + p] as number;
    const y = data[k * n + q] as number;
    data[k * n + p] = c * x - s * y;
    data[k * n + q] = s * x + c * y;
  }
}

function identity(n: number): Float64Array {
  const data = new Float64Array(n * n);
  for (let i = 0; i < n; i++) data[i * n + i] = 1;
  return data;
}

function descending(values: Float64Array): readonly number[] {
  return Array.from(values.keys()).sort((i, j) => (values[j] as number) - (values[i] as number) || i - j);
}

function rowsOf(data: Float64Array, width: number, order: readonly number[]): Matrix {
  const result = new Float64Array(order.length * width);
  order.forEach((row, place) => {
    result.set(data.subarray(row * width, (row + 1) * width), place * width);
  });
  return { rows: order.length, cols: width, data: result };
}

/** Replaces rows from `rank` on by unit vectors orthogonal to all before (Gram-Schmidt twice, on axes in turn). */
function complete({ rows, cols, data }: Matrix, rank: number): void {
  let axis = 0;
  for (let row = rank; row < rows; ) {
    const candidate = new Float64Array(cols);
    candidate[axis++] = 1;
    for (let pass = 0; pass < 2; pass++)
      for (let other = 0; other < row; other++) {
        let dot = 0;
        for (let k = 0; k < cols; k++) dot += (candidate[k] as number) * (data[other * cols + k] as number);
        for (let k = 0; k < cols; k++) candidate[k] = (candidate[k] as number) - dot * (data[other * cols + k] as number);
      }
    const length = Math.hypot(...candidate);
    // An axis nearly inside the span gives a direction made of rounding; among `cols` axes there are enough others.
    if (length < 0.5 / Math.sqrt(cols)) continue;
    for (let k = 0; k < cols; k++) data[row * cols + k] = (candidate[k] as number) / length;
    row++;
  }
}
