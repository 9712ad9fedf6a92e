import { fail, isTesseraError } from "@tessera/core/base/error";

/** What a line has before its words: `ERROR: [model_load.cc:290] Variable tensors not yet supported.` */
const SPEAKER = /^(?:\W*(ERROR|FATAL)\S*\s*)?(?:\[[^\]]*\]\s*)?/;

/** What the runtime threw together with what it complained of in print: the reason of a refusal is often only there. */
function wordsWithLog(error: unknown, log: readonly string[]): string {
  const thrown = (error instanceof Error ? error.message : String(error)).split("\n");
  const complaints = log.filter((line) => SPEAKER.exec(line)?.[1] !== undefined);
  const words = [...thrown, ...complaints].map((line) => line.replace(SPEAKER, "").trim().replace(/\.$/, ""));
  return [...new Set(words)].filter((line) => line !== "").join("; ");
}

/**
 * C++ exceptions that are thrown back at us are plain errors with words; all else (traps, aborts, an exhausted stack, words overwritten in a
 * heap in ruins) leaves nothing to trust.
 */
function isCrash(error: unknown, words: string): boolean {
  return !(error instanceof Error) || error.name === "RuntimeError" || error.name === "RangeError" || words === "";
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
        if (isTesseraError(error)) throw error;
        const words = wordsWithLog(error, takeLog());
        broken = isCrash(error, words);
        throw fail("RUNTIME_FAILED", `Cannot ${doing}: ${words || "the runtime fell over without a word"}`, { cause: error });
      }
    },
  };
}
