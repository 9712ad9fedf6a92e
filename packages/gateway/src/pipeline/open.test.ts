import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GatewayModality } from "@tessera/core/protocol/gateway-api";
import type { Image } from "@tessera/core/signal/image";
import { encodePnm } from "@tessera/core/signal/pnm";
import { resize } from "@tessera/core/signal/resize";
import { type Sound, soundOf } from "@tessera/core/signal/sound";
import { encodeWav } from "@tessera/core/signal/wav";
import { encodePng } from "@tessera/media/images";
import { fakeFace, fakeVoice, type GatewayModels, writeGatewayModels } from "@tessera/testkit/gateway-models";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPipeline } from "./open.ts";
import type { Pipeline, Probe } from "./pipeline.ts";

let folder: string;
let models: GatewayModels;
let pipeline: Pipeline;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tessera-pipeline-"));
  models = writeGatewayModels(folder);
  pipeline = await openPipeline({ ...models, limits: { maxSide: 320, maxPixels: 1_000_000, maxSeconds: 10 } });
});

afterAll(async () => {
  await pipeline.close();
  rmSync(folder, { recursive: true, force: true });
});

const ppm = (image: Image) => encodePnm(image);
const face = (options: Parameters<typeof fakeFace>[0]) => pipeline.probe("face", ppm(fakeFace(options)));
const voice = (options: Parameters<typeof fakeVoice>[0]) => pipeline.probe("voice", encodeWav(fakeVoice(options)));
const codes = (probe: Probe) => probe.notes.map((note) => note.code);
const stages = (probe: Probe) => probe.stages.map((stage) => stage.stage);

function cosine(a: Probe, b: Probe): number {
  expect(a.embedding).toBeDefined();
  expect(b.embedding).toBeDefined();
  return [...(a.embedding ?? [])].reduce((sum, value, i) => sum + value * (b.embedding?.[i] ?? Number.NaN), 0);
}

describe("a face through the pipeline", () => {
  test("becomes a vector of length 1 in the card's space, with a time for every stage", async () => {
    const probe = await face({ person: 1 });
    expect(probe).toMatchObject({ modality: "face", space: "colours of a face", notes: [], liveness: { passed: true } });
    expect(cosine(probe, probe)).toBeCloseTo(1, 5);
    expect(stages(probe)).toEqual(["queue", "decode", "detect", "align", "quality", "liveness", "embed"]);
    expect(probe.stages.every(({ ms, modality }) => ms >= 0 && modality === "face")).toBe(true);
  });

  test("is itself again in another picture, and not somebody else", async () => {
    const [a, again, other] = await Promise.all([face({ person: 1 }), face({ person: 1, take: 1 }), face({ person: 2 })]);
    expect(cosine(a, again)).toBeGreaterThan(0.95);
    expect(cosine(a, other)).toBeLessThan(0.5);
  });

  test("is not recognised when it does not live: there is no vector", async () => {
    const probe = await face({ person: 1, screen: true });
    expect(probe.liveness?.passed).toBe(false);
    expect(probe.liveness?.real).toBeLessThan(0.5);
    expect(probe.embedding).toBeUndefined();
    expect(stages(probe)).toEqual(["queue", "decode", "detect", "align", "quality", "liveness"]);
  });

  test.each([
    ["blurred", { person: 1, blurred: true }, ["blurred"]],
    ["dark", { person: 1, light: 0.13 }, ["dark"]],
    ["small", { person: 1, side: 60 }, ["face-small"]],
  ] as const)("that is %s gets a note and goes no further", async (_, options, notes) => {
    const probe = await face(options);
    expect(codes(probe)).toEqual(notes);
    expect(probe.notes.every((note) => note.says.length > 5)).toBe(true);
    expect([probe.embedding, probe.liveness]).toEqual([undefined, undefined]);
    expect(stages(probe).at(-1)).toBe("quality");
  });

  test("that is not there is said to be missing", async () => {
    expect(codes(await face({ person: 1, light: 0.02 }))).toEqual(["no-face"]);
  });

  test("is measured only, where that was asked for", async () => {
    const probe = await pipeline.probe("face", ppm(fakeFace({ person: 1 })), { stop: "quality" });
    expect([codes(probe), probe.embedding, probe.liveness]).toEqual([[], undefined, undefined]);
    expect(probe.quality).toMatchObject({ yawDegrees: expect.any(Number), brightness: expect.any(Number) });
    // The detector's box is 40 of 64 pixels and its eyes are 16 apart; the picture has 160.
    expect(probe.quality.eyeDistance).toBeCloseTo(40, 5);
    expect(probe.quality.faceShare).toBeCloseTo(40 / 64, 5);
    expect(probe.quality.box?.map((v) => Math.round(v))).toEqual([30, 30, 100, 100]);
  });

  test("in a large picture is looked at in a smaller one, and its figures are those of the picture that was sent", async () => {
    const small = fakeFace({ person: 3, side: 160 });
    const large = resize(small, { width: 640, height: 640 });
    for (const bytes of [ppm(large), await encodePng(large)]) {
      const probe = await pipeline.probe("face", bytes);
      expect(probe.quality.eyeDistance).toBeCloseTo(160, 3);
      expect(probe.quality.box?.[2]).toBeCloseTo(400, 3);
      expect(cosine(probe, await pipeline.probe("face", ppm(small)))).toBeGreaterThan(0.95);
    }
  });

  test("of a kind that is not read, or of too many pixels, is unreadable", async () => {
    const huge = new TextEncoder().encode("P6\n40000 40000\n255\n");
    const svg = new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100"/>');
    const png = await encodePng(fakeFace({ person: 1, side: 1100 }));
    for (const bytes of [new Uint8Array(0), huge, svg, png, encodeWav(fakeVoice({ person: 1 }))]) {
      const probe = await pipeline.probe("face", bytes);
      expect([codes(probe), probe.embedding, stages(probe)]).toEqual([["unreadable"], undefined, ["queue", "decode"]]);
    }
  });
});

describe("a voice through the pipeline", () => {
  test("becomes a vector of length 1 in the card's space, with a time for every stage", async () => {
    const probe = await voice({ person: 1 });
    expect(probe).toMatchObject({ modality: "voice", space: "spectrum of a voice", notes: [] });
    expect(cosine(probe, probe)).toBeCloseTo(1, 5);
    expect(stages(probe)).toEqual(["queue", "decode", "vad", "quality", "features", "embed"]);
    expect(probe.quality.seconds).toBeCloseTo(1.6, 5);
    expect(probe.quality.speechSeconds).toBeGreaterThan(1.1);
    expect(probe.quality.speechSeconds).toBeLessThan(1.35);
  });

  test("is itself again at another rate, after a longer pause and at another level, and not somebody else", async () => {
    const [a, again, other] = await Promise.all([
      voice({ person: 1 }),
      voice({ person: 1, take: 1, rateHz: 48_000, pause: 1, level: 0.15 }),
      voice({ person: 2 }),
    ]);
    expect(cosine(a, again)).toBeGreaterThan(0.95);
    expect(cosine(a, other)).toBeLessThan(0.9);
  });

  test.each([
    ["silent", fakeVoice({ person: 1, level: 0 }), ["silent"]],
    ["short", fakeVoice({ person: 1, seconds: 0.4 }), ["short"]],
    [
      "clipped",
      soundOf(
        16_000,
        fakeVoice({ person: 1, level: 1 }).samples.map((v) => Math.max(-1, Math.min(1, 3 * v))),
      ),
      ["clipped"],
    ],
  ] as const)("that is %s gets a note and goes no further", async (_, sound, notes) => {
    const probe = await pipeline.probe("voice", encodeWav(sound));
    expect([codes(probe), probe.embedding]).toEqual([notes, undefined]);
    expect(stages(probe).at(-1)).toBe("quality");
  });

  test("is measured only, where that was asked for", async () => {
    const probe = await pipeline.probe("voice", encodeWav(fakeVoice({ person: 1 })), { stop: "quality" });
    expect([codes(probe), probe.embedding]).toEqual([[], undefined]);
  });

  test("that is no WAV file, too long, or of a rate that no microphone has is unreadable", async () => {
    const odd: Sound = soundOf(47_999, new Float32Array(47_999).fill(0.1));
    const long = soundOf(8000, new Float32Array(8000 * 10 + 1).fill(0.1));
    for (const bytes of [new Uint8Array(0), ppm(fakeFace({ person: 1 })), encodeWav(odd), encodeWav(long)]) {
      const probe = await pipeline.probe("voice", bytes);
      expect([codes(probe), probe.embedding, stages(probe)]).toEqual([["unreadable"], undefined, ["queue", "decode"]]);
    }
  });
});

describe("opening a pipeline", () => {
  test("tells what it runs", () => {
    expect(pipeline.modalities).toEqual(["face", "voice"]);
    expect(pipeline.models.map((model) => [model.role, model.name])).toEqual([
      ["detector", "detector"],
      ["liveness", "liveness"],
      ["face-embedder", "face"],
      ["vad", "activity"],
      ["voice-embedder", "voice"],
    ]);
    expect(pipeline.models.every((model) => /^[0-9a-f]{64}$/.test(model.sha256) && model.runtime.startsWith("ort-node"))).toBe(
      true,
    );
  });

  test("leaves the caller's bytes alone", async () => {
    const bytes = ppm(fakeFace({ person: 1 }));
    const before = bytes.slice();
    await pipeline.probe("face", bytes);
    expect(bytes).toEqual(before);
  });

  test("refuses what it has no networks for, and everything after it was closed", async () => {
    const only = await openPipeline({ voice: { embedder: models.voice.embedder }, workers: 1 });
    expect(only.modalities).toEqual(["voice"]);
    await expect(only.probe("face", new Uint8Array(1))).rejects.toThrow(expect.objectContaining({ code: "RUNTIME_FAILED" }));
    // Without a network speech is told by its energy.
    expect(codes(await only.probe("voice", encodeWav(fakeVoice({ person: 1 }))))).toEqual([]);
    await only.close();
    await only.close();
    await expect(only.probe("voice", new Uint8Array(1))).rejects.toThrow(expect.objectContaining({ code: "RUNTIME_FAILED" }));
  });

  test.each<[string, GatewayModality | undefined, (folder: string) => object, string]>([
    ["no models", undefined, () => ({}), "CARD_INVALID"],
    [
      "a model that is not its card's",
      "face",
      () => ({ embedder: { ...models.face.embedder, model: models.face.detector.model } }),
      "CARD_INVALID",
    ],
    [
      "a card of another modality",
      "face",
      () => ({ embedder: { ...models.face.embedder, card: models.voice.embedder.card } }),
      "CARD_INVALID",
    ],
    [
      "a file that is not there",
      "voice",
      (at) => ({ embedder: { ...models.voice.embedder, model: join(at, "none.onnx") } }),
      "IO",
    ],
    [
      "a threshold that is no probability",
      "face",
      () => ({ liveness: { ...models.face.liveness, threshold: 50 } }),
      "CARD_INVALID",
    ],
    [
      "a detector without landmarks",
      "face",
      (at) => ({ detector: changed(at, models.face.detector, (c) => Object.assign(c.output, { decoder: "ultralight" })) }),
      "CARD_INVALID",
    ],
    [
      "an embedder without a space",
      "face",
      (at) => ({ embedder: changed(at, models.face.embedder, (c) => delete c.embeddingSpace) }),
      "CARD_INVALID",
    ],
    [
      "an embedder that is compared by distance",
      "voice",
      (at) => ({ embedder: changed(at, models.voice.embedder, (c) => Object.assign(c.output, { metric: "euclidean" })) }),
      "CARD_INVALID",
    ],
    [
      "a card that says another size of vector",
      "face",
      (at) => ({ embedder: changed(at, models.face.embedder, (c) => Object.assign(c.output, { dimension: 64 })) }),
      "SHAPE_MISMATCH",
    ],
    [
      "a card that names another output",
      "voice",
      (at) => ({ embedder: changed(at, models.voice.embedder, (c) => Object.assign(c.output, { tensor: "z" })) }),
      "DATA_MISSING",
    ],
    [
      "a model that is no model",
      "face",
      (at) => ({ liveness: { ...broken(at, models.face.liveness), threshold: 0.5 } }),
      "RUNTIME_FAILED",
    ],
  ])("refuses %s", async (_, modality, change, code) => {
    const config = modality === undefined ? {} : { [modality]: { ...models[modality], ...change(folder) } };
    await expect(openPipeline({ ...config, workers: 1 })).rejects.toThrow(expect.objectContaining({ code }));
  });
});

interface LooseCard {
  output: Record<string, unknown>;
  embeddingSpace?: string;
  modelSha256?: string;
}

let made = 0;

/** The model with another card. */
function changed(at: string, paths: { readonly model: string; readonly card: string }, change: (card: LooseCard) => unknown) {
  const card = JSON.parse(readFileSync(paths.card, "utf8")) as LooseCard;
  change(card);
  const path = join(at, `changed-${made++}.card.json`);
  writeFileSync(path, JSON.stringify(card));
  return { ...paths, card: path };
}

/** Half the model, with a card that names no file. */
function broken(at: string, paths: { readonly model: string; readonly card: string }) {
  const bytes = readFileSync(paths.model);
  const model = join(at, `broken-${made}.onnx`);
  writeFileSync(model, bytes.subarray(0, bytes.length >> 1));
  return { ...changed(at, paths, (card) => delete card.modelSha256), model };
}
