import { movedBy, noisyFaces, subjectsOf } from "@tessera/testkit/noisy-faces";
import { describe, expect, test } from "vitest";
import { at } from "../base/assert.ts";
import { seededRandom } from "../base/random.ts";
import { type ComparisonScores, compareAll, rankScores, scoresFor } from "./compare.ts";
import { allPairs, type CrossDesign, countComparisons, locateImpostors } from "./design.ts";
import { upperTail } from "./normal.ts";
import { type OperatingPoint, operatingPoint } from "./rates.ts";
import { eachResample } from "./resample.ts";
import { type Embeddings, normaliseRows, selectEmbeddings } from "./similarity.ts";
import { operatingLoss, smoothedReference } from "./smoothed.ts";
import { KERNEL_REACH, shareAbove, smoothedAt, smoothedThreshold } from "./smoothed-curve.ts";
import { addTarInfluence, fitPoints, peopleOfDesign } from "./smoothed-people.ts";

const DIM = 32;

function faces(subjects: Int32Array, seed: number): Embeddings {
  return noisyFaces(subjects, { dim: DIM, within: 0.75, seed });
}

function moved(from: Embeddings, by: number, seed: number): Embeddings {
  return normaliseRows(movedBy(from, by, seed));
}

/** The scores of a design with each one changed. */
function changed(
  scores: ComparisonScores,
  by: { readonly genuine: () => number; readonly impostor: () => number },
): ComparisonScores {
  return scoresFor(scores.design, {
    genuine: scores.genuine.scores.map((s) => s + by.genuine()),
    impostor: scores.impostor.map((s) => s + by.impostor()),
  });
}

const SUBJECTS = subjectsOf(120, 5);
const FACES = faces(SUBJECTS, 1);
const DESIGN = allPairs(SUBJECTS);
const SCORES = compareAll(normaliseRows(FACES), DESIGN);
const FARS = [1e-2, 1e-3];

describe("the smoothed curve", () => {
  test("blurs by the normal distribution", () => {
    for (let x = -7; x <= 7; x += 0.0137) expect(Math.abs(shareAbove(x) - upperTail(-x))).toBeLessThan(2e-7);
    expect(shareAbove(0)).toBeCloseTo(0.5, 12);
    expect([shareAbove(-KERNEL_REACH), shareAbove(KERNEL_REACH)]).toEqual([0, 1]);
  });

  test("has the density and the slope of its shares", () => {
    const scores = SCORES.genuine.scores;
    const point = (threshold: number) => smoothedAt(scores, { threshold, bandwidth: 0.05, count: scores.length });
    for (const t of [0.2, 0.35, 0.5]) {
      const [low, here, high] = [point(t - 1e-4), point(t), point(t + 1e-4)];
      expect((low.above - high.above) / 2e-4).toBeCloseTo(here.density, 2);
      expect((high.density - low.density) / 2e-4).toBeCloseTo(here.slope, 2);
      const plain = Array.from(scores, (s) => upperTail((t - s) / 0.05)).reduce((a, b) => a + b, 0) / scores.length;
      expect(here.above).toBeCloseTo(plain, 6);
    }
  });

  test("is fitted to a FAR from wherever the search starts", () => {
    const count = SCORES.impostor.length;
    const fit = (start: number) => smoothedThreshold(SCORES.impostor, { far: 1e-3, bandwidth: 0.02, count, start });
    const threshold = fit(0.5);
    expect(smoothedAt(SCORES.impostor, { threshold, bandwidth: 0.02, count }).above).toBeCloseTo(1e-3, 9);
    for (const start of [-0.9, 0, 0.99]) expect(fit(start)).toBeCloseTo(threshold, 7);
  });
});

describe("the loss at the operating point", () => {
  const reference = smoothedReference(SCORES, { fars: FARS });

  test("is nothing for the reference itself", () => {
    const { value, interval, impostorShift, tailShift, penalty, points } = operatingLoss(reference, SCORES);
    // Thresholds are found to 1e-9.
    for (const zero of [value, interval.low, interval.high, tailShift, ...points.map((p) => p.drift)])
      expect(zero).toBeCloseTo(0, 6);
    expect([impostorShift, penalty, ...points.map((p) => p.noise)]).toEqual([0, 0, 0, 0]);
  });

  test("does not mind when all scores move together, which a threshold takes up, but for strangers who come closer", () => {
    const both = operatingLoss(reference, changed(SCORES, { genuine: () => 0.01, impostor: () => 0.01 }));
    for (const point of both.points) {
      expect(point.candidateThreshold - point.referenceThreshold).toBeCloseTo(0.01, 5);
      expect(Math.abs(point.smoothed.value)).toBeLessThan(1e-3);
      expect(point.noise).toBeLessThan(1e-6);
    }
    // 8 thousandths beyond the tolerance, in the mean and at the threshold, at a tenth of a point each.
    expect(both.penalty).toBeCloseTo(1.6, 3);
    const apart = operatingLoss(reference, changed(SCORES, { genuine: () => -0.01, impostor: () => -0.01 }));
    expect(apart.penalty).toBe(0);
    expect(Math.abs(apart.value)).toBeLessThan(1e-3);
  });

  test("counts a drift that stands out of its margin, and only then", () => {
    const worse = operatingLoss(reference, changed(SCORES, { genuine: () => -0.02, impostor: () => 0 }));
    const better = operatingLoss(reference, changed(SCORES, { genuine: () => 0.02, impostor: () => 0 }));
    expect(worse.value).toBeGreaterThan(0.2);
    expect(better.value).toBeLessThan(-0.2);
    for (const point of [...worse.points, ...better.points]) {
      expect(Math.abs(point.sureDrift)).toBeLessThan(Math.abs(point.drift));
      expect(Math.sign(point.sureDrift)).toBe(Math.sign(point.drift));
    }
  });

  test("predicts from the variance of shifts what independent noise costs", () => {
    const random = seededRandom(8);
    const sums = FARS.map(() => ({ smoothed: 0, noise: 0 }));
    const runs = 12;
    for (let run = 0; run < runs; run++) {
      const noisy = changed(SCORES, { genuine: () => 0.02 * random.normal(), impostor: () => 0.02 * random.normal() });
      operatingLoss(reference, noisy).points.forEach((point, n) => {
        at(sums, n).smoothed += point.smoothed.value / runs;
        at(sums, n).noise += point.noise / runs;
        expect(point.jitter.genuine).toBeCloseTo(0.02, 2);
        expect(point.jitter.impostor).toBeCloseTo(0.02, 2);
      });
    }
    for (const { smoothed, noise } of sums) {
      expect(noise).toBeGreaterThan(0.05);
      expect(Math.abs(noise - smoothed)).toBeLessThan(0.25 * smoothed);
    }
  });

  test("is refused where impostors are too few", () => {
    expect(() => smoothedReference(SCORES, { fars: [1e-6] })).toThrow(/needs \d+ more impostor comparisons/);
    expect(() => smoothedReference(SCORES, { fars: [] })).toThrow(/no FAR/);
  });
});

test("The influence of a person is the change that more of this person makes", () => {
  const subjects = subjectsOf(14, 4);
  const scores = compareAll(normaliseRows(faces(subjects, 3)), allPairs(subjects));
  const [far, bandwidth] = [0.02, 0.05];
  const people = peopleOfDesign(scores);
  const weighted = (person: number, weight: number): number => {
    const w = new Float64Array(14).fill(1);
    w[person] = weight;
    const pairs = locateImpostors(
      scores.design,
      Uint32Array.from(scores.impostor, (_, k) => k),
    );
    const weights = Array.from(scores.impostor, (_, k) => {
      const [a, b] = [at(subjects, at(pairs.a, k)), at(subjects, at(pairs.b, k))];
      return at(w, a) * at(w, b);
    });
    const total = weights.reduce((a, b) => a + b, 0);
    let [low, high] = [-1, 2];
    for (let i = 0; i < 60; i++) {
      const t = (low + high) / 2;
      const above = weights.reduce((sum, wk, k) => sum + wk * upperTail((t - at(scores.impostor, k)) / bandwidth), 0);
      if (above / total > far) low = t;
      else high = t;
    }
    let accepted = 0;
    let all = 0;
    scores.genuine.scores.forEach((s, k) => {
      const wk = at(w, at(people.genuinePerson, k));
      accepted += wk * upperTail((low - s) / bandwidth);
      all += wk;
    });
    return accepted / all;
  };
  const { tail, points } = fitPoints(scores, { fars: [far], starts: [0.5], bandwidth });
  const into = new Float64Array(14);
  addTarInfluence(people, { scores, tail, point: at(points, 0) }, { bandwidth, factor: 1, into });
  expect(weighted(0, 1)).toBeCloseTo(at(points, 0).genuine.above, 5);
  for (const person of [0, 5, 13]) {
    const slope = (weighted(person, 1.01) - weighted(person, 0.99)) / 0.02;
    expect(at(into, person)).toBeCloseTo(slope, 4);
  }
  expect(into.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 6);
});

test("The interval of the smoothed loss is about that of a bootstrap over people", () => {
  const subjects = subjectsOf(45, 4);
  const few = faces(subjects, 1);
  const design = allPairs(subjects);
  const float = compareAll(normaliseRows(few), design);
  const other = compareAll(moved(few, 0.12, 4), design);
  const far = 1e-2;
  const [point] = operatingLoss(smoothedReference(float, { fars: [far] }), other).points;
  const { low, high } = (point as NonNullable<typeof point>).smoothed.interval;
  const pairs = locateImpostors(
    design,
    Uint32Array.from(float.impostor, (_, k) => k),
  );
  const tar = (scores: ComparisonScores, weights: Float64Array, total: number): number => {
    let [from, to] = [0.2, 0.9];
    const near = Array.from(scores.impostor.keys()).filter((k) => at(scores.impostor, k) > 0.25);
    for (let i = 0; i < 25; i++) {
      const t = (from + to) / 2;
      let above = 0;
      for (const k of near)
        above +=
          at(weights, at(subjects, at(pairs.a, k))) *
          at(weights, at(subjects, at(pairs.b, k))) *
          shareAbove((at(scores.impostor, k) - t) / 0.02);
      if (above / total > far) from = t;
      else to = t;
    }
    let accepted = 0;
    let all = 0;
    scores.genuine.scores.forEach((s, k) => {
      const w = at(weights, at(subjects, at(scores.genuine.a, k)));
      accepted += w * shareAbove((s - from) / 0.02);
      all += w;
    });
    return accepted / all;
  };
  const losses: number[] = [];
  eachResample(design, { replicates: 100, seed: 2 }, ({ weights, impostorWeight }) => {
    losses.push(100 * (tar(float, weights, impostorWeight) - tar(other, weights, impostorWeight)));
  });
  const mean = losses.reduce((a, b) => a + b, 0) / losses.length;
  const deviation = Math.sqrt(losses.reduce((a, b) => a + (b - mean) ** 2, 0) / losses.length);
  expect((high - low) / 2 / 1.96 / deviation).toBeGreaterThan(0.7);
  expect((high - low) / 2 / 1.96 / deviation).toBeLessThan(1.4);
});

test("Between halves of people it scatters far less than the plain difference of TAR, and puts models in order in each half", () => {
  const models = [0.3, 0.15, 0.075].map((by, i) => moved(FACES, by, 20 + i));
  const float = normaliseRows(FACES);
  const random = seededRandom(6);
  const far = 3e-3;
  const spread = { plain: 0, loss: 0 };
  let [plainRight, lossRight, halves] = [0, 0, 0];
  for (let split = 0; split < 6; split++) {
    const side = Array.from({ length: 120 }, () => random.int(2));
    const judged = [0, 1].map((which) => {
      const rows = Uint32Array.from(SUBJECTS.keys()).filter((i) => side[at(SUBJECTS, i)] === which);
      const design: CrossDesign = allPairs(Int32Array.from(rows, (i) => at(SUBJECTS, i)));
      expect(countComparisons(design).impostor).toBeGreaterThan(3 / far);
      const base = compareAll(selectEmbeddings(float, rows), design);
      const reference = smoothedReference(base, { fars: [far] });
      const tar = (scores: ComparisonScores): number => (operatingPoint(rankScores(scores), far) as OperatingPoint).tar;
      return models.map((model) => {
        const scores = compareAll(selectEmbeddings(model, rows), design);
        return { plain: 100 * (tar(base) - tar(scores)), loss: operatingLoss(reference, scores).value };
      });
    });
    const falling = (values: readonly number[]): boolean => values.every((v, i) => i === 0 || v < at(values, i - 1));
    for (const half of judged) {
      halves++;
      plainRight += falling(half.map((m) => m.plain)) ? 1 : 0;
      lossRight += falling(half.map((m) => m.loss)) ? 1 : 0;
    }
    // The two gentler models: what a search has to tell apart.
    for (const m of [1, 2])
      for (const what of ["plain", "loss"] as const)
        spread[what] += ((judged[0]?.[m]?.[what] as number) - (judged[1]?.[m]?.[what] as number)) ** 2;
  }
  expect(lossRight).toBe(halves);
  expect(plainRight).toBeLessThan(halves);
  expect(Math.sqrt(spread.loss)).toBeLessThan(0.5 * Math.sqrt(spread.plain));
});
