import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { firstDifference } from "@tessera/core/formats/flatbuffer/difference";
import { listUnknown } from "@tessera/core/formats/flatbuffer/unknown";
import { TENSOR_TYPES } from "@tessera/core/formats/tflite/enums";
import { readTflite } from "@tessera/core/formats/tflite/read";
import type { TfliteModel } from "@tessera/core/formats/tflite/schema";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import { beforeAll, describe, expect, it } from "vitest";
import { sharedDir } from "../shared.ts";
import { openLitert } from "./litert.ts";
import { openTfjsTflite } from "./tfjs-tflite.ts";
import type { InputFill, TfliteRunner } from "./tflite-runner.ts";

const shared = sharedDir();
const names =
  shared === undefined
    ? []
    : readdirSync(join(shared, "models"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".tflite"));

/** LiteRT refuses these as they came, which says nothing about what was written. */
const REFUSED_BY_LITERT = ["mcu/tflm-mnist-lstm-float32.tflite", "mcu/tflm-mnist-lstm-int8.tflite"];

/** The declared sizes of its outputs are wrong. LiteRT by itself believes them and writes past them. */
const WRONG_SHAPES = "face-detection/ultralight-rfb-320.tflite";

function load(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(shared ?? "", "models", name)));
}

/** Seeded inputs: floats in -1..1, or bytes of every value. */
function noiseFor(model: TfliteModel): InputFill {
  const [graph] = model.subgraphs ?? [];
  return (input, sizeBytes) => {
    const random = seededRandom(input + 1);
    const type = graph?.tensors?.[graph.inputs?.[input] ?? -1]?.type;
    if (type !== TENSOR_TYPES.FLOAT32) return Uint8Array.from({ length: sizeBytes }, () => random.int(256));
    return new Uint8Array(Float32Array.from({ length: sizeBytes / 4 }, () => 2 * random.next() - 1).buffer);
  };
}

/** The file as it came and as it is written, with its data inside and behind the flatbuffer, computes the same. */
async function expectSame(runner: TfliteRunner, file: Uint8Array): Promise<void> {
  const model = readTflite(file);
  const before = await runner.run(file, noiseFor(model));
  expect(before.some((output) => output.some((byte) => byte !== 0))).toBe(true);
  expect(await runner.run(writeTflite(model), noiseFor(model))).toEqual(before);
}

let litert: TfliteRunner;
let tfjs: TfliteRunner;
beforeAll(async () => {
  litert = await openLitert();
  tfjs = await openTfjsTflite();
});

describe.skipIf(shared === undefined)("real TFLite files (skipped without the shared models)", () => {
  it("there are some", () => {
    expect(names).toContain(WRONG_SHAPES);
    expect(names).toEqual(expect.arrayContaining(REFUSED_BY_LITERT));
  });

  it.each(names)("%s is written equal in content", (name) => {
    const model = readTflite(load(name));
    expect(listUnknown(model)).toEqual([]);
    for (const data of ["inside", "outside"] as const) {
      const written = writeTflite(model, { data });
      expect(firstDifference(readTflite(written), model)).toBeUndefined();
      expect(Buffer.compare(writeTflite(readTflite(written), { data }), written)).toBe(0);
    }
  });

  it.each(names)("%s computes the same on tfjs-tflite once written", (name) => expectSame(tfjs, load(name)));

  it.each(names.filter((name) => !REFUSED_BY_LITERT.includes(name)))("%s computes the same on LiteRT once written", (name) =>
    expectSame(litert, load(name)),
  );

  it("LiteRT takes data that lies behind the flatbuffer", async () => {
    const model = readTflite(load("mcu/mlperf-tiny-kws-dscnn-int8.tflite"));
    const fill = noiseFor(model);
    const outside = await litert.run(writeTflite(model, { data: "outside" }), fill);
    expect(outside).toEqual(await litert.run(writeTflite(model), fill));
  });

  it.each(REFUSED_BY_LITERT)("%s is refused by LiteRT as it came, and in the same words once written", async (name) => {
    const file = load(name);
    const words = "Failed to load model from buffer";
    await expect(litert.run(file, noiseFor(readTflite(file)))).rejects.toThrow(words);
    await expect(litert.run(writeTflite(readTflite(file)), noiseFor(readTflite(file)))).rejects.toThrow(words);
  });

  it(`${WRONG_SHAPES} runs on LiteRT once its shapes are put right`, async () => {
    const model = readTflite(load(WRONG_SHAPES));
    const graph = model.subgraphs?.[0];
    const shapes: Readonly<Record<string, readonly number[]>> = { Identity: [1, 4420, 4], Identity_1: [1, 4420, 2] };
    const tensors = graph?.tensors?.map((tensor) => {
      const shape = shapes[tensor.name ?? ""];
      return shape === undefined ? tensor : { ...tensor, shape: Int32Array.from(shape) };
    });
    const repaired = writeTflite({ ...model, subgraphs: [{ ...graph, ...(tensors && { tensors }) }] });
    const ours = await litert.run(repaired, noiseFor(model));
    expect(ours.map((output) => output.length)).toEqual([4420 * 16, 4420 * 8]);
    const theirs = await tfjs.run(load(WRONG_SHAPES), noiseFor(model));
    for (const [i, output] of ours.entries()) {
      const a = new Float32Array(output.buffer);
      const b = new Float32Array(theirs[i]?.buffer ?? new ArrayBuffer(0));
      expect(a.length).toBe(b.length);
      expect(a.reduce((worst, value, k) => Math.max(worst, Math.abs(value - (b[k] ?? Number.NaN))), 0)).toBeLessThan(1e-4);
    }
  });
});
