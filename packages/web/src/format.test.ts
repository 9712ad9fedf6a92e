import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  baseName,
  bytes,
  count,
  counted,
  dateTime,
  fixed,
  ms,
  NOTHING,
  percent,
  points,
  shortCount,
  signedFixed,
  smallRate,
  times,
} from "./format.ts";

describe("figures for people", () => {
  it("writes sizes, times, rates and counts", () => {
    expect([bytes(999), bytes(2311), bytes(4_023_118), bytes(16_642_998_272)]).toEqual([
      "999 B",
      "2.3 kB",
      "4.02 MB",
      "16.64 GB",
    ]);
    expect([ms(6.114), ms(0.812345), ms(1234.5)]).toEqual(["6.11 ms", "0.812 ms", "1,235 ms"]);
    expect([percent(0.97123), percent(-0.0041)]).toEqual(["97.12 %", "−0.41 %"]);
    expect([count(7_260_000), counted(1, "node"), counted(2, "node"), shortCount(221_300_000)]).toEqual([
      "7,260,000",
      "1 node",
      "2 nodes",
      "221 M",
    ]);
    expect(times(1.9685)).toBe("1.97×");
    expect(dateTime("2026-11-22T15:30:12.000Z")).toBe("2026-11-22 15:30 UTC");
    expect(["a/b/c.onnx", "C:\\models\\c.onnx", "c.onnx", "a/"].map(baseName)).toEqual(["c.onnx", "c.onnx", "c.onnx", "a/"]);
    expect(dateTime("yesterday")).toBe("yesterday");
  });

  it("gives differences a sign, and zero none", () => {
    expect([points(-0.0041), points(0.0002), points(-0.000001), signedFixed(0.00213, 4)]).toEqual([
      "−0.41 pt",
      "+0.02 pt",
      "0.00 pt",
      "+0.0021",
    ]);
  });

  it("writes small rates in powers of ten", () => {
    expect([1e-3, 5e-4, 1.13e-3, 1, 0].map(smallRate)).toEqual(["10⁻³", "5·10⁻⁴", "1.13·10⁻³", "10⁰", "0"]);
  });

  it("never prints a number that is none", () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      for (const write of [
        bytes,
        ms,
        percent,
        points,
        count,
        shortCount,
        times,
        smallRate,
        (v: number) => fixed(v, 2),
        (v: number) => signedFixed(v, 2),
      ])
        expect(write(bad)).toBe(NOTHING);
  });

  it("keeps a rate within its rounding", () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-9, max: 1, noNaN: true }), (rate) => {
        const digits = Array.from(smallRate(rate), (c) =>
          "⁰¹²³⁴⁵⁶⁷⁸⁹".includes(c) ? String("⁰¹²³⁴⁵⁶⁷⁸⁹".indexOf(c)) : c === "⁻" ? "-" : c,
        ).join("");
        const [, mantissa = "1", exponent] = /^(?:([\d.]+)·)?10(-?\d+)$/.exec(digits) ?? [];
        expect(Math.abs(Number(mantissa) * 10 ** Number(exponent) - rate)).toBeLessThanOrEqual(rate * 0.0051);
      }),
    );
  });
});
