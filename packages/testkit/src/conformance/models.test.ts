import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { raiseOnnx } from "@tessera/core/convert/onnx/raise";
import { readOnnx } from "@tessera/core/formats/onnx/read";
import { isFloat } from "@tessera/core/graph/dtype";
import type { Graph } from "@tessera/core/graph/model";
import { countOf, fromNumbers, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { canInterpret, interpret } from "@tessera/core/interp/run";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { beforeAll, describe, expect, test } from "vitest";
import { sharedDir } from "../shared.ts";

/** Every .onnx file below a folder. */
function modelFiles(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? modelFiles(path) : name.endsWith(".onnx") ? [path] : [];
  });
}

/** Sizes of named dimensions that are not the batch: Silero hears 64 samples of context and 512 new ones. */
const SIZES: Readonly<Record<string, number>> = { sequence: 576 };

/** Inputs by rule: `value` makes the elements of float inputs, integers are sample rates (Silero's), other symbolic sizes are `batch`. */
function feedsFor(graph: Graph, options: { readonly batch: number; readonly value: () => number }): Map<string, Tensor> {
  const feeds = new Map<string, Tensor>();
  for (const { name, type } of graph.inputs) {
    if (graph.constants.has(name) || type.kind !== "tensor") continue;
    const shape = (type.shape ?? []).map((size) => (typeof size === "number" ? size : (SIZES[size] ?? options.batch)));
    const values = Array.from({ length: countOf(shape) }, () => (isFloat(type.dtype) ? options.value() : 16000));
    feeds.set(name, fromNumbers(type.dtype, shape, values));
  }
  return feeds;
}

/**
 * Largest difference as a share of the largest magnitude of the reference, which counts as 4e-3 at least: the runtime's sigmoid is a polynomial that is off
 * by up to 1.2e-7, and some detector outputs are sigmoids that never leave 1e-5.
 */
function distance(got: Tensor, want: Tensor): number {
  expect(got.dtype).toBe(want.dtype);
  expect(got.shape).toEqual(want.shape);
  const [a, b] = [toNumbers(got), toNumbers(want)];
  let [worst, scale] = [0, 4e-3];
  for (let i = 0; i < b.length; i++) {
    scale = Math.max(scale, Math.abs(b[i] as number));
    const gap = Math.abs((a[i] as number) - (b[i] as number));
    worst = Number.isNaN(gap) ? Number.POSITIVE_INFINITY : Math.max(worst, gap);
  }
  return worst / scale;
}

/** First output values on zeros, from the README of the models. */
const PUBLISHED: Readonly<Record<string, readonly number[]>> = {
  "mobilefacenet-foamliu-128.onnx": [-1.04005, 0.05375, 0.06409],
  "minifasnet-v2-2.7-80.onnx": [-3.44809, -0.7003, 4.14928],
  "ultralight-rfb-320.onnx": [0.94266, 0.05734, 0.93773],
  "tinysv-dvector-256.onnx": [0.68364, 0, 0],
  "typenet-triplet-m50-128.onnx": [0.03173, -0.03235, -0.08161],
  "silero-vad-16k-op15.onnx": [0.00167],
};

const shared = sharedDir();
const files = shared === undefined ? [] : modelFiles(join(shared, "models"));

describe.skipIf(files.length === 0)("real models in the interpreter (skipped without the folder of shared models)", () => {
  let runtime: Awaited<ReturnType<typeof ortNodeRuntime>>;
  beforeAll(async () => {
    runtime = await ortNodeRuntime({ worker: false });
  });

  for (const file of files) {
    const name = basename(file);
    test(`${name} gives what onnxruntime gives, on zeros and on random inputs`, async () => {
      const bytes = new Uint8Array(readFileSync(file));
      const { graph } = raiseOnnx(readOnnx(bytes));
      expect(canInterpret(graph)).toEqual({ ok: true, reasons: [] });
      const random = seededRandom(7);
      const session = await runtime.load(bytes, { optimization: "none" });
      try {
        const tries = [
          { batch: 1, value: () => 0 },
          { batch: 1, value: () => random.normal() },
          { batch: 2, value: () => random.next() },
        ];
        for (const [index, options] of tries.entries()) {
          const feeds = feedsFor(graph, options);
          const want = await session.run(feeds);
          const got = interpret(graph, feeds);
          for (const [output, value] of want) {
            // One part in 20,000 covers the float32 sums of the runtime; a wrong kernel is off by far more.
            expect(distance(got.get(output) as Tensor, value), `${output}, try ${index}`).toBeLessThan(5e-5);
          }
          const first = got.get(graph.outputs[0]?.name ?? "");
          const published = index === 0 ? PUBLISHED[name] : undefined;
          published?.forEach((value, i) => {
            expect(toNumbers(first as Tensor)[i]).toBeCloseTo(value, 4);
          });
        }
      } finally {
        await session.close();
      }
    }, 120_000);
  }
});
