import { basename } from "node:path";
import { at } from "@tessera/core/base/assert";
import type { Feeds, Runtime } from "@tessera/core/graph/runtime";
import type { MachineSummary, TimedOn } from "@tessera/core/protocol/report";
import type { Hardware } from "@tessera/runtimes/hardware";
import { type LatencyRow, measureInterleaved } from "@tessera/runtimes/measure";
import type { MemoryReport } from "@tessera/runtimes/memory";
import type { AgentAddress } from "@tessera/runtimes/remote/ask";
import type { Presented } from "../io/present.ts";
import { openRunnable, type Runnable } from "../io/runnable.ts";
import type { Progress } from "../ui/progress.ts";
import { timeOnDevice } from "./device-time.ts";
import { firstFeeds, inputsFor } from "./feeds.ts";
import { machineOf } from "./machine.ts";
import type { Runtimes } from "./runtime.ts";
import { weigh } from "./weigh.ts";

/** Times of models against each other; plain JSON. */
export interface BenchReport {
  readonly kind: "tessera-bench-report";
  readonly version: 1;
  readonly machine: MachineSummary;
  /** The device that took all figures; absent: `machine` did. */
  readonly timedOn?: TimedOn;
  /** What was fed, in words. */
  readonly inputs: string;
  readonly rounds: number;
  readonly runsPerRound: number;
  /** The first one is the baseline of the speed-ups. */
  readonly models: readonly (LatencyRow & {
    readonly file: string;
    /** What ran it, and in which version. */
    readonly runtime: string;
    readonly sha256: string;
    readonly sizeBytes: number;
    readonly baseline: boolean;
    readonly memory?: MemoryReport;
  })[];
}

/** What {@link benchFiles} needs. */
export interface BenchRequest {
  readonly runtimes: Runtimes;
  readonly threads: number;
  readonly seed: number;
  readonly rounds: number;
  readonly runs: number;
  readonly folder: string | undefined;
  readonly memory: boolean;
  /** Where the agent of the device listens that is to take the times. */
  readonly device?: AgentAddress;
  readonly hardware: Hardware;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Times files against each other, each on an input of its own types. @throws RUNTIME_FAILED, DATA_MISSING */
export async function benchFiles(files: readonly Runnable[], request: BenchRequest): Promise<BenchReport> {
  const { runtimes, threads, seed, rounds, runs, folder, progress, signal } = request;
  const open: { readonly name: string; readonly runtime: Runtime; readonly session: Presented; readonly feeds: Feeds }[] = [];
  let says = "";
  try {
    for (const file of files) {
      progress.stage(`loading ${file.path}`);
      const runtime = await runtimes.for(file);
      const session = await openRunnable(runtime, file, { threads });
      const slot = { name: file.path, runtime, session, feeds: new Map() as Feeds };
      open.push(slot);
      const inputs = await inputsFor(session, { folder, trials: 1, seed });
      says = inputs.says;
      open[open.length - 1] = { ...slot, feeds: firstFeeds(inputs) };
    }
    const there =
      request.device === undefined
        ? undefined
        : await timeOnDevice(
            request.device,
            open.map((slot, i) => {
              const file = at(files, i);
              return {
                ...slot,
                name: basename(slot.name),
                file,
                open: (runtime: Runtime) => openRunnable(runtime, file, { threads }),
              };
            }),
            request,
          );
    if (there === undefined) progress.stage("timing, interleaved", rounds);
    const onRound = (done: number): void => progress.at(done);
    const latency = there?.latency ?? (await measureInterleaved(open, { rounds, runs, seed, signal, onRound }));
    const models: BenchReport["models"][number][] = [];
    for (const [i, row] of latency.rows.entries()) {
      const { path, bytes, sha256 } = at(files, i);
      const { runtime } = at(open, i);
      const weighed = request.memory && there === undefined;
      if (weighed) progress.stage(`weighing ${path}`);
      signal.throwIfAborted();
      const memory = weighed ? await weigh(at(files, i), { ...at(open, i), threads }) : there?.memory[i];
      models.push({
        ...row,
        file: path,
        runtime: `${runtime.id} ${there?.timedOn.machine.runtimes.find((r) => r.id === runtime.id)?.version ?? runtime.version}`,
        sha256,
        sizeBytes: bytes.length,
        baseline: i === 0,
        ...(memory === undefined ? {} : { memory }),
      });
    }
    return {
      kind: "tessera-bench-report",
      version: 1,
      machine: machineOf(request.hardware, { runtimes: await runtimes.started(), threads }),
      ...(there === undefined ? {} : { timedOn: there.timedOn }),
      inputs: says,
      rounds,
      runsPerRound: runs,
      models,
    };
  } finally {
    for (const { session } of open) await session.close();
  }
}
