import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  clopperPearson,
  incompleteBeta,
  incompleteBetaInverse,
  logGamma,
  trialsForThirtyErrors,
  trialsWithoutError,
  zeroErrorBound,
} from "./binomial.ts";
import { probit, upperTail } from "./normal.ts";

/** P(X <= k) by adding up terms. */
function binomialCdf(k: number, n: number, p: number): number {
  let term = (1 - p) ** n;
  let sum = term;
  for (let i = 1; i <= k; i++) {
    term *= ((n - i + 1) / i) * (p / (1 - p));
    sum += term;
  }
  return sum;
}

describe("special functions", () => {
  it("know factorials and the root of pi", () => {
    expect(logGamma(5)).toBeCloseTo(Math.log(24), 13);
    expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.sqrt(Math.PI)), 13);
    expect(logGamma(171)).toBeCloseTo(706.573062245787, 9);
  });

  it("agree with closed forms of the incomplete beta function", () => {
    expect(incompleteBeta(0.3, 1, 1)).toBeCloseTo(0.3, 14);
    expect(incompleteBeta(0.3, 2, 1)).toBeCloseTo(0.09, 14);
    expect(incompleteBeta(0.3, 1, 4)).toBeCloseTo(1 - 0.7 ** 4, 14);
    expect(incompleteBeta(0.5, 7.5, 7.5)).toBeCloseTo(0.5, 13);
    expect(incompleteBeta(0, 2, 3)).toBe(0);
    expect(incompleteBeta(1, 2, 3)).toBe(1);
  });

  it("invert it over many magnitudes", () => {
    const p = fc.double({ min: 1e-6, max: 1 - 1e-6, noNaN: true });
    fc.assert(
      fc.property(p, fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 5000 }), (want, a, b) => {
        expect(incompleteBeta(incompleteBetaInverse(want, a, b), a, b)).toBeCloseTo(want, 8);
      }),
    );
  });

  it("know the normal quantiles of the tables", () => {
    expect(probit(0.975)).toBeCloseTo(1.959963984540054, 13);
    expect(probit(0.5)).toBeCloseTo(0, 14);
    expect(probit(1e-9)).toBeCloseTo(-5.997807015007686, 11);
    expect(upperTail(1)).toBeCloseTo(0.15865525393145705, 14);
    expect(upperTail(5) / 2.866515718791939e-7).toBeCloseTo(1, 11);
    expect([probit(0), probit(1)]).toEqual([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]);
    for (let x = -6; x <= 6; x += 0.37) expect(probit(1 - upperTail(x))).toBeCloseTo(x, 6);
  });
});

describe("Clopper-Pearson", () => {
  it.each([
    [10, 30.8],
    [20, 16.8],
    [42, 8.4],
    [50, 7.1],
    [150, 2.4],
  ])("gives the published upper bound for none accepted of %i: %d %%", (n, percent) => {
    expect(Math.round(clopperPearson(0, n).high * 1000) / 10).toBe(percent);
  });

  it("gives the published intervals for 682 of 925 and 69 of 70", () => {
    const mendel = clopperPearson(682, 925);
    expect(mendel.low).toBeCloseTo(0.7076683, 7);
    expect(mendel.high).toBeCloseTo(0.7654066, 7);
    const prints = clopperPearson(69, 70);
    expect(prints.low).toBeCloseTo(0.923, 3);
    expect(prints.high).toBeCloseTo(1, 3);
  });

  it("makes both tails exactly as unlikely as promised", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.nat(), fc.constantFrom(0.8, 0.95, 0.99), (n, seed, confidence) => {
        const k = seed % (n + 1);
        const { low, high } = clopperPearson(k, n, { confidence });
        const risk = (1 - confidence) / 2;
        if (k < n) expect(binomialCdf(k, n, high)).toBeCloseTo(risk, 9);
        else expect(high).toBe(1);
        if (k > 0) expect(1 - binomialCdf(k - 1, n, low)).toBeCloseTo(risk, 9);
        else expect(low).toBe(0);
      }),
    );
  });

  it("works on millions of trials", () => {
    const { low, high } = clopperPearson(7, 7_255_000);
    // The Poisson limit: 7 events, 95 %: 2.814 ... 14.423.
    expect(low * 7_255_000).toBeCloseTo(2.814, 3);
    expect(high * 7_255_000).toBeCloseTo(14.423, 3);
    const half = clopperPearson(3_600_000, 7_200_000);
    expect((half.high - half.low) / 2).toBeCloseTo(1.96 * Math.sqrt(0.25 / 7_200_000), 6);
  });

  it("knows the one-sided PAD sizes: below 7 % needs 42, below 20 % needs 14", () => {
    expect(trialsWithoutError(0.07)).toBe(42);
    expect(trialsWithoutError(0.2)).toBe(14);
    expect(clopperPearson(0, 42, { sides: "upper" }).high).toBeLessThan(0.07);
    expect(clopperPearson(0, 41, { sides: "upper" }).high).toBeGreaterThan(0.07);
    expect(clopperPearson(3, 42, { sides: "upper" }).low).toBe(0);
  });

  it("knows the rules of 3 and of 30", () => {
    expect(zeroErrorBound(1000) * 1000).toBeCloseTo(3, 1);
    expect(zeroErrorBound(1000, 0.8) * 1000).toBeCloseTo(1.61, 2);
    expect(trialsForThirtyErrors(1e-3)).toBe(30_000);
  });

  it("refuses counts that cannot be", () => {
    expect(() => clopperPearson(3, 2)).toThrow(/3 errors in 2/);
    expect(() => clopperPearson(0, 0)).toThrow(/0 errors in 0/);
    expect(() => clopperPearson(0.5, 2)).toThrow(/0.5/);
  });
});
