import type { Runtime } from "@tessera/core/graph/runtime";
import { hostRuntime } from "../work/runtime.ts";
import { choiceOption, numberOption } from "./verb.ts";

/** Options of every verb that runs models on given or random inputs. */
export const RUN_OPTIONS = {
  runtime: { type: "string", description: "ort-node or ort-web", default: "ort-node" },
  threads: { type: "string", description: "Threads of the runtime", default: "1" },
  inputs: {
    type: "string",
    description: "Folder with .npy or .f32 samples (a folder per input inside, for several inputs); random ones unless given",
  },
  seed: { type: "string", description: "Seed of random inputs and orders", default: "1" },
} as const;

/** The parsed values of {@link RUN_OPTIONS}. */
export interface RunArgs {
  readonly runtime: string;
  readonly threads: string;
  readonly inputs?: string | undefined;
  readonly seed: string;
}

/** What the options say. @throws USAGE, RUNTIME_MISSING */
export async function runOptions(
  args: RunArgs,
): Promise<{ readonly runtime: Runtime; readonly threads: number; readonly seed: number }> {
  const id = choiceOption("runtime", args.runtime, ["ort-node", "ort-web"]);
  const threads = numberOption("threads", args.threads, { min: 1, max: 1024 }) as number;
  const seed = numberOption("seed", args.seed, { min: 0 }) as number;
  return { runtime: await hostRuntime(id), threads, seed };
}
