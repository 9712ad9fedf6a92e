import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { LowerReport } from "@tessera/core/convert/tflite/options";
import type { Model } from "@tessera/core/graph/model";
import { f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { describe, expect, test } from "vitest";
import { sharedDir } from "../../shared.ts";
import { stepsApart } from "./planned.ts";
import { type LoweredFile, loweredFile, runLowered } from "./run-lowered.ts";

const models = sharedDir() === undefined ? undefined : join(sharedDir() as string, "models");

interface Case {
  readonly path: string;
  readonly shape: readonly number[];
  /** What pixel or feature values are brought to. */
  readonly range: readonly [number, number];
  /** Lowest cosine of an output to that of ONNX Runtime: of embeddings and logits. */
  readonly cosine?: number;
  /** Largest difference of an output, for scores and boxes: where no face is, scores are next to nothing, and so is their direction. */
  readonly apart?: number;
}

const CASES: readonly Case[] = [
  { path: "face-embedding/mobilefacenet-foamliu-128.onnx", shape: [1, 3, 112, 112], range: [-2, 2], cosine: 0.999999 },
  { path: "face-liveness/minifasnet-v2-2.7-80.onnx", shape: [1, 3, 80, 80], range: [0, 255], cosine: 0.999999 },
  { path: "face-detection/yunet-n-320.onnx", shape: [1, 3, 320, 320], range: [0, 255], apart: 1e-4 },
  { path: "face-detection/ultralight-rfb-320.onnx", shape: [1, 3, 240, 320], range: [-1, 1], apart: 1e-4 },
  { path: "voice/tinysv-dvector-256.onnx", shape: [1, 1, 49, 40], range: [-3, 3], cosine: 0.999999 },
];

/** Smooth hills with a little noise, as photographs and spectrograms are, and not white noise that convolutions average away. */
function picture(shape: readonly number[], range: readonly [number, number], seed: number): Tensor {
  const random = seededRandom(seed);
  const [, channels = 1, height = 1, width = 1] = shape;
  const data = new Float32Array(channels * height * width);
  const [low, high] = range;
  for (let c = 0, i = 0; c < channels; c++) {
    const [a, b, p] = [2 + 6 * random.next(), 2 + 6 * random.next(), 6 * random.next()] as const;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const wave = 0.5 + 0.4 * Math.sin((a * x) / width + p) * Math.cos((b * y) / height) + 0.1 * (random.next() - 0.5);
        data[i++] = low + (high - low) * wave;
      }
    }
  }
  return f32(shape, data);
}

function cosine(a: Tensor, b: Tensor): number {
  const [x, y] = [toNumbers(a), toNumbers(b)];
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < y.length; i++) {
    dot += (x[i] as number) * (y[i] as number);
    aa += (x[i] as number) ** 2;
    bb += (y[i] as number) ** 2;
  }
  return dot / Math.sqrt(aa * bb);
}

async function lowerFromOnnx(
  path: string,
): Promise<{ readonly model: Model; readonly lowered: LoweredFile; readonly report: LowerReport }> {
  const source = modelFromOnnx(readFileSync(join(models as string, path)));
  const { model } = await simplifyModel(source);
  const lowered = loweredFile(model);
  return { model, lowered, report: lowered.report };
}

describe("a real network lowered to TFLite", () => {
  for (const c of CASES) {
    const missing = models === undefined || !existsSync(join(models, c.path));
    test.skipIf(missing)(`answers on LiteRT as on ONNX Runtime, without a TRANSPOSE: ${c.path}`, async () => {
      const { model, lowered, report } = await lowerFromOnnx(c.path);
      expect(report.transposes).toEqual([]);
      expect(report.operators.has("TRANSPOSE")).toBe(false);
      const runtime = await ortNodeRuntime({ worker: false });
      const session = await runtime.load(modelToOnnx(model), {});
      for (const seed of [1, 2]) {
        const feeds = new Map([[model.graph.inputs[0]?.name as string, picture(c.shape, c.range, seed)]]);
        const want = await session.run(feeds);
        const got = await runLowered(lowered, feeds, "litert");
        for (const [name, tensor] of want) {
          const own = got.get(name) as Tensor;
          if (c.cosine !== undefined) expect(cosine(own, tensor)).toBeGreaterThanOrEqual(c.cosine);
          if (c.apart !== undefined) expect(stepsApart(own, tensor, 1)).toBeLessThanOrEqual(c.apart);
        }
      }
      await session.close();
    });
  }

  test.skipIf(models === undefined)("needs one TRANSPOSE, at the input, when channels come first there", async () => {
    const source = modelFromOnnx(readFileSync(join(models as string, "face-embedding/mobilefacenet-foamliu-128.onnx")));
    const { model } = await simplifyModel(source);
    const { report } = loweredFile(model, { layout: "nchw" });
    expect(report.transposes.map((t) => t.tensor)).toEqual(["input0"]);
    expect(report.layoutExact).toBe(true);
  });
});
