/**
 * TinySV's d-vector by the protocol of its authors (enrolment: the mean of N d-vectors of a speaker; a trial's score: its cosine to that; threshold and EER
 * from the 60 validation samples, accuracy on the 60 test samples), in FP32 on ONNX Runtime and as int8 C for a microcontroller. Calibrated on the enrolment
 * samples, which are on neither list of trials; the four speakers are the same. Run from the root:
 *
 *   npx tsx --conditions=source bench/tinysv.ts [--out FOLDER] [--json FILE]
 *
 * FOLDER keeps the int8 .tflite. The int8 figures are those of the integer interpreter, which the generated C equals on every byte: `tessera mcu` on that file.
 */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { lowerToDevice } from "@tessera/core/codegen/device/lower";
import { deviceInput } from "@tessera/core/codegen/device/relayout";
import { runDevice } from "@tessera/core/codegen/device/run";
import { modelFromTflite } from "@tessera/core/convert/tflite/bytes";
import { quantizeTensor } from "@tessera/core/graph/quantize";
import { f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { compileInteger } from "@tessera/core/interp/integer/compile";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { sharedDir } from "@tessera/testkit/shared";
import { readNpz } from "./lib/npz.ts";
import { tessera } from "./lib/tessera.ts";

const { values: flags } = parseArgs({ options: { out: { type: "string" }, json: { type: "string" } } });
const shared = sharedDir();
if (shared === undefined) throw new Error("the shared folder is not there");
const data = join(shared, "models/voice/tinysv-data");
const model = join(shared, "models/voice/tinysv-dvector-256.onnx");
const folder = flags.out ?? mkdtempSync(join(tmpdir(), "tessera-tinysv-"));
mkdirSync(folder, { recursive: true });

const SHAPE = [1, 1, 49, 40];
const SIZE = 49 * 40;

interface Trials {
  readonly samples: readonly Float32Array[];
  readonly labels: readonly number[];
}

function load(name: string): Trials {
  const arrays = readNpz(readFileSync(join(data, `${name}.npz`)));
  const values = toNumbers(arrays.get("data") as Tensor);
  const labels = arrays.get("labels");
  const samples = Array.from({ length: values.length / SIZE }, (_, i) =>
    Float32Array.from(values.subarray(i * SIZE, (i + 1) * SIZE)),
  );
  return { samples, labels: labels === undefined ? [] : Array.from(toNumbers(labels)) };
}

type Embed = (sample: Float32Array) => Promise<Float64Array>;

function cosine(a: Float64Array, b: Float64Array): number {
  let [dot, x, y] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += (a[i] as number) * (b[i] as number);
    x += (a[i] as number) ** 2;
    y += (b[i] as number) ** 2;
  }
  return x === 0 || y === 0 ? 0 : dot / Math.sqrt(x * y);
}

interface Triple {
  readonly accuracy: number;
  readonly eer: number;
  readonly auc: number;
}

/** Points of the curve as scikit-learn's roc_curve keeps them: thresholds that fall, collinear points dropped. */
function rocCurve(scores: readonly number[], genuine: readonly boolean[]) {
  const order = scores.map((_, i) => i).sort((a, b) => (scores[b] as number) - (scores[a] as number));
  const [positives, negatives] = [genuine.filter(Boolean).length, genuine.filter((g) => !g).length];
  let points = [{ threshold: Number.POSITIVE_INFINITY, fpr: 0, tpr: 0 }];
  let [fp, tp] = [0, 0];
  order.forEach((index, k) => {
    if (genuine[index]) tp++;
    else fp++;
    const next = order[k + 1];
    if (next !== undefined && scores[next] === scores[index]) return;
    points.push({ threshold: scores[index] as number, fpr: fp / negatives, tpr: tp / positives });
  });
  const collinear = (i: number): boolean => {
    const [a, b, c] = [points[i - 1], points[i], points[i + 1]];
    if (a === undefined || b === undefined || c === undefined) return false;
    return Math.abs(a.fpr - 2 * b.fpr + c.fpr) < 1e-12 && Math.abs(a.tpr - 2 * b.tpr + c.tpr) < 1e-12;
  };
  points = points.filter((_, i) => (i < 2 ? i === 0 || !collinear(i) : !collinear(i)));
  return points;
}

function judge(validation: readonly number[], testing: readonly number[], genuine: readonly (readonly boolean[])[]): Triple {
  const [right = [], rightTest = []] = genuine;
  const points = rocCurve(validation, right);
  let best = points[0] as (typeof points)[number];
  for (const p of points) if (Math.abs(1 - p.tpr - p.fpr) < Math.abs(1 - best.tpr - best.fpr)) best = p;
  let auc = 0;
  for (let i = 1; i < points.length; i++) {
    const [a, b] = [points[i - 1], points[i]] as [(typeof points)[number], (typeof points)[number]];
    auc += ((b.fpr - a.fpr) * (a.tpr + b.tpr)) / 2;
  }
  const correct = testing.filter((s, i) => s >= best.threshold === rightTest[i]).length;
  return { accuracy: correct / testing.length, eer: (best.fpr + 1 - best.tpr) / 2, auc };
}

async function evaluate(embed: Embed): Promise<readonly (Triple & { readonly speaker: number; readonly enrolled: number })[]> {
  const [validation, testing] = [load("validation"), load("testing")];
  const all = async (trials: Trials): Promise<Float64Array[]> => {
    const made: Float64Array[] = [];
    for (const sample of trials.samples) made.push(await embed(sample));
    return made;
  };
  const [v, t] = [await all(validation), await all(testing)];
  const rows: (Triple & { readonly speaker: number; readonly enrolled: number })[] = [];
  for (const enrolled of [1, 8, 16]) {
    for (const speaker of [0, 1, 2, 3]) {
      const vectors = await all(load(`train_${speaker}_${enrolled}`));
      const mean = Float64Array.from(
        vectors[0] as Float64Array,
        (_, i) => vectors.reduce((sum, x) => sum + (x[i] as number), 0) / vectors.length,
      );
      const scores = (list: readonly Float64Array[]) => list.map((x) => cosine(mean, x));
      const genuine = [validation, testing].map(({ labels }) => labels.map((label) => label === speaker));
      rows.push({ speaker, enrolled, ...judge(scores(v), scores(t), genuine) });
    }
  }
  return rows;
}

const calibration = join(folder, "enrolment");
mkdirSync(calibration, { recursive: true });
for (const speaker of [0, 1, 2, 3])
  load(`train_${speaker}_16`).samples.forEach((sample, i) => {
    writeFileSync(join(calibration, `${speaker}-${i}.f32`), new Uint8Array(sample.buffer, sample.byteOffset, sample.byteLength));
  });

const runtime = await ortNodeRuntime();
const session = await runtime.load(readFileSync(model));
const float: Embed = async (sample) =>
  toNumbers((await session.run(new Map([["mfcc", f32(SHAPE, sample)]]))).get("dvector") as Tensor);
const fp32 = await evaluate(float);
await session.close();

const int8File = join(folder, "tinysv-dvector-256.int8.tflite");
tessera("quantize", model, "-o", int8File, "--target", "cortex-m4", "--inputs", calibration, "--io", "int8", "--quiet");
const raised = modelFromTflite(readFileSync(int8File));
if (raised.plan === undefined) throw new Error("no plan");
const program = lowerToDevice(compileInteger(raised.model, raised.plan));
const input = program.inputs[0] as string;
const grid = raised.plan.tensors.get(raised.model.graph.inputs[0]?.name as string);
const int8 = await evaluate(async (sample) => {
  if (grid === undefined) throw new Error("the input is not quantized");
  const fed = deviceInput(program, input, quantizeTensor(f32(SHAPE, sample), grid));
  const output = program.outputs[0] as string;
  const zero = program.values.get(output)?.zeroPoint ?? 0;
  return Float64Array.from(runDevice(program, new Map([[input, fed]])).get(output) as Int8Array, (q) => q - zero);
});

const mean = (rows: readonly Triple[], of: keyof Triple): number => rows.reduce((sum, row) => sum + row[of], 0) / rows.length;
const text = (row: Triple): string => [row.accuracy, row.eer, row.auc].map((v) => v.toFixed(4)).join(" / ");
console.error("N   speaker  FP32 accuracy / EER / AUC     INT8");
fp32.forEach((row, i) => {
  console.error(`${String(row.enrolled).padEnd(3)} ${row.speaker}        ${text(row)}     ${text(int8[i] as Triple)}`);
});
console.error(
  `mean         ${text({ accuracy: mean(fp32, "accuracy"), eer: mean(fp32, "eer"), auc: mean(fp32, "auc") })}     ${text({ accuracy: mean(int8, "accuracy"), eer: mean(int8, "eer"), auc: mean(int8, "auc") })}`,
);
const report = JSON.stringify({ fp32, int8, meanEerChange: mean(int8, "eer") - mean(fp32, "eer") }, undefined, 1);
if (flags.json === undefined) console.log(report);
else writeFileSync(flags.json, report);
