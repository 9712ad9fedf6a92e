/**
 * The MLPerf Tiny int8 files (keyword spotting, visual wake words): raised to graph and plan, lowered again, and compared bit by bit with the original on LiteRT, on a
 * second TFLite runtime and in the integer interpreter; and an INT8 file of our own from the float VWW network, beside the reference one. Run from
 * the root:
 *
 *     npx tsx --conditions=source bench/tflite-int8.ts [--shared ../shared] [--random 1000] [--real 100]
 *
 * The table goes to stderr, one JSON object to stdout. Exit code 1 when a goal is missed. Real-looking inputs: photographs of LFW at 96x96, and cepstra of a
 * second of LibriSpeech. That TensorFlow Lite for Microcontrollers gives the very bits of the profile "tflm-double" is shown by golden vectors, see
 * packages/core/cases/integer.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { at } from "@tessera/core/base/assert";
import { seededRandom } from "@tessera/core/base/random";
import { modelFromTflite, modelToTflite } from "@tessera/core/convert/tflite/bytes";
import type { Runtime, Session } from "@tessera/core/graph/runtime";
import { f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { compileInteger } from "@tessera/core/interp/integer/compile";
import { runInteger } from "@tessera/core/interp/integer/run";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { resize } from "@tessera/core/signal/resize";
import { targetById } from "@tessera/core/targets/table";
import { readImage } from "@tessera/media/images";
import { litertRuntime } from "@tessera/runtimes/litert";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { tfjsTfliteRuntime } from "@tessera/runtimes/tfjs-tflite";
import { calibrate } from "../packages/cli/src/work/calibrate.ts";
import { variantWriter } from "../packages/cli/src/work/variant-writer.ts";
import { staticVariant } from "../packages/cli/src/work/variants.ts";
import { mfcc } from "./lib/mfcc.ts";

const { values: flags } = parseArgs({
  options: {
    shared: { type: "string", default: "../shared" },
    random: { type: "string", default: "1000" },
    real: { type: "string", default: "100" },
  },
});
const counts = { random: Number(flags.random), real: Number(flags.real) };

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** A share of the list, spread over all of it. */
function spread<T>(list: readonly T[], count: number): readonly T[] {
  return Array.from({ length: Math.min(count, list.length) }, (_, i) => at(list, Math.floor((i * list.length) / count)));
}

function rowsOf(manifest: string, role: string): readonly string[] {
  return readFileSync(join(flags.shared, "data", manifest, "manifest.csv"), "utf8")
    .split("\n")
    .filter((line) => line.trim().endsWith(`,${role}`))
    .map((line) => join(flags.shared, "data", manifest, at(line.split(","), 0)));
}

/** A photograph as the VWW network takes it: f32[1,96,96,3], RGB, 0..1. */
async function photograph(path: string): Promise<Tensor> {
  const image = resize(await readImage(path), { width: 96, height: 96 });
  return f32(
    [1, 96, 96, 3],
    Float32Array.from(image.data, (v) => v / 255),
  );
}

/** Samples of a 16-bit WAV file. */
function sound(path: string): Float32Array {
  const file = readFileSync(path);
  const data = file.indexOf("data", 12, "latin1") + 8;
  const count = Math.min(16_000, Math.floor((file.length - data) / 2));
  return Float32Array.from({ length: count }, (_, i) => file.readInt16LE(data + 2 * i) / 32768);
}

interface Compared {
  readonly inputs: number;
  /** Share of the output values that are the very same. */
  readonly equalShare: number;
  readonly largest: number;
}

function compared(pairs: readonly (readonly [Tensor, Tensor])[]): Compared {
  let equal = 0;
  let values = 0;
  let largest = 0;
  for (const [a, b] of pairs) {
    const right = toNumbers(b);
    for (const [i, value] of toNumbers(a).entries()) {
      const difference = Math.abs(value - (right[i] as number));
      if (difference === 0) equal++;
      values++;
      largest = Math.max(largest, difference);
    }
  }
  return { inputs: pairs.length, equalShare: equal / values, largest };
}

function only<T>(map: ReadonlyMap<string, T>): T {
  return at([...map.values()], 0);
}

async function runAll(session: Session, inputs: readonly Tensor[]): Promise<readonly Tensor[]> {
  const name = at(session.inputs, 0).name;
  const outputs: Tensor[] = [];
  for (const input of inputs) outputs.push(only(await session.run(new Map([[name, input]]))));
  return outputs;
}

/** NHWC bytes as the NCHW tensor of the canonical model. */
function toNchw(tensor: Tensor): Tensor {
  const [n = 1, h = 1, w = 1, c = 1] = tensor.shape;
  const bytes = new Uint8Array(tensor.bytes.length);
  for (let pixel = 0; pixel < n * h * w; pixel++)
    for (let channel = 0; channel < c; channel++) bytes[channel * h * w + pixel] = tensor.bytes[pixel * c + channel] as number;
  return { ...tensor, shape: [n, c, h, w], bytes };
}

function randomBytes(count: number, shape: readonly number[], seed: number): readonly Tensor[] {
  const random = seededRandom(seed);
  const size = shape.reduce((a, b) => a * b, 1);
  return Array.from({ length: count }, () => ({
    dtype: "int8" as const,
    shape,
    bytes: Uint8Array.from({ length: size }, () => random.int(256)),
  }));
}

function quantized(
  values: Tensor,
  encoding: { readonly scale: readonly number[]; readonly zeroPoint: readonly number[] },
): Tensor {
  const bytes = Int8Array.from(toNumbers(values), (v) =>
    Math.max(-128, Math.min(127, Math.round(v / at(encoding.scale, 0)) + at(encoding.zeroPoint, 0))),
  );
  return { dtype: "int8", shape: values.shape, bytes: new Uint8Array(bytes.buffer) };
}

const litert = await litertRuntime();
const second = await tfjsTfliteRuntime();

async function roundTrip(name: string, path: string, real: readonly Tensor[]) {
  const bytes = readFileSync(join(flags.shared, "models/mcu", path));
  const { model, plan } = modelFromTflite(bytes);
  if (plan === undefined) throw new Error(`${name} has no quantization`);
  const again = modelToTflite(model, { plan, io: "integer" });
  const encoding = plan.tensors.get(at(model.graph.inputs, 0).name);
  if (encoding === undefined) throw new Error(`${name} has a float input`);
  const shape = at(real, 0).shape;
  const inputs = [...randomBytes(counts.random, shape, 21), ...real.map((tensor) => quantized(tensor, encoding))];
  const onRuntime = async (runtime: Runtime): Promise<{ readonly original: readonly Tensor[]; readonly row: Compared }> => {
    const outputs: (readonly Tensor[])[] = [];
    for (const file of [bytes, again]) {
      const session = await runtime.load(file, { threads: 1 });
      outputs.push(await runAll(session, inputs));
      await session.close();
    }
    const [original = [], lowered = []] = outputs;
    return { original, row: compared(original.map((tensor, i) => [tensor, at(lowered, i)] as const)) };
  };
  const lite = await onRuntime(litert);
  const tfjs = await onRuntime(second);
  const interpreted = (profile: "tflm-double" | "xnnpack"): Compared => {
    const program = compileInteger(model, plan, { profile });
    const input = at(model.graph.inputs, 0).name;
    return compared(
      inputs.map((tensor, i) => [
        only(runInteger(program, new Map([[input, toNchw(tensor)]]), { io: "integer" })),
        at(lite.original, i),
      ]),
    );
  };
  return {
    name,
    sizeBytes: { original: bytes.length, again: again.length },
    "lowered again, LiteRT": lite.row,
    "lowered again, tfjs-tflite": tfjs.row,
    "interpreter xnnpack against LiteRT": interpreted("xnnpack"),
    "interpreter tflm-double against LiteRT": interpreted("tflm-double"),
  };
}

function top(tensor: Tensor): number {
  const values = toNumbers(tensor);
  return values.indexOf(Math.max(...values));
}

/** Our own INT8 of the float VWW network beside the reference file: how often the class is that of the float network. */
async function ownInteger() {
  const folder = join(flags.shared, "models/mcu");
  const target = targetById("litert");
  const float = readFileSync(join(folder, "mlperf-tiny-vww-mobilenet-float32.tflite"));
  const reference = readFileSync(join(folder, "mlperf-tiny-vww-mobilenet-int8.tflite"));
  const { model } = await simplifyModel(modelFromTflite(float).model);
  const input = at(model.graph.inputs, 0).name;
  const samples: Tensor[] = [];
  for (const path of rowsOf("lfw", "calib").slice(0, 300)) samples.push(await photograph(path));
  const ort = await ortNodeRuntime();
  const calibrated = await calibrate(model, target, {
    open: (file) => ort.load(file, { threads: 1 }),
    samples: () => samples.map((tensor) => new Map([[input, nchwFloat(tensor)]])),
  });
  const evidence = { samples: samples.length, digest: "not recorded by this bench" };
  const writer = variantWriter(target.format);
  const ours = staticVariant(calibrated, target, { method: "mse", reducedRange: false, writer, evidence });
  const images: Tensor[] = [];
  for (const path of spread(rowsOf("lfw", "eval"), 1000)) images.push(await photograph(path));
  // Half of the photographs cut to a corner without a face, so that both classes occur.
  for (const path of spread(rowsOf("lfw", "eval"), 1000)) images.push(await corner(path));
  const outputs = async (file: Uint8Array, feeds: readonly Tensor[]): Promise<readonly Tensor[]> => {
    const session = await litert.load(file, { threads: 1 });
    const integer = session.encodings?.get(at(session.inputs, 0).name);
    const found = await runAll(session, integer === undefined ? feeds : feeds.map((tensor) => quantized(tensor, integer)));
    const scale = session.encodings?.get(at(session.outputs, 0).name);
    await session.close();
    if (scale === undefined) return found;
    return found.map((t) =>
      f32(
        t.shape,
        Array.from(toNumbers(t), (q) => (q - at(scale.zeroPoint, 0)) * at(scale.scale, 0)),
      ),
    );
  };
  const expected = await outputs(float, images);
  const judge = async (file: Uint8Array) => {
    const found = await outputs(file, images);
    const agreed = found.filter((tensor, i) => top(tensor) === top(at(expected, i))).length;
    const apart = found.map((tensor, i) =>
      Math.abs((toNumbers(tensor)[0] as number) - (toNumbers(at(expected, i))[0] as number)),
    );
    return {
      agreement: agreed / images.length,
      meanDifference: apart.reduce((a, b) => a + b, 0) / apart.length,
      sizeBytes: file.length,
    };
  };
  const classes = expected.filter((tensor) => top(tensor) === 1).length / images.length;
  return { images: images.length, shareOfClassOne: classes, reference: await judge(reference), ours: await judge(ours.bytes) };
}

function nchwFloat(tensor: Tensor): Tensor {
  const values = toNumbers(tensor);
  const [, h = 0, w = 0, c = 0] = tensor.shape;
  const out = new Float32Array(values.length);
  for (let pixel = 0; pixel < h * w; pixel++)
    for (let channel = 0; channel < c; channel++) out[channel * h * w + pixel] = values[pixel * c + channel] as number;
  return f32([1, c, h, w], out);
}

async function corner(path: string): Promise<Tensor> {
  const image = await readImage(path);
  const side = 64;
  const data = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y++) data.set(image.data.subarray(y * image.width * 3, (y * image.width + side) * 3), y * side * 3);
  const grown = resize({ ...image, width: side, height: side, data }, { width: 96, height: 96 });
  return f32(
    [1, 96, 96, 3],
    Float32Array.from(grown.data, (v) => v / 255),
  );
}

const voices = join(flags.shared, "data/voice-librispeech/wav");
const speech = spread(
  readdirSync(voices, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".wav"))
    .sort(),
  counts.real,
).map((file) => f32([1, 49, 10, 1], mfcc(sound(join(voices, file)), 49, 10)));
const photographs: Tensor[] = [];
for (const path of spread(rowsOf("lfw", "eval"), counts.real)) photographs.push(await photograph(path));

const models = [
  await roundTrip("KWS", "mlperf-tiny-kws-dscnn-int8.tflite", speech),
  await roundTrip("VWW", "mlperf-tiny-vww-mobilenet-int8.tflite", photographs),
];
for (const row of models) {
  say(`${row.name}: ${row.sizeBytes.original} bytes, lowered again ${row.sizeBytes.again}`);
  for (const [what, value] of Object.entries(row))
    if (typeof value === "object" && "equalShare" in value)
      say(
        `  ${what.padEnd(42)} ${(value.equalShare * 100).toFixed(3).padStart(8)} % equal, largest difference ${value.largest}, ${value.inputs} inputs`,
      );
}
const own = await ownInteger();
say(`VWW from float, ${own.images} photographs (${(own.shareOfClassOne * 100).toFixed(1)} % of class 1): same class as float`);
say(
  `  reference int8 ${(own.reference.agreement * 100).toFixed(2)} %, ours ${(own.ours.agreement * 100).toFixed(2)} %; mean difference of the score ${own.reference.meanDifference.toFixed(4)} and ${own.ours.meanDifference.toFixed(4)}; ${own.reference.sizeBytes} and ${own.ours.sizeBytes} bytes`,
);
process.stdout.write(`${JSON.stringify({ models, own }, null, 2)}\n`);
const isBitEqual = models.every(
  (row) => row["lowered again, LiteRT"].equalShare === 1 && row["lowered again, tfjs-tflite"].equalShare === 1,
);
process.exit(isBitEqual && own.ours.agreement >= own.reference.agreement - 0.005 ? 0 : 1);
