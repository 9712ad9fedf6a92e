import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { makeNode } from "@tessera/core/graph/node";
import { f32, i64 } from "@tessera/core/graph/tensor";
import { soundOf } from "@tessera/core/signal/sound";
import { encodeWav } from "@tessera/core/signal/wav";
import { onnxFile } from "./onnx-file.ts";

const BANDS = 12;
const DIMENSION = 24;
const FRAMES = 20;
const RATE = 8000;

const CARD = {
  version: 1,
  name: "tones",
  modality: "voice",
  task: "embedding",
  input: {
    kind: "features",
    tensor: "mels",
    shape: [FRAMES, BANDS],
    features: "fbank",
    sampleRateHz: RATE,
    preparation: {
      speech: "all",
      frontEnd: {
        kind: "spectral",
        rateHz: RATE,
        spectrum: {
          ...{
            frame: 200,
            hop: 80,
            fft: 256,
            window: "hann",
            edges: "snip",
            gain: 1,
            removeMean: false,
            power: 2,
            spectrumGain: 1,
          },
          preEmphasis: { coefficient: 0, over: "sound" },
        },
        mel: { bands: BANDS, lowHz: 100, highHz: 3800, scale: "htk", sides: "hertz", norm: "none" },
        log: { kind: "ln", floor: 1e-3, how: "add" },
      },
      windows: { frames: FRAMES, hop: 10, minCoverage: 0.5, computed: "whole" },
    },
  },
  output: { kind: "embedding", tensor: "voice", dimension: DIMENSION, metric: "cosine", normalised: false },
  thresholds: [],
  licence: "none",
  provenance: "made by a test",
};

/** The mean spectrum of a window above its level, bands mixed. */
function network(): Uint8Array {
  const random = seededRandom(3);
  return onnxFile({
    inputs: { mels: ["float32", ["batch", FRAMES, BANDS]] },
    outputs: { voice: ["float32", ["batch", DIMENSION]] },
    nodes: [
      makeNode("ReduceMean", { inputs: ["mels", "axis"], outputs: ["mean"] }, { attributes: { keepdims: 0 } }),
      makeNode("ReduceMean", { inputs: ["mean", "axis"], outputs: ["level"] }),
      makeNode("Sub", { inputs: ["mean", "level"], outputs: ["shape"] }),
      makeNode("Gemm", { inputs: ["shape", "weight"], outputs: ["voice"] }),
    ],
    constants: {
      axis: i64([1], [1]),
      // Each band twice, with a little of the others.
      weight: f32(
        [BANDS, DIMENSION],
        Float32Array.from({ length: BANDS * DIMENSION }, (_, k) =>
          (k % DIMENSION) % BANDS === Math.floor(k / DIMENSION) ? 1 : 0.1 * random.normal(),
        ),
      ),
    },
  });
}

/** Somebody says "ah" as a WAV file of 0.4 s: five tones of their own in a little noise. */
export function toneVoice(person: number, take: number): Uint8Array {
  const random = seededRandom(1000 * person + take);
  const own = seededRandom(person);
  const tones = [0, 1, 2, 3, 4].map((i) => 150 * 2 ** (0.9 * (i + own.next())));
  const samples = Float32Array.from({ length: 3200 }, (_, i) => {
    const t = i / RATE;
    return tones.reduce((sum, hz) => sum + 0.15 * Math.sin(2 * Math.PI * hz * t), 0.08 * random.normal());
  });
  return encodeWav(soundOf(RATE, samples));
}

/**
 * Writes a voice embedding network that can be understood (`tones.onnx` and its card) and a data folder `people`: 8 people of four recordings each to
 * evaluate, the first with a fifth that is empty, 14 others of two as a cohort, and a list of five trials, one of them with the empty recording.
 */
export function smallVoices(folder: string): { readonly model: string; readonly card: string; readonly data: string } {
  const [model, card, data] = [join(folder, "tones.onnx"), join(folder, "tones.card.json"), join(folder, "people")];
  writeFileSync(model, network());
  writeFileSync(card, JSON.stringify(CARD));
  mkdirSync(data);
  const lines = ["path,subject,role"];
  const add = (person: number, takes: number, role: string): void => {
    for (let take = 0; take < takes; take++) {
      writeFileSync(join(data, `${person}-${take}.wav`), toneVoice(person, take));
      lines.push(`${person}-${take}.wav,p${person},${role}`);
    }
  };
  for (let person = 0; person < 8; person++) add(person, 4, "eval");
  for (let person = 20; person < 34; person++) add(person, 2, "cohort");
  writeFileSync(join(data, "empty.wav"), encodeWav(soundOf(RATE, new Float32Array())));
  lines.push("empty.wav,p0,eval");
  writeFileSync(join(data, "manifest.csv"), `${lines.join("\n")}\n`);
  const trials = ["0-0.wav,0-1.wav,1", "1-0.wav,1-2.wav,1", "0-0.wav,1-0.wav,0", "2-1.wav,3-0.wav,0", "0-0.wav,empty.wav,1"];
  writeFileSync(join(data, "trials.csv"), `path_a,path_b,genuine\n${trials.join("\n")}\n`);
  return { model, card, data };
}
