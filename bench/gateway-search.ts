/**
 * Times the 1:N search of the gateway's store on one thread against a plain loop over floats, and checks on the way that both find the same
 * people with the same scores. The templates are random unit vectors; the queries are noisy captures of some of them, and strangers. Prints a table,
 * or JSON with `--json`.
 *
 *     npx tsx --conditions=source bench/gateway-search.ts [--json] [--templates=100000]
 */
import { seededRandom } from "@tessera/core/base/random";
import { VectorIndex } from "@tessera/gateway/store/vector-index";

const ROUNDS = 25;
const COUNT = 10;
const asked = process.argv.find((word) => word.startsWith("--templates="));
const templates = asked === undefined ? 100_000 : Number(asked.split("=")[1]);
const random = seededRandom(11);

function unit(dimension: number, near?: Float32Array): Float32Array {
  const raw = Float32Array.from({ length: dimension }, (_, i) => random.normal() / Math.sqrt(dimension) + (near?.[i] ?? 0));
  const length = Math.hypot(...raw);
  return raw.map((value) => value / length);
}

interface Best {
  readonly row: number;
  readonly score: number;
}

/** What everybody writes first: one loop, one sum, one sort of what is left. */
function naive(rows: Float32Array, query: Float32Array, count: number): Best[] {
  const dimension = query.length;
  const best: Best[] = [];
  for (let row = 0, at = 0; at < rows.length; row++, at += dimension) {
    let score = 0;
    for (let i = 0; i < dimension; i++) score += (rows[at + i] ?? 0) * (query[i] ?? 0);
    if (best.length === count && score <= (best[count - 1]?.score ?? 0)) continue;
    best.push({ row, score });
    best.sort((a, b) => b.score - a.score || a.row - b.row);
    best.length = Math.min(best.length, count);
  }
  return best;
}

function quantiles(times: readonly number[]): { readonly median: number; readonly p95: number } {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => Number((sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(2));
  return { median: at(0.5), p95: at(0.95) };
}

function timed(work: () => readonly Best[]): { readonly ms: number; readonly cpuMs: number; readonly best: readonly Best[] } {
  const cpu = process.cpuUsage();
  const start = performance.now();
  const best = work();
  const ms = performance.now() - start;
  return { ms, cpuMs: process.cpuUsage(cpu).user / 1000, best };
}

const report = [128, 256, 512].map((dimension) => {
  const index = new VectorIndex(dimension);
  const rows = new Float32Array(templates * dimension);
  for (let row = 0; row < templates; row++) {
    const vector = unit(dimension);
    rows.set(vector, row * dimension);
    index.add(vector);
  }
  const ours: number[] = [];
  const cpu: number[] = [];
  const plain: number[] = [];
  let differences = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const query = unit(dimension, round % 2 === 0 ? index.vector(random.int(templates)) : undefined);
    const [fast, slow] = [timed(() => index.best(query, COUNT)), timed(() => naive(rows, query, COUNT))];
    ours.push(fast.ms);
    cpu.push(fast.cpuMs);
    plain.push(slow.ms);
    if (JSON.stringify(fast.best) !== JSON.stringify(slow.best)) differences++;
  }
  // The first two are still compiled.
  const [search, loop] = [quantiles(ours.slice(2)), quantiles(plain.slice(2))];
  const cpuMs = quantiles(cpu.slice(2)).median;
  return {
    templates,
    dimension,
    search,
    cpuMs,
    naive: loop,
    ratio: Number((loop.median / search.median).toFixed(1)),
    differences,
  };
});

if (process.argv.includes("--json")) console.log(JSON.stringify(report));
else {
  console.log(`${templates} templates, best ${COUNT}, ${ROUNDS} searches, one thread; milliseconds`);
  console.log("dimension  median   p95  cpu median  plain loop  ratio  other answers");
  for (const { dimension, search, cpuMs, naive: loop, ratio, differences } of report) {
    const cells = [
      search.median.toFixed(2).padStart(7),
      search.p95.toFixed(2).padStart(5),
      cpuMs.toFixed(2).padStart(11),
      loop.median.toFixed(1).padStart(11),
    ];
    console.log(
      `${String(dimension).padStart(9)} ${cells.join(" ")} ${String(ratio).padStart(6)} ${String(differences).padStart(14)}`,
    );
  }
}
if (report.some((row) => row.differences > 0)) process.exitCode = 1;
