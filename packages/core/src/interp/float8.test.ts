import { describe, expect, test } from "vitest";
import { type Float8Name, fromFloat8, toFloat8 } from "./float8.ts";

const NAMES = ["float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz"] as const satisfies Float8Name[];
const CODES = Array.from({ length: 256 }, (_, i) => i);

describe("8-bit floats", () => {
  test.each(NAMES)("%s keeps every one of its numbers", (name) => {
    for (const bits of CODES) {
      const value = fromFloat8(bits, name);
      const back = toFloat8(value, { name, saturate: false });
      if (Number.isNaN(value)) expect(fromFloat8(back, name)).toBeNaN();
      else expect(back, `bits ${bits}, value ${value}`).toBe(bits);
    }
  });
  test.each(NAMES)("%s rounds to the nearest of its numbers, ties to even", (name) => {
    const numbers = CODES.filter((bits) => bits < 0x80 && Number.isFinite(fromFloat8(bits, name)));
    for (let i = 0; i + 1 < numbers.length; i++) {
      const [low, high] = [numbers[i] as number, numbers[i + 1] as number];
      const [a, b] = [fromFloat8(low, name), fromFloat8(high, name)];
      const middle = (a + b) / 2;
      expect(b).toBeGreaterThan(a);
      expect(toFloat8(a + (b - a) * 0.49, { name, saturate: true })).toBe(low);
      expect(toFloat8(a + (b - a) * 0.51, { name, saturate: true })).toBe(high);
      expect(toFloat8(middle, { name, saturate: true })).toBe(low % 2 === 0 ? low : high);
    }
  });
  test("beyond the largest number they saturate, or become infinity or NaN", () => {
    const largest = { float8e4m3fn: 448, float8e4m3fnuz: 240, float8e5m2: 57344, float8e5m2fnuz: 57344 };
    for (const name of NAMES) {
      for (const value of [1e6, Number.POSITIVE_INFINITY]) {
        expect(fromFloat8(toFloat8(value, { name, saturate: true }), name)).toBe(largest[name]);
        expect(fromFloat8(toFloat8(-value, { name, saturate: true }), name)).toBe(-largest[name]);
        const open = fromFloat8(toFloat8(value, { name, saturate: false }), name);
        expect(open).toBe(name === "float8e5m2" ? Number.POSITIVE_INFINITY : Number.NaN);
      }
    }
  });
});
