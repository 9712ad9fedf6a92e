import { describe, expect, it } from "vitest";
import { seededRandom } from "../base/random.ts";
import { bootstrapPoints } from "./bootstrap.ts";
import { type ComparisonScores, compareAll, scoresFor } from "./compare.ts";
import { allPairs, listedPairs } from "./design.ts";
import { listFlips, scoreShift } from "./flips.ts";
import { comparePaired } from "./paired.ts";
import { embeddings, normaliseRows, scorePairs } from "./similarity.ts";

function models(noise: number): { reference: ComparisonScores; candidate: ComparisonScores; subjects: Int32Array } {
  const random = seededRandom(8);
  const [people, images, dim] = [40, 4, 16];
  const centres = Float32Array.from({ length: people * dim }, () => random.normal());
  const subjects = Int32Array.from({ length: people * images }, (_, i) => i % people);
  const data = Float32Array.from(
    { length: subjects.length * dim },
    (_, k) => (centres[(subjects[Math.floor(k / dim)] ?? 0) * dim + (k % dim)] ?? 0) + 0.7 * random.normal(),
  );
  const shaken = data.map((value) => value + noise * random.normal());
  const design = allPairs(subjects);
  return {
    subjects,
    reference: compareAll(normaliseRows(embeddings(data, dim)), design),
    candidate: compareAll(normaliseRows(embeddings(shaken, dim)), design),
  };
}

describe("two models on the same comparisons", () => {
  it("do not differ when they are the same", () => {
    const { reference } = models(0);
    const verdict = comparePaired(reference, reference, { fars: [1e-2, 1e-6], replicates: 30 });
    const [point, missing] = verdict.points;
    if (point?.kind !== "paired-point") throw new Error("too few");
    expect(missing?.kind).toBe("insufficient-data");
    expect(point.ownThresholds).toMatchObject({ value: 0, interval: { low: 0, high: 0 } });
    expect(point.commonThreshold).toMatchObject({ value: 0, interval: { low: 0, high: 0 } });
    expect([point.flipsCommonThreshold.genuine, point.flipsCommonThreshold.impostor]).toEqual([[], []]);
    expect(verdict.shift.impostor).toMatchObject({ mean: 0, deviation: 0, worst: { shift: 0 } });
  });

  it("keep their TAR at thresholds of their own when all scores were halved, and lose it at the common one", () => {
    const { reference } = models(0);
    const halved = scoresFor(reference.design, {
      genuine: reference.genuine.scores.map((s) => s / 2),
      impostor: reference.impostor.map((s) => s / 2),
    });
    const [point] = comparePaired(reference, halved, { fars: [1e-2], replicates: 40 }).points;
    if (point?.kind !== "paired-point") throw new Error("too few");
    expect(point.ownThresholds.value).toBe(0);
    expect(point.ownThresholds.interval.method).toBe("clopper-pearson-over-people");
    expect(point.commonThreshold.value).toBeLessThan(-0.5);
    expect(point.commonThreshold.interval.high).toBeLessThan(-0.4);
    expect(point.candidateAtReferenceThreshold.fmr).toBe(0);
    expect(point.realisedFar).toMatchObject({ low: 0, method: "clopper-pearson-over-comparisons" });
  });

  it("give the realised FAR an interval even when nearly everybody is let in", () => {
    const { reference } = models(0);
    const raised = scoresFor(reference.design, {
      genuine: reference.genuine.scores,
      impostor: reference.impostor.map((s) => s + 0.8),
    });
    const [point] = comparePaired(reference, raised, { fars: [1e-2], replicates: 100 }).points;
    if (point?.kind !== "paired-point") throw new Error("too few");
    const { fmr } = point.candidateAtReferenceThreshold;
    expect(fmr).toBeGreaterThan(0.8);
    expect(point.realisedFar.low).toBeLessThan(fmr);
    expect(point.realisedFar.low).toBeGreaterThan(fmr - 0.1);
    expect(point.realisedFar.high).toBeGreaterThan(fmr);
  });

  it("are not called equal beyond doubt when no decision happened to change", () => {
    const { reference } = models(0);
    const copy = { ...reference, genuine: { ...reference.genuine, scores: reference.genuine.scores.slice() } };
    const [point] = comparePaired(reference, copy, { fars: [1e-2], replicates: 20 }).points;
    if (point?.kind !== "paired-point") throw new Error("too few");
    // None of 40 people: 8.8 % at 95 %, two-sided.
    expect(point.ownThresholds.interval.high).toBeCloseTo(0.0881, 4);
    expect(point.ownThresholds.interval.low).toBe(-point.ownThresholds.interval.high);
  });

  it("differ by what a loop over all comparisons finds, with every flip listed", () => {
    const { reference, candidate } = models(0.25);
    const verdict = comparePaired(reference, candidate, { fars: [1e-2], replicates: 200 });
    const [point] = verdict.points;
    if (point?.kind !== "paired-point") throw new Error("too few");
    const t = point.reference.threshold;
    const share = (scores: Float32Array): number => scores.filter((s) => s >= t).length / scores.length;
    expect(point.candidateAtReferenceThreshold.fmr).toBe(share(candidate.impostor));
    expect(point.commonThreshold.value).toBeCloseTo(share(candidate.genuine.scores) - share(reference.genuine.scores), 12);
    const flips = point.flipsCommonThreshold;
    expect(flips.genuineGained - flips.genuineLost).toBe(Math.round(point.commonThreshold.value * point.reference.genuineCount));
    expect(flips.impostorGained - flips.impostorLost).toBe(
      point.candidateAtReferenceThreshold.falseMatches - point.reference.falseMatches,
    );
    expect(flips.impostor.length).toBe(flips.impostorGained + flips.impostorLost);
    expect(flips.impostor.length).toBeGreaterThan(3);
    for (const flip of [...flips.genuine, ...flips.impostor]) {
      expect(flip.referenceScore >= t).not.toBe(flip.candidateScore >= t);
      expect(flip.now).toBe(flip.candidateScore >= t ? "accepted" : "rejected");
    }
    const distances = flips.impostor.map((flip) => flip.distance);
    expect(distances).toEqual([...distances].sort((a, b) => a - b));
    expect(verdict.shift.genuine.mean).toBeCloseTo(
      candidate.genuine.scores.reduce((sum, s, k) => sum + s - (reference.genuine.scores[k] ?? 0), 0) /
        candidate.genuine.scores.length,
      6,
    );
    const largest = candidate.impostor.reduce((worst, s, k) => Math.max(worst, Math.abs(s - (reference.impostor[k] ?? 0))), 0);
    expect(Math.abs(verdict.shift.impostor.worst.shift)).toBe(largest);
  });

  it("name the items of a flipped impostor comparison", () => {
    const { reference, candidate } = models(0.25);
    const { impostor } = listFlips(reference, candidate, { referenceThreshold: 0.5, candidateThreshold: 0.5, limit: 5 });
    expect(impostor).toHaveLength(5);
    const set = models(0.25);
    const pairs = { a: Uint32Array.from(impostor, (f) => f.a), b: Uint32Array.from(impostor, (f) => f.b) };
    for (const flip of impostor) expect(set.subjects[flip.a]).not.toBe(set.subjects[flip.b]);
    // The same data again: the scores of the named items are those of the flips.
    const random = seededRandom(8);
    const centres = Float32Array.from({ length: 40 * 16 }, () => random.normal());
    const data = Float32Array.from(
      { length: 160 * 16 },
      (_, k) => (centres[(set.subjects[Math.floor(k / 16)] ?? 0) * 16 + (k % 16)] ?? 0) + 0.7 * random.normal(),
    );
    expect([...scorePairs(normaliseRows(embeddings(data, 16)), pairs)]).toEqual(impostor.map((flip) => flip.referenceScore));
  });

  it("have a narrower interval for the difference than for either model", () => {
    const { reference, candidate } = models(0.15);
    const [point] = comparePaired(reference, candidate, { fars: [1e-2], replicates: 300 }).points;
    const [alone] = bootstrapPoints(reference, [1e-2], { replicates: 300 });
    if (point?.kind !== "paired-point" || alone?.kind !== "bootstrapped-point") throw new Error("too few");
    const { low, high } = point.commonThreshold.interval;
    expect(low).toBeLessThanOrEqual(point.commonThreshold.value);
    expect(high).toBeGreaterThanOrEqual(point.commonThreshold.value);
    expect(high - low).toBeLessThan((alone.tarFixed.high - alone.tarFixed.low) * 0.8);
  });

  it("count four hand-made decisions", () => {
    const design = listedPairs(Int32Array.of(0, 0, 1, 1), {
      a: Uint32Array.of(0, 2, 0, 1),
      b: Uint32Array.of(1, 3, 2, 3),
      genuine: Uint8Array.of(1, 1, 0, 0),
    });
    const before = scoresFor(design, { genuine: Float32Array.of(0.75, 0.25), impostor: Float32Array.of(0.5, 0.125) });
    const after = scoresFor(design, { genuine: Float32Array.of(0.25, 0.625), impostor: Float32Array.of(0.375, 1) });
    const report = listFlips(before, after, { referenceThreshold: 0.5, candidateThreshold: 0.5 });
    expect(report).toMatchObject({ genuineLost: 1, genuineGained: 1, impostorLost: 1, impostorGained: 1 });
    expect(report.genuine.map((flip) => [flip.a, flip.b, flip.now, flip.distance])).toEqual([
      [0, 1, "rejected", 0.25],
      [2, 3, "accepted", 0.25],
    ]);
    expect(report.impostor.map((flip) => [flip.a, flip.b, flip.now, flip.distance])).toEqual([
      [0, 2, "rejected", 0.125],
      [1, 3, "accepted", 0.5],
    ]);
    // With a threshold of its own at 0.25 the candidate loses nobody, and lets both strangers in: one more than before.
    const own = listFlips(before, after, { referenceThreshold: 0.5, candidateThreshold: 0.25 });
    expect(own).toMatchObject({ genuineLost: 0, genuineGained: 1, impostorLost: 0, impostorGained: 1 });
    const { impostor } = scoreShift(before, after);
    expect(impostor).toMatchObject({ mean: 0.375, deviation: 0.5, worst: { a: 1, b: 3, shift: 0.875 }, count: 2 });
  });

  it("are refused when their comparisons are not the same", () => {
    const a = models(0).reference;
    const b = models(0).reference;
    expect(() => listFlips(a, b, { referenceThreshold: 0, candidateThreshold: 0 })).toThrow(/different designs/);
  });
});
