import { describe, expect, it } from "vitest";
import { clippedShare, levelDb, meterShare } from "./loudness.ts";

describe("the level of sound", () => {
  it("is 0 dB for a full-scale square wave and 3.01 dB less for a sine", () => {
    expect(levelDb(Float32Array.of(1, -1, 1, -1))).toBeCloseTo(0, 6);
    const sine = Float32Array.from({ length: 16_000 }, (_, i) => Math.sin((2 * Math.PI * 100 * i) / 16_000));
    expect(levelDb(sine)).toBeCloseTo(-3.0103, 3);
  });

  it("is the least there is for silence and for nothing at all", () => {
    expect(levelDb(new Float32Array(100))).toBe(-120);
    expect(levelDb(new Float32Array(0))).toBe(-120);
  });

  it("moves the meter from its one end to its other, in equal steps of decibels", () => {
    expect([-120, -60, -45, -30, -15, 0, 6].map(meterShare)).toEqual([0, 0, 0.25, 0.5, 0.75, 1, 1]);
  });

  it("counts samples at full scale", () => {
    expect(clippedShare(Float32Array.of(1, -1, 0.5, 0))).toBe(0.5);
    expect(clippedShare(new Float32Array(0))).toBe(0);
  });
});
