import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { sha256Hex } from "@tessera/core/base/sha256";
import { makeNode } from "@tessera/core/graph/node";
import { f32, i64 } from "@tessera/core/graph/tensor";
import { ARCFACE_112 } from "@tessera/core/modality/face/align";
import { type Image, imageOf } from "@tessera/core/signal/image";
import { type Sound, soundOf } from "@tessera/core/signal/sound";
import { onnxFile } from "./onnx-file.ts";

/**
 * Small real networks for every place of the gateway's pipeline, whose answers can be told in advance, with their cards: a detector that sees a
 * face in the middle of every bright picture, a liveness network that takes blue faces for screens, embedders that take colours of the face and
 * the spectrum of the voice for the person, an activity network that hears whatever is loud.
 */
export interface GatewayModels {
  readonly face: {
    readonly detector: { readonly model: string; readonly card: string };
    readonly liveness: { readonly model: string; readonly card: string; readonly threshold: number };
    readonly embedder: { readonly model: string; readonly card: string };
  };
  readonly voice: {
    readonly vad: { readonly model: string; readonly card: string };
    readonly embedder: { readonly model: string; readonly card: string };
  };
}

/** Writes the networks and their cards into a folder. */
export function writeGatewayModels(folder: string): GatewayModels {
  const put = (name: string, bytes: Uint8Array, card: object) => {
    const paths = { model: join(folder, `${name}.onnx`), card: join(folder, `${name}.card.json`) };
    writeFileSync(paths.model, bytes);
    const whole = {
      version: 1,
      name,
      licence: "Apache-2.0",
      provenance: "made by a test",
      modelSha256: sha256Hex(bytes),
      ...card,
    };
    writeFileSync(paths.card, JSON.stringify(whole));
    return paths;
  };
  return {
    face: {
      detector: put("detector", detectorFile(), DETECTOR_CARD),
      liveness: { ...put("liveness", livenessFile(), LIVENESS_CARD), threshold: 0.5 },
      embedder: put("face", faceFile(), FACE_CARD),
    },
    voice: { vad: put("activity", activityFile(), ACTIVITY_CARD), embedder: put("voice", voiceFile(), VOICE_CARD) },
  };
}

/** Side of the detector's input, and of the box and five points that it gives for every face, all in its pixels. */
const SIDE = 64;
const BOX = 40;
const POINTS: readonly (readonly [number, number])[] = [
  [24, 26],
  [40, 26],
  [32, 34],
  [26, 42],
  [38, 42],
];

const picture = (side: number, placement: object) => ({
  kind: "image",
  tensor: "x",
  width: side,
  height: side,
  layout: "NCHW",
  colour: "RGB",
  scale: 1,
  mean: 127.5,
  std: 127.5,
  placement,
});

const DETECTOR_CARD = {
  modality: "face",
  task: "detection",
  input: { ...picture(SIDE, { kind: "fit" }), mean: 0, std: 255 },
  output: { kind: "faces", decoder: "yunet" },
};

/** Outputs of YuNet: one cell, in the middle, whose score is 0 for a mean grey level of 8 and less, 1 for 16 and more. */
function detectorFile(): Uint8Array {
  const outputs: Record<string, readonly ["float32", readonly number[]]> = {};
  const constants: Record<string, ReturnType<typeof f32>> = { gain: f32([1], [255 / 8]), one: f32([1], [1]) };
  const nodes = [
    makeNode("ReduceMean", { inputs: ["x"], outputs: ["mean"] }, { attributes: { keepdims: 0 } }),
    makeNode("Mul", { inputs: ["mean", "gain"], outputs: ["scaled"] }),
    makeNode("Sub", { inputs: ["scaled", "one"], outputs: ["raw"] }),
    makeNode("Clip", { inputs: ["raw", "low", "high"], outputs: ["score"] }),
  ];
  constants["low"] = f32([], [0]);
  constants["high"] = f32([], [1]);
  for (const stride of [8, 16, 32]) {
    const columns = SIDE / stride;
    const cells = columns * columns;
    const mark = new Float32Array(cells);
    const bbox = new Float32Array(cells * 4);
    const kps = new Float32Array(cells * 10);
    if (stride === 8) {
      const cell = (columns / 2) * columns + columns / 2;
      mark[cell] = 1;
      bbox.set([0, 0, Math.log(BOX / stride), Math.log(BOX / stride)], cell * 4);
      kps.set(
        POINTS.flatMap(([x, y]) => [x / stride - columns / 2, y / stride - columns / 2]),
        cell * 10,
      );
    }
    // Constants are added to nothing of the picture, so that every output is computed by the graph.
    const given = { cls: [mark, 1], obj: [mark, 1], bbox: [bbox, 4], kps: [kps, 10] } as const;
    for (const [role, [values, width]] of Object.entries(given)) {
      const name = `${role}_${stride}`;
      constants[`${name}_c`] = f32([1, cells, width], values);
      outputs[name] = ["float32", [1, cells, width]];
      const inputs = [`${name}_c`, role === "cls" ? "score" : "one"];
      nodes.push(makeNode("Mul", { inputs, outputs: [name] }));
    }
  }
  return onnxFile({ inputs: { x: ["float32", [1, 3, SIDE, SIDE]] }, outputs, nodes, constants });
}

const LIVENESS_CARD = {
  modality: "face",
  task: "liveness",
  input: picture(8, { kind: "box", expand: 1.2 }),
  output: { kind: "classes", tensor: "logits", classes: 2, positive: 1, activation: "softmax" },
};

/** Logits [blue, (red + green) / 2 + .3], means of -1..1, times 10. */
function livenessFile(): Uint8Array {
  return onnxFile({
    inputs: { x: ["float32", [1, 3, 8, 8]] },
    outputs: { logits: ["float32", [1, 2]] },
    nodes: [
      makeNode("GlobalAveragePool", { inputs: ["x"], outputs: ["p"] }),
      makeNode("Flatten", { inputs: ["p"], outputs: ["f"] }),
      makeNode("Gemm", { inputs: ["f", "w", "b"], outputs: ["logits"] }),
    ],
    constants: { w: f32([3, 2], [0, 5, 0, 5, 10, 0]), b: f32([2], [0, 3]) },
  });
}

/** Side of the face embedder's input. */
const CROP = 16;

const FACE_CARD = {
  modality: "face",
  task: "embedding",
  input: picture(CROP, { kind: "align", points: ARCFACE_112.map(({ x, y }) => [(x * CROP) / 112, (y * CROP) / 112]) }),
  output: { kind: "embedding", tensor: "y", dimension: 48, metric: "cosine", normalised: false },
  embeddingSpace: "colours of a face",
};

/** Means over 4 x 4 pixels: 3 x 4 x 4 numbers. */
function faceFile(): Uint8Array {
  return onnxFile({
    inputs: { x: ["float32", [1, 3, CROP, CROP]] },
    outputs: { y: ["float32", [1, 48]] },
    nodes: [
      makeNode("AveragePool", { inputs: ["x"], outputs: ["p"] }, { attributes: { kernel_shape: [4, 4], strides: [4, 4] } }),
      makeNode("Flatten", { inputs: ["p"], outputs: ["y"] }),
    ],
  });
}

const ACTIVITY_CARD = {
  modality: "voice",
  task: "activity",
  input: { kind: "features", tensor: "input", shape: [576], features: "samples", sampleRateHz: 16_000 },
  output: { kind: "classes", tensor: "output", classes: 1, positive: 0, activation: "none" },
};

/** As Silero's: sigmoid(400 mean |x| - 4), which is above one half from a mean of .01 on; the state goes through as it is. */
function activityFile(): Uint8Array {
  return onnxFile({
    inputs: { input: ["float32", [1, 576]], state: ["float32", [2, 1, 128]], sr: ["int64", []] },
    outputs: { output: ["float32", [1, 1]], stateN: ["float32", [2, 1, 128]] },
    nodes: [
      makeNode("Abs", { inputs: ["input"], outputs: ["a"] }),
      makeNode("ReduceMean", { inputs: ["a", "axes"], outputs: ["m"] }, { attributes: { keepdims: 1 } }),
      makeNode("Mul", { inputs: ["m", "gain"], outputs: ["g"] }),
      makeNode("Add", { inputs: ["g", "shift"], outputs: ["s"] }),
      makeNode("Sigmoid", { inputs: ["s"], outputs: ["output"] }),
      makeNode("Identity", { inputs: ["state"], outputs: ["stateN"] }),
    ],
    constants: { axes: i64([1], [1]), gain: f32([1], [400]), shift: f32([1], [-4]) },
  });
}

const FRAMES = 20;
const BANDS = 16;

const VOICE_CARD = {
  modality: "voice",
  task: "embedding",
  input: {
    kind: "features",
    tensor: "x",
    shape: [FRAMES, BANDS],
    features: "fbank",
    sampleRateHz: 16_000,
    preparation: {
      speech: "all",
      frontEnd: {
        kind: "spectral",
        rateHz: 16_000,
        spectrum: {
          frame: 400,
          hop: 320,
          fft: 512,
          window: "hann",
          edges: "snip",
          gain: 1,
          removeMean: false,
          preEmphasis: { coefficient: 0, over: "sound" },
          power: 2,
          spectrumGain: 1,
        },
        mel: { bands: BANDS, lowHz: 50, highHz: 7000, scale: "htk", sides: "hertz", norm: "none" },
        log: { kind: "ln", floor: 1e-3, how: "max" },
      },
      windows: { frames: FRAMES, hop: 10, minCoverage: 0.75, computed: "whole" },
    },
  },
  output: { kind: "embedding", tensor: "y", dimension: BANDS, metric: "cosine", normalised: false },
  embeddingSpace: "spectrum of a voice",
};

/** The mean over frames less the mean over bands. */
function voiceFile(): Uint8Array {
  return onnxFile({
    inputs: { x: ["float32", ["N", FRAMES, BANDS]] },
    outputs: { y: ["float32", ["N", BANDS]] },
    nodes: [
      makeNode("ReduceMean", { inputs: ["x", "frames"], outputs: ["m"] }, { attributes: { keepdims: 0 } }),
      makeNode("ReduceMean", { inputs: ["m", "bands"], outputs: ["b"] }, { attributes: { keepdims: 1 } }),
      makeNode("Sub", { inputs: ["m", "b"], outputs: ["d"] }),
      makeNode("LpNormalization", { inputs: ["d"], outputs: ["n"] }, { attributes: { axis: 1, p: 2 } }),
      makeNode("Mul", { inputs: ["n", "two"], outputs: ["y"] }),
    ],
    constants: { frames: i64([1], [1]), bands: i64([1], [1]), two: f32([1], [2]) },
  });
}

/** What a made-up face looks like. */
export interface FakeFaceOptions {
  readonly person: number;
  /** Another picture of the same person: other noise. */
  readonly take?: number;
  /** Pixels a side. */
  readonly side?: number;
  /** Tinted so that the liveness network takes it for a screen. */
  readonly screen?: boolean;
  /** Without the fine texture that makes a picture sharp. */
  readonly blurred?: boolean;
  /** Every sample times this. */
  readonly light?: number;
}

/** A picture of coloured patches, a pattern of colours for each person, with a fine texture. */
export function fakeFace(options: FakeFaceOptions): Image {
  const { person, take = 0, side = 160, screen = false, blurred = false, light = 1 } = options;
  const colours = seededRandom(1000 + person);
  const patches = Array.from({ length: 8 * 8 * 3 }, () => 60 + colours.int(130));
  const noise = seededRandom(1_000_000 + person * 1000 + take);
  const data = new Uint8Array(side * side * 3);
  for (let y = 0, i = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      for (let c = 0; c < 3; c++, i++) {
        const patch = (Math.floor((y * 8) / side) * 8 + Math.floor((x * 8) / side)) * 3 + c;
        const tint = screen ? (c === 2 ? 90 : -50) : 0;
        const grain = blurred ? 0 : noise.int(81) - 40;
        data[i] = Math.min(255, Math.max(0, ((blurred ? 125 : (patches[patch] as number)) + tint + grain) * light));
      }
  return imageOf(side, side, 3, data);
}

/** What a made-up voice sounds like. */
export interface FakeVoiceOptions {
  readonly person: number;
  readonly take?: number;
  /** Seconds of speech, with as long a silence before and after as `pause` says. */
  readonly seconds?: number;
  readonly pause?: number;
  readonly rateHz?: number;
  readonly level?: number;
}

/** A hum of harmonics whose strengths are the person's, between two silences with a little noise. */
export function fakeVoice(options: FakeVoiceOptions): Sound {
  const { person, take = 0, seconds = 1.2, pause = 0.2, rateHz = 16_000, level = 0.2 } = options;
  const timbre = seededRandom(2000 + person);
  const pitch = 110 + 10 * timbre.int(10);
  const strengths = Array.from({ length: 24 }, () => 10 ** -timbre.int(3));
  const sum = strengths.reduce((a, b) => a + b, 0);
  const noise = seededRandom(2_000_000 + person * 1000 + take);
  const samples = new Float32Array(Math.round((seconds + 2 * pause) * rateHz));
  for (let i = 0; i < samples.length; i++) {
    const t = i / rateHz;
    let value = 1e-4 * noise.normal();
    if (t >= pause && t < pause + seconds)
      for (const [h, strength] of strengths.entries()) {
        const hz = pitch * (h + 1);
        if (hz < rateHz / 2) value += ((level * strength) / sum) * 3 * Math.sin(2 * Math.PI * hz * t + h * h);
      }
    samples[i] = Math.min(1, Math.max(-1, value));
  }
  return soundOf(rateHz, samples);
}
