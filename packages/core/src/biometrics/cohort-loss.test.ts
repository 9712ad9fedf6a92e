import { describe, expect, it, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import { bootstrapPoints } from "./bootstrap.ts";
import { type CohortLossReport, cohortLosses, genuineNeeded, worstCohortGate } from "./cohort-loss.ts";
import { type ComparisonScores, rankScores, scoresFor } from "./compare.ts";
import { allPairs, countComparisons } from "./design.ts";
import { comparePaired } from "./paired.ts";
import { operatingPoint } from "./rates.ts";

const PEOPLE = 60;
const PER_PERSON = 5;
/** Every person has five pictures; the first 40 people are of cohort "day", the next 17 of "night", the last three of "few". */
const subjects = Int32Array.from({ length: PEOPLE * PER_PERSON }, (_, i) => Math.floor(i / PER_PERSON));
const cohortOf = Array.from(subjects, (p) => (p < 40 ? "day" : p < 57 ? "night" : "few"));
const design = allPairs(subjects);
const FAR = 1e-2;

/** Scores of a model that knows everybody alike, and of one that scores the mates of one cohort lower. */
function models(loss: number, cohort: string): readonly [ComparisonScores, ComparisonScores] {
  const random = seededRandom(4);
  const counts = countComparisons(design);
  const impostor = Float32Array.from({ length: counts.impostor }, () => 0.1 * random.normal());
  const genuine = Float32Array.from({ length: counts.genuine }, () => 0.45 + 0.12 * random.normal());
  const reference = scoresFor(design, { genuine, impostor });
  const lowered = genuine.map((s, k) => (cohortOf[reference.genuine.a[k] as number] === cohort ? s - loss : s));
  return [reference, scoresFor(design, { genuine: lowered, impostor })];
}

function report(loss: number, cohort: string, more = {}): CohortLossReport {
  const [a, b] = models(loss, cohort);
  const found = cohortLosses(a, b, { cohortOf, far: FAR, replicates: 200, ...more });
  return found.kind === "cohort-losses" ? found : expect.fail(found.says);
}

describe("losses by cohort", () => {
  it("find the cohort that pays for a change, with its interval, while the others lose nothing", () => {
    const { rows, worst, overall } = report(0.1, "night");
    expect(rows.map((row) => row.cohort)).toEqual(["night", "day", "few"]);
    expect(worst?.cohort).toBe("night");
    expect(worst?.difference?.interval.high).toBeLessThan(0);
    expect(rows[1]?.difference?.value).toBe(0);
    // People as the trials: 40 without a change leave up to 8.8 %.
    expect(rows[1]?.difference?.interval.method).toBe("clopper-pearson-over-people");
    expect(overall.value).toBeGreaterThan(worst?.difference?.value ?? 0);
    expect(overall.value).toBeLessThan(0);
  });

  it("count what a loop over the comparisons counts, each model at its own threshold", () => {
    const [a, b] = models(0.1, "night");
    const found = report(0.1, "night");
    for (const [scores, threshold, side] of [
      [a, found.referenceThreshold, "reference"],
      [b, found.candidateThreshold, "candidate"],
    ] as const) {
      const point = operatingPoint(rankScores(scores), FAR);
      expect(point).toMatchObject({ threshold });
      for (const row of found.rows) {
        const mine = scores.genuine.scores.filter((_, k) => cohortOf[scores.genuine.a[k] as number] === row.cohort);
        expect(row.genuineCount).toBe(mine.length);
        expect(row[`${side}Misses`]).toBe(mine.filter((s) => s < threshold).length);
      }
    }
  });

  it("agree with the paired comparison where one cohort is everybody", () => {
    const [a, b] = models(0.1, "night");
    const settings = { replicates: 200, seed: 3 };
    const [point] = comparePaired(a, b, { ...settings, fars: [FAR] }).points;
    const all = cohortLosses(a, b, { ...settings, cohortOf: cohortOf.map(() => "all"), far: FAR });
    if (point?.kind !== "paired-point" || all.kind !== "cohort-losses") return expect.fail("figures");
    expect(all.worst?.difference?.value).toBeCloseTo(point.ownThresholds.value, 12);
    expect(all.worst?.difference?.interval.low).toBeCloseTo(point.ownThresholds.interval.low, 12);
    expect(all.worst?.difference?.interval.high).toBeCloseTo(point.ownThresholds.interval.high, 12);
    expect(all.overall).toEqual(all.worst?.difference);
    const [own] = bootstrapPoints(b, [FAR], settings);
    if (own?.kind !== "bootstrapped-point") return expect.fail("figures");
    expect(all.worst?.candidateTar).toBeCloseTo(own.point.tar, 12);
    expect(all.worst?.candidateTarInterval?.low).toBeCloseTo(own.tarRefitted.low, 12);
    expect(all.worst?.candidateTarInterval?.high).toBeCloseTo(own.tarRefitted.high, 12);
  });

  it("give no figure to cohorts that are too small, and say what they lack", () => {
    const few = report(0.1, "few").rows.find((row) => row.cohort === "few");
    expect(few?.difference).toBeUndefined();
    expect(few?.candidateFmr).toBeUndefined();
    expect(few?.genuineCount).toBe(30);
    expect(few?.says).toMatch(/needs 70 more genuine comparisons and 7 more people with several pictures in few; .*impostor/);
  });

  it("count a comparison of pictures of two cohorts in both, so that columns that differ within a person work", () => {
    const [a, b] = models(0, "");
    const session = Array.from(subjects, (_, i) => String(i % PER_PERSON));
    const found = cohortLosses(a, b, { cohortOf: session, far: FAR, replicates: 50 });
    expect(found.kind === "cohort-losses" && found.rows.map((row) => row.genuineCount)).toEqual(Array(5).fill(PEOPLE * 4));
  });

  it("are refused with the numbers where the FAR cannot be told at all", () => {
    const [a, b] = models(0, "");
    expect(cohortLosses(a, b, { cohortOf, far: 1e-6 })).toMatchObject({ kind: "insufficient-data" });
    expect(() => cohortLosses(a, b, { cohortOf: ["x"], far: FAR })).toThrow(/1 names for 300 items/);
  });
});

describe("the gate of the worst cohort", () => {
  test("fails on the cohort that loses more than the limit, however little the whole loses", () => {
    const found = report(0.1, "night");
    const loss = -(found.worst?.difference?.value ?? 0);
    expect(-found.overall.value).toBeLessThan(loss / 2);
    const strict = worstCohortGate(found, { maxDrop: loss / 2 });
    expect(strict).toMatchObject({ gate: "worst-cohort", pass: false });
    expect(strict.reason).toMatch(
      /^the worst cohort, night, loses .* at FAR 0.01 \(95 % interval .*1 of 3 cohorts are too small to tell: few$/,
    );
    expect(worstCohortGate(found, { maxDrop: loss }).pass).toBe(true);
  });

  test("does not pass where no cohort can be judged", () => {
    const none = worstCohortGate(report(0, "", { minGenuine: 1e6 }), { maxDrop: 0.5 });
    expect(none).toMatchObject({ pass: false, reason: expect.stringContaining("no cohort is large enough") });
  });

  test("asks for as many comparisons as the limit needs", () => {
    expect([genuineNeeded(0.01), genuineNeeded(0.001), genuineNeeded(0.5), genuineNeeded(0)]).toEqual([300, 3000, 100, 100]);
  });
});
