import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { resample } from "./resample.ts";
import { soundOf } from "./sound.ts";

function tone(rateHz: number, hz: number, seconds = 0.25): Float32Array {
  return Float32Array.from({ length: Math.round(rateHz * seconds) }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rateHz + 1));
}

/** Greatest sample in the middle half, where no end is near. */
function middlePeak(samples: Float32Array): number {
  const quarter = samples.length >> 2;
  return samples.subarray(quarter, samples.length - quarter).reduce((peak, x) => Math.max(peak, Math.abs(x)), 0);
}

const RATIOS = [
  [48_000, 16_000],
  [44_100, 16_000],
  [22_050, 16_000],
  [16_000, 8000],
  [8000, 16_000],
  [16_000, 44_100],
] as const;

describe("resampling", () => {
  test("the same rate gives the very sound", () => {
    const sound = soundOf(16_000, tone(16_000, 440));
    expect(resample(sound, 16_000)).toBe(sound);
  });

  test.each(RATIOS)("%i to %i Hz: up to .8 of the lower Nyquist frequency, tones are kept in place within 1e-4", (from, to) => {
    for (const share of [0.01, 0.3, 0.6, 0.8]) {
      const hz = (share * Math.min(from, to)) / 2;
      const got = resample(soundOf(from, tone(from, hz)), to).samples;
      const want = tone(to, hz);
      expect(Math.abs(got.length - want.length)).toBeLessThanOrEqual(1);
      const error = want.map((x, i) => x - (got[i] ?? 0));
      expect(middlePeak(error)).toBeLessThan(1e-4);
    }
  });

  test.each(RATIOS.filter(([from, to]) => to < from))(
    "%i to %i Hz: tones above the new Nyquist frequency are 90 dB down",
    (from, to) => {
      for (let hz = to / 2; hz < from / 2; hz += to / 53)
        expect(middlePeak(resample(soundOf(from, tone(from, hz)), to).samples)).toBeLessThan(10 ** (-90 / 20));
    },
  );

  test("doubling the rate leaves no image of a tone above the old Nyquist frequency", () => {
    const up = resample(soundOf(8000, tone(8000, 1500)), 16_000).samples;
    const want = tone(16_000, 1500);
    expect(middlePeak(up.map((x, i) => x - (want[i] as number)))).toBeLessThan(1e-4);
  });

  test("a constant stays what it is, the length is ceil(n to / from)", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.constantFrom(...RATIOS), (length, [from, to]) => {
        const got = resample(soundOf(from, new Float32Array(length).fill(0.5)), to).samples;
        expect(got.length).toBe(Math.ceil((length * to) / from));
        const reach = Math.ceil((40 * to) / Math.min(from, to));
        const inside = got.subarray(reach, Math.max(reach, got.length - reach));
        expect(inside.every((x) => Math.abs(x - 0.5) < 1e-6)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  test("there and back again gives the sound, away from its ends", () => {
    const sound = soundOf(
      16_000,
      tone(16_000, 1000).map((x, i) => x * 0.5 + 0.3 * Math.sin(i / 7)),
    );
    const back = resample(resample(sound, 48_000), 16_000).samples;
    expect(middlePeak(back.map((x, i) => x - (sound.samples[i] as number)))).toBeLessThan(1e-4);
  });

  test("rates that cannot be, or whose ratio would cost too much, are refused", () => {
    const refused = expect.objectContaining({ code: "AUDIO_INVALID" });
    for (const rate of [0, -1, 8000.5, Number.NaN, 1e9])
      expect(() => resample(soundOf(16_000, new Float32Array(10)), rate)).toThrow(refused);
    expect(() => resample(soundOf(44_099, new Float32Array(10)), 16_000)).toThrow(refused);
  });
});
