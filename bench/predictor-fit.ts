/**
 * Measures what kernels cost on a runtime of this machine and fits the cost table of the predictor to it: chains of like layers, in float and in
 * integers, one thread, and four of the shared models; the others of bench/predictor.ts stay unseen. Run from the root:
 *
 *     npx tsx --conditions=source bench/predictor-fit.ts --target ort-x64 --points points.json [--measure]
 *
 * With --measure the times are taken and written to the file of points, chains that are in it left out; with --again, they are taken again and the least
 * time of each counts, so that repeated runs on a busy machine come nearer to the truth. Without, they are read from it;
 * --rebuild counts their kernels anew, after the predictor has changed. Prints the table as TypeScript for
 * packages/core/src/targets/predictor/costs.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Model } from "@tessera/core/graph/model";
import type { Kernel } from "@tessera/core/targets/predictor/kernel";
import { targetById } from "@tessera/core/targets/table";
import { predictorChains } from "./lib/predictor-chains.ts";
import { fitCosts, STRUCTURE } from "./lib/predictor-costs.ts";
import { predictedFiles } from "./lib/predictor-files.ts";
import { PREDICTED_MODELS, readPredicted } from "./lib/predictor-models.ts";
import { openTimed, runtimeOf } from "./lib/predictor-time.ts";

const { values: flags } = parseArgs({
  options: {
    target: { type: "string", default: "ort-x64" },
    points: { type: "string", default: "points.json" },
    shared: { type: "string", default: "../shared" },
    measure: { type: "boolean", default: false },
    again: { type: "boolean", default: false },
    rebuild: { type: "boolean", default: false },
    worst: { type: "boolean", default: false },
  },
});

/** A chain in one kind of numbers: what it consists of, and the least time that was seen. */
interface Point {
  readonly id: string;
  readonly ms: number;
  readonly kernels: readonly Kernel[];
}

const MODEL = "model ";
/** A real network shows layers in the mixture that matters. */
const MODEL_WEIGHT = 6;

/** The chains, and the models that are fitted on. */
function networks(): readonly { readonly id: string; readonly model: Model }[] {
  const models = PREDICTED_MODELS.filter((m) => m.fitted);
  return [
    ...predictorChains(),
    ...models.map((m) => ({ id: `${MODEL}${m.id}`, model: readPredicted(m, join(flags.shared, "models")) })),
  ];
}

const target = targetById(flags.target);
const points = new Map<string, Point>();
if (existsSync(flags.points)) for (const p of JSON.parse(readFileSync(flags.points, "utf8")) as Point[]) points.set(p.id, p);

if (flags.measure) {
  const runtime = await runtimeOf(target);
  const chains = networks();
  // Far apart in the list one after the other, so that a measurement that was cut short has seen every kind.
  const spread = (i: number): number => (i * 0.618034) % 1;
  const order = chains.map((chain, i) => ({ ...chain, place: spread(i) })).sort((a, b) => a.place - b.place);
  for (const { id, model } of order) {
    if (!flags.again && points.has(`${id}, integer`)) continue;
    const { float, integer } = await predictedFiles(model, target);
    for (const [numbers, { bytes, kernels }] of Object.entries({ float, integer })) {
      const session = await openTimed(runtime, bytes);
      const ms = await session.least({ budgetMs: 6, rounds: 5 });
      await session.close();
      const key = `${id}, ${numbers}`;
      points.set(key, { id: key, ms: Math.min(ms, points.get(key)?.ms ?? ms), kernels });
    }
    writeFileSync(flags.points, JSON.stringify([...points.values()]));
  }
}

if (flags.rebuild) {
  for (const { id, model } of networks()) {
    if (!points.has(`${id}, integer`)) continue;
    const { float, integer } = await predictedFiles(model, target);
    for (const [numbers, { kernels }] of Object.entries({ float, integer })) {
      const point = points.get(`${id}, ${numbers}`);
      if (point !== undefined) points.set(point.id, { ...point, kernels });
    }
  }
  writeFileSync(flags.points, JSON.stringify([...points.values()]));
}

// Networks that the list no longer has were measured by another rule.
const known = new Set(networks().map((c) => c.id));
for (const id of points.keys()) if (!known.has(id.replace(/, \w+$/, ""))) points.delete(id);

const structure = STRUCTURE[target.runtime];
const { table, errors } = fitCosts(
  [...points.values()].map((p) => ({ ...p, weight: p.id.startsWith(MODEL) ? MODEL_WEIGHT : 1 })),
  structure,
);
const sorted = errors.map((e) => Math.abs(e.error)).sort((a, b) => a - b);
process.stderr.write(
  `${points.size} points, error of the median ${sorted[sorted.length >> 1]?.toFixed(2)}, of nine in ten ${sorted[Math.floor(sorted.length * 0.9)]?.toFixed(2)}\n`,
);
if (flags.worst)
  for (const { id, ms, expected } of errors.sort((a, b) => Math.abs(b.error) - Math.abs(a.error)).slice(0, 30))
    process.stderr.write(`${id.padEnd(32)} ${ms.toFixed(3)} expected ${expected.toFixed(3)}\n`);
process.stdout.write(`${JSON.stringify(table, null, 2)}\n`);
process.exit(0);
