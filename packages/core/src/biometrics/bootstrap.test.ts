import { describe, expect, it } from "vitest";
import { seededRandom } from "../base/random.ts";
import { bootstrapPoints, refitter } from "./bootstrap.ts";
import { type ComparisonScores, rankScores, scoresFor } from "./compare.ts";
import { allPairs, type ComparisonDesign, countComparisons, listedPairs, locateImpostors } from "./design.ts";
import { upperTail } from "./normal.ts";
import { operatingPoint, thresholdAtFar } from "./rates.ts";
import {
  eachResample,
  percentileInterval,
  resampleView,
  tailDepth,
  weightedFmr,
  weightedFnmr,
  weightedThreshold,
} from "./resample.ts";

function randomScores(design: ComparisonDesign, seed: number): ComparisonScores {
  const random = seededRandom(seed);
  const { genuine, impostor } = countComparisons(design);
  // Rounded, so that ties occur.
  const draw = (count: number, mean: number): Float32Array =>
    Float32Array.from({ length: count }, () => Math.round((mean + random.normal()) * 50) / 50);
  return scoresFor(design, { genuine: draw(genuine, 2), impostor: draw(impostor, 0) });
}

const subjects = Int32Array.from({ length: 90 }, (_, i) => (i * i) % 37);

describe("resampling people", () => {
  it.each(["unordered", "ordered"])("finds in %s comparisons the weighted rates that a full enumeration finds", (kind) => {
    const design = allPairs(subjects, { ordered: kind === "ordered", aliases: [[0, 1]] });
    const scores = randomScores(design, 1);
    const { impostor } = rankScores(scores);
    const far = 0.02;
    const view = resampleView(scores, impostor, tailDepth(far, impostor.count));
    expect(view.tailIsAll).toBe(false);
    const all = locateImpostors(
      design,
      Uint32Array.from(scores.impostor, (_, k) => k),
    );
    eachResample(design, { replicates: 20, seed: 3 }, (resample) => {
      const weights = scores.impostor.map(
        (_, k) => (resample.weights[subjects[all.a[k] ?? 0] ?? 0] ?? 0) * (resample.weights[subjects[all.b[k] ?? 0] ?? 0] ?? 0),
      );
      const total = weights.reduce((sum, w) => sum + w, 0);
      expect(resample.impostorWeight).toBe(total);
      expect(resample.weights.reduce((sum, w) => sum + w, 0)).toBe(new Set(subjects).size);
      // Repeat every comparison as often as it weighs and ask the plain functions.
      const repeated = Float32Array.from(
        [...scores.impostor.keys()].flatMap((k) => Array.from({ length: weights[k] ?? 0 }, () => scores.impostor[k] ?? 0)),
      );
      const ranked = rankScores({
        genuine: Float32Array.from(
          [...scores.genuine.scores.keys()].flatMap((k) =>
            Array.from(
              { length: resample.weights[subjects[scores.genuine.a[k] ?? 0] ?? 0] ?? 0 },
              () => scores.genuine.scores[k] ?? 0,
            ),
          ),
        ),
        impostor: repeated,
      });
      const threshold = weightedThreshold({ view, resample }, far);
      expect(threshold).toBe(thresholdAtFar(ranked.impostor, far));
      const point = operatingPoint(ranked, far);
      if (point.kind !== "operating-point" || threshold === undefined) throw new Error("too few");
      expect(weightedFmr({ view, resample }, threshold)).toBeCloseTo(point.fmr, 12);
      expect(weightedFnmr({ view, resample }, threshold)).toBeCloseTo(point.fnmr, 12);
    });
  });

  it("says when the tail is too short instead of guessing", () => {
    const design = allPairs(subjects);
    const scores = randomScores(design, 2);
    const view = resampleView(scores, rankScores(scores).impostor, 5);
    eachResample(design, { replicates: 3, seed: 1 }, (resample) =>
      expect(weightedThreshold({ view, resample }, 0.3)).toBeUndefined(),
    );
  });

  it("deepens a tail that is too short until it holds the threshold", () => {
    const design = allPairs(subjects);
    const scores = randomScores(design, 2);
    const ranked = rankScores(scores);
    const shallow = refitter({ scores, ranked }, { fars: [], depth: 5 });
    const whole = resampleView(scores, ranked.impostor, ranked.impostor.count);
    eachResample(design, { replicates: 10, seed: 1 }, (resample) => {
      expect(shallow.threshold(resample, 0.3)).toBe(weightedThreshold({ view: whole, resample }, 0.3));
    });
    expect(shallow.view().tail.length).toBeGreaterThan(0.25 * ranked.impostor.count);
  });

  it("repeats itself for a seed, and only for that", () => {
    const design = allPairs(subjects);
    const scores = randomScores(design, 2);
    const first = bootstrapPoints(scores, [0.6, 0.01], { replicates: 50 });
    expect(first).toEqual(bootstrapPoints(scores, [0.6, 0.01], { replicates: 50 }));
    expect(first).not.toEqual(bootstrapPoints(scores, [0.6, 0.01], { replicates: 50, seed: 2 }));
  });

  it("answers each FAR by itself, the unanswerable ones with what is missing", () => {
    const scores = randomScores(allPairs(subjects), 3);
    const [a, b] = bootstrapPoints(scores, [1e-2, 1e-5], { replicates: 20 });
    expect(a?.kind).toBe("bootstrapped-point");
    expect(b).toMatchObject({ kind: "insufficient-data", needsMore: 300_000 - scores.impostor.length });
  });

  it("does not claim certainty when nobody failed", () => {
    const design = allPairs(Int32Array.from({ length: 100 }, (_, i) => i >> 1));
    const { genuine, impostor } = countComparisons(design);
    const scores = scoresFor(design, { genuine: new Float32Array(genuine).fill(1), impostor: new Float32Array(impostor) });
    const [point] = bootstrapPoints(scores, [1e-2]);
    if (point?.kind !== "bootstrapped-point") throw new Error("too few");
    expect(point.tarRefitted).toMatchObject({ high: 1, method: "clopper-pearson-over-people" });
    // None of 50 people failed: two-sided 95 % leaves 7.1 %.
    expect(point.tarRefitted.low).toBeCloseTo(0.9289, 4);
    expect(point.fmrFixed.high).toBeCloseTo(3.69 / impostor, 5);
  });

  it("takes percentiles by nearest rank and leaves undefined replicates out", () => {
    const values = Float64Array.from({ length: 101 }, (_, i) => (i === 100 ? Number.NaN : i + 1));
    expect(percentileInterval(values, 0.9)).toEqual({ low: 5, high: 95, used: 100 });
  });
});

describe("the subject bootstrap", () => {
  it("covers the truth about as often as it promises, where counting comparisons as independent does not", () => {
    // 60 people, 10 genuine comparisons each that share a person's effect; 600 impostor pairs with effects of both people.
    const people = 60;
    const images = 5;
    const who = Int32Array.from({ length: people * images }, (_, i) => Math.floor(i / images));
    const random = seededRandom(11);
    const pairs: [number, number, number][] = [];
    for (let i = 0; i < who.length; i++) for (let j = i + 1; j < who.length; j++) if (who[i] === who[j]) pairs.push([i, j, 1]);
    while (pairs.length < 1200) {
      const [i, j] = [random.int(who.length), random.int(who.length)];
      if (who[i] !== who[j]) pairs.push([i, j, 0]);
    }
    const design = listedPairs(who, {
      a: Uint32Array.from(pairs, (p) => p[0]),
      b: Uint32Array.from(pairs, (p) => p[1]),
      genuine: Uint8Array.from(pairs, (p) => p[2]),
    });
    const far = 0.05;
    const spread = Math.sqrt(1.25);
    // Marginals: genuine N(3.2, 1.25), impostor N(0, 1.25). The true threshold at FAR 5 % is 1.6449 spreads.
    const truth = upperTail((1.6448536 * spread - 3.2) / spread);
    const trials = 80;
    let refitted = 0;
    let fixed = 0;
    let naive = 0;
    for (let trial = 0; trial < trials; trial++) {
      const mate = Float64Array.from({ length: people }, () => random.normal());
      const lamb = Float64Array.from({ length: people }, () => random.normal() * Math.sqrt(0.125));
      const genuine = Float32Array.from(design.genuine.a, (item) => 3.2 + (mate[who[item] ?? 0] ?? 0) + random.normal() * 0.5);
      const impostor = Float32Array.from(design.impostor.a, (item, k) => {
        const other = who[design.impostor.b[k] ?? 0] ?? 0;
        return (lamb[who[item] ?? 0] ?? 0) + (lamb[other] ?? 0) + random.normal();
      });
      const [result] = bootstrapPoints(scoresFor(design, { genuine, impostor }), [far], { replicates: 150, seed: trial });
      if (result?.kind !== "bootstrapped-point") throw new Error("too few");
      const { point, tarFixed, tarRefitted } = result;
      const truthHere = upperTail((point.threshold - 3.2) / spread);
      if (tarRefitted.low <= truth && truth <= tarRefitted.high) refitted++;
      if (tarFixed.low <= truthHere && truthHere <= tarFixed.high) fixed++;
      const half = 1.96 * Math.sqrt((point.tar * point.fnmr) / point.genuineCount);
      if (Math.abs(point.tar - truthHere) <= half) naive++;
    }
    // 95 % promised; 80 trials leave a standard error of 2.4 %, percentile intervals of 60 people run a little narrow.
    expect(refitted / trials).toBeGreaterThan(0.88);
    expect(fixed / trials).toBeGreaterThan(0.88);
    expect(fixed / trials).toBeLessThan(1);
    expect(naive / trials).toBeLessThan(0.75);
  });
});
