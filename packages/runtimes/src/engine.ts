import { fail, isTesseraError } from "@tessera/core/base/error";
import type { ErrorCode } from "@tessera/core/base/error-codes";
import type { ValueInfo } from "@tessera/core/graph/model";
import type { Encoding } from "@tessera/core/graph/plan";
import type { RuntimeProfile } from "@tessera/core/graph/runtime";
import type { Tensor } from "@tessera/core/graph/tensor";

/** Wall times of single runs and the processor time of them all, both in milliseconds. */
export interface Timing {
  readonly wallMs: readonly number[];
  readonly cpuMs: number;
}

/** Tensors by name in a form that crosses threads. */
export type NamedTensors = readonly (readonly [name: string, tensor: Tensor])[];

/** What an engine tells of its model. */
export interface EngineInfo {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** Of integer inputs and outputs, where the format has them. */
  readonly encodings?: ReadonlyMap<string, Encoding>;
  readonly profiles: boolean;
}

/** A loaded model in the thread that calls it: the calls block that thread while the runtime works. */
export interface Engine extends EngineInfo {
  /** Set once the runtime fell over (a trap of WebAssembly, say): nothing it computes from then on can be trusted. */
  readonly broken: boolean;
  run(feeds: NamedTensors): Promise<NamedTensors>;
  time(feeds: NamedTensors, options: { readonly runs: number; readonly warmup: number }): Promise<Timing>;
  /** Loads `bytes`, the same model, once more to look at it. Only where `profiles` says so. */
  profile(feeds: NamedTensors, request: { readonly bytes: Uint8Array; readonly runs: number }): Promise<RuntimeProfile>;
  close(): Promise<void>;
}

/** The runtime's own words, without the parts that only say who speaks. */
export function wordsOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n")[0]?.trim() || "unknown failure";
}

/** Turns anything thrown by the runtime into RUNTIME_FAILED with the runtime's words; our own errors pass. */
export function runtimeError(doing: string, error: unknown, code: ErrorCode = "RUNTIME_FAILED"): Error {
  return isTesseraError(error) ? error : fail(code, `Cannot ${doing}: ${wordsOf(error)}`, { cause: error });
}

/** Feeds by name. @throws RUNTIME_FAILED for a name that the model does not have, DATA_MISSING for an input that was not fed */
export function feedsByName(inputs: readonly ValueInfo[], feeds: NamedTensors): ReadonlyMap<string, Tensor> {
  const missing = new Set(inputs.map((i) => i.name));
  const out = new Map<string, Tensor>();
  for (const [name, tensor] of feeds) {
    // Runtimes skip what they do not know: a typing error would go unseen.
    if (!missing.delete(name))
      throw fail(
        "RUNTIME_FAILED",
        `Cannot feed ${name}: the model has no such input, it has ${inputs.map((i) => i.name).join(", ")}`,
      );
    out.set(name, tensor);
  }
  const [first] = missing;
  if (first !== undefined)
    throw fail("DATA_MISSING", `Cannot run the model: input ${first} was not fed`, { at: { tensor: first } });
  return out;
}

/** Processor time of the calling thread where Node can tell and one thread does the work, else of the process; microseconds. */
function cpuClock(threads: number): () => number {
  const { threadCpuUsage } = process as { threadCpuUsage?: () => NodeJS.CpuUsage };
  const clock = threads === 1 && threadCpuUsage ? threadCpuUsage.bind(process) : process.cpuUsage.bind(process);
  return () => {
    const { user, system } = clock();
    return user + system;
  };
}

/** Times `once`, which runs the model on inputs that are ready. `threads`: how many work on it. */
export async function timeRuns(
  once: () => Promise<unknown>,
  options: { readonly runs: number; readonly warmup: number; readonly threads: number },
): Promise<Timing> {
  for (let i = 0; i < options.warmup; i++) await once();
  const cpu = cpuClock(options.threads);
  const wallMs: number[] = [];
  const cpuStart = cpu();
  for (let i = 0; i < options.runs; i++) {
    const start = performance.now();
    await once();
    wallMs.push(performance.now() - start);
  }
  return { wallMs, cpuMs: (cpu() - cpuStart) / 1000 };
}
