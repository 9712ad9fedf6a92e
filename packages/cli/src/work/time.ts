import { at } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import type { Runtime } from "@tessera/core/graph/runtime";
import { fixedBatch } from "@tessera/core/modality/face/embed";
import type { Latency } from "@tessera/core/protocol/report";
import { measureInterleaved } from "@tessera/runtimes/measure";
import type { RunFile } from "../io/runnable.ts";
import { cardSession } from "./card-terms.ts";
import type { OptimizeJob } from "./request.ts";
import { sampleFeeds } from "./samples.ts";
import type { Variant } from "./variants.ts";
import { weigh } from "./weigh.ts";

/** A file that is timed beside the variants. */
export interface TimedFile {
  readonly name: string;
  readonly file: RunFile;
  readonly runtime: Runtime;
}

/** What a file took, by its name. */
export type NamedLatency = Latency & { readonly name: string };

/** Times variants and further files against the first variant, interleaved on one real face, and weighs each in a process of its own. */
export async function timeVariants(
  variants: readonly Variant[],
  job: OptimizeJob,
  options: { readonly rows: readonly number[]; readonly others: readonly TimedFile[] },
): Promise<readonly NamedLatency[]> {
  const { runtime, modelCard, progress, signal } = job;
  const none = new Map<string, Uint8Array>();
  // The baseline first: speed-ups refer to it.
  const timed: readonly TimedFile[] = [
    ...variants.map((v) => ({ name: v.id, file: { bytes: v.bytes, externalData: none }, runtime })),
    ...options.others,
  ];
  const sessions = [];
  try {
    for (const { name, file, runtime: own } of timed) {
      const { externalData } = file;
      const raw = await own.load(file.bytes, { threads: 1, ...(externalData.size > 0 ? { externalData } : {}) });
      const session = cardSession(raw, modelCard);
      const batch = fixedBatch(session, modelCard.input.tensor) ?? 1;
      const [feeds] = [...sampleFeeds(modelCard, job.calibration.samples, options.rows.slice(0, 1), batch)];
      if (feeds === undefined) throw fail("CALIBRATION_EMPTY", "Cannot time: there is no sample");
      sessions.push({ name, session, feeds, runtime: own, file });
    }
    progress.stage("timing, interleaved", job.timing.rounds);
    const report = await measureInterleaved(sessions, {
      ...job.timing,
      seed: job.seed,
      onRound: (done) => progress.at(done),
      signal,
    });
    progress.stage("weighing memory", timed.length);
    const rowsOut: NamedLatency[] = [];
    for (const [i, row] of report.rows.entries()) {
      signal.throwIfAborted();
      const own = at(sessions, i);
      const memory = await weigh(own.file, { ...own, threads: 1 });
      progress.at(i + 1);
      const inverse = row.speedup;
      rowsOut.push({
        name: row.name,
        p50Ms: row.p50Ms,
        p90Ms: row.p90Ms,
        p99Ms: row.p99Ms,
        cpuMs: row.cpuMs,
        loadMs: memory?.loadMs ?? 0,
        ...(memory === undefined ? {} : { peakRssBytes: memory.growthBytes }),
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
