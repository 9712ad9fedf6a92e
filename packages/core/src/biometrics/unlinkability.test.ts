import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../base/random.ts";
import { unlinkability } from "./unlinkability.ts";

function normals(count: number, mean: number, seed: number): Float64Array {
  const random = seededRandom(seed);
  return Float64Array.from({ length: count }, () => mean + random.normal());
}

describe("unlinkability", () => {
  it("is 1 where the classes do not meet and what chance gives where they are the same", () => {
    expect(unlinkability(normals(500, 100, 1), normals(500, 0, 2)).dSys).toBe(1);
    const same = unlinkability(normals(20_000, 0, 1), normals(20_000, 0, 2));
    expect(same.dSys).toBeLessThan(2 * same.chance.p95);
    expect(same.dSys).toBeLessThan(0.05);
  });

  it("is the formula, for two classes over three bins", () => {
    // Shares 1/2, 1/2, 0 against 1/4, 1/2, 1/4: the ratio is 2 in the first bin, 1 in the second, 0 in the third.
    const mated = Float64Array.from({ length: 40 }, (_, i) => (i < 20 ? 0 : 1.5));
    const nonMated = Float64Array.from({ length: 40 }, (_, i) => (i < 10 ? 0 : i < 30 ? 1.5 : 3));
    expect(unlinkability(mated, nonMated, { bins: 3 }).dSys).toBeCloseTo(0.5 * ((2 * 2) / 3 - 1), 12);
    // With mated pairs twice as likely the second bin tells something, too.
    const likely = unlinkability(mated, nonMated, { bins: 3, priorRatio: 2 }).dSys;
    expect(likely).toBeCloseTo(0.5 * ((2 * 4) / 5 - 1) + 0.5 * ((2 * 2) / 3 - 1), 12);
  });

  it("grows as the classes part, and stays between 0 and 1", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), (seed) => {
        const values = [0, 1, 3, 9].map(
          (mean) => unlinkability(normals(2000, mean, seed), normals(2000, 0, seed + 1), { mixes: 1 }).dSys,
        );
        for (const value of values) {
          expect(value).toBeGreaterThanOrEqual(0);
          expect(value).toBeLessThanOrEqual(1);
        }
        expect(values.toSorted((a, b) => a - b)).toEqual(values);
      }),
      { numRuns: 20 },
    );
  });

  it("refuses too few scores and such that are none", () => {
    expect(() => unlinkability(normals(19, 0, 1), normals(100, 0, 2))).toThrow(
      expect.objectContaining({ code: "INSUFFICIENT_DATA" }),
    );
    const broken = normals(30, 0, 1).fill(Number.NaN, 3, 4);
    expect(() => unlinkability(broken, normals(30, 0, 2))).toThrow(expect.objectContaining({ code: "SCORES_INVALID" }));
  });
});
