import { invariant } from "./assert.ts";

/** A dense real matrix, f64[rows, cols], row-major. */
export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly data: Float64Array;
}

/** A matrix of the given numbers (shared, not copied), or of zeros. */
export function matrix(rows: number, cols: number, data = new Float64Array(rows * cols)): Matrix {
  invariant(data.length === rows * cols, `${data.length} numbers for a ${rows} x ${cols} matrix`);
  return { rows, cols, data };
}

/** The transpose, a copy. */
export function transposed({ rows, cols, data }: Matrix): Matrix {
  const result = new Float64Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) result[j * rows + i] = data[i * cols + j] as number;
  return { rows: cols, cols: rows, data: result };
}

/** a b. Sums in the order of the inner index, so the result is the same on every machine. */
export function multiplied(a: Matrix, b: Matrix): Matrix {
  invariant(a.cols === b.rows, `product of ${a.rows} x ${a.cols} by ${b.rows} x ${b.cols}`);
  const result = new Float64Array(a.rows * b.cols);
  for (let i = 0; i < a.rows; i++)
    for (let k = 0; k < a.cols; k++) {
      const factor = a.data[i * a.cols + k] as number;
      const from = k * b.cols;
      const to = i * b.cols;
      for (let j = 0; j < b.cols; j++) result[to + j] = (result[to + j] as number) + factor * (b.data[from + j] as number);
    }
  return { rows: a.rows, cols: b.cols, data: result };
}

/** aᵀ b, without transposing: sums over the rows of both. */
export function crossProduct(a: Matrix, b: Matrix): Matrix {
  invariant(a.rows === b.rows, `cross product of ${a.rows} and ${b.rows} rows`);
  const result = new Float64Array(a.cols * b.cols);
  for (let n = 0; n < a.rows; n++)
    for (let i = 0; i < a.cols; i++) {
      const factor = a.data[n * a.cols + i] as number;
      const from = n * b.cols;
      const to = i * b.cols;
      for (let j = 0; j < b.cols; j++) result[to + j] = (result[to + j] as number) + factor * (b.data[from + j] as number);
    }
  return { rows: a.cols, cols: b.cols, data: result };
}
