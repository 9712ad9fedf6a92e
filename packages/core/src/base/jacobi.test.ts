import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cholesky, solveCholesky } from "./cholesky.ts";
import { singularValues, symmetricEigen } from "./jacobi.ts";
import { crossProduct, type Matrix, matrix, multiplied, transposed } from "./matrix.ts";
import { seededRandom } from "./random.ts";

function drawn(rows: number, cols: number, seed: number, rank = Math.min(rows, cols)): Matrix {
  const random = seededRandom(seed);
  const normals = (r: number, c: number) =>
    matrix(
      r,
      c,
      Float64Array.from({ length: r * c }, () => random.normal()),
    );
  return rank === Math.min(rows, cols) ? normals(rows, cols) : multiplied(normals(rows, rank), normals(rank, cols));
}

function scaledColumns(a: Matrix, factors: Float64Array): Matrix {
  return { ...a, data: a.data.map((value, k) => value * (factors[k % a.cols] ?? 0)) };
}

function distance(a: Matrix, b: Matrix): number {
  expect([a.rows, a.cols]).toEqual([b.rows, b.cols]);
  return a.data.reduce((worst, value, k) => Math.max(worst, Math.abs(value - (b.data[k] ?? Number.NaN))), 0);
}

function eye(n: number): Matrix {
  return matrix(
    n,
    n,
    Float64Array.from({ length: n * n }, (_, k) => (k % (n + 1) === 0 ? 1 : 0)),
  );
}

const size = fc.integer({ min: 1, max: 12 });
const seed = fc.integer();

describe("singular values", () => {
  test("take a matrix of any shape and rank apart into orthonormal sides and descending values", () => {
    fc.assert(
      fc.property(size, size, size, seed, (rows, cols, r, s) => {
        const a = drawn(rows, cols, s, Math.min(r, rows, cols));
        const { u, values, v } = singularValues(a);
        const k = Math.min(rows, cols);
        expect([u.rows, u.cols, v.rows, v.cols, values.length]).toEqual([rows, k, cols, k, k]);
        expect(distance(crossProduct(u, u), eye(k))).toBeLessThan(1e-12);
        expect(distance(crossProduct(v, v), eye(k))).toBeLessThan(1e-12);
        expect(distance(multiplied(scaledColumns(u, values), transposed(v)), a)).toBeLessThan(1e-11);
        for (let i = 1; i < k; i++) expect(values[i - 1]).toBeGreaterThanOrEqual(values[i] as number);
      }),
    );
  });

  test("of nothing but zeros are zero, with orthonormal sides all the same", () => {
    const { u, values, v } = singularValues(matrix(5, 3));
    expect(Array.from(values)).toEqual([0, 0, 0]);
    expect(distance(crossProduct(u, u), eye(3))).toBeLessThan(1e-14);
    expect(distance(crossProduct(v, v), eye(3))).toBeLessThan(1e-14);
  });

  test("keep small values to relative precision beside large ones", () => {
    const given = Float64Array.of(1e8, 1, 1e-6);
    const q = singularValues(drawn(3, 3, 4)).u;
    const { values } = singularValues(scaledColumns(q, given));
    given.forEach((value, i) => {
      expect((values[i] ?? 0) / value).toBeCloseTo(1, 9);
    });
  });
});

describe("eigenvalues of a symmetric matrix", () => {
  test("give the matrix back with orthogonal vectors, descending", () => {
    fc.assert(
      fc.property(size, seed, (n, s) => {
        const a = drawn(n, n, s);
        const symmetric = { ...a, data: a.data.map((value, k) => value + (a.data[(k % n) * n + Math.floor(k / n)] ?? 0)) };
        const { values, vectors } = symmetricEigen(symmetric);
        expect(distance(crossProduct(vectors, vectors), eye(n))).toBeLessThan(1e-12);
        expect(distance(multiplied(scaledColumns(vectors, values), transposed(vectors)), symmetric)).toBeLessThan(1e-11);
        for (let i = 1; i < n; i++) expect(values[i - 1]).toBeGreaterThanOrEqual(values[i] as number);
      }),
    );
  });

  test("agree with the squares of singular values", () => {
    const a = drawn(9, 5, 77);
    const { values } = symmetricEigen(crossProduct(a, a));
    singularValues(a).values.forEach((value, i) => {
      expect(values[i]).toBeCloseTo(value * value, 10);
    });
  });
});

describe("Cholesky", () => {
  test("solves what it factored", () => {
    fc.assert(
      fc.property(size, fc.integer({ min: 1, max: 4 }), seed, (n, cols, s) => {
        const a = drawn(n + 3, n, s);
        const gram = crossProduct(a, a);
        const lower = cholesky(gram);
        if (lower === undefined) return expect.unreachable("a full-rank Gram matrix is positive definite");
        expect(distance(multiplied(lower, transposed(lower)), gram)).toBeLessThan(1e-10);
        const x = drawn(n, cols, s + 1);
        const solved = solveCholesky(lower, multiplied(gram, x));
        expect(distance(multiplied(gram, solved), multiplied(gram, x))).toBeLessThan(1e-8);
      }),
    );
  });

  test("refuses what is not positive definite", () => {
    expect(cholesky(matrix(2, 2, Float64Array.of(1, 2, 2, 1)))).toBeUndefined();
    expect(cholesky(matrix(2, 2, Float64Array.of(1, 1, 1, 1)))).toBeUndefined();
    expect(cholesky(matrix(1, 1))).toBeUndefined();
    expect(cholesky(matrix(1, 1, Float64Array.of(Number.NaN)))).toBeUndefined();
  });
});
