import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { featuresOf } from "./features.ts";
import type { FrontEnd } from "./front-end.ts";
import { resample } from "./resample.ts";
import { soundOf } from "./sound.ts";

interface Reference {
  readonly length: number;
  readonly rateHz: number;
  readonly cases: readonly {
    readonly name: string;
    readonly by: string;
    readonly frontEnd: FrontEnd;
    readonly frames: number;
    readonly width: number;
    readonly kept: readonly number[];
    readonly values: readonly number[];
  }[];
  readonly resampled: readonly {
    readonly rateHz: number;
    readonly to: number;
    readonly from: number;
    readonly values: readonly number[];
  }[];
}

const REFERENCE = JSON.parse(readFileSync(new URL("reference-features.json", import.meta.url), "utf8")) as Reference;

/** The signal of bench/peers/audio_features.py: two tones, one of them growing, and noise; 16-bit integers as fractions of full scale. */
function referenceSignal(length: number, rateHz: number): Float32Array {
  const samples = new Float32Array(length);
  let seed = 1;
  for (let i = 0; i < length; i++) {
    const steady = 5000 * Math.sin((2 * Math.PI * 437 * i) / rateHz);
    const growing = 6000 * (i / length) * Math.sin((2 * Math.PI * 2111 * i) / rateHz);
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    samples[i] = (Math.round(steady + growing) + (seed >>> 19) - 4096) / 32_768;
  }
  return samples;
}

/** Largest |a - b| / max(|b|, a hundredth of the greatest |b|): relative, but not to numbers that are next to nothing. */
function worstDifference(got: ArrayLike<number>, want: readonly number[]): number {
  expect(got.length).toBe(want.length);
  const floor = Math.max(...want.map(Math.abs)) / 100;
  return Math.max(...want.map((value, i) => Math.abs((got[i] as number) - value) / Math.max(Math.abs(value), floor)));
}

const signal = soundOf(REFERENCE.rateHz, referenceSignal(REFERENCE.length, REFERENCE.rateHz));

describe("features", () => {
  test.each(REFERENCE.cases.filter(({ frontEnd }) => frontEnd.kind === "spectral"))(
    "$name: as $by computes them, within 1e-4",
    ({ frontEnd, frames, width, kept, values }) => {
      const features = featuresOf(frontEnd, signal);
      expect([features.frames, features.width]).toEqual([frames, width]);
      const got = kept.flatMap((frame) => [...features.data.subarray(frame * width, (frame + 1) * width)]);
      expect(worstDifference(got, values)).toBeLessThanOrEqual(1e-4);
    },
  );

  test.each(REFERENCE.cases.filter(({ frontEnd }) => frontEnd.kind === "micro"))(
    "$name: as $by computes them, bit by bit",
    ({ frontEnd, frames, width, kept, values }) => {
      const features = featuresOf(frontEnd, signal);
      expect([features.frames, features.width]).toEqual([frames, width]);
      expect(kept.flatMap((frame) => [...features.data.subarray(frame * width, (frame + 1) * width)])).toEqual(values);
    },
  );
});

describe("resampling", () => {
  test.each(REFERENCE.resampled)("$rateHz to $to Hz: tones come out as those of soxr, within 1e-4 of the peak", (row) => {
    const { rateHz, to, from, values } = row;
    const length = Math.floor(rateHz / 4);
    const tones = [
      [0.4, 220, 0.1],
      [0.3, 1234.5, 1.2],
      [0.2, 2950, 2.3],
    ] as const;
    const mix = Float32Array.from({ length }, (_, i) =>
      tones.reduce((sum, [a, f, p]) => sum + a * Math.sin((2 * Math.PI * f * i) / rateHz + p), 0),
    );
    const got = resample(soundOf(rateHz, mix), to).samples.subarray(from, from + values.length);
    const peak = Math.max(...values.map(Math.abs));
    for (const [i, value] of values.entries()) expect(Math.abs((got[i] as number) - value)).toBeLessThanOrEqual(1e-4 * peak);
  });
});
