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
import { at } from "@tessera/core/base/assert";
import { f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { sharedDir } from "@tessera/testkit/shared";
import { TINYSV_PUBLISHED, type TinysvRow, tinysvRows, tinysvSamples } from "@tessera/testkit/tinysv";
import { tinysvIntegers } from "@tessera/testkit/tinysv-int8";
import { tessera } from "./lib/tessera.ts";

const { values: flags } = parseArgs({ options: { out: { type: "string" }, json: { type: "string" } } });
const shared = sharedDir();
if (shared === undefined) throw new Error("the shared folder is not there");
const data = join(shared, "models/voice/tinysv-data");
const model = join(shared, "models/voice/tinysv-dvector-256.onnx");
const folder = flags.out ?? mkdtempSync(join(tmpdir(), "tessera-tinysv-"));
mkdirSync(folder, { recursive: true });

const SHAPE = [1, 1, 49, 40];

const calibration = join(folder, "enrolment");
mkdirSync(calibration, { recursive: true });
for (const speaker of [0, 1, 2, 3])
  tinysvSamples(data, `train_${speaker}_16`).samples.forEach((sample, i) => {
    writeFileSync(join(calibration, `${speaker}-${i}.f32`), new Uint8Array(sample.buffer, sample.byteOffset, sample.byteLength));
  });

const runtime = await ortNodeRuntime();
const session = await runtime.load(readFileSync(model));
const fp32 = await tinysvRows(data, async (sample) =>
  toNumbers((await session.run(new Map([["mfcc", f32(SHAPE, sample)]]))).get("dvector") as Tensor),
);
await session.close();

const int8File = join(folder, "tinysv-dvector-256.int8.tflite");
tessera("quantize", model, "-o", int8File, "--target", "cortex-m4", "--inputs", calibration, "--io", "int8", "--quiet");
const int8 = await tinysvRows(data, tinysvIntegers(readFileSync(int8File)));

const mean = (rows: readonly TinysvRow[], of: "accuracy" | "eer" | "auc"): number =>
  rows.reduce((sum, row) => sum + row[of], 0) / rows.length;
const text = (row: Pick<TinysvRow, "accuracy" | "eer" | "auc">): string =>
  [row.accuracy, row.eer, row.auc].map((v) => v.toFixed(4)).join(" / ");
const means = (rows: readonly TinysvRow[]) => ({
  accuracy: mean(rows, "accuracy"),
  eer: mean(rows, "eer"),
  auc: mean(rows, "auc"),
});
console.error("N   speaker  FP32 accuracy / EER / AUC     published                     INT8");
fp32.forEach((row, i) => {
  const [published, integer] = [at(TINYSV_PUBLISHED, i), at(int8, i)];
  console.error(
    `${String(row.enrolled).padEnd(3)} ${row.speaker}        ${text(row)}     ${text(published)}     ${text(integer)}`,
  );
});
console.error(`mean         ${text(means(fp32))}     ${text(means(TINYSV_PUBLISHED))}     ${text(means(int8))}`);
const furthest = (["accuracy", "eer", "auc"] as const).flatMap((of) =>
  fp32.map((row, i) => Math.abs(row[of] - at(TINYSV_PUBLISHED, i)[of])),
);
console.error(
  `largest difference from what is published, ${TINYSV_PUBLISHED.length} rows of three: ${Math.max(...furthest).toFixed(5)}`,
);
const report = JSON.stringify({ fp32, int8, meanEerChange: mean(int8, "eer") - mean(fp32, "eer") }, undefined, 1);
if (flags.json === undefined) console.log(report);
else writeFileSync(flags.json, report);
