import { describe, expect, test } from "vitest";
import { seededRandom } from "../../base/random.ts";
import { compareAll } from "../../biometrics/compare.ts";
import { allPairs, listedPairs } from "../../biometrics/design.ts";
import { embeddings, normaliseRows } from "../../biometrics/similarity.ts";
import { adaptiveTop, cohortTemplates, normaliseComparisons } from "./cohort.ts";
import { cohortStatistics, normaliseScore } from "./score-norm.ts";

const DIM = 5;
const random = seededRandom(7);
const vectors = (count: number) =>
  normaliseRows(
    embeddings(
      Float32Array.from({ length: count * DIM }, () => random.normal()),
      DIM,
    ),
  );
const people = (count: number, each: number) => Array.from({ length: count * each }, (_, i) => `person ${i % count}`);

describe("a cohort", () => {
  test("has one template for each person, of length 1, whatever the order of their recordings", () => {
    const recordings = vectors(24);
    const templates = cohortTemplates(recordings, people(12, 2));
    expect(templates.count).toBe(12);
    const mean = Float64Array.from(
      { length: DIM },
      (_, k) => (recordings.data[3 * DIM + k] ?? 0) + (recordings.data[15 * DIM + k] ?? 0),
    );
    const norm = Math.hypot(...mean);
    mean.forEach((v, k) => {
      expect(templates.data[3 * DIM + k]).toBeCloseTo(v / norm, 6);
    });
  });

  test("of fewer than ten people is refused", () => {
    expect(() => cohortTemplates(vectors(18), people(9, 2))).toThrow(expect.objectContaining({ code: "INSUFFICIENT_DATA" }));
  });

  test("is looked at by a quarter in the adaptive form, and by ten at least", () => {
    expect(adaptiveTop(vectors(400))).toBe(100);
    expect(adaptiveTop(vectors(12))).toBe(10);
    expect(adaptiveTop({ ...vectors(4) })).toBe(4);
  });
});

describe("normalised comparisons", () => {
  const cohort = cohortTemplates(vectors(30), people(30, 1));
  const unit = vectors(8);
  const subjects = Int32Array.from([0, 1, 2, 3, 0, 1, 2, 3]);
  const cosine = (a: number, set: typeof unit, b: number): number => {
    let dot = 0;
    for (let k = 0; k < DIM; k++) dot += (unit.data[a * DIM + k] as number) * (set.data[b * DIM + k] as number);
    return dot;
  };
  /** By the book, one pair at a time. */
  const expected = (a: number, b: number, top?: number): number => {
    const side = (item: number) =>
      cohortStatistics(
        Float64Array.from({ length: cohort.count }, (_, c) => cosine(item, cohort, c)),
        top,
      );
    return normaliseScore(cosine(a, unit, b), { enrolled: side(a), probe: side(b) }, "s");
  };

  test("are those of each pair, whichever design names them", () => {
    for (const top of [undefined, 10]) {
      const options = { unit, cohort, ...(top === undefined ? {} : { top }) };
      const crossed = normaliseComparisons(compareAll(unit, allPairs(subjects)), options);
      crossed.genuine.scores.forEach((score, k) => {
        expect(score).toBeCloseTo(expected(crossed.genuine.a[k] as number, crossed.genuine.b[k] as number, top), 4);
      });
      // 28 pairs of 8 items less the 4 genuine ones; the first is of items 0 and 1, the last of 6 and 7.
      expect(crossed.impostor).toHaveLength(24);
      expect(crossed.impostor[0]).toBeCloseTo(expected(0, 1, top), 4);
      expect(crossed.impostor[23]).toBeCloseTo(expected(6, 7, top), 4);
      const listed = listedPairs(subjects, { a: Uint32Array.of(5, 1), b: Uint32Array.of(2, 5), genuine: Uint8Array.of(0, 1) });
      const two = normaliseComparisons(compareAll(unit, listed), options);
      expect(two.impostor[0]).toBeCloseTo(expected(5, 2, top), 4);
      expect(two.genuine.scores[0]).toBeCloseTo(expected(1, 5, top), 4);
    }
  });
});
