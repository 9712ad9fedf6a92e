import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { raiseTflite } from "@tessera/core/convert/tflite/raise";
import { readTflite } from "@tessera/core/formats/tflite/read";
import type { TensorType } from "@tessera/core/graph/model";
import { countOf, fromNumbers, type Tensor } from "@tessera/core/graph/tensor";
import { compileInteger } from "@tessera/core/interp/integer/compile";
import type { ProfileName } from "@tessera/core/interp/integer/profile";
import type { IntegerProgram } from "@tessera/core/interp/integer/program";
import { runInteger } from "@tessera/core/interp/integer/run";
import { reorder } from "./case-builder.ts";

/** The int8 models that whole programs are compared on, by their file in the shared folder. */
export const INTEGER_MODELS = {
  kws: "models/mcu/mlperf-tiny-kws-dscnn-int8.tflite",
  vww: "models/mcu/mlperf-tiny-vww-mobilenet-int8.tflite",
  lstm: "models/mcu/tflm-mnist-lstm-int8.tflite",
} as const;

/** Name of a model. */
export type IntegerModelName = keyof typeof INTEGER_MODELS;

/** Kinds of input: noise over the whole range, and fields that change slowly, as pictures and spectra do. */
export const INPUT_SETS = { noise: 1000, smooth: 100 } as const;

/** Name of a set of inputs. */
export type InputSet = keyof typeof INPUT_SETS;

/** A model with its program. */
export interface IntegerModel {
  readonly name: IntegerModelName;
  readonly file: Uint8Array;
  readonly program: IntegerProgram;
  /** Shape of the input in the file, and the order of its axes in the Model. */
  readonly shape: readonly number[];
  readonly order: readonly number[] | undefined;
  /** Integers before the softmax, which tell more than its output. */
  readonly logits: string;
  /** Index of that tensor in the file. */
  readonly logitsIndex: number;
}

/** Reads, raises and compiles a model of the shared folder. */
export function openIntegerModel(shared: string, name: IntegerModelName, profile: ProfileName): IntegerModel {
  const file = new Uint8Array(readFileSync(join(shared, INTEGER_MODELS[name])));
  const records = readTflite(file);
  const { model, plan } = raiseTflite(records);
  if (plan === undefined) throw new Error(`${name} is not quantized`);
  const program = compileInteger(model, plan, { profile });
  const type = model.graph.inputs[0]?.type as TensorType | undefined;
  const sizes = (type?.shape ?? []).map(Number);
  const [n, c, h, w] = sizes as [number, number, number, number];
  const softmax = program.steps.find((step) => step.kind === "softmax");
  const logits = softmax?.inputs[0] ?? "";
  const graph = records.subgraphs?.[0];
  return {
    name,
    file,
    program,
    shape: sizes.length === 4 ? [n, h, w, c] : sizes,
    order: sizes.length === 4 ? [0, 3, 1, 2] : undefined,
    logits,
    logitsIndex: graph?.tensors?.findIndex((t) => t.name === logits) ?? -1,
  };
}

/** Input `index` of a set, as the file wants it. */
export function modelInput(model: IntegerModel, set: InputSet, index: number): Int8Array {
  const random = seededRandom(index * 2 + (set === "noise" ? 1 : 0));
  const count = countOf(model.shape);
  if (set === "noise") return Int8Array.from({ length: count }, () => random.int(256) - 128);
  const [, rows = 1, columns = 1, depth = 1] = model.shape;
  // Straight lines between random values on a coarse grid, and a little noise.
  const cell = 4 + random.int(16);
  const across = Math.ceil(columns / cell) + 2;
  const grid = Array.from({ length: (Math.ceil(rows / cell) + 2) * across * depth }, () => random.int(256) - 128);
  const out = new Int8Array(count);
  for (let y = 0, i = 0; y < rows; y++) {
    const [top, fy] = [Math.floor(y / cell), (y % cell) / cell];
    for (let x = 0; x < columns; x++) {
      const [left, fx] = [Math.floor(x / cell), (x % cell) / cell];
      for (let c = 0; c < depth; c++, i++) {
        const at = (dy: number, dx: number): number => grid[((top + dy) * across + left + dx) * depth + c] as number;
        const upper = at(0, 0) * (1 - fx) + at(0, 1) * fx;
        const lower = at(1, 0) * (1 - fx) + at(1, 1) * fx;
        const value = Math.round(upper * (1 - fy) + lower * fy) + random.int(9) - 4;
        out[i] = value > 127 ? 127 : value < -128 ? -128 : value;
      }
    }
  }
  return out;
}

/** Logits and output of one run. */
export interface ModelRun {
  readonly logits: Uint8Array;
  readonly output: Uint8Array;
}

/** Runs the program of a model on an input. */
export function runModel(model: IntegerModel, input: Int8Array): ModelRun {
  const { program, shape, order } = model;
  const modelShape = order === undefined ? shape : order.map((d) => shape[d] as number);
  const feed = fromNumbers("int8", modelShape, reorder(input, shape, order));
  let logits: Tensor | undefined;
  const outputs = runInteger(program, new Map([[program.inputs[0] as string, feed]]), {
    io: "integer",
    onValue: (name, value) => {
      if (name === model.logits) logits = value;
    },
  });
  const output = outputs.get(program.outputs[0] as string) as Tensor;
  return { logits: (logits as Tensor).bytes, output: output.bytes };
}

/** Hexadecimal digits that a recording keeps of each run. */
export const DIGITS = 6;

/** What a recording keeps of one run. */
export function digestOf(run: ModelRun): string {
  return createHash("sha256").update(run.logits).update(run.output).digest("hex").slice(0, DIGITS);
}
