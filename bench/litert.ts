/**
 * One network (MobileFaceNet of foamliu, 128 numbers of a 112x112 face) on both runtimes, one thread, interleaved: float and full int8 on LiteRT,
 * in its portable build and in the one with relaxed SIMD, against the float file on ONNX Runtime. Run from the root:
 *
 *     npx tsx --conditions=source bench/litert.ts [--shared ../shared] [--rounds 20]
 *
 * The table goes to stderr, one JSON object to stdout. Times do not depend on the numbers in the weights and images, so that the int8 file is
 * calibrated on noise here; how well int8 recognises faces is another bench's matter. LiteRT is WebAssembly, ONNX Runtime native code: this
 * compares formats and builds on one machine and says nothing of LiteRT on a board. Exit code 1 when float LiteRT and ONNX Runtime differ by
 * more than 1e-4 of the magnitude.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { at } from "@tessera/core/base/assert";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Feeds, Runtime, Session } from "@tessera/core/graph/runtime";
import { f32, fromNumbers, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { randomFeeds } from "@tessera/core/passes/proof-inputs";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { targetById } from "@tessera/core/targets/table";
import { readHardware } from "@tessera/runtimes/hardware";
import { litertRuntime } from "@tessera/runtimes/litert";
import { litertDelegation } from "@tessera/runtimes/litert-delegation";
import { measureInterleaved } from "@tessera/runtimes/measure";
import { measureMemory } from "@tessera/runtimes/memory";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { calibrate } from "../packages/cli/src/work/calibrate.ts";
import { variantWriter } from "../packages/cli/src/work/variant-writer.ts";
import { floatVariant, staticVariant } from "../packages/cli/src/work/variants.ts";

const SAMPLES = 8;

const { values: flags } = parseArgs({
  options: { shared: { type: "string", default: "../shared" }, rounds: { type: "string", default: "20" } },
});

/** Channels first to channels last, for one image. */
function channelsLast({ shape, ...tensor }: Tensor): Tensor {
  const values = toNumbers({ shape, ...tensor });
  const [, channels = 0, height = 0, width = 0] = shape;
  const out = new Float32Array(values.length);
  for (let pixel = 0; pixel < height * width; pixel++)
    for (let c = 0; c < channels; c++) out[pixel * channels + c] = at(values, c * height * width + pixel);
  return f32([1, height, width, channels], out);
}

/** What a session takes for an image: the integers of its input where it has such. */
function feedsFor(session: Session, image: Tensor): Feeds {
  const { name } = at(session.inputs, 0);
  const encoding = session.encodings?.get(name);
  if (encoding === undefined) return new Map([[name, image]]);
  const [scale, zero] = [at(encoding.scale, 0), at(encoding.zeroPoint, 0)];
  const integers = Array.from(toNumbers(image), (v) => Math.max(-128, Math.min(127, Math.round(v / scale) + zero)));
  return new Map([[name, fromNumbers("int8", image.shape, integers)]]);
}

async function embedding(session: Session, image: Tensor): Promise<Float64Array> {
  const { name } = at(session.outputs, 0);
  const y = (await session.run(feedsFor(session, image))).get(name);
  if (y === undefined) throw new Error(`no output ${name}`);
  const encoding = session.encodings?.get(name);
  const values = toNumbers(y);
  return encoding === undefined ? values : values.map((q) => (q - at(encoding.zeroPoint, 0)) * at(encoding.scale, 0));
}

const original = modelFromOnnx(readFileSync(join(flags.shared, "models/face-embedding/mobilefacenet-foamliu-128.onnx")));
const input = at(original.graph.inputs, 0).name;
const target = targetById("litert");
const { model } = await simplifyModel(original, { target });
const ort = await ortNodeRuntime();
const calibrated = await calibrate(model, target, {
  open: (file) => ort.load(file, { threads: 1 }),
  samples: () => Array.from({ length: SAMPLES }, (_, trial) => randomFeeds(original, { seed: 3, trial })),
});
const writer = variantWriter(target.format);
const float = floatVariant(model, "", writer);
const integer = staticVariant(calibrated, target, {
  method: "mse",
  reducedRange: false,
  writer,
  border: "integer",
  evidence: { samples: SAMPLES, digest: "noise" },
});
const onnx = modelToOnnx((await simplifyModel(original, { target: targetById("ort-x64") })).model);

const compat = await litertRuntime();
const relaxed = await litertRuntime({ build: "relaxed" });
const files: readonly { readonly name: string; readonly runtime: Runtime; readonly bytes: Uint8Array }[] = [
  { name: "ONNX Runtime, float", runtime: ort, bytes: onnx },
  { name: "LiteRT, float", runtime: compat, bytes: float.bytes },
  { name: "LiteRT, int8", runtime: compat, bytes: integer.bytes },
  { name: "LiteRT relaxed, float", runtime: relaxed, bytes: float.bytes },
  { name: "LiteRT relaxed, int8", runtime: relaxed, bytes: integer.bytes },
];

const image = randomFeeds(original, { seed: 5, trial: 0 }).get(input) as Tensor;
const opened: { readonly name: string; readonly session: Session; readonly feeds: Feeds; readonly image: Tensor }[] = [];
for (const { name, runtime, bytes } of files) {
  const session = await runtime.load(bytes, { threads: 1 });
  const shown = runtime.formats.includes("tflite") ? channelsLast(image) : image;
  opened.push({ name, session, feeds: feedsFor(session, shown), image: shown });
}
const expected = await embedding(at(opened, 0).session, image);
const magnitude = expected.reduce((worst, v) => Math.max(worst, Math.abs(v)), 0);
const differences: number[] = [];
for (const { session, image: shown } of opened) {
  const found = await embedding(session, shown);
  differences.push(expected.reduce((worst, v, i) => Math.max(worst, Math.abs(v - at(found, i))), 0) / magnitude);
}
const latency = await measureInterleaved(opened, { rounds: Number(flags.rounds) });
await Promise.all(opened.map(({ session }) => session.close()));

const { whole, fallback } = await litertDelegation(integer.bytes);
const rows = [];
for (const [i, row] of latency.rows.entries()) {
  const { runtime, bytes } = at(files, i);
  const memory = await measureMemory(bytes, at(opened, i).feeds, { runtime: runtime.id === "litert" ? "litert" : "ort-node" });
  rows.push({
    ...row,
    runtime: `${runtime.id} ${runtime.version}`,
    sizeBytes: bytes.length,
    difference: at(differences, i),
    memory,
  });
}
process.stderr.write(
  "                           KiB   p50 ms   p90 ms   cpu ms   load ms   MiB   against ONNX Runtime (95 % interval)\n",
);
for (const { name, sizeBytes, p50Ms, p90Ms, cpuMs, speedup, memory } of rows) {
  const cells = [sizeBytes / 1024, p50Ms, p90Ms, cpuMs].map((v, i) => v.toFixed(i === 0 ? 0 : 2).padStart(8)).join(" ");
  const weight = `${memory.loadMs.toFixed(0).padStart(9)} ${(memory.growthBytes / 2 ** 20).toFixed(0).padStart(5)}`;
  const ratio = [speedup.value, speedup.low, speedup.high].map((v) => v.toFixed(2));
  process.stderr.write(`${name.padEnd(22)} ${cells} ${weight}   ${ratio[0]} (${ratio[1]} to ${ratio[2]})\n`);
}
const left = fallback.map(({ op }) => op).join(", ") || "none";
process.stderr.write(`int8 operators that XNNPACK does not take: ${left}\n`);
const { cpu, node } = await readHardware();
process.stdout.write(`${JSON.stringify({ machine: { cpu, node }, rows, delegation: { whole, fallback } }, null, 2)}\n`);
process.exitCode = Math.max(at(differences, 1), at(differences, 3)) > 1e-4 ? 1 : 0;
