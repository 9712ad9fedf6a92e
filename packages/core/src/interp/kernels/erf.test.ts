import { describe, expect, test } from "vitest";
import { erf } from "./erf.ts";

describe("the error function", () => {
  test("has its tabulated values (DLMF 7, Abramowitz and Stegun table 7.1)", () => {
    const table = [
      [0.1, 0.1124629160182849],
      [0.5, 0.5204998778130465],
      [1, 0.8427007929497149],
      [1.5, 0.9661051464753108],
      [2, 0.9953222650189527],
      [3, 0.9999779095030014],
    ] as const;
    for (const [x, y] of table) {
      expect(Math.abs(erf(x) - y)).toBeLessThan(5e-16);
      expect(erf(-x)).toBe(-erf(x));
    }
  });
  test("joins its pieces without a step and never falls", () => {
    let before = -1;
    for (let x = -6.5; x <= 6.5; x += 1 / 1024) {
      const y = erf(x);
      expect(y).toBeGreaterThanOrEqual(before - 5e-16);
      expect(y - before).toBeLessThan(1.2 / 1024);
      expect(Math.abs(y)).toBeLessThanOrEqual(1);
      before = y;
    }
  });
  test("ends at one, starts at zero and keeps NaN", () => {
    expect(erf(0)).toBe(0);
    expect(erf(Number.POSITIVE_INFINITY)).toBe(1);
    expect(erf(Number.NEGATIVE_INFINITY)).toBe(-1);
    expect(erf(Number.NaN)).toBeNaN();
  });
});
