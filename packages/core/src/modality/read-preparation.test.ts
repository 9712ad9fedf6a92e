import { readFileSync } from "node:fs";
import { cardPath } from "@tessera/testkit/cards";
import { describe, expect, test } from "vitest";
import type { ModelCard } from "./card.ts";
import { voiceEmbeddingCard } from "./card.ts";
import { embeddingSpaceId } from "./embedding-space.ts";
import { parseCard, printCard, readCard } from "./read-card.ts";

type Json = { [key: string]: unknown };

/** A card with a spectral front end in which every field is there. */
function good(): Json {
  return {
    version: 1,
    name: "voice",
    modality: "voice",
    task: "embedding",
    input: {
      kind: "features",
      tensor: "x",
      shape: [160, 20],
      features: "mfcc",
      sampleRateHz: 16_000,
      preparation: {
        raiseToDbfs: -30,
        speech: "energy",
        frontEnd: {
          kind: "spectral",
          rateHz: 16_000,
          spectrum: {
            frame: 400,
            hop: 160,
            fft: 512,
            window: "hann",
            edges: "centre-reflect",
            gain: 1,
            removeMean: false,
            preEmphasis: { coefficient: 0.97, over: "frame" },
            power: 2,
            spectrumGain: 1,
          },
          mel: { bands: 40, lowHz: 20, highHz: 8000, scale: "htk", sides: "mel", norm: "none" },
          log: { kind: "decibel", floor: 1e-10, range: 80 },
          cepstrum: { count: 20, lifter: { length: 22, first: 0 }, zeroth: "frame-energy" },
        },
        windows: { frames: 160, hop: 77, minCoverage: 0.75, computed: "whole" },
      },
    },
    output: { kind: "embedding", tensor: "y", dimension: 256, metric: "cosine", normalised: true },
    licence: "Apache-2.0",
    provenance: "here",
  };
}

const micro = (): Json => JSON.parse(readFileSync(cardPath("tinysv-dvector-256"), "utf8")) as Json;

/** A card with one field replaced; `undefined` takes it away. */
function changed(card: Json, path: string, value: unknown): Json {
  const steps = path.split(".");
  const last = steps.pop() as string;
  let inside = card;
  for (const step of steps) inside = inside[step] as Json;
  if (value === undefined) delete inside[last];
  else inside[last] = value;
  return card;
}

const P = "input.preparation";

describe("how a voice is prepared", () => {
  test("is read whole and printed back", () => {
    for (const card of [good(), micro()]) {
      const read = readCard(card);
      expect(voiceEmbeddingCard(read).input.preparation).toEqual((card["input"] as Json)["preparation"]);
      expect(parseCard(new TextEncoder().encode(printCard(read)))).toEqual(read);
    }
  });

  test.each([
    [`${P}.raiseToDbfs`, undefined],
    [`${P}.frontEnd.cepstrum.lifter`, undefined],
    [`${P}.frontEnd.log.range`, undefined],
    [`${P}.frontEnd.log`, { kind: "none" }],
    [`${P}.frontEnd.log`, { kind: "ln", floor: 1e-6, how: "add" }],
    ["input.sampleRateHz", undefined],
  ])("%s may be %j", (path, value) => {
    expect(() => readCard(changed(good(), path, value))).not.toThrow();
  });

  test.each([
    [`${P}.raiseToDbfs`, 3, "raiseToDbfs"],
    [`${P}.speech`, "webrtc", "speech"],
    [`${P}.silence`, "drop", "silence"],
    [`${P}.windows`, undefined, "windows"],
    [`${P}.windows.frames`, 159, "windows"],
    [`${P}.windows.hop`, 0, "windows.hop"],
    [`${P}.windows.minCoverage`, 0, "windows.minCoverage"],
    [`${P}.windows.computed`, "once", "windows.computed"],
    [`${P}.frontEnd.kind`, "wavelet", "frontEnd.kind"],
    [`${P}.frontEnd.rateHz`, 8000, "highHz"],
    ["input.sampleRateHz", 8000, "preparation"],
    [`${P}.frontEnd.spectrum.fft`, 399, "spectrum.fft"],
    [`${P}.frontEnd.spectrum.fft`, 513, "spectrum.fft"],
    [`${P}.frontEnd.spectrum.fft`, 1 << 20, "spectrum.fft"],
    [`${P}.frontEnd.spectrum.window`, "kaiser", "spectrum.window"],
    [`${P}.frontEnd.spectrum.edges`, "wrap", "spectrum.edges"],
    [`${P}.frontEnd.spectrum.gain`, 0, "spectrum.gain"],
    [`${P}.frontEnd.spectrum.removeMean`, 1, "spectrum.removeMean"],
    [`${P}.frontEnd.spectrum.preEmphasis`, 0.97, "spectrum.preEmphasis"],
    [`${P}.frontEnd.spectrum.preEmphasis.over`, "utterance", "preEmphasis.over"],
    [`${P}.frontEnd.spectrum.power`, 3, "spectrum.power"],
    [`${P}.frontEnd.spectrum.dither`, 1, "spectrum.dither"],
    [`${P}.frontEnd.mel.bands`, 1000, "mel.bands"],
    [`${P}.frontEnd.mel.highHz`, 8001, "mel.highHz"],
    [`${P}.frontEnd.mel.highHz`, 20, "mel.highHz"],
    [`${P}.frontEnd.mel.scale`, "bark", "mel.scale"],
    [`${P}.frontEnd.log.floor`, 0, "log.floor"],
    [`${P}.frontEnd.log.how`, "max", "log.how"],
    [`${P}.frontEnd.cepstrum.count`, 41, "cepstrum.count"],
    [`${P}.frontEnd.cepstrum.count`, 19, "windows"],
    [`${P}.frontEnd.cepstrum.lifter.first`, 2, "lifter.first"],
    [`${P}.frontEnd.cepstrum.lifter.last`, 2, "lifter.last"],
    [`${P}.frontEnd.cepstrum.zeroth`, true, "cepstrum.zeroth"],
  ])("%s = %j is refused, naming %s", (path, value, field) => {
    expect(() => readCard(changed(good(), path, value))).toThrow(
      expect.objectContaining({ code: "CARD_INVALID", message: expect.stringContaining(field) }),
    );
  });

  test.each([
    [`${P}.frontEnd.smoothing.even`, 1.1, "smoothing.even"],
    [`${P}.frontEnd.smoothing.both`, 0.1, "smoothing.both"],
    [`${P}.frontEnd.minSignalRemaining`, -1, "minSignalRemaining"],
    [`${P}.frontEnd.bands`, 39, "windows"],
    [`${P}.frontEnd.offset`, undefined, "offset"],
    [`${P}.frontEnd.mel`, {}, "mel"],
  ])("of the integer front end, %s = %j is refused, naming %s", (path, value, field) => {
    expect(() => readCard(changed(micro(), path, value))).toThrow(
      expect.objectContaining({ code: "CARD_INVALID", message: expect.stringContaining(field) }),
    );
  });

  test("a voice card without it embeds nothing; a face card is not a voice card", () => {
    expect(() => voiceEmbeddingCard(readCard(changed(good(), P, undefined)))).toThrow("input.preparation");
    expect(() => voiceEmbeddingCard(readCard(changed(good(), "modality", "keystroke")))).toThrow("keystroke");
  });

  test("belongs to the embedding space, in whatever order its fields are written", () => {
    const space = (card: ModelCard): string => embeddingSpaceId("ab".repeat(32), card);
    const id = space(readCard(good()));
    const { input } = readCard(good());
    if (input.kind !== "features" || input.preparation === undefined) throw new Error("no preparation");
    const { windows, frontEnd, speech, raiseToDbfs } = input.preparation;
    const turned = { windows, frontEnd, speech, ...(raiseToDbfs !== undefined && { raiseToDbfs }) };
    expect(space({ ...readCard(good()), input: { ...input, preparation: turned } })).toBe(id);
    for (const [path, value] of [
      [`${P}.frontEnd.spectrum.window`, "hamming"],
      [`${P}.windows.hop`, 80],
      [`${P}.raiseToDbfs`, undefined],
      [P, undefined],
    ] as const)
      expect(space(readCard(changed(good(), path, value)))).not.toBe(id);
  });
});
