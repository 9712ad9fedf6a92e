import { describe, expect, it } from "vitest";
import { seededRandom } from "../base/random.ts";
import { cohortRates } from "./cohorts.ts";
import { type ComparisonScores, scoresFor } from "./compare.ts";
import {
  allPairs,
  type ComparisonDesign,
  countComparisons,
  galleryAgainstProbes,
  listedPairs,
  locateImpostors,
} from "./design.ts";

function randomScores(design: ComparisonDesign): ComparisonScores {
  const random = seededRandom(9);
  const { genuine, impostor } = countComparisons(design);
  const draw = (count: number, mean: number): Float32Array => Float32Array.from({ length: count }, () => mean + random.normal());
  return scoresFor(design, { genuine: draw(genuine, 2), impostor: draw(impostor, 0) });
}

describe("cohorts", () => {
  // Cohorts by item: one person's items may lie in two of them, and one item in none.
  const subjects = Int32Array.from({ length: 80 }, (_, i) => i % 23);
  const cohortOf = Array.from({ length: 80 }, (_, i) => (i === 7 ? "" : i % 23 < 12 ? "a" : i < 60 ? "b" : "c"));
  const listed = listedPairs(subjects, {
    a: Uint32Array.from({ length: 400 }, (_, k) => k % 80),
    b: Uint32Array.from({ length: 400 }, (_, k) => (k * 7 + 1) % 80),
    genuine: Uint8Array.from({ length: 400 }, (_, k) => ((k % 80) % 23 === ((k * 7 + 1) % 80) % 23 ? 1 : 0)),
  });

  it.each<[string, ComparisonDesign]>([
    ["unordered", allPairs(subjects, { aliases: [[0, 1]] })],
    ["ordered", allPairs(subjects, { ordered: true })],
    ["listed", listed],
  ])("have in %s comparisons the rates that a loop finds", (_, design) => {
    const scores = randomScores(design);
    const threshold = 1;
    const report = cohortRates(scores, { cohortOf, threshold, far: 0.2 });
    const all = locateImpostors(
      design,
      Uint32Array.from(scores.impostor, (_score, k) => k),
    );
    expect(report.rates.map((rate) => rate.cohort).sort()).toEqual(["a", "b", "c"]);
    for (const rate of report.rates) {
      const inside = (a: number | undefined, b: number | undefined): boolean =>
        cohortOf[a ?? 7] === rate.cohort && cohortOf[b ?? 7] === rate.cohort;
      const impostors = scores.impostor.filter((_score, k) => inside(all.a[k], all.b[k]));
      const mates = scores.genuine.scores.filter((_score, k) => inside(scores.genuine.a[k], scores.genuine.b[k]));
      expect([rate.impostorCount, rate.falseMatches]).toEqual([impostors.length, impostors.filter((s) => s >= threshold).length]);
      expect([rate.genuineCount, rate.falseNonMatches]).toEqual([mates.length, mates.filter((s) => s < threshold).length]);
      if (rate.fmr !== undefined) expect(rate.fmr).toBe(rate.falseMatches / rate.impostorCount);
    }
    const ratios = report.rates.flatMap((rate) => (rate.fmrRatio === undefined ? [] : [rate.fmrRatio]));
    expect(ratios.reduce((product, ratio) => product * ratio, 1)).toBeCloseTo(1, 12);
    expect(ratios).toEqual([...ratios].sort((x, y) => y - x));
  });

  it("say how many comparisons a small cohort lacks instead of giving it an FMR", () => {
    const report = cohortRates(randomScores(allPairs(subjects)), { cohortOf, threshold: 1, far: 0.02 });
    const small = report.rates.find((rate) => rate.cohort === "c");
    expect(small?.fmr).toBeUndefined();
    expect(small?.says).toBe(
      `insufficient data, needs ${150 - (small?.impostorCount ?? 0)} more impostor comparisons within c for FAR 0.02`,
    );
  });

  it("are refused when they do not fit the items", () => {
    const scores = randomScores(allPairs(subjects));
    expect(() => cohortRates(scores, { cohortOf: ["a"], threshold: 0, far: 0.1 })).toThrow(/1 names for 80 items/);
    const two = randomScores(galleryAgainstProbes(subjects, Int32Array.of(0, 1)));
    expect(() => cohortRates(two, { cohortOf, threshold: 0, far: 0.1 })).toThrow(/two-lists/);
  });
});
