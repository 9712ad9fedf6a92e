import { extname } from "node:path";
import { fail, isTesseraError } from "@tessera/core/base/error";
import type { Runtime } from "@tessera/core/graph/runtime";
import { type FormatId, formatRow, type RuntimeId } from "../io/formats.ts";
import { openRunnable, type Runnable } from "../io/runnable.ts";

// Lazy, so that a command loads only the runtime that it uses.
const LOADERS: Readonly<Record<RuntimeId, () => Promise<Runtime>>> = {
  "ort-node": async () => (await import("@tessera/runtimes/ort-node")).ortNodeRuntime(),
  "ort-web": async () => (await import("@tessera/runtimes/ort-web")).ortWebRuntime(),
  litert: async () => (await import("@tessera/runtimes/litert")).litertRuntime(),
  "tfjs-tflite": async () => (await import("@tessera/runtimes/tfjs-tflite")).tfjsTfliteRuntime(),
  "native-c": async () => (await import("@tessera/runtimes/native/native-c")).nativeCRuntime(),
};

/** Ids of all runtimes, for options. */
export const RUNTIME_IDS = Object.keys(LOADERS) as readonly RuntimeId[];

/** A runtime of this machine by its id. @throws RUNTIME_MISSING */
async function hostRuntime(id: RuntimeId): Promise<Runtime> {
  return LOADERS[id]();
}

/** The runtimes of a command, each started once. */
export interface Runtimes {
  get(id: RuntimeId): Promise<Runtime>;
  /** The one that runs files of a format: the chosen one, else the format's own. @throws USAGE when the chosen one does not */
  for(file: { readonly path?: string; readonly format: FormatId }): Promise<Runtime>;
  /**
   * As `for`, but the next of the format's runtimes where the first one does not take the very file: LiteRT for the web knows no variable tensors, which
   * recurrent layers have. @throws what the first one threw, when none takes it
   */
  taking(file: Runnable): Promise<Runtime>;
  /** As `for`, but the format's own where the chosen one does not run it: for a detector beside the models in question. */
  fitting(file: { readonly format: FormatId }): Promise<Runtime>;
  /** Those started so far, in that order. */
  started(): Promise<readonly Runtime[]>;
}

/** Runtimes of a command. `chosen` runs every file, whatever its format is run by otherwise. */
export function createRuntimes(chosen?: RuntimeId): Runtimes {
  const open = new Map<RuntimeId, Promise<Runtime>>();
  const get = (id: RuntimeId): Promise<Runtime> => {
    const runtime = open.get(id) ?? hostRuntime(id);
    open.set(id, runtime);
    return runtime;
  };
  const pick: Runtimes["for"] = async ({ path, format }) => {
    const { runtimes } = formatRow(format);
    if (chosen !== undefined && !runtimes.includes(chosen))
      throw fail("USAGE", `Cannot run ${path ?? `a .${format} file`} on ${chosen}: .${format} runs on ${runtimes.join(" or ")}`, {
        hint: extname(path ?? "") === "" ? "Leave out --runtime" : "Leave out --runtime, or convert the file first",
      });
    return get(chosen ?? runtimes[0]);
  };
  return {
    get,
    for: pick,
    taking: async (file) => {
      const first = await pick(file);
      const rest = chosen === undefined ? formatRow(file.format).runtimes.slice(1) : [];
      let refusal: unknown;
      for (const runtime of [first, ...rest]) {
        try {
          const tried = typeof runtime === "string" ? await get(runtime) : runtime;
          await (await openRunnable(tried, file)).close();
          return tried;
        } catch (error) {
          if (!isTesseraError(error) || !["RUNTIME_FAILED", "RUNTIME_MISSING"].includes(error.code)) throw error;
          refusal ??= error;
        }
      }
      throw refusal;
    },
    fitting: async ({ format }) => {
      const { runtimes } = formatRow(format);
      return get(chosen !== undefined && runtimes.includes(chosen) ? chosen : runtimes[0]);
    },
    started: () => Promise.all(open.values()),
  };
}
