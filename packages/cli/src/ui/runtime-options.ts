import { createRuntimes, RUNTIME_IDS, type Runtimes } from "../work/runtime.ts";
import { choiceOption, numberOption } from "./verb.ts";

/** The option that chooses a runtime. */
export const RUNTIME_OPTION = {
  type: "string",
  description: `${RUNTIME_IDS.join(", ")} (default: ort-node for .onnx and .ort, litert for .tflite)`,
} as const;

/** Options of every verb that runs models on given or random inputs. */
export const RUN_OPTIONS = {
  runtime: RUNTIME_OPTION,
  threads: { type: "string", description: "Threads of the runtime", default: "1" },
  inputs: {
    type: "string",
    description: "Folder with .npy or .f32 samples (a folder per input inside, for several inputs); random ones unless given",
  },
  seed: { type: "string", description: "Seed of random inputs and orders", default: "1" },
} as const;

/** The parsed values of {@link RUN_OPTIONS}. */
export interface RunArgs {
  readonly runtime?: string | undefined;
  readonly threads: string;
  readonly inputs?: string | undefined;
  readonly seed: string;
}

/** The runtimes that `--runtime` leaves. @throws USAGE */
export function runtimesOption(value: string | undefined): Runtimes {
  return createRuntimes(value === undefined ? undefined : choiceOption("runtime", value, RUNTIME_IDS));
}

/** What the options say. @throws USAGE */
export function runOptions(args: RunArgs): { readonly runtimes: Runtimes; readonly threads: number; readonly seed: number } {
  const runtimes = runtimesOption(args.runtime);
  const threads = numberOption("threads", args.threads, { min: 1, max: 1024 }) as number;
  const seed = numberOption("seed", args.seed, { min: 0 }) as number;
  return { runtimes, threads, seed };
}
