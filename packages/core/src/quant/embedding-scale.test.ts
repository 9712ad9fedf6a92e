import { describe, expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import { embeddingRange } from "./embedding-scale.ts";

const random = seededRandom(8);

function embeddings(count: number, dim: number, value: (row: number, i: number) => number): Float32Array {
  return Float32Array.from({ length: count * dim }, (_, at) => value(Math.floor(at / dim), at % dim));
}

describe("the range of an embedding", () => {
  test("is one that a few long embeddings do not set: it turns the others least", () => {
    // One embedding a hundred times as long as the others: squared error would keep all of it.
    const rows = embeddings(50, 64, (row) => random.normal() * (row === 0 ? 100 : 1));
    const chosen = embeddingRange(rows, 64, { dtype: "uint8", symmetric: false });
    const largest = rows.reduce((a, b) => Math.max(a, b), 0);
    expect(chosen.range.max).toBeLessThan(0.5 * largest);
    expect(chosen.angularError).toBeLessThan(0.5 * chosen.angularErrorMinMax);
  });

  test("is never worse in angle than the whole range", () => {
    for (const dtype of ["uint8", "int8"] as const)
      for (const symmetric of [false, true]) {
        const rows = embeddings(20, 16, () => random.normal() ** 3);
        const { angularError, angularErrorMinMax, range } = embeddingRange(rows, 16, { dtype, symmetric });
        expect(angularError).toBeLessThanOrEqual(angularErrorMinMax);
        expect(range.min).toBeLessThanOrEqual(0);
        expect(range.max).toBeGreaterThanOrEqual(0);
        if (symmetric) expect(range.min).toBe(-range.max);
      }
  });

  test("does not depend on how long all embeddings are together", () => {
    const rows = embeddings(10, 32, () => random.normal());
    const one = embeddingRange(rows, 32, { dtype: "int8", symmetric: true });
    const four = embeddingRange(
      rows.map((v) => 4 * v),
      32,
      { dtype: "int8", symmetric: true },
    );
    expect(four.range.max).toBeCloseTo(4 * one.range.max, 5);
    expect(four.angularError).toBeCloseTo(one.angularError, 12);
  });

  test("cannot be had from nothing", () => {
    expect(() => embeddingRange(new Float32Array(0), 4, { dtype: "int8", symmetric: true })).toThrow(
      expect.objectContaining({ code: "CALIBRATION_EMPTY" }),
    );
    expect(() => embeddingRange(new Float32Array(5), 4, { dtype: "int8", symmetric: true })).toThrow(
      expect.objectContaining({ code: "CALIBRATION_EMPTY" }),
    );
  });
});
