import { describe, expect, test } from "vitest";
import { soundOf } from "../../signal/sound.ts";
import { brokenVoiceLimits, SILENCE_DB, VOICE_LIMITS, type VoiceQuality, voiceQuality } from "./quality.ts";

const RATE = 8000;

/** Square waves of given sizes, `seconds` each: their level in decibels is exact. */
const steps = (sizes: readonly number[], seconds = 0.5) =>
  soundOf(
    RATE,
    Float32Array.from(
      { length: sizes.length * seconds * RATE },
      (_, i) => (sizes[Math.floor(i / (seconds * RATE))] ?? 0) * (i % 2 ? 1 : -1),
    ),
  );

const whole = { segments: [{ from: 0, to: 2 * RATE }], speechSeconds: 2 };

describe("measures of a recording", () => {
  test("the level is that of the speech, and how far it stands above the quietest pieces", () => {
    const sound = steps([0.001, 0.1, 0.1, 0.001]);
    const speech = { segments: [{ from: 0.5 * RATE, to: 1.5 * RATE }], speechSeconds: 1 };
    const measured = voiceQuality(sound, speech);
    expect(measured).toMatchObject({ seconds: 2, speechSeconds: 1, clippedShare: 0 });
    expect(measured.levelDb).toBeCloseTo(-20, 4);
    expect(measured.aboveNoiseDb).toBeCloseTo(40, 4);
    // All of it: half the power, 3 dB less.
    expect(voiceQuality(sound, whole).levelDb).toBeCloseTo(-20 + 10 * Math.log10((1 + 1e-4) / 2), 4);
    expect(voiceQuality(sound, { segments: [], speechSeconds: 0 }).levelDb).toBeCloseTo(voiceQuality(sound, whole).levelDb, 9);
  });

  test("segments between samples and beyond the end are taken as far as there are samples", () => {
    const measured = voiceQuality(steps([0.1]), { segments: [{ from: -0.5, to: 1e9 }], speechSeconds: 1 });
    expect(measured.levelDb).toBeCloseTo(-20, 4);
  });

  test("samples at full scale are counted on either side", () => {
    expect(voiceQuality(steps([1, 0.5]), whole).clippedShare).toBe(0.5);
    expect(voiceQuality(steps([32767 / 32768, 0.99, 0.5, 0.5]), whole).clippedShare).toBe(0.25);
  });

  test("digital silence has a number too", () => {
    const measured = voiceQuality(steps([0]), whole);
    expect([measured.levelDb, measured.aboveNoiseDb]).toEqual([SILENCE_DB, 0]);
  });

  test("a recording shorter than a piece is measured", () => {
    const measured = voiceQuality(soundOf(RATE, new Float32Array(10).fill(0.1)), {
      segments: [{ from: 0, to: 10 }],
      speechSeconds: 1,
    });
    expect(measured.levelDb).toBeCloseTo(-20, 4);
    expect(measured.aboveNoiseDb).toBe(0);
  });
});

const GOOD: VoiceQuality = { seconds: 3, speechSeconds: 2, levelDb: -20, clippedShare: 0, aboveNoiseDb: 40 };

describe("limits of a recording", () => {
  test("a good one breaks none, and each limit is broken just beyond its bound and not on it", () => {
    expect(brokenVoiceLimits(GOOD)).toEqual([]);
    for (const { code, measure, side, bound } of VOICE_LIMITS) {
      expect(brokenVoiceLimits({ ...GOOD, [measure]: bound })).toEqual([]);
      expect(brokenVoiceLimits({ ...GOOD, [measure]: bound + (side === "least" ? -1e-6 : 1e-6) })).toEqual([code]);
    }
  });

  test("where nobody speaks that alone is said; what is not a number is no good recording", () => {
    expect(brokenVoiceLimits({ ...GOOD, speechSeconds: 0, levelDb: -90, aboveNoiseDb: 0 })).toEqual(["silent"]);
    expect(brokenVoiceLimits({ ...GOOD, levelDb: Number.NaN })).toEqual(["silent"]);
  });
});
