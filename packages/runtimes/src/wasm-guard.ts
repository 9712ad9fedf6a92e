import { fail } from "@tessera/core/base/error";
import { runtimeError, wordsOf } from "./engine.ts";

/** A line that says something went wrong: `ERROR: [model_load.cc:290] Variable tensors not yet supported.` */
const COMPLAINT = /^(?:ERROR|FATAL)\S*\s+(?:\[[^\]]*\]\s*)?(.+)$/;

/** What the runtime threw together with what it printed: the reason of a refusal is often only there. */
function errorWithLog(doing: string, error: unknown, log: readonly string[]): Error {
  const said = log.flatMap((line) => COMPLAINT.exec(line)?.[1] ?? []);
  const words = [wordsOf(error), ...new Set(said)].map((line) => line.replace(/\.$/, "")).join("; ");
  return runtimeError(doing, error instanceof Error ? Object.assign(new Error(words), { cause: error }) : words);
}

/** C++ exceptions that are thrown back at us are plain errors; all else (traps, aborts, an exhausted stack) leaves a heap in ruins. */
function isCrash(error: unknown): boolean {
  return !(error instanceof Error) || error.name === "RuntimeError" || error.name === "RangeError";
}

/** Runs calls into WebAssembly and remembers a crash. */
export interface WasmGuard {
  readonly broken: boolean;
  /** @throws RUNTIME_FAILED with the runtime's words; our own errors pass */
  run<T>(doing: string, work: () => Promise<T>): Promise<T>;
}

/** A guard for one instance; `takeLog` gives what it printed since the last call. */
export function makeGuard(takeLog: () => readonly string[]): WasmGuard {
  let broken = false;
  return {
    get broken() {
      return broken;
    },
    async run(doing, work) {
      if (broken) throw fail("RUNTIME_FAILED", `Cannot ${doing}: an earlier call broke the runtime`);
      takeLog();
      try {
        return await work();
      } catch (error) {
        const ours = errorWithLog(doing, error, takeLog());
        if (ours !== error) broken = isCrash(error);
        throw ours;
      }
    },
  };
}
