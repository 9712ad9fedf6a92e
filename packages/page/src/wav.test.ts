import { decodeWav } from "@tessera/core/signal/wav";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeWav, isWav } from "./wav.ts";

describe("encodeWav()", () => {
  it("writes what the gateway's reader reads back, to half a step of 16 bits", () => {
    const samples = fc.float32Array({ min: -1, max: 1, noNaN: true, minLength: 1, maxLength: 500 });
    fc.assert(
      fc.property(samples, fc.constantFrom(8000, 16_000, 48_000), (given, rateHz) => {
        const sound = decodeWav(encodeWav(given, rateHz));
        expect(sound.rateHz).toBe(rateHz);
        expect(sound.samples.length).toBe(given.length);
        // Full scale is 32767 above and 32768 below zero: one step more at the very top.
        for (const [i, value] of given.entries())
          expect(Math.abs((sound.samples[i] as number) - value)).toBeLessThan(1.6 / 32768);
      }),
    );
  });

  it("cuts what is louder than full scale instead of wrapping it round", () => {
    const { samples } = decodeWav(encodeWav(Float32Array.of(3, -3), 16_000));
    expect(samples[0]).toBeGreaterThan(0.99);
    expect(samples[1]).toBe(-1);
  });

  it("is told from other files by how it begins", () => {
    expect(isWav(encodeWav(new Float32Array(4), 16_000))).toBe(true);
    expect(isWav(Uint8Array.of(0xff, 0xd8, 0xff))).toBe(false);
    expect(isWav(new Uint8Array(64))).toBe(false);
  });
});
