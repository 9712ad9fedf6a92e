import { describe, expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import { enrolMean, unitVector } from "./enrol.ts";
import { cohortStatistics, normaliseScore } from "./voice/score-norm.ts";

describe("enrolment", () => {
  test("a unit vector points the same way and has length 1", () => {
    expect([...unitVector(Float32Array.of(3, 0, -4))]).toEqual([0.6, 0, -0.8].map(Math.fround));
  });

  test("the template is the direction of the mean of unit vectors: a loud recording weighs no more than a quiet one", () => {
    const template = enrolMean([Float32Array.of(1000, 0), Float32Array.of(0, 0.001)]);
    for (const value of template) expect(value).toBeCloseTo(Math.SQRT1_2, 6);
  });

  test("cosines with the template are the mean cosines up to one factor", () => {
    const random = seededRandom(1);
    const vector = (): Float32Array => Float32Array.from({ length: 8 }, () => random.normal());
    const cosine = (a: Float32Array, b: Float32Array): number =>
      unitVector(a).reduce((sum, x, i) => sum + x * (unitVector(b)[i] as number), 0);
    const enrolled = [vector(), vector(), vector()];
    const [p, q] = [vector(), vector()];
    const mean = (probe: Float32Array): number => enrolled.reduce((sum, v) => sum + cosine(v, probe), 0) / enrolled.length;
    const template = enrolMean(enrolled);
    expect(cosine(template, p) / mean(p)).toBeCloseTo(cosine(template, q) / mean(q), 5);
  });

  test("what has no direction is refused", () => {
    expect(() => enrolMean([])).toThrow(expect.objectContaining({ code: "SCORES_INVALID" }));
    expect(() => enrolMean([Float32Array.of(1, 0), Float32Array.of(-1, 0)])).toThrow(
      expect.objectContaining({ code: "SCORES_INVALID" }),
    );
    expect(() => unitVector(Float32Array.of(0, 0))).toThrow(expect.objectContaining({ code: "SCORES_INVALID" }));
    expect(() => unitVector(Float32Array.of(1, Number.NaN))).toThrow(expect.objectContaining({ code: "SCORES_INVALID" }));
    expect(() => enrolMean([Float32Array.of(1, 0), Float32Array.of(1)])).toThrow(
      expect.objectContaining({ code: "SHAPE_MISMATCH" }),
    );
  });
});

describe("normalisation by a cohort", () => {
  const enrolled = Float64Array.of(0.1, 0.3, 0.5, -0.1);
  const probe = Float64Array.of(0, 0.4, 0.2);

  test("golden: z, t and s of one score, worked by hand", () => {
    // Enrolled: mean .2, deviation sqrt(.05); probe: mean .2, deviation sqrt(.08 / 3).
    const trial = { enrolled: cohortStatistics(enrolled), probe: cohortStatistics(probe) };
    expect(normaliseScore(0.9, trial, "z")).toBeCloseTo(0.7 / Math.sqrt(0.05), 9);
    expect(normaliseScore(0.9, trial, "t")).toBeCloseTo(0.7 / Math.sqrt(0.08 / 3), 9);
    expect(normaliseScore(0.9, trial, "s")).toBeCloseTo((0.7 / Math.sqrt(0.05) + 0.7 / Math.sqrt(0.08 / 3)) / 2, 9);
  });

  test("the adaptive form takes the highest scores only, whatever their order, and leaves the list alone", () => {
    const before = enrolled.slice();
    expect(cohortStatistics(enrolled, 2).mean).toBeCloseTo(0.4, 12);
    expect(cohortStatistics(enrolled, 2).deviation).toBeCloseTo(0.1, 12);
    expect(cohortStatistics(enrolled, 99)).toEqual(cohortStatistics(enrolled));
    expect(enrolled).toEqual(before);
  });

  test("a shift and a stretch of all scores of a side changes nothing", () => {
    const moved = enrolled.map((x) => 7 * x - 3);
    const same = cohortStatistics(moved);
    const trial = (statistics: typeof same) => ({ enrolled: statistics, probe: statistics });
    expect(normaliseScore(7 * 0.9 - 3, trial(same), "s")).toBeCloseTo(
      normaliseScore(0.9, trial(cohortStatistics(enrolled)), "s"),
      9,
    );
  });

  test("cohorts that say nothing are refused", () => {
    for (const [scores, top] of [
      [Float64Array.of(), undefined],
      [Float64Array.of(1), undefined],
      [Float64Array.of(1, 1, 1), undefined],
      [Float64Array.of(1, 2, 3), 1],
      [Float64Array.of(1, 2, 3), 0],
      [Float64Array.of(1, Number.NaN), undefined],
    ] as const)
      expect(() => cohortStatistics(scores, top)).toThrow(expect.objectContaining({ code: "SCORES_INVALID" }));
  });
});
