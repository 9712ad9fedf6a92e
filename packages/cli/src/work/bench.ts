import { at } from "@tessera/core/base/assert";
import type { Feeds, Runtime, Session } from "@tessera/core/graph/runtime";
import type { MachineSummary } from "@tessera/core/protocol/report";
import { type LatencyRow, measureInterleaved } from "@tessera/runtimes/measure";
import { type MemoryReport, measureMemory } from "@tessera/runtimes/memory";
import { openRunnable, type Runnable } from "../io/runnable.ts";
import type { Progress } from "../ui/progress.ts";
import { firstFeeds, inputsFor } from "./feeds.ts";

/** Times of models against each other; plain JSON. */
export interface BenchReport {
  readonly kind: "tessera-bench-report";
  readonly version: 1;
  readonly machine: MachineSummary;
  /** What was fed, in words. */
  readonly inputs: string;
  readonly rounds: number;
  readonly runsPerRound: number;
  /** The first one is the baseline of the speed-ups. */
  readonly models: readonly (LatencyRow & {
    readonly file: string;
    readonly sha256: string;
    readonly sizeBytes: number;
    readonly baseline: boolean;
    readonly memory?: MemoryReport;
  })[];
}

/** What {@link benchFiles} needs. */
export interface BenchRequest {
  readonly runtime: Runtime;
  readonly threads: number;
  readonly seed: number;
  readonly rounds: number;
  readonly runs: number;
  readonly folder: string | undefined;
  readonly memory: boolean;
  readonly machine: MachineSummary;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Times files against each other, each on an input of its own types. @throws RUNTIME_FAILED, DATA_MISSING */
export async function benchFiles(files: readonly Runnable[], request: BenchRequest): Promise<BenchReport> {
  const { runtime, threads, seed, rounds, runs, folder, progress, signal } = request;
  const open: { readonly name: string; readonly session: Session; readonly feeds: Feeds }[] = [];
  let says = "";
  try {
    for (const file of files) {
      progress.stage(`loading ${file.path}`);
      const session = await openRunnable(runtime, file, { threads });
      const slot = { name: file.path, session, feeds: new Map() as Feeds };
      open.push(slot);
      const inputs = await inputsFor(session, { folder, trials: 1, seed });
      says = inputs.says;
      open[open.length - 1] = { ...slot, feeds: firstFeeds(inputs) };
    }
    progress.stage("timing, interleaved", rounds);
    const latency = await measureInterleaved(open, { rounds, runs, seed, signal, onRound: (done) => progress.at(done) });
    const models: BenchReport["models"][number][] = [];
    for (const [i, row] of latency.rows.entries()) {
      const { path, bytes, sha256, externalData } = at(files, i);
      if (request.memory) progress.stage(`weighing ${path}`);
      signal.throwIfAborted();
      const load = { threads, ...(externalData.size > 0 ? { externalData } : {}) };
      const memory = request.memory
        ? await measureMemory(bytes, at(open, i).feeds, { flavour: runtime.id === "ort-web" ? "web" : "node", load })
        : undefined;
      models.push({
        ...row,
        file: path,
        sha256,
        sizeBytes: bytes.length,
        baseline: i === 0,
        ...(memory === undefined ? {} : { memory }),
      });
    }
    return {
      kind: "tessera-bench-report",
      version: 1,
      machine: request.machine,
      inputs: says,
      rounds,
      runsPerRound: runs,
      models,
    };
  } finally {
    for (const { session } of open) await session.close();
  }
}
