import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { quantizeNumber, quantizeTensor, roundHalfEven } from "./quantize.ts";
import { f32, toNumbers } from "./tensor.ts";

describe("rounding half to even", () => {
  test("goes to the nearest integer, and to the even one of two", () => {
    for (const [x, y] of [
      [0.5, 0],
      [1.5, 2],
      [2.5, 2],
      [-0.5, 0],
      [-1.5, -2],
      [-2.5, -2],
      [0.49999999999999994, 0],
    ] as const)
      expect(roundHalfEven(x) + 0, `${x}`).toBe(y);
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }), (x) => {
        const r = roundHalfEven(x);
        expect(Number.isInteger(r)).toBe(true);
        expect(Math.abs(r - x)).toBeLessThanOrEqual(0.5);
        if (Math.abs(r - x) === 0.5) expect(Math.abs(r % 2)).toBe(0);
      }),
    );
  });
});

describe("quantizing", () => {
  test("divides in float32, as kernels do", () => {
    // 0.15 / 0.1 is 1.4999999 in double after rounding both to float32, and 1.5 once the quotient is rounded: the even neighbour is 2.
    const [value, scale] = [Math.fround(0.15), Math.fround(0.1)];
    expect(Math.fround(value / scale)).toBe(1.5);
    expect(quantizeNumber(value, { dtype: "int8", scale: [scale], zeroPoint: [0], reason: "" })).toBe(2);
  });

  test("a tensor is quantizing its numbers, by channel, saturated", () => {
    const encoding = { dtype: "int8", scale: [0.5, 0.25], zeroPoint: [1, -1], axis: 1, reason: "" } as const;
    const q = quantizeTensor(f32([2, 2, 2], [0, 1, 0, 1, -100, 100, -100, 100]), encoding);
    expect([...toNumbers(q)]).toEqual([1, 3, -1, 3, -128, 127, -128, 127]);
    expect(q.dtype).toBe("int8");
  });

  test("a narrower range saturates there", () => {
    const encoding = { dtype: "int8", scale: [1], zeroPoint: [0], range: [-64, 64], reason: "" } as const;
    expect([...toNumbers(quantizeTensor(f32([2], [-100, 100]), encoding))]).toEqual([-64, 64]);
  });

  test("is refused when the scales do not fit the shape", () => {
    const encoding = { dtype: "int8", scale: [1, 1, 1], zeroPoint: [0, 0, 0], axis: 0, reason: "" } as const;
    expect(() => quantizeTensor(f32([2], [0, 0]), encoding)).toThrowError(expect.objectContaining({ code: "PLAN_INVALID" }));
  });
});
