import { describe, expect, it } from "vitest";
import { seededRandom } from "../../base/random.ts";
import { stackRows } from "./samples.ts";
import { columnMeans, safeSpreads, whitened, whitening } from "./spread.ts";

describe("the whitening of a covariance", () => {
  it("does not invert what only rounding made: times in tenths of milliseconds that depend on each other have the rank of what was free", () => {
    // Of each pair of keys hold and up-down are free, down-down is their sum; all are rounded to 0.1 ms as the CMU table is.
    const random = seededRandom(4);
    const round = (seconds: number): number => Math.round(seconds * 1e4) / 1e4;
    const rows = Array.from({ length: 200 }, () =>
      Array.from({ length: 5 }, () => [0.1 + 0.02 * random.normal(), 0.15 + 0.3 * random.normal()]).flatMap(
        ([hold = 0, up = 0]) => [round(hold), round(hold + up), round(up)],
      ),
    );
    const samples = stackRows(rows);
    const w = whitening(samples, columnMeans(samples));
    expect([w.rows, w.cols]).toEqual([15, 10]);
    // Whitened samples have unit variance in every direction that is left.
    const mean = columnMeans(samples);
    const white = rows.map((row) =>
      whitened(
        w,
        Float64Array.from(row, (v, k) => v - (mean[k] as number)),
      ),
    );
    for (let j = 0; j < w.cols; j++) {
      const variance = white.reduce((sum, x) => sum + (x[j] as number) ** 2, 0) / (rows.length - 1);
      expect(variance).toBeCloseTo(1, 6);
    }
  });
});

describe("spreads to divide by", () => {
  it("replace zeros by the smallest of the others, or by 1", () => {
    expect([...safeSpreads(Float64Array.of(3, 0, 0.5))]).toEqual([3, 0.5, 0.5]);
    expect([...safeSpreads(Float64Array.of(0, 0))]).toEqual([1, 1]);
  });
});
