/**
 * Times the scoring engine on one thread: a million comparisons of 512-d embeddings, an all-pairs run of the size of LFW folds 1-5, and what
 * is computed from its scores. Prints a table, or JSON with `--json`. Wall time depends on what else the machine does; CPU time hardly.
 *
 *     npx tsx --conditions=source bench/scoring.ts [--json]
 */
import { seededRandom } from "@tessera/core/base/random";
import { bootstrapPoints } from "@tessera/core/biometrics/bootstrap";
import { compareAll, rankScores } from "@tessera/core/biometrics/compare";
import { allPairs, countComparisons, galleryAgainstProbes } from "@tessera/core/biometrics/design";
import { detCurve } from "@tessera/core/biometrics/det";
import { equalErrorRate } from "@tessera/core/biometrics/eer";
import { comparePaired } from "@tessera/core/biometrics/paired";
import { type Embeddings, embeddings, normaliseRows, scorePairs } from "@tessera/core/biometrics/similarity";

interface Row {
  readonly what: string;
  readonly comparisons: number;
  readonly wallMs: number;
  readonly cpuMs: number;
}

const ROUNDS = 3;
const random = seededRandom(1);
const rows: Row[] = [];

function measure<T>(what: string, comparisons: number, work: () => T): T {
  let result = work();
  let wallMs = Number.POSITIVE_INFINITY;
  let cpuMs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const cpu = process.cpuUsage();
    const start = performance.now();
    result = work();
    wallMs = Math.min(wallMs, performance.now() - start);
    const used = process.cpuUsage(cpu);
    cpuMs = Math.min(cpuMs, (used.user + used.system) / 1000);
  }
  rows.push({ what, comparisons, wallMs: Math.round(wallMs), cpuMs: Math.round(cpuMs) });
  return result;
}

/** As many people and about as many images as LFW folds 1-5, with person centres and noise. */
function people(dim: number, noise: number, subjects: Int32Array): Embeddings {
  const centreRandom = seededRandom(2);
  const count = subjects.reduce((most, subject) => Math.max(most, subject + 1), 0);
  const centres = Float32Array.from({ length: count * dim }, () => centreRandom.normal());
  const data = new Float32Array(subjects.length * dim);
  subjects.forEach((subject, item) => {
    for (let k = 0; k < dim; k++) data[item * dim + k] = (centres[subject * dim + k] ?? 0) + noise * random.normal();
  });
  return normaliseRows(embeddings(data, dim));
}

const thousand = new Int32Array(1000);
const others = new Int32Array(1000).fill(1);
const square = galleryAgainstProbes(thousand, others);
const left = people(512, 1, thousand);
const right = people(512, 1, others);
measure("1,000 x 1,000 cross, 512-d", 1e6, () => compareAll(left, square, { probe: right }));

const pairs = {
  a: Uint32Array.from({ length: 1e6 }, () => random.int(1000)),
  b: Uint32Array.from({ length: 1e6 }, () => random.int(1000)),
};
measure("1 M listed pairs, 512-d", 1e6, () => scorePairs(left, pairs, { probe: right }));

const subjects = Int32Array.from({ length: 3811 }, (_, i) => (i < 2086 ? i : random.int(2086)));
const design = allPairs(subjects);
const { genuine, impostor } = countComparisons(design);
const total = genuine + impostor;
const wide = people(512, 1.6, subjects);
measure("3,811 images all against all, 512-d", total, () => compareAll(wide, design));
const reference = people(128, 1.6, subjects);
const candidate = people(128, 1.62, subjects);
const scores = measure("3,811 images all against all, 128-d", total, () => compareAll(reference, design));
const after = compareAll(candidate, design);
const ranked = measure("sort both classes", total, () => rankScores(scores));
measure("DET curve and EER", total, () => [detCurve(ranked), equalErrorRate(ranked)]);
measure("bootstrap, 500 resamples, FAR 1e-3 and 1e-4", total, () => bootstrapPoints(scores, [1e-3, 1e-4], { ranked }));
measure("paired models, 500 resamples, FAR 1e-3 and 1e-4, flips", 2 * total, () =>
  comparePaired(scores, after, { fars: [1e-3, 1e-4] }),
);

if (process.argv.includes("--json"))
  console.log(JSON.stringify({ bench: "scoring", node: process.version, rounds: ROUNDS, rows }, null, 2));
else {
  const line = (cells: readonly string[]): string =>
    `${(cells[0] ?? "").padEnd(58)}${cells
      .slice(1)
      .map((cell) => cell.padStart(14))
      .join("")}`;
  console.log(line(["what", "comparisons", "wall ms", "CPU ms", "ms per M"]));
  for (const { what, comparisons, wallMs, cpuMs } of rows)
    console.log(
      line([what, comparisons.toLocaleString("en"), String(wallMs), String(cpuMs), ((cpuMs / comparisons) * 1e6).toFixed(0)]),
    );
}
