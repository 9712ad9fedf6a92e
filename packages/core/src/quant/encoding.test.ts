import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { QuantDType } from "../graph/plan.ts";
import { encodedRange, LEVELS, quantizeNumber, quantizeTensor } from "../graph/quantize.ts";
import { f32, type Tensor, toNumbers } from "../graph/tensor.ts";
import { activationEncoding, SMALLEST_SCALE, weightEncoding } from "./encoding.ts";

const end = fc.float({ noNaN: true, min: 0, max: Math.fround(1e6) });
const types: readonly QuantDType[] = ["int8", "uint8", "int16", "uint16", "int4", "uint4"];

describe("the encoding of an activation", () => {
  test("has zero exactly on a level, a float32 scale, and covers its range to half a step", () => {
    fc.assert(
      fc.property(end, end, fc.constantFrom(...types), fc.boolean(), (a, b, dtype, symmetric) => {
        const e = activationEncoding({ min: -a, max: b }, { dtype, symmetric, reason: "" });
        const [scale] = e.scale as [number];
        expect(Math.fround(scale)).toBe(scale);
        expect(scale).toBeGreaterThanOrEqual(SMALLEST_SCALE);
        const [low, high] = LEVELS[dtype];
        expect(e.zeroPoint[0]).toBeGreaterThanOrEqual(low);
        expect(e.zeroPoint[0]).toBeLessThanOrEqual(high);
        expect(quantizeNumber(0, e)).toBe(e.zeroPoint[0]);
        const { min, max } = encodedRange(e);
        expect(min).toBeLessThanOrEqual(-a + scale * 0.5001);
        expect(max).toBeGreaterThanOrEqual(b - scale * 0.5001);
        if (symmetric) expect(e.zeroPoint[0]).toBe(low < 0 ? 0 : (high + 1) / 2);
        // The lower end becomes the lowest integer, so that a bound there can vanish into the range.
        else if (a + b > 1e-9) expect(quantizeNumber(-a, e)).toBe(low);
      }),
    );
  });

  test("of a value that is always zero still has a scale", () => {
    const e = activationEncoding({ min: 0, max: 0 }, { dtype: "uint8", symmetric: false, reason: "" });
    expect(e.scale[0]).toBe(SMALLEST_SCALE);
    expect(Math.fround(SMALLEST_SCALE * SMALLEST_SCALE)).toBeGreaterThan(2 ** -126);
  });
});

const weights = fc
  .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }))
  .chain(([a, b, c]) =>
    fc
      .array(fc.float({ noNaN: true, min: -10, max: 10 }), { minLength: a * b * c, maxLength: a * b * c })
      .map((values) => f32([a, b, c], values)),
  );

describe("the encoding of a weight", () => {
  test("moves no weight by more than half its channel's step, and uses the whole range of each channel", () => {
    fc.assert(
      fc.property(weights, fc.constantFrom(0, 1, 2, undefined), fc.constantFrom(64, 127), (weight, axis, limit) => {
        const e = weightEncoding(weight, { dtype: "int8", limit, reason: "", ...(axis === undefined ? {} : { axis }) });
        expect(e.scale.length).toBe(axis === undefined ? 1 : weight.shape[axis]);
        const q = toNumbers(quantizeTensor(weight, e));
        const inner = axis === undefined ? q.length : weight.shape.slice(axis + 1).reduce((x, y) => x * y, 1);
        const top = e.scale.map(() => 0);
        toNumbers(weight).forEach((v, i) => {
          const c = axis === undefined ? 0 : Math.floor(i / inner) % e.scale.length;
          const scale = e.scale[c] as number;
          expect(Math.abs(v - (q[i] as number) * scale)).toBeLessThanOrEqual(scale * 0.50001);
          top[c] = Math.max(top[c] as number, Math.abs(q[i] as number));
        });
        expect(Math.max(...top)).toBeLessThanOrEqual(limit);
        top.forEach((t, c) => {
          if ((e.scale[c] as number) > SMALLEST_SCALE) expect(t).toBe(limit);
        });
      }),
    );
  });

  test("by squared error is never worse than by the largest magnitude, and better for many weights with one far out", () => {
    const error = (weight: Tensor, method: "max" | "mse"): number => {
      const e = weightEncoding(weight, { dtype: "int4", method, reason: "" });
      const q = toNumbers(quantizeTensor(weight, e));
      return toNumbers(weight).reduce((sum, v, i) => sum + (v - (q[i] as number) * (e.scale[0] as number)) ** 2, 0);
    };
    fc.assert(
      fc.property(weights, (weight) => {
        expect(error(weight, "mse")).toBeLessThanOrEqual(error(weight, "max"));
      }),
    );
    const tailed = f32(
      [400],
      Array.from({ length: 400 }, (_, i) => (i === 0 ? 2.5 : Math.sin(i))),
    );
    expect(error(tailed, "mse")).toBeLessThan(0.8 * error(tailed, "max"));
  });

  test("never has a scale below the floor of its channel, with either method", () => {
    const weight = f32([3, 2], [1, -1, 1e-6, 1e-7, 0, 0]);
    for (const method of ["max", "mse"] as const) {
      const e = weightEncoding(weight, { dtype: "int8", axis: 0, method, atLeast: [0, 0.1, 0.3], reason: "" });
      expect(e.scale[0]).toBeLessThanOrEqual(Math.fround(1 / 127));
      expect(e.scale[1]).toBeGreaterThanOrEqual(0.1);
      expect(e.scale[2]).toBeGreaterThanOrEqual(0.3);
      for (const s of e.scale) expect(Math.fround(s)).toBe(s);
    }
  });

  test("is refused for weights that are not finite and for an axis that is not there", () => {
    const code = expect.objectContaining({ code: "PLAN_INVALID" });
    expect(() => weightEncoding(f32([2], [1, Number.NaN]), { dtype: "int8", reason: "" })).toThrowError(code);
    expect(() => weightEncoding(f32([2], [1, Number.POSITIVE_INFINITY]), { dtype: "int8", reason: "" })).toThrowError(code);
    expect(() => weightEncoding(f32([2], [1, 2]), { dtype: "int8", axis: 1, reason: "" })).toThrowError(code);
  });
});
