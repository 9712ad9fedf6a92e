import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import { divergence } from "./divergence.ts";
import { binWidth, createHistogram, type Histogram, observe } from "./histogram.ts";
import { chooseRange, rangeByChoice, type ValueRange } from "./range.ts";
import { errorTable, squaredError } from "./squared-error.ts";

function histogramOf(values: ArrayLike<number>): Histogram {
  const h = createHistogram();
  observe(h, Float32Array.from(values));
  return h;
}

const random = seededRandom(5);
const normal = Float32Array.from({ length: 20_000 }, () => random.normal());
/** Sharply peaked with values far out: what range methods are for. */
const heavy = Float32Array.from(normal, (v) => v ** 5);
const relu = Float32Array.from(normal, (v) => Math.max(0, v));

/** Mean squared error of really quantizing the values, zero on a level. */
function measured(values: Float32Array, range: ValueRange): number {
  const step = (range.max - range.min) / 255;
  const zero = Math.round(-range.min / step);
  let sum = 0;
  for (const v of values) {
    const q = Math.max(0, Math.min(255, Math.round(v / step) + zero));
    sum += (v - (q - zero) * step) ** 2;
  }
  return sum / values.length;
}

/** Not so small that adding half the number of bins would lose them. */
const some = fc.array(
  fc.float({ noNaN: true, min: -8, max: 8 }).filter((v) => v === 0 || Math.abs(v) > 1e-6),
  { minLength: 1, maxLength: 200 },
);

describe("a range", () => {
  test("holds zero and stays within what was seen, with every method", () => {
    fc.assert(
      fc.property(some, fc.boolean(), (values, symmetric) => {
        const h = histogramOf(values);
        const full = chooseRange(h, { symmetric });
        for (const method of ["min-max", "percentile", "mse", "entropy"] as const) {
          const range = chooseRange(h, { method, percentile: 90, symmetric });
          expect(range.min).toBeLessThanOrEqual(0);
          expect(range.max).toBeGreaterThanOrEqual(0);
          expect(range.min).toBeGreaterThanOrEqual(full.min);
          expect(range.max).toBeLessThanOrEqual(full.max);
          if (symmetric) expect(range.min + range.max).toBe(0);
        }
      }),
      { numRuns: 40 },
    );
  });

  test("of all that was seen is its minimum and maximum, widened to zero", () => {
    expect(chooseRange(histogramOf([1, 2, 3]))).toEqual({ min: 0, max: 3 });
    expect(chooseRange(histogramOf([-1, -2]))).toEqual({ min: -2, max: 0 });
    expect(chooseRange(histogramOf([-1, 3]), { symmetric: true })).toEqual({ min: -3, max: 3 });
    expect(chooseRange(histogramOf([0, 0]))).toEqual({ min: 0, max: 0 });
  });

  test("at a percentile leaves out as many values as it says, right to a bin", () => {
    fc.assert(
      fc.property(some, fc.integer({ min: 50, max: 100 }), (values, percentile) => {
        const h = histogramOf(values);
        const { min, max } = chooseRange(h, { method: "percentile", percentile });
        const seen = values.map(Math.fround);
        const oneSided = seen.every((v) => v >= 0) || seen.every((v) => v <= 0);
        const share = ((1 - percentile / 100) * seen.length) / (oneSided ? 1 : 2) + 1e-9;
        const outside = (test: (v: number) => boolean): number => seen.filter(test).length;
        const width = binWidth(h);
        expect(outside((v) => v > max)).toBeLessThanOrEqual(share);
        expect(outside((v) => v < min)).toBeLessThanOrEqual(share);
        // One bin further in would leave out too many, unless zero or the data stop it.
        if (max > 0) expect(outside((v) => v >= max - width)).toBeGreaterThan(share - 2e-9);
        if (min < 0) expect(outside((v) => v <= min + width)).toBeGreaterThan(share - 2e-9);
      }),
    );
  });

  test("at percentile 100 is the whole range; outside 50 to 100 it is refused", () => {
    const h = histogramOf(heavy);
    expect(chooseRange(h, { method: "percentile", percentile: 100 })).toEqual(chooseRange(h));
    for (const percentile of [49, 101, Number.NaN])
      expect(() => chooseRange(h, { method: "percentile", percentile })).toThrowError(
        expect.objectContaining({ code: "PLAN_INVALID" }),
      );
  });

  test("cannot be chosen from nothing", () => {
    expect(() => chooseRange(createHistogram())).toThrowError(expect.objectContaining({ code: "CALIBRATION_EMPTY" }));
  });

  test("of one-sided data gives no level to the other side", () => {
    for (const method of ["min-max", "percentile", "mse", "entropy"] as const) {
      expect(chooseRange(histogramOf(relu), { method }).min).toBe(0);
      expect(chooseRange(histogramOf(relu.map((v) => -v)), { method }).max).toBe(0);
    }
  });
});

describe("the expected squared error", () => {
  test("is what quantizing the values gives, within a few percent", () => {
    for (const values of [normal, heavy, relu]) {
      const table = errorTable(histogramOf(values));
      const full = chooseRange(histogramOf(values));
      for (const shrink of [1, 0.8, 0.5, 0.3]) {
        const range = { min: full.min * shrink, max: full.max * shrink };
        const expected = measured(values, range);
        expect(Math.abs(squaredError(table, range, 256) / expected - 1)).toBeLessThan(0.06);
      }
    }
  });

  test("by running sums is that of going through the bins", () => {
    fc.assert(
      fc.property(
        some,
        fc.float({ noNaN: true, min: -8, max: 0 }),
        fc.float({ noNaN: true, min: 0, max: 8 }),
        (values, min, max) => {
          const h = histogramOf(values);
          const half = h.counts.length / 2;
          const step = (max - min) / 255;
          let naive = 0;
          h.counts.forEach((n, i) => {
            const centre = (i + 0.5 - half) * binWidth(h);
            const moved = n - (i === half ? h.zeros : 0);
            naive +=
              moved *
              (centre < min
                ? (min - centre) ** 2
                : centre > max
                  ? (centre - max) ** 2
                  : Math.abs(centre) < step / 2
                    ? centre ** 2
                    : (step * step) / 12);
          });
          const fast = squaredError(errorTable(h), { min, max }, 256);
          expect(Math.abs(fast - naive / h.count)).toBeLessThanOrEqual(1e-9 * (1 + naive));
        },
      ),
    );
  });

  test("counts exact zeros as free", () => {
    const without = squaredError(errorTable(histogramOf([1, 2])), { min: 0, max: 2 }, 256);
    const half = squaredError(errorTable(histogramOf([1, 2, 0, 0])), { min: 0, max: 2 }, 256);
    expect(half).toBeCloseTo(without / 2, 12);
  });

  test("chooses a range whose real error is near the best of any, and below that of the whole range on heavy tails", () => {
    for (const values of [normal, heavy, relu]) {
      const full = chooseRange(histogramOf(values));
      const error = measured(values, chooseRange(histogramOf(values), { method: "mse" }));
      let best = Number.POSITIVE_INFINITY;
      for (let a = 0; a < 30; a++)
        for (let b = 0; b < 30; b++)
          best = Math.min(best, measured(values, { min: full.min * (1 - a / 31), max: full.max * (1 - b / 31) }));
      expect(error).toBeLessThanOrEqual(best * 1.05);
      if (values === heavy) expect(error).toBeLessThan(measured(values, full) * 0.999);
    }
  });
});

describe("the divergence", () => {
  test("of a range of fewer bins than levels is infinite, and it is never negative", () => {
    const h = histogramOf(normal);
    expect(divergence(h, { min: -50 * binWidth(h), max: 50 * binWidth(h) }, 256)).toBe(Number.POSITIVE_INFINITY);
    for (const max of [0.5, 1, 2, 4]) expect(divergence(h, { min: -max, max }, 256)).toBeGreaterThanOrEqual(0);
  });

  test("is nothing when each level's values are spread evenly and none lies outside", () => {
    const h = createHistogram(4096);
    observe(
      h,
      Float32Array.from({ length: 2048 }, (_, i) => i + 0.5),
    );
    expect(divergence(h, { min: 0, max: 2048 }, 256)).toBeCloseTo(0, 12);
    expect(divergence(h, { min: 0, max: 1024 }, 256)).toBeGreaterThan(0.1);
  });

  test("really shrinks the range of heavy tails", () => {
    const h = histogramOf(heavy);
    const full = chooseRange(h);
    const chosen = chooseRange(h, { method: "entropy" });
    expect(chosen.max - chosen.min).toBeLessThan(0.7 * (full.max - full.min));
    expect(divergence(h, chosen, 256)).toBeLessThan(divergence(h, full, 256));
  });
});

describe("a range by a tensor's own choice", () => {
  const h = histogramOf(heavy);

  test("is what the method of that name chooses, with the figures of the whole plan", () => {
    for (const method of ["min-max", "percentile", "mse", "entropy"] as const) {
      const { called, ...range } = rangeByChoice(h, method, { percentile: 99 });
      expect(range).toEqual(chooseRange(h, { method, percentile: 99 }));
      expect(called).toBe(method === "percentile" ? "percentile 99" : method);
    }
  });

  test("may be a percentile of its own", () => {
    const { called, ...range } = rangeByChoice(h, { percentile: 95 }, { percentile: 99 });
    expect(range).toEqual(chooseRange(h, { method: "percentile", percentile: 95 }));
    expect(called).toBe("percentile 95");
    expect(() => rangeByChoice(h, { percentile: 20 })).toThrow(expect.objectContaining({ code: "PLAN_INVALID" }));
  });

  test("may be given, and is widened to zero and to symmetry", () => {
    expect(rangeByChoice(h, { min: -1, max: 2 })).toEqual({ min: -1, max: 2, called: "given" });
    expect(rangeByChoice(h, { min: 1, max: 2 })).toEqual({ min: 0, max: 2, called: "given" });
    expect(rangeByChoice(h, { min: -1, max: 2 }, { symmetric: true })).toEqual({ min: -2, max: 2, called: "given" });
    for (const bad of [
      { min: 1, max: 0 },
      { min: 0, max: Number.POSITIVE_INFINITY },
      { min: Number.NaN, max: 1 },
    ])
      expect(() => rangeByChoice(h, bad)).toThrow(expect.objectContaining({ code: "PLAN_INVALID" }));
  });
});
