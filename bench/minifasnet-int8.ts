/**
 * MiniFASNetV2 as int8 C for microcontrollers against FP32 on ONNX Runtime, on the presentation attacks of the shared folder. Calibrated on the crops of two
 * of the four sources, judged on the other two: other people, other cameras. The crops show little around the face, where the network wants a box of 2.7
 * times its size: the figures compare FP32 with INT8 and are no judgement of the network. Run from the root:
 *
 *   npx tsx --conditions=source bench/minifasnet-int8.ts [--out FOLDER] [--json FILE]
 */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { rankScores } from "@tessera/core/biometrics/compare";
import { padAt } from "@tessera/core/biometrics/pad";
import { areaUnderRoc } from "@tessera/core/biometrics/separation";
import { dequantizeTensor } from "@tessera/core/graph/quantize";
import type { Session } from "@tessera/core/graph/runtime";
import { f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { pixelValues } from "@tessera/core/signal/pixels";
import { resize } from "@tessera/core/signal/resize";
import { readImage } from "@tessera/media/images";
import { nativeCRuntime } from "@tessera/runtimes/native/native-c";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { sharedDir } from "@tessera/testkit/shared";
import { quantizedFeed } from "./lib/quantized-feed.ts";
import { tessera } from "./lib/tessera.ts";

const { values: flags } = parseArgs({ options: { out: { type: "string" }, json: { type: "string" } } });
const shared = sharedDir();
if (shared === undefined) throw new Error("the shared folder is not there");
const data = join(shared, "data/face-pad");
const model = join(shared, "models/face-liveness/minifasnet-v2-2.7-80.onnx");
const folder = flags.out ?? mkdtempSync(join(tmpdir(), "tessera-minifasnet-"));
const calibration = join(folder, "calibration");
mkdirSync(calibration, { recursive: true });

const SIZE = 80;
const CONTRACT = { layout: "NCHW", colour: "BGR", scale: 1, mean: [0, 0, 0], std: [1, 1, 1] } as const;
const CALIBRATION_SOURCES = new Set(["shu", "alc"]);

interface Crop {
  readonly path: string;
  readonly source: string;
  readonly attack: boolean;
}

const [, ...lines] = readFileSync(join(data, "manifest.csv"), "utf8").trim().split("\n");
const crops = lines.map((line): Crop => {
  const [path = "", source = "", label = ""] = line.split(",");
  return { path, source, attack: label === "attack" };
});

async function pixels(crop: Crop): Promise<Float32Array> {
  return pixelValues(resize(await readImage(join(data, crop.path)), { width: SIZE, height: SIZE }), CONTRACT);
}

const calibrated = crops.filter((c) => CALIBRATION_SOURCES.has(c.source));
for (const [i, crop] of calibrated.entries()) {
  const values = await pixels(crop);
  writeFileSync(join(calibration, `${i}.f32`), new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}
const int8File = join(folder, "minifasnet-v2-2.7-80.int8.tflite");
tessera("quantize", model, "-o", int8File, "--target", "cortex-m7", "--inputs", calibration, "--io", "int8", "--quiet");

/** Probability of a living face. */
function real(logits: ArrayLike<number>): number {
  const most = Math.max(...Array.from(logits));
  const powers = Array.from(logits, (v) => Math.exp(v - most));
  return (powers[1] as number) / powers.reduce((a, b) => a + b, 0);
}

const judged = crops.filter((c) => !CALIBRATION_SOURCES.has(c.source));
async function scores(session: Session): Promise<Float64Array> {
  const [input, output] = [session.inputs[0]?.name as string, session.outputs[0]?.name as string];
  const made = new Float64Array(judged.length);
  for (const [i, crop] of judged.entries()) {
    const feed = quantizedFeed(session, input, f32([1, 3, SIZE, SIZE], await pixels(crop)));
    const answer = (await session.run(new Map([[input, feed]]))).get(output) as Tensor;
    const grid = session.encodings?.get(output);
    made[i] = real(toNumbers(grid === undefined ? answer : dequantizeTensor(answer, grid)));
  }
  await session.close();
  return made;
}

const fp32 = await scores(await (await ortNodeRuntime()).load(readFileSync(model)));
const int8 = await scores(await (await nativeCRuntime()).load(readFileSync(int8File)));

function row(all: Float64Array) {
  const of = (attack: boolean): Float64Array => all.filter((_, i) => judged[i]?.attack === attack);
  const point = padAt({ bonaFide: of(false), attacks: new Map([["screen_replay", of(true)]]) }, 0.5);
  const auc = areaUnderRoc(rankScores({ genuine: of(false), impostor: of(true) }));
  return { auc, apcer: point.apcer.rate, bpcer: point.bpcer.rate };
}

const agreeing = judged.filter((_, i) => (fp32[i] as number) >= 0.5 === (int8[i] as number) >= 0.5).length;
const shift = judged.map((_, i) => Math.abs((fp32[i] as number) - (int8[i] as number))).sort((a, b) => a - b);
const report = {
  calibrated: calibrated.length,
  judged: judged.length,
  fp32: row(fp32),
  int8: row(int8),
  sameDecision: agreeing / judged.length,
  medianShift: shift[shift.length >> 1],
};
console.error(`judged on ${judged.length} crops of other sources than the ${calibrated.length} of the calibration`);
for (const [name, figures] of [
  ["FP32", report.fp32],
  ["INT8", report.int8],
] as const)
  console.error(
    `${name}  AUC ${figures.auc.toFixed(4)}  APCER ${figures.apcer.toFixed(4)}  BPCER ${figures.bpcer.toFixed(4)} at P(real) 0.5`,
  );
console.error(
  `the same decision on ${(100 * report.sameDecision).toFixed(2)} %; median shift of P(real) ${report.medianShift?.toFixed(4)}`,
);
if (flags.json === undefined) console.log(JSON.stringify(report, undefined, 1));
else writeFileSync(flags.json, JSON.stringify(report, undefined, 1));
