/**
 * Measures what kernels cost on a runtime of this machine and fits the cost table of the predictor to it: chains of like layers, in float and in
 * integers, one thread. No trained model is among them, so that those of bench/predictor.ts stay unseen. Run from the root:
 *
 *     npx tsx --conditions=source bench/predictor-fit.ts --target ort-x64 --points points.json [--measure]
 *
 * With --measure the times are taken and written to the file of points, chains that are in it left out; with --again, they are taken again and the least
 * time of each counts, so that repeated runs on a busy machine come nearer to the truth. Without, they are read from it;
 * --rebuild counts their kernels anew, after the predictor has changed. Prints the table as TypeScript for
 * packages/core/src/targets/predictor/costs.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { at } from "@tessera/core/base/assert";
import type { Kernel } from "@tessera/core/targets/predictor/kernel";
import { targetById } from "@tessera/core/targets/table";
import { predictorChains } from "./lib/predictor-chains.ts";
import { fitCosts, STRUCTURE } from "./lib/predictor-costs.ts";
import { predictedFiles } from "./lib/predictor-files.ts";
import { openTimed, runtimeOf } from "./lib/predictor-time.ts";

const { values: flags } = parseArgs({
  options: {
    target: { type: "string", default: "ort-x64" },
    points: { type: "string", default: "points.json" },
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

const target = targetById(flags.target);
const points = new Map<string, Point>();
if (existsSync(flags.points)) for (const p of JSON.parse(readFileSync(flags.points, "utf8")) as Point[]) points.set(p.id, p);

if (flags.measure) {
  const runtime = await runtimeOf(target);
  const chains = predictorChains();
  // Far apart in the list one after the other, so that a measurement that was cut short has seen every kind.
  const order = chains.map((_, i) => (i * 59) % chains.length);
  for (const { id, model } of order.map((i) => at(chains, i))) {
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
  for (const { id, model } of predictorChains()) {
    if (!points.has(`${id}, integer`)) continue;
    const { float, integer } = await predictedFiles(model, target);
    for (const [numbers, { kernels }] of Object.entries({ float, integer })) {
      const point = points.get(`${id}, ${numbers}`);
      if (point !== undefined) points.set(point.id, { ...point, kernels });
    }
  }
  writeFileSync(flags.points, JSON.stringify([...points.values()]));
}

const structure = STRUCTURE[target.runtime];
const { table, errors } = fitCosts([...points.values()], structure);
const sorted = errors.map((e) => Math.abs(e.error)).sort((a, b) => a - b);
process.stderr.write(
  `${points.size} points, error of the median ${sorted[sorted.length >> 1]?.toFixed(2)}, of nine in ten ${sorted[Math.floor(sorted.length * 0.9)]?.toFixed(2)}\n`,
);
if (flags.worst)
  for (const { id, ms, expected } of errors.sort((a, b) => Math.abs(b.error) - Math.abs(a.error)).slice(0, 30))
    process.stderr.write(`${id.padEnd(32)} ${ms.toFixed(3)} expected ${expected.toFixed(3)}\n`);
process.stdout.write(`${JSON.stringify(table, null, 2)}\n`);
process.exit(0);
