import { movedBy, noisyFaces, subjectsOf } from "@tessera/testkit/noisy-faces";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ComparisonScores, compareAll, rankScores } from "./compare.ts";
import { allPairs } from "./design.ts";
import { judgeNear, nearThreshold } from "./near-threshold.ts";
import { thresholdAtFar } from "./rates.ts";
import { normaliseRows } from "./similarity.ts";

const DIM = 8;
const SUBJECTS = subjectsOf(40, 4);
const DESIGN = allPairs(SUBJECTS);

const float = noisyFaces(SUBJECTS, { dim: DIM, within: 0.7, seed: 1 });
const reference = compareAll(normaliseRows(float), DESIGN);
const FAR = 1e-2;

describe("pairs near the threshold", () => {
  test("are the nearest of each kind, half and half", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 400 }), (count) => {
        const near = nearThreshold(reference, { far: FAR, count });
        const { threshold } = near;
        expect(near.impostor.a.length + near.genuine.a.length).toBe(count);
        const wanted = { genuine: Math.min(240, Math.floor(count / 2)), impostor: count - Math.min(240, Math.floor(count / 2)) };
        for (const kind of ["genuine", "impostor"] as const) {
          const scores = kind === "genuine" ? reference.genuine.scores : reference.impostor;
          const nearest = Array.from(scores, (s) => Math.abs(s - threshold)).sort((a, b) => a - b);
          const chosen = Array.from(near[kind].scores, (s) => Math.abs(s - threshold)).sort((a, b) => a - b);
          expect(chosen).toHaveLength(wanted[kind]);
          chosen.forEach((d, i) => {
            expect(d).toBeCloseTo(nearest[i] as number, 6);
          });
          expect(near.reach[kind]).toBeCloseTo(chosen.at(-1) ?? 0, 6);
        }
      }),
      { numRuns: 30 },
    );
  });

  test("say how many they were chosen from, and fill up with the other kind", () => {
    const near = nearThreshold(reference, { far: FAR, count: 3000 });
    expect(near.of).toEqual({ genuine: 240, impostor: 12480 });
    expect([near.genuine.a.length, near.impostor.a.length]).toEqual([240, 2760]);
    for (let k = 0; k < 50; k++) expect(SUBJECTS[near.impostor.a[k] as number]).not.toBe(SUBJECTS[near.impostor.b[k] as number]);
  });

  test("are refused where impostors are too few for the FAR", () => {
    expect(() => nearThreshold(reference, { far: 1e-5 })).toThrow(/needs \d+ more impostor comparisons/);
  });
});

describe("another model's decisions near the threshold", () => {
  test("do not flip when it is the same model", () => {
    const near = nearThreshold(reference, { far: FAR });
    const verdict = judgeNear(near, normaliseRows(float));
    expect(verdict.refitted).toEqual({
      threshold: near.threshold,
      falseMatchGained: 0,
      falseMatchLost: 0,
      falseNonMatchGained: 0,
      falseNonMatchLost: 0,
      total: 0,
    });
    expect(verdict.largest.shift).toBe(0);
  });

  test("are counted as all comparisons would count them, while no shift reaches beyond the chosen", () => {
    for (const [seed, by] of [
      [2, 0.01],
      [3, 0.05],
      [4, 0.1],
    ] as const) {
      const unit = normaliseRows(movedBy(float, by, seed));
      const other = compareAll(unit, DESIGN);
      const near = nearThreshold(reference, { far: FAR, count: 6000 });
      const verdict = judgeNear(near, unit);
      expect(verdict.pairs).toBe(6000);
      expect(Math.abs(verdict.largest.shift)).toBeLessThan(near.reach.impostor);
      const own = thresholdAtFar(rankScores(other).impostor, FAR);
      expect(verdict.refitted.threshold).toBe(own);
      expect(judgeNear(near, unit, { threshold: own })).toEqual(verdict);
      for (const [threshold, found] of [[own, verdict.refitted] as const, [near.threshold, verdict.common] as const]) {
        const count = (before: Float32Array, after: Float32Array, now: boolean): number =>
          Array.from(before).filter((s, k) => {
            const is = (after[k] as number) >= threshold;
            return is !== s >= near.threshold && is === now;
          }).length;
        const scores = (s: ComparisonScores) => s.genuine.scores;
        expect(found).toEqual({
          threshold,
          falseMatchGained: count(reference.impostor, other.impostor, true),
          falseMatchLost: count(reference.impostor, other.impostor, false),
          falseNonMatchGained: count(scores(reference), scores(other), false),
          falseNonMatchLost: count(scores(reference), scores(other), true),
          total: found.falseMatchGained + found.falseMatchLost + found.falseNonMatchGained + found.falseNonMatchLost,
        });
        expect(found.total).toBeGreaterThan(0);
      }
    }
  });

  test("move by what the scores moved", () => {
    const unit = normaliseRows(movedBy(float, 0.1, 9));
    const near = nearThreshold(reference, { far: FAR, count: 1000 });
    const { genuine, impostor, largest } = judgeNear(near, unit);
    const dot = (a: number, b: number): number => {
      let sum = 0;
      for (let d = 0; d < DIM; d++) sum += (unit.data[a * DIM + d] as number) * (unit.data[b * DIM + d] as number);
      return sum;
    };
    let worst = 0;
    for (const [kind, shift] of [["genuine", genuine] as const, ["impostor", impostor] as const]) {
      const shifts = Array.from(near[kind].scores, (s, k) => dot(near[kind].a[k] as number, near[kind].b[k] as number) - s);
      expect(shift.count).toBe(shifts.length);
      expect(shift.mean).toBeCloseTo(shifts.reduce((a, b) => a + b, 0) / shifts.length, 6);
      expect(shift.rms).toBeCloseTo(Math.sqrt(shifts.reduce((a, b) => a + b * b, 0) / shifts.length), 6);
      for (const s of shifts) if (Math.abs(s) > Math.abs(worst)) worst = s;
    }
    expect(largest.shift).toBeCloseTo(worst, 6);
  });
});
