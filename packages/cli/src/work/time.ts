import { at } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import type { Runtime } from "@tessera/core/graph/runtime";
import { fixedBatch } from "@tessera/core/modality/face/embed";
import type { Latency, TimedOn } from "@tessera/core/protocol/report";
import { measureInterleaved } from "@tessera/runtimes/measure";
import type { RunFile } from "../io/runnable.ts";
import { cardSession } from "./card-terms.ts";
import { timeOnDevice } from "./device-time.ts";
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

/**
 * Times variants and further files against the first variant, interleaved on one real face, and weighs each in a process of its own: on this machine, or on the
 * device of the job.
 */
export async function timeVariants(
  variants: readonly Variant[],
  job: OptimizeJob,
  options: { readonly rows: readonly number[]; readonly others: readonly TimedFile[] },
): Promise<{ readonly latencies: readonly NamedLatency[]; readonly timedOn?: TimedOn }> {
  const { runtime, modelCard, progress, signal, seed, device } = job;
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
      const load = { threads: 1, ...(externalData.size > 0 ? { externalData } : {}) };
      const open = async (on: Runtime) => cardSession(await on.load(file.bytes, load), modelCard);
      const session = await open(own);
      const batch = fixedBatch(session, modelCard.input.tensor) ?? 1;
      const [feeds] = [...sampleFeeds(modelCard, job.calibration.samples, options.rows.slice(0, 1), batch)];
      if (feeds === undefined) throw fail("CALIBRATION_EMPTY", "Cannot time: there is no sample");
      sessions.push({ name, session, feeds, runtime: own, file, open });
    }
    const timing = { ...job.timing, seed, signal, progress, threads: 1, memory: true };
    const there = device === undefined ? undefined : await timeOnDevice(device, sessions, timing);
    if (there === undefined) progress.stage("timing, interleaved", job.timing.rounds);
    const onRound = (done: number): void => progress.at(done);
    const report = there?.latency ?? (await measureInterleaved(sessions, { ...job.timing, seed, onRound, signal }));
    if (there === undefined) progress.stage("weighing memory", timed.length);
    const rowsOut: NamedLatency[] = [];
    for (const [i, row] of report.rows.entries()) {
      signal.throwIfAborted();
      const own = at(sessions, i);
      const memory = there === undefined ? await weigh(own.file, { ...own, threads: 1 }) : there.memory[i];
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
    return { latencies: rowsOut, ...(there === undefined ? {} : { timedOn: there.timedOn }) };
  } finally {
    for (const { session } of sessions) await session.close();
  }
}
