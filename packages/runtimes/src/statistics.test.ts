import { seededRandom } from "@tessera/core/base/random";
import fc from "fast-check";
import { expect, test } from "vitest";
import { median, medianWithInterval, quantile, shuffled } from "./statistics.ts";

test("quantiles interpolate between neighbours", () => {
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
  expect(quantile([10, 20, 30], 0.25)).toBe(15);
  expect([0, 1].map((q) => quantile([5, 1, 9], q))).toEqual([1, 9]);
  expect(quantile([7], 0.99)).toBe(7);
  expect(quantile([], 0.5)).toBeNaN();
});

test("quantiles grow with q and stay inside the data", () => {
  const numbers = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(
      numbers,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, a, b) => {
        const [low, high] = [quantile(values, Math.min(a, b)), quantile(values, Math.max(a, b))];
        expect(low).toBeLessThanOrEqual(high + 1e-9);
        expect(low).toBeGreaterThanOrEqual(Math.min(...values) - 1e-9);
        expect(high).toBeLessThanOrEqual(Math.max(...values) + 1e-9);
      },
    ),
  );
});

test("the interval of a median covers it, is narrow for equal numbers and the same for the same seed", () => {
  const random = seededRandom(3);
  const values = Array.from({ length: 60 }, () => 2 + 0.1 * random.normal());
  const estimate = medianWithInterval(values, 5);
  expect(estimate.value).toBe(median(values));
  expect(estimate.low).toBeLessThan(estimate.value);
  expect(estimate.high).toBeGreaterThan(estimate.value);
  // Standard error of the median of 60 normal numbers: 1.2533 * 0.1 / sqrt(60) = 0.016; 95 % is 4 of them wide.
  expect(estimate.high - estimate.low).toBeGreaterThan(0.03);
  expect(estimate.high - estimate.low).toBeLessThan(0.12);
  expect(medianWithInterval(values, 5)).toEqual(estimate);
  expect(medianWithInterval([3, 3, 3], 1)).toEqual({ value: 3, low: 3, high: 3 });
});

test("a shuffle keeps all indices and every order is met", () => {
  const random = seededRandom(1);
  const met = new Set<string>();
  for (let i = 0; i < 300; i++) {
    const order = shuffled(3, random);
    expect(order.toSorted()).toEqual([0, 1, 2]);
    met.add(order.join(""));
  }
  expect(met.size).toBe(6);
});
