import { describe, expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import { compareAll, rankScores } from "./compare.ts";
import { allPairs } from "./design.ts";
import { equalErrorRate } from "./eer.ts";
import { bootstrapEer, weightedEer } from "./eer-interval.ts";
import { resampleView } from "./resample.ts";
import { embeddings, normaliseRows } from "./similarity.ts";

/** People around centres of their own, `spread` apart from them. */
function made(people: number, each: number, spread: number) {
  const random = seededRandom(people * 31 + each);
  const dim = 6;
  const centres = Array.from({ length: people * dim }, () => random.normal());
  const subjects = Int32Array.from({ length: people * each }, (_, i) => i % people);
  const data = Float32Array.from({ length: people * each * dim }, (_, k) => {
    const person = subjects[Math.floor(k / dim)] as number;
    return (centres[person * dim + (k % dim)] as number) + spread * random.normal();
  });
  const scores = compareAll(normaliseRows(embeddings(data, dim)), allPairs(subjects));
  return { scores, ranked: rankScores(scores) };
}

describe("the equal error rate over people", () => {
  test("is that of the comparisons where everybody is drawn once", () => {
    for (const spread of [0.2, 0.6, 1, 3]) {
      const { scores, ranked } = made(12, 5, spread);
      const view = resampleView(scores, ranked.impostor, ranked.impostor.count);
      const resample = { weights: new Float64Array(12).fill(1), impostorWeight: ranked.impostor.count };
      expect(weightedEer({ view, resample })).toBeCloseTo(equalErrorRate(ranked).raw.rate, 12);
    }
  });

  test("weighs a person who is drawn twice as two", () => {
    const { scores, ranked } = made(4, 6, 1);
    const view = resampleView(scores, ranked.impostor, ranked.impostor.count);
    const ofAll = (weights: readonly number[]) => {
      const design = scores.design;
      const pairs = weights.flatMap((a, i) => weights.slice(i + 1).map((b) => a * b));
      expect(design.people).toBe(4);
      const impostorWeight = 36 * pairs.reduce((sum, w) => sum + w, 0);
      return weightedEer({ view, resample: { weights: Float64Array.from(weights), impostorWeight } });
    };
    expect(ofAll([2, 2, 2, 2])).toBeCloseTo(ofAll([1, 1, 1, 1]), 12);
    expect(ofAll([3, 1, 0, 0])).not.toBeCloseTo(ofAll([1, 1, 1, 1]), 3);
    expect(ofAll([4, 0, 0, 0])).toBeNaN();
  });

  test("lies in its interval, which is wide for few people and narrower for many", () => {
    const width = (people: number) => {
      const { scores, ranked } = made(people, 4, 1);
      const { low, high } = bootstrapEer(scores, ranked, { replicates: 200 });
      const { rate } = equalErrorRate(ranked).raw;
      expect(low).toBeLessThanOrEqual(rate);
      expect(high).toBeGreaterThanOrEqual(rate);
      return high - low;
    };
    expect(width(5)).toBeGreaterThan(2 * width(80));
  });

  test("is not known to be nothing where nobody erred: the fewer people, the more may hide", () => {
    const interval = (people: number) => {
      const { scores, ranked } = made(people, 4, 1e-3);
      expect(equalErrorRate(ranked).raw.rate).toBe(0);
      return bootstrapEer(scores, ranked, { replicates: 20 });
    };
    // 1 - 0.025^(1 / 20), and half for three people, who could have hidden 0.71.
    expect(interval(20)).toMatchObject({ low: 0, method: "clopper-pearson-over-people" });
    expect(interval(20).high).toBeCloseTo(1 - 0.025 ** (1 / 20), 9);
    expect(interval(3).high).toBe(0.5);
  });
});
