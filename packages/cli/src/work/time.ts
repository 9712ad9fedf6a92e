import { at } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import type { Latency } from "@tessera/core/protocol/report";
import { measureInterleaved } from "@tessera/runtimes/measure";
import { measureMemory } from "@tessera/runtimes/memory";
import { batchOf, cropFeeds } from "./embed.ts";
import type { OptimizeRequest } from "./request.ts";
import type { Variant } from "./variants.ts";

/** Times variants and the original file against the first variant, interleaved on one real face, and weighs each in a process of its own. */
export async function timeVariants(
  variants: readonly Variant[],
  request: OptimizeRequest,
  rows: readonly number[],
): Promise<readonly (Latency & { readonly name: string })[]> {
  const { runtime, file, card, progress, signal } = request;
  const [feeds] = [...cropFeeds(card, request.calibration.crops, rows.slice(0, 1), batchOf(file.model, card))];
  if (feeds === undefined) throw fail("CALIBRATION_EMPTY", "Cannot time: there is no sample");
  // The baseline first: speed-ups refer to it.
  const timed = [
    ...variants.map((v) => ({ name: v.id, bytes: v.bytes, load: { threads: 1 } })),
    { name: "original", bytes: file.bytes, load: { threads: 1, externalData: file.externalData } },
  ];
  const sessions = [];
  try {
    for (const { name, bytes, load } of timed) sessions.push({ name, session: await runtime.load(bytes, load), feeds });
    progress.stage("timing, interleaved", request.timing.rounds);
    const report = await measureInterleaved(sessions, {
      ...request.timing,
      seed: request.seed,
      onRound: (done) => progress.at(done),
      signal,
    });
    progress.stage("weighing memory", timed.length);
    const rowsOut: (Latency & { name: string })[] = [];
    for (const [i, row] of report.rows.entries()) {
      signal.throwIfAborted();
      const { bytes, load } = at(timed, i);
      const memory = await measureMemory(bytes, feeds, { flavour: runtime.id === "ort-web" ? "web" : "node", load });
      progress.at(i + 1);
      const inverse = row.speedup;
      rowsOut.push({
        name: row.name,
        p50Ms: row.p50Ms,
        p90Ms: row.p90Ms,
        p99Ms: row.p99Ms,
        cpuMs: row.cpuMs,
        loadMs: memory.loadMs,
        peakRssBytes: memory.growthBytes,
        ratioToBaseline: { median: 1 / inverse.value, low: 1 / inverse.high, high: 1 / inverse.low },
        runs: row.runs,
        threads: 1,
      });
    }
    return rowsOut;
  } finally {
    for (const { session } of sessions) await session.close();
  }
}
