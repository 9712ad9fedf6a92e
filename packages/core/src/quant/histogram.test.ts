import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createHistogram, HISTOGRAM_BINS, type Histogram, mergeHistogram, observe, usedBins } from "./histogram.ts";

const value = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ noNaN: true, min: -4, max: 4 }),
  fc.constantFrom(0, -0, 1, -1, 2, 0.5, -0.5, 2 ** -24, -(2 ** -24), 2 ** -30),
);
const batches = fc.array(fc.array(value, { maxLength: 40 }), { minLength: 1, maxLength: 6 });

function seen(lists: readonly (readonly number[])[], bins = 64): Histogram {
  const h = createHistogram(bins);
  for (const list of lists) observe(h, Float32Array.from(list));
  return h;
}

/** Everything but the sums, which floating point adds in some order. */
function exact({ limit, counts, count, zeros, min, max }: Histogram): unknown {
  return { limit, counts: [...counts], count, zeros, min: min + 0, max: max + 0 };
}

describe("a histogram", () => {
  test("counts each value in the bin that holds it, whatever the order of the batches", () => {
    fc.assert(
      fc.property(batches, (lists) => {
        const h = seen(lists);
        const all = lists.flat().map(Math.fround);
        const naive = new Array<number>(64).fill(0);
        for (const v of all) {
          const bin = v < 0 ? 31 - Math.floor((-v / h.limit) * 32) : 32 + Math.floor((v / h.limit) * 32);
          naive[bin] = (naive[bin] ?? 0) + 1;
        }
        expect([...h.counts]).toEqual(naive);
        expect(h.count).toBe(all.length);
        expect(h.zeros).toBe(all.filter((v) => v === 0).length);
        if (all.length > 0) expect([h.min + 0, h.max + 0]).toEqual([Math.min(...all) + 0, Math.max(...all) + 0]);
        expect(exact(seen(lists.toReversed().map((l) => l.toReversed())))).toEqual(exact(h));
      }),
    );
  });

  test("is what its parts are when merged", () => {
    fc.assert(
      fc.property(batches, batches, (a, b) => {
        const merged = seen(a);
        const other = seen(b);
        const before = exact(other);
        mergeHistogram(merged, other);
        expect(exact(other)).toEqual(before);
        const whole = seen([...a, ...b]);
        expect(exact(merged)).toEqual(exact(whole));
        expect(Math.abs(merged.sum - whole.sum)).toBeLessThanOrEqual(1e-9 * (1 + Math.sqrt(whole.sumOfSquares * whole.count)));
        expect(Math.abs(merged.sumOfSquares - whole.sumOfSquares)).toBeLessThanOrEqual(1e-9 * (1 + whole.sumOfSquares));
      }),
    );
  });

  test("grows by doubling and keeps its size", () => {
    const h = createHistogram();
    for (let e = -30; e <= 127; e += 3) {
      observe(h, Float32Array.from([2 ** e, -(2 ** e)]));
      expect(h.counts.length).toBe(HISTOGRAM_BINS);
      expect(h.limit).toBeGreaterThan(2 ** e);
      expect(Number.isInteger(Math.log2(h.limit))).toBe(true);
    }
    expect(h.counts.reduce((a, b) => a + b, 0)).toBe(h.count);
    expect(h.sumOfSquares).toBeGreaterThan(2 ** 252);
  });

  test("knows which of its bins can hold values", () => {
    fc.assert(
      fc.property(batches, (lists) => {
        const h = seen(lists);
        if (h.count === 0) return;
        const { first, last } = usedBins(h);
        expect(first).toBe(h.counts.findIndex((n) => n > 0));
        expect(last).toBe(h.counts.findLastIndex((n) => n > 0));
      }),
    );
  });

  test("refuses NaN and infinity and stays as it was", () => {
    const h = seen([[1, -2, 3]]);
    const before = exact(h);
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(() => observe(h, Float32Array.from([100, bad]))).toThrowError(
        expect.objectContaining({ code: "CALIBRATION_NONFINITE" }),
      );
      expect(exact(h)).toEqual(before);
    }
    expect(() => mergeHistogram(h, createHistogram(32))).toThrowError(expect.objectContaining({ code: "PLAN_INVALID" }));
  });
});
