import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { highMultiply, multiplyOnce, multiplyTwice, multiplyWide, quantizeMultiplier, roundingShift } from "./multiplier.ts";

const int32 = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, 0, -1, 2 ** 30, -(2 ** 30)),
);
const mantissa = fc.oneof(fc.integer({ min: 2 ** 30, max: 2 ** 31 - 1 }), fc.constantFrom(2 ** 30, 2 ** 31 - 1));

/** floor(a / b) for a positive b. */
function floorDivide(a: bigint, b: bigint): bigint {
  return a >= 0n ? a / b : -((-a + b - 1n) / b);
}

describe("integer multipliers", () => {
  it("take the high half of a doubled product, rounded half up, and saturate at its one overflow", () => {
    fc.assert(
      fc.property(int32, int32, (a, b) => {
        const exact = floorDivide(BigInt(a) * BigInt(b) + 2n ** 30n, 2n ** 31n);
        expect(BigInt(highMultiply(a, b))).toBe(exact > 2n ** 31n - 1n ? 2n ** 31n - 1n : exact);
      }),
      { numRuns: 2000 },
    );
  });

  it("shift right with ties away from zero", () => {
    fc.assert(
      fc.property(int32, fc.integer({ min: 0, max: 31 }), (a, shift) => {
        const size = floorDivide((BigInt(Math.abs(a)) * 2n + 2n ** BigInt(shift)) / 2n, 2n ** BigInt(shift));
        expect(BigInt(roundingShift(a, shift))).toBe(a < 0 ? -size : size);
      }),
      { numRuns: 2000 },
    );
  });

  it("round twice or once, as their names say", () => {
    fc.assert(
      fc.property(int32, mantissa, fc.integer({ min: -31, max: 0 }), (x, value, shift) => {
        expect(multiplyTwice(x, value, shift)).toBe(roundingShift(highMultiply(x, value), -shift));
        const down = BigInt(31 - shift);
        expect(BigInt(multiplyOnce(x, value, shift))).toBe(
          floorDivide(BigInt(x) * BigInt(value) + 2n ** (down - 1n), 2n ** down),
        );
      }),
      { numRuns: 2000 },
    );
  });

  it("shift to the left before the product", () => {
    fc.assert(
      fc.property(fc.integer({ min: -1000, max: 1000 }), mantissa, fc.integer({ min: 1, max: 20 }), (x, value, shift) => {
        expect(multiplyTwice(x, value, shift)).toBe(highMultiply(x * 2 ** shift, value));
        const down = BigInt(31 - shift);
        expect(BigInt(multiplyOnce(x, value, shift))).toBe(
          floorDivide(BigInt(x) * BigInt(value) + 2n ** (down - 1n), 2n ** down),
        );
      }),
    );
  });

  it("bring sums of 48 bits down with 16 bits of the multiplier", () => {
    const sum = fc.integer({ min: -(2 ** 47), max: 2 ** 47 });
    fc.assert(
      fc.property(sum, mantissa, fc.integer({ min: -31, max: 0 }), (x, value, shift) => {
        const short = value < 0x7fff0000 ? (value + 0x8000) >> 16 : 0x7fff;
        const down = BigInt(15 - shift);
        const exact = floorDivide(BigInt(x) * BigInt(short) + 2n ** (down - 1n), 2n ** down);
        expect(BigInt(multiplyWide(x, value, shift))).toBe(BigInt.asIntN(32, exact));
      }),
      { numRuns: 2000 },
    );
  });

  it("stand for a real number to 31 bits", () => {
    fc.assert(
      fc.property(fc.double({ min: 2 ** -30, max: 2 ** 29, noNaN: true }), (real) => {
        const { value, shift } = quantizeMultiplier(real);
        expect(value).toBeGreaterThanOrEqual(2 ** 30);
        expect(value).toBeLessThan(2 ** 31);
        expect(Math.abs((value * 2 ** (shift - 31)) / real - 1)).toBeLessThanOrEqual(2 ** -31);
      }),
    );
    expect(quantizeMultiplier(1)).toEqual({ value: 2 ** 30, shift: 1 });
    expect(quantizeMultiplier(1 - 2 ** -40)).toEqual({ value: 2 ** 30, shift: 1 });
    expect(quantizeMultiplier(0)).toEqual({ value: 0, shift: 0 });
    expect(quantizeMultiplier(2 ** -40)).toEqual({ value: 0, shift: 0 });
  });

  it("refuse what is no ratio of scales", () => {
    for (const real of [Number.NaN, -1, Number.POSITIVE_INFINITY])
      expect(() => quantizeMultiplier(real)).toThrow(expect.objectContaining({ code: "PLAN_INVALID" }));
  });
});
