import { cardOf } from "@tessera/testkit/cards";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tensorType } from "../../graph/model.ts";
import type { Feeds, Session } from "../../graph/runtime.ts";
import { f32, view } from "../../graph/tensor.ts";
import { featuresOf } from "../../signal/features.ts";
import { soundOf } from "../../signal/sound.ts";
import { type VoiceEmbeddingCard, type VoicePreparation, voiceEmbeddingCard } from "../card.ts";
import { embedVoice, voiceFeatures } from "./embed.ts";

const tinysv = voiceEmbeddingCard(cardOf("tinysv-dvector-256"));

function prepared(card: VoiceEmbeddingCard, changes: Partial<VoicePreparation>): VoiceEmbeddingCard {
  return { ...card, input: { ...card.input, preparation: { ...card.input.preparation, ...changes } } };
}

function voice(seconds: number, rateHz = 16_000, level = 0.2): ReturnType<typeof soundOf> {
  const length = Math.round(seconds * rateHz);
  return soundOf(
    rateHz,
    Float32Array.from({ length }, (_, i) => level * Math.sin(0.05 * i + 3 * Math.sin(0.0004 * i))),
  );
}

/** A network whose two numbers are the first number of a window and 1; counts its runs and remembers their batch. */
function firstNumber(batch: number | "N"): { readonly session: Session; readonly batches: number[] } {
  const batches: number[] = [];
  const run = (feeds: Feeds): Feeds => {
    const tensor = feeds.get("mfcc");
    if (!tensor) throw new Error("no feed");
    const rows = tensor.shape[0] as number;
    expect(tensor.shape).toEqual([rows, 1, 49, 40]);
    batches.push(rows);
    const values = view(tensor, "float32");
    const out = Float32Array.from({ length: rows * 2 }, (_, i) => (i % 2 === 1 ? 1 : (values[(i / 2) * 49 * 40] as number)));
    return new Map([["dvector", f32([rows, 2], out)]]);
  };
  const session: Session = {
    inputs: [{ name: "mfcc", type: tensorType("float32", [batch, 1, 49, 40]) }],
    outputs: [],
    run: (feeds) => Promise.resolve(run(feeds)),
    time: () => Promise.reject(new Error("not timed here")),
    close: () => Promise.resolve(),
  };
  return { session, batches };
}

const two: VoiceEmbeddingCard = { ...tinysv, output: { ...tinysv.output, dimension: 2 } };

describe("windows of a voice", () => {
  test("one second is one window, less is filled with silence, which the front end of this card maps to -1", () => {
    const windows = voiceFeatures(tinysv, voice(0.5));
    expect(windows.map((window) => window.length)).toEqual([49 * 40]);
    expect(voiceFeatures(tinysv, voice(1))).toHaveLength(1);
    expect(windows[0]?.subarray(26 * 40).every((value) => value === -1)).toBe(true);
    expect(windows[0]?.subarray(0, 20 * 40).some((value) => value > 0)).toBe(true);
  });

  test("a window after the first is there when three quarters of it are voice", () => {
    // 15,840 samples a window, one each 8,000: the second needs 8,000 + 11,880 samples.
    expect(voiceFeatures(tinysv, voice(19_879 / 16_000))).toHaveLength(1);
    expect(voiceFeatures(tinysv, voice(19_880 / 16_000))).toHaveLength(2);
    expect(voiceFeatures(tinysv, voice(4))).toHaveLength(7);
  });

  test("windows on their own are those of their samples; windows of a whole are cut from its features", () => {
    const sound = voice(2.3);
    const each = voiceFeatures(tinysv, sound);
    const { frontEnd, windows } = tinysv.input.preparation;
    const third = featuresOf(frontEnd, soundOf(16_000, sound.samples.subarray(16_000, 16_000 + 15_840)));
    expect(each[2]).toEqual(third.data);
    const whole = voiceFeatures(prepared(tinysv, { windows: { ...windows, computed: "whole" } }), sound);
    const all = featuresOf(frontEnd, sound);
    expect(whole[2]).toEqual(all.data.slice(50 * 40, 99 * 40));
    // Noise reduction remembers: the two ways differ.
    expect(whole[2]).not.toEqual(each[2]);
  });

  test("another rate, a lower level and pauses are taken care of where the card says so", () => {
    const at16 = voiceFeatures(tinysv, voice(1)).flatMap((window) => [...window]);
    const doubled = voice(1, 32_000).samples.map((_, i) => 0.2 * Math.sin(0.025 * i + 3 * Math.sin(0.0002 * i)));
    const at32 = voiceFeatures(tinysv, soundOf(32_000, doubled)).flatMap((window) => [...window]);
    // Bands with sound in them; elsewhere the two differ by rounding to 16 bits.
    const loud = at16.flatMap((value, i) => (value > 0.3 ? [Math.abs(value - (at32[i] as number))] : []));
    expect(loud.length).toBeGreaterThan(100);
    expect(Math.max(...loud)).toBeLessThan(0.02);
    const raised = prepared(tinysv, { raiseToDbfs: -17 });
    const greatest = (card: VoiceEmbeddingCard, level: number): number =>
      Math.max(...(voiceFeatures(card, voice(1, 16_000, level))[0] ?? []));
    expect(Math.abs(greatest(raised, 0.02) - greatest(raised, 0.2))).toBeLessThan(0.01);
    expect(greatest(tinysv, 0.2) - greatest(tinysv, 0.02)).toBeGreaterThan(0.3);
    const gap = new Float32Array(48_000);
    gap.set(voice(1).samples);
    gap.set(voice(1).samples, 32_000);
    expect(voiceFeatures(tinysv, soundOf(16_000, gap))).toHaveLength(5);
    expect(voiceFeatures(prepared(tinysv, { speech: "energy" }), soundOf(16_000, gap))).toHaveLength(3);
  });

  test("a recording without samples is refused, silence is not", () => {
    expect(() => voiceFeatures(tinysv, soundOf(16_000, new Float32Array(0)))).toThrow(
      expect.objectContaining({ code: "AUDIO_INVALID" }),
    );
    const [window] = voiceFeatures(
      prepared(tinysv, { raiseToDbfs: -30, speech: "energy" }),
      soundOf(16_000, new Float32Array(100)),
    );
    expect(window?.every((value) => value === -1)).toBe(true);
  });

  test("every window has the size of the input, whatever the length", () => {
    const windows = fc.record({
      frames: fc.constant(49),
      hop: fc.integer({ min: 5, max: 80 }),
      minCoverage: fc.double({ min: 0.05, max: 1, noNaN: true }),
      computed: fc.constantFrom("whole" as const, "each" as const),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40_000 }), windows, (length, settings) => {
        const card = prepared(tinysv, { windows: settings });
        const got = voiceFeatures(card, soundOf(16_000, new Float32Array(length).fill(0.1)));
        expect(got.length).toBeGreaterThanOrEqual(1);
        expect(got.every((window) => window.length === 49 * 40)).toBe(true);
        // The last window is covered, one more would not be.
        const covered = (k: number): number => (length - k * settings.hop * 320) / 15_840;
        if (got.length > 1) expect(covered(got.length - 1)).toBeGreaterThanOrEqual(settings.minCoverage - 1e-9);
        expect(covered(got.length)).toBeLessThan(settings.minCoverage + 1e-9);
      }),
      { numRuns: 25 },
    );
  });
});

describe("embedding a voice", () => {
  test("is the direction of the mean over windows, in batches of any size", async () => {
    const sound = voice(4);
    const firsts = voiceFeatures(two, sound).map((window) => window[0] as number);
    const mean = firsts.reduce((sum, value) => sum + value, 0) / firsts.length;
    for (const [batch, options, want] of [
      ["N", {}, [7]],
      ["N", { batch: 3 }, [3, 3, 1]],
      [1, {}, [1, 1, 1, 1, 1, 1, 1]],
      [4, {}, [4, 4]],
    ] as const) {
      const { session, batches } = firstNumber(batch);
      const vector = await embedVoice({ session, card: two }, sound, options);
      expect(batches).toEqual(want);
      expect((vector[0] as number) / (vector[1] as number)).toBeCloseTo(mean, 5);
      expect(Math.hypot(...vector)).toBeCloseTo(1, 6);
    }
  });

  test("a card that contradicts the network is named", async () => {
    const { session } = firstNumber("N");
    await expect(embedVoice({ session, card: tinysv }, voice(1))).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
    const other = { ...two, output: { ...two.output, tensor: "x" } };
    await expect(embedVoice({ session, card: other }, voice(1))).rejects.toMatchObject({ code: "DATA_MISSING" });
    const input = { ...two, input: { ...two.input, tensor: "y" } };
    await expect(embedVoice({ session, card: input }, voice(1))).rejects.toMatchObject({ code: "DATA_MISSING" });
  });
});
