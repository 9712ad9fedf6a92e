import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../base/random.ts";
import { rankScores } from "./compare.ts";
import {
  falseMatchRate,
  falseNonMatchRate,
  impostorsNeeded,
  operatingPoint,
  pointAtThreshold,
  thresholdAtFar,
  transactionRates,
} from "./rates.ts";
import { countAtLeast, countBelow, distributionOf, kthLargest, moments, nextAbove, quantile, sortFloat32 } from "./scores.ts";

const few = fc
  .array(fc.integer({ min: -8, max: 8 }), { minLength: 1, maxLength: 40 })
  .map((list) => Float32Array.from(list, (v) => v / 8));

describe("score distributions", () => {
  it("sort float32 exactly as the built-in does, with negatives, ties and subnormals", () => {
    const random = seededRandom(1);
    const scores = Float32Array.from({ length: 50_000 }, (_, i) =>
      i % 7 === 0 ? 1e-42 * (random.next() - 0.5) : Math.round(random.normal() * 1000) / 512,
    );
    expect(sortFloat32(scores)).toEqual(scores.slice().sort());
  });

  it("count like a loop", () => {
    fc.assert(
      fc.property(few, fc.integer({ min: -9, max: 9 }), (scores, t) => {
        const d = distributionOf(scores);
        expect(countAtLeast(d, t / 8)).toBe(scores.filter((s) => s >= t / 8).length);
        expect(countBelow(d, t / 8)).toBe(scores.filter((s) => s < t / 8).length);
      }),
    );
  });

  it("take quantiles by nearest rank", () => {
    const d = distributionOf(Float64Array.of(5, 1, 4, 2, 3));
    expect([0, 0.2, 0.21, 0.5, 0.8, 1].map((p) => quantile(d, p))).toEqual([1, 1, 2, 3, 4, 5]);
    expect(kthLargest(d, 0)).toBe(5);
    expect(moments(d)).toEqual({ mean: 3, variance: 2 });
  });

  it("step to the next representable number", () => {
    expect(nextAbove(1, new Float32Array(0))).toBe(1 + 2 ** -23);
    expect(nextAbove(-1, new Float32Array(0))).toBe(-1 + 2 ** -24);
    expect(nextAbove(0, new Float32Array(0))).toBe(2 ** -149);
    expect(nextAbove(1, new Float64Array(0))).toBe(1 + Number.EPSILON);
    expect(nextAbove(-1, new Float64Array(0))).toBe(-1 + Number.EPSILON / 2);
    expect(nextAbove(0, new Float64Array(0))).toBe(Number.MIN_VALUE);
  });

  it("refuse empty lists and scores that are not finite", () => {
    expect(() => distributionOf(new Float32Array(0), "genuine")).toThrow(/genuine.*none/);
    expect(() => distributionOf(Float32Array.of(1, Number.NaN))).toThrow(/number 1 is NaN/);
    expect(() => distributionOf(Float64Array.of(Number.POSITIVE_INFINITY))).toThrow(/Infinity/);
  });
});

describe("rates", () => {
  // Impostors 0.1 ... 1.0 hundred times each tenth, hand-checked below.
  const impostor = Float64Array.from({ length: 100 }, (_, i) => (i + 1) / 100);
  const scores = rankScores({ genuine: Float64Array.of(0.5, 0.9, 0.96, 0.97, 0.99), impostor });

  it("put the threshold just above the first impostor that must be rejected", () => {
    const point = operatingPoint(scores, 0.05);
    if (point.kind !== "operating-point") throw new Error(point.says);
    // Five false matches are permitted: 0.96 ... 1.00; 0.95 is the best rejected one.
    expect(point.threshold).toBe(nextAbove(0.95, impostor));
    expect(point.falseMatches).toBe(5);
    expect(point.falseNonMatches).toBe(2);
    expect(point.tar).toBe(0.6);
  });

  it("reject all ties of the first rejected impostor", () => {
    const tied = Float32Array.from({ length: 60 }, (_, i) => (i < 4 ? 0.5 : 0.25));
    const point = operatingPoint(rankScores({ genuine: Float32Array.of(0.5, 0.75), impostor: tied }), 0.05);
    if (point.kind !== "operating-point") throw new Error(point.says);
    expect(point.fmr).toBe(0);
    expect(point.tar).toBe(0.5);
  });

  it("answer with the number of missing comparisons instead of a rate", () => {
    const answer = operatingPoint(scores, 0.001);
    expect(answer).toMatchObject({ kind: "insufficient-data", needsMore: 2900, impostorCount: 100 });
    expect(answer).not.toHaveProperty("tar");
    expect([1e-2, 1e-3, 1e-4, 1e-5, 1e-6].map(impostorsNeeded)).toEqual([300, 3000, 30000, 300000, 3000000]);
    expect(impostorsNeeded(0.7)).toBe(5);
    expect(impostorsNeeded(1 - 0.9999)).toBe(30000);
    expect(() => operatingPoint(scores, 0)).toThrow(/FAR 0/);
    expect(() => operatingPoint(scores, 1)).toThrow(/FAR 1/);
  });

  it("keep the permitted count exact where binary fractions are not", () => {
    const hundred = rankScores({ genuine: Float64Array.of(2), impostor });
    for (let k = 3; k < 100; k++) expect(operatingPoint(hundred, k / 100)).toMatchObject({ falseMatches: k });
  });

  it("find the smallest threshold whose FMR stays within the FAR", () => {
    fc.assert(
      fc.property(few, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (list, far) => {
        const d = distributionOf(list);
        const t = thresholdAtFar(d, far);
        expect(falseMatchRate(d, t)).toBeLessThanOrEqual(far);
        // One representable step lower is too low, unless everything is accepted already.
        const lower = list.filter((s) => s < t).reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
        if (lower > Number.NEGATIVE_INFINITY) {
          expect(nextAbove(lower, list)).toBe(t);
          expect(falseMatchRate(d, lower)).toBeGreaterThan(far);
        }
      }),
    );
  });

  it("fall and rise with the threshold as they must", () => {
    fc.assert(
      fc.property(few, few, fc.integer({ min: -9, max: 8 }), (genuine, list, t) => {
        const pair = rankScores({ genuine, impostor: list });
        expect(falseMatchRate(pair.impostor, (t + 1) / 8)).toBeLessThanOrEqual(falseMatchRate(pair.impostor, t / 8));
        expect(falseNonMatchRate(pair.genuine, (t + 1) / 8)).toBeGreaterThanOrEqual(falseNonMatchRate(pair.genuine, t / 8));
        expect(pointAtThreshold(pair, { threshold: t / 8, far: 0.1 }).tar).toBe(1 - falseNonMatchRate(pair.genuine, t / 8));
      }),
    );
  });

  it("give a TAR that never falls when a higher FAR is allowed", () => {
    fc.assert(
      fc.property(few, few, fc.double({ min: 0.01, max: 0.49, noNaN: true }), (genuine, list, far) => {
        const pair = rankScores({ genuine, impostor: list });
        const tarAt = (f: number): number => pointAtThreshold(pair, { threshold: thresholdAtFar(pair.impostor, f), far: f }).tar;
        expect(tarAt(far)).toBeLessThanOrEqual(tarAt(2 * far));
      }),
    );
  });

  it("combine acquisition and enrolment failures as ISO/IEC 19795-1 does", () => {
    const rates = transactionRates({ fmr: 0.01, fnmr: 0.1, fta: 0.2, fte: 0.5 });
    expect(rates.far).toBeCloseTo(0.008, 12);
    expect(rates.frr).toBeCloseTo(0.28, 12);
    expect(rates.gfar).toBeCloseTo(0.004, 12);
    expect(rates.gfrr).toBeCloseTo(0.64, 12);
    expect(() => transactionRates({ fmr: 0, fnmr: 0, fta: 1.2, fte: 0 })).toThrow(/fta is 1.2/);
  });
});
