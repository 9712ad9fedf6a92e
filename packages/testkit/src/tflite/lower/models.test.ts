import { readFileSync } from "node:fs";
import { join } from "node:path";
import { modelFromOnnx } from "@tessera/core/convert/onnx/bytes";
import { lowerTflite } from "@tessera/core/convert/tflite/lower";
import type { LowerTfliteOptions } from "@tessera/core/convert/tflite/options";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import type { Model } from "@tessera/core/graph/model";
import { f32, fromNumbers, type Tensor } from "@tessera/core/graph/tensor";
import { interpret } from "@tessera/core/interp/run";
import { beforeAll, describe, expect, it } from "vitest";
import { seededTensor } from "../../op-arbitraries.ts";
import { sharedDir } from "../../shared.ts";
import { openRuntimes, type RuntimeName, type Runtimes, runFile } from "./on-runtimes.ts";
import { outputDifference } from "./prove.ts";

const shared = sharedDir();

function load(name: string): Model {
  return modelFromOnnx(new Uint8Array(readFileSync(join(shared ?? "", "models", name))));
}

/** Keystrokes as the model has them: hold times above 0 in the first rows, zeros behind. */
function keystrokes(typed: number, seed: number): Tensor {
  const values = Float32Array.from({ length: 250 }, (_, i) =>
    i < 5 * typed ? 0.05 + (((i * 7919 + seed * 104729) % 997) / 997) * 0.4 : 0,
  );
  return f32([1, 50, 5], values);
}

let runtimes: Runtimes;
beforeAll(async () => {
  runtimes = await openRuntimes();
});

/** Lowers once and compares every feed on the runtimes with the reference interpreter. */
async function expectModel(
  model: Model,
  feeds: readonly ReadonlyMap<string, Tensor>[],
  how: {
    readonly lower?: LowerTfliteOptions;
    readonly absolute: number;
    readonly on?: readonly RuntimeName[];
  },
): Promise<ReturnType<typeof lowerTflite>["report"]> {
  const { records, report } = lowerTflite(model, { layout: "nchw", ...how.lower });
  const file = { bytes: writeTflite(records), records };
  for (const feed of feeds) {
    const want = interpret(model.graph, feed);
    for (const name of how.on ?? (["LiteRT", "tfjs-tflite"] as const)) {
      const got = await runFile(runtimes[name], file, { feeds: feed, like: want });
      expect(outputDifference(got, want, { absolute: how.absolute }), name).toBeUndefined();
    }
  }
  return report;
}

describe.skipIf(shared === undefined)("real models as TFLite (skipped without the shared models)", () => {
  it("TypeNet: two LSTMs over 50 steps whose lengths are computed in the graph, unrolled, on both runtimes", async () => {
    const feeds = [50, 17, 1, 0].map((typed, i) => new Map([["keystrokes", keystrokes(typed, i)]]));
    const report = await expectModel(load("keystroke/typenet-triplet-m50-128.onnx"), feeds, { absolute: 5e-6 });
    expect(report.operators.get("FULLY_CONNECTED")).toBe(100);
    expect(report.transposes).toEqual([]);
  }, 180_000);

  it("TypeNet with its LSTMs as single operators", async () => {
    const feeds = [50, 17, 0].map((typed, i) => new Map([["keystrokes", keystrokes(typed, i)]]));
    const lower = { recurrent: "sequence" } as const;
    const report = await expectModel(load("keystroke/typenet-triplet-m50-128.onnx"), feeds, {
      absolute: 5e-6,
      lower,
      on: ["tfjs-tflite"],
    });
    expect(report.operators.get("UNIDIRECTIONAL_SEQUENCE_LSTM")).toBe(2);
  }, 120_000);

  it("TinySV, batch 1 of a free one, no transposes inside", async () => {
    const feeds = [1, 2].map((seed) => new Map([["mfcc", seededTensor("float32", [1, 1, 49, 40], { seed })]]));
    // Numbers up to 150 come out: two millionths of that.
    const report = await expectModel(load("voice/tinysv-dvector-256.onnx"), feeds, { absolute: 3e-4 });
    expect(report.transposes).toEqual([]);
  }, 120_000);

  it("Silero: its branches hang on sizes alone and go; STFT as convolution, reflecting pads, state in and out", async () => {
    const feeds = [1, 2].map(
      (seed) =>
        new Map([
          ["input", seededTensor("float32", [1, 576], { seed, min: -0.5, max: 0.5 })],
          ["state", seededTensor("float32", [2, 1, 128], { seed: seed + 7, min: -0.5, max: 0.5 })],
          ["sr", fromNumbers("int64", [], [16000])],
        ]),
    );
    const report = await expectModel(load("voice/silero-vad-16k-op15.onnx"), feeds, {
      absolute: 2e-5,
      // tfjs-tflite hands out no memory for the 64-bit input sr, which nothing reads.
      on: ["LiteRT"],
      lower: { dims: new Map([["sequence", 576]]) },
    });
    expect(report.operators.get("MIRROR_PAD")).toBe(1);
    expect(report.transposes).toEqual([]);
  }, 120_000);

  it("Silero without the length of its input is refused by name", () => {
    expect(() => lowerTflite(load("voice/silero-vad-16k-op15.onnx"))).toThrow('size "sequence" of input input is not known');
  });
});
