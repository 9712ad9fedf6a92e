import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type SegmentOptions, segmentsOf } from "./segments.ts";

const PLAIN: SegmentOptions = { begin: 0.5, goOn: 0.3, minSpeechSeconds: 0, minSilenceSeconds: 0, padSeconds: 0 };

/** Frames of 10 samples at 100 Hz: a frame is a tenth of a second. */
function found(scores: readonly number[], options: Partial<SegmentOptions> = {}): readonly (readonly [number, number])[] {
  const frames = { scores, hop: 10, length: scores.length * 10 - 3, rateHz: 100 };
  return segmentsOf(frames, { ...PLAIN, ...options }).segments.map(({ from, to }) => [from, to]);
}

describe("stretches of speech", () => {
  test("speech begins at one threshold and ends below the other", () => {
    expect(found([0.4, 0.6, 0.4, 0.4, 0.2, 0.4, 0.9])).toEqual([
      [10, 40],
      [60, 67],
    ]);
  });

  test("short pauses are bridged, short speech is dropped", () => {
    expect(found([1, 0, 1, 0, 0, 1], { minSilenceSeconds: 0.2 })).toEqual([
      [0, 30],
      [50, 57],
    ]);
    expect(found([1, 1, 0, 1, 0], { minSpeechSeconds: 0.15 })).toEqual([[0, 20]]);
  });

  test("padding ends at the ends of the sound and in the middle between neighbours", () => {
    expect(found([0, 1, 0, 1, 0], { padSeconds: 0.03 })).toEqual([
      [7, 23],
      [27, 43],
    ]);
    expect(found([1, 0, 1], { padSeconds: 1 })).toEqual([
      [0, 15],
      [15, 27],
    ]);
  });

  test("segments are in order, apart, inside the sound, and their seconds add up", () => {
    const scores = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 60 });
    const seconds = fc.double({ min: 0, max: 0.5, noNaN: true });
    fc.assert(
      fc.property(scores, seconds, seconds, seconds, (row, minSpeechSeconds, minSilenceSeconds, padSeconds) => {
        const length = row.length * 10;
        const options = { ...PLAIN, minSpeechSeconds, minSilenceSeconds, padSeconds };
        const { segments, speechSeconds } = segmentsOf({ scores: row, hop: 10, length, rateHz: 100 }, options);
        let end = 0;
        for (const { from, to } of segments) {
          expect(from).toBeGreaterThanOrEqual(end);
          expect(to).toBeGreaterThan(from);
          end = to;
        }
        expect(end).toBeLessThanOrEqual(length);
        expect(speechSeconds).toBeCloseTo(segments.reduce((sum, { from, to }) => sum + to - from, 0) / 100, 9);
        if (row.every((score) => score < 0.5)) expect(segments).toEqual([]);
        if (length > 0 && row.every((score) => score >= 0.5) && minSpeechSeconds <= length / 100)
          expect(segments).toEqual([{ from: 0, to: length }]);
      }),
    );
  });
});
