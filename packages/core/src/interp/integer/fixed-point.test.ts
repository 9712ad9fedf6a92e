import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expOfNegative, inverseSqrt, logisticOf, reciprocal, tanhOf } from "./fixed-point.ts";
import { wideLogistic, wideTanh } from "./wide-sigmoid.ts";

const UNIT = 2 ** 31;

describe("functions in fixed point", () => {
  it("come near the real exponential, logistic and tangent", () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31) + 1, max: 0 }), (raw) => {
        expect(Math.abs(expOfNegative(raw, 5) / UNIT - Math.exp(raw / 2 ** 26))).toBeLessThan(2e-6);
        const x = raw / 2 ** 27;
        expect(Math.abs(logisticOf(raw, 4) / UNIT - 1 / (1 + Math.exp(-x)))).toBeLessThan(1e-6);
        expect(Math.abs(logisticOf(-raw, 4) / UNIT - 1 / (1 + Math.exp(x)))).toBeLessThan(1e-6);
        expect(Math.abs(tanhOf(raw, 4) / UNIT - Math.tanh(x))).toBeLessThan(1e-6);
        expect(tanhOf(-raw, 4)).toBe(-tanhOf(raw, 4) + 0);
      }),
      { numRuns: 1000 },
    );
  });

  it("invert sums and square roots", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (x) => {
        const { scale, over } = reciprocal(x, 12);
        expect(Math.abs((scale / UNIT) * 2 ** -over * (x / 2 ** 19) - 1)).toBeLessThan(1e-6);
        const root = inverseSqrt(x);
        const shift = x <= 1 ? 0 : root.shift;
        expect(Math.abs((root.value / UNIT) * 2 ** shift * Math.sqrt(x) - 1)).toBeLessThan(1e-3);
      }),
      { numRuns: 1000 },
    );
    expect(inverseSqrt(0)).toEqual(inverseSqrt(1));
  });

  it("follow the 16-bit logistic and tangent within the error of their table", () => {
    for (let x = -32768; x < 32768; x += 7) {
      expect(Math.abs(wideLogistic(x, 3, 0) / 32768 - 1 / (1 + Math.exp(-x / 4096)))).toBeLessThan(6e-5);
      expect(Math.abs(wideTanh(x, 3, 0) / 32768 - Math.tanh(x / 4096))).toBeLessThan(1e-4);
    }
  });
});
