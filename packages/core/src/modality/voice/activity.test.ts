import { cardOf } from "@tessera/testkit/cards";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../base/random.ts";
import type { Feeds, Session } from "../../graph/runtime.ts";
import { f32, view } from "../../graph/tensor.ts";
import { soundOf } from "../../signal/sound.ts";
import { voiceActivityCard } from "../card.ts";
import { energySpeech, keepSpeech, speechOf } from "./activity.ts";

/** Noise at `floor` with a burst of `level` between two times, seconds. */
function burst(options: {
  readonly from: number;
  readonly to: number;
  readonly floor: number;
  readonly level: number;
  readonly rateHz?: number;
}) {
  const { from, to, floor, level, rateHz = 16_000 } = options;
  const random = seededRandom(4);
  return soundOf(
    rateHz,
    Float32Array.from(
      { length: 3 * rateHz },
      (_, i) => (i >= from * rateHz && i < to * rateHz ? level : floor) * (2 * random.next() - 1),
    ),
  );
}

describe("speech by energy", () => {
  test.each([
    [0.001, 0.2],
    [0.02, 0.3],
    [0, 0.1],
  ])("a burst over noise of %d at %d is found within a frame and its padding", (floor, level) => {
    const { segments, speechSeconds } = energySpeech(burst({ from: 1, to: 2.2, floor, level }));
    expect(segments).toHaveLength(1);
    expect(Math.abs((segments[0]?.from as number) / 16_000 - 0.95)).toBeLessThan(0.021);
    expect(Math.abs((segments[0]?.to as number) / 16_000 - 2.25)).toBeLessThan(0.021);
    expect(Math.abs(speechSeconds - 1.3)).toBeLessThan(0.05);
  });

  test("a recording without pauses is speech throughout; silence and faint noise are none", () => {
    expect(energySpeech(burst({ from: 0, to: 3, floor: 0, level: 0.1 })).speechSeconds).toBeGreaterThan(2.9);
    expect(energySpeech(soundOf(16_000, new Float32Array(16_000))).segments).toEqual([]);
    expect(energySpeech(burst({ from: 0, to: 3, floor: 0, level: 0.0005 })).segments).toEqual([]);
    expect(energySpeech(soundOf(16_000, new Float32Array(0)))).toEqual({ segments: [], speechSeconds: 0 });
  });

  test("a click is not speech", () => {
    expect(energySpeech(burst({ from: 1, to: 1.02, floor: 0.001, level: 0.5 })).segments).toEqual([]);
  });

  test("kept speech is the segments one after the other, and everything where there is none", () => {
    const sound = soundOf(
      8000,
      Float32Array.from({ length: 100 }, (_, i) => i),
    );
    const kept = keepSpeech(sound, [
      { from: 10, to: 12 },
      { from: 50, to: 53 },
    ]);
    expect([...kept.samples]).toEqual([10, 11, 50, 51, 52]);
    expect(keepSpeech(sound, [])).toBe(sound);
  });
});

const card = voiceActivityCard(cardOf("silero-vad-16k"));

/** A stand-in: speech where the new samples are loud. Its state counts its calls, and it looks at what it is given as past. */
function loudness(): { readonly session: Session; readonly pasts: number[][] } {
  const pasts: number[][] = [];
  const run = (feeds: Feeds): Feeds => {
    const [input, state, rate] = ["input", "state", "sr"].map((name) => feeds.get(name));
    if (!input || !state || !rate) throw new Error("a feed is missing");
    expect(input.shape).toEqual([1, 576]);
    expect(view(rate, "int64")).toEqual(BigInt64Array.of(16_000n));
    expect([rate.shape, state.shape]).toEqual([[], [2, 1, 128]]);
    const values = view(input, "float32");
    const calls = view(state, "float32")[0] as number;
    expect(calls).toBe(pasts.length);
    pasts.push([...values.subarray(0, 64)]);
    const peak = values.subarray(64).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const next = new Float32Array(256);
    next[0] = calls + 1;
    return new Map([
      ["output", f32([1, 1], Float32Array.of(peak))],
      ["stateN", f32([2, 1, 128], next)],
    ]);
  };
  const session: Session = {
    inputs: [],
    outputs: [],
    run: (feeds) => Promise.resolve(run(feeds)),
    time: () => Promise.reject(new Error("not timed here")),
    close: () => Promise.resolve(),
  };
  return { session, pasts };
}

describe("speech by a network", () => {
  test("it is fed 64 samples of the past, 512 new ones, and its state", async () => {
    const { session, pasts } = loudness();
    const samples = Float32Array.from({ length: 1300 }, (_, i) => (i + 1) / 100_000);
    await speechOf({ session, card }, soundOf(16_000, samples));
    expect(pasts.map((past) => [past[0], past[63]])).toEqual([
      [0, 0],
      [samples[448], samples[511]],
      [samples[960], samples[1023]],
    ]);
  });

  test.each([16_000, 8000, 48_000])("segments are in samples of the recording, at %i Hz", async (rateHz) => {
    const { session } = loudness();
    const sound = burst({ from: 1, to: 2, floor: 0.01, level: 0.9, rateHz });
    const { segments } = await speechOf({ session, card }, sound, { padSeconds: 0 });
    expect(segments).toHaveLength(1);
    expect(Math.abs((segments[0]?.from as number) / rateHz - 1)).toBeLessThan(0.04);
    expect(Math.abs((segments[0]?.to as number) / rateHz - 2)).toBeLessThan(0.04);
  });

  test("cards and networks that do not fit are named", async () => {
    const { session } = loudness();
    const sound = soundOf(16_000, new Float32Array(600));
    const short = { ...card, input: { ...card.input, shape: [64] } };
    await expect(speechOf({ session, card: short }, sound)).rejects.toMatchObject({ code: "CARD_INVALID" });
    const other = { ...card, output: { ...card.output, tensor: "x" } };
    await expect(speechOf({ session, card: other }, sound)).rejects.toMatchObject({ code: "DATA_MISSING" });
    expect(() => voiceActivityCard(cardOf("tinysv-dvector-256"))).toThrow(expect.objectContaining({ code: "CARD_INVALID" }));
  });
});
