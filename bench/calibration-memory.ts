/**
 * Peak memory of calibration with 100 and with 1,000 images, each in a process of its own.
 * Usage: tsx --conditions=source bench/calibration-memory.ts <model.onnx> [--json]
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { seededRandom } from "@tessera/core/base/random";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model, TensorType } from "@tessera/core/graph/model";
import { scaleChannels } from "@tessera/core/graph/quantize-channels";
import type { Feeds } from "@tessera/core/graph/runtime";
import { countOf, f32 } from "@tessera/core/graph/tensor";
import { equalizablePlaces, equalizingScales } from "@tessera/core/quant/equalize";
import { observeTensors } from "@tessera/core/quant/observe";
import { observeLargest } from "@tessera/core/quant/observe-largest";
import { placeIntegers } from "@tessera/core/quant/placement";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { ORT_X64 } from "@tessera/core/targets/ort";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";

/** Images in which every pixel is noise: what they show does not matter for memory. */
function* images(model: Model, count: number): Generator<Feeds> {
  const random = seededRandom(1);
  const [input] = model.graph.inputs;
  if (input === undefined) throw new Error("the model has no input");
  const shape = ((input.type as TensorType).shape ?? []).map((d) => (typeof d === "number" ? d : 1));
  for (let i = 0; i < count; i++) {
    const data = new Float32Array(countOf(shape));
    for (let k = 0; k < data.length; k++) data[k] = random.next() * 2 - 1;
    yield new Map([[input.name, f32(shape, data)]]);
  }
}

async function calibrateOnce(path: string, count: number): Promise<{ count: number; peakMiB: number; seconds: number }> {
  const model = prepareForIntegers(modelFromOnnx(new Uint8Array(readFileSync(path))), ORT_X64);
  const runtime = await ortNodeRuntime();
  const open = (exposed: Model) => runtime.load(modelToOnnx(exposed), { threads: 1 });
  const start = performance.now();
  const largest = await observeLargest(model, equalizablePlaces(model, ORT_X64), images(model, count), { open });
  const scaled = scaleChannels(model, equalizingScales(model, largest));
  await observeTensors(scaled, placeIntegers(scaled, ORT_X64).activations, images(model, count), { open });
  const seconds = (performance.now() - start) / 1000;
  return { count, peakMiB: process.resourceUsage().maxRSS / 1024, seconds };
}

const [path, second] = process.argv.slice(2);
if (path === undefined) {
  process.stderr.write("Usage: tsx --conditions=source bench/calibration-memory.ts <model.onnx> [--json]\n");
  process.exitCode = 2;
} else if (second !== undefined && /^\d+$/.test(second)) {
  process.stdout.write(JSON.stringify(await calibrateOnce(path, Number(second))));
} else {
  const rows = [100, 1000].map(
    (count) =>
      JSON.parse(
        execFileSync(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), path, String(count)], {
          encoding: "utf8",
        }),
      ) as Awaited<ReturnType<typeof calibrateOnce>>,
  );
  const [few, many] = rows as [(typeof rows)[0], (typeof rows)[0]];
  const growth = many.peakMiB / few.peakMiB - 1;
  if (second === "--json") process.stdout.write(`${JSON.stringify({ kind: "calibration-memory", rows, growth })}\n`);
  else {
    for (const row of rows)
      process.stdout.write(
        `${String(row.count).padStart(5)} images  peak ${row.peakMiB.toFixed(0)} MiB  ${row.seconds.toFixed(1)} s\n`,
      );
    process.stdout.write(`difference ${(100 * growth).toFixed(1)} % (must stay below 10 %)\n`);
  }
  if (growth >= 0.1) process.exitCode = 1;
}
