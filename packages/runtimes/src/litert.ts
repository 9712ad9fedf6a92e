import type { Runtime } from "@tessera/core/graph/runtime";
import { openHere, openInWorker } from "./engine-session.ts";
import type { LitertBuild } from "./litert-build.ts";
import { litertVersion } from "./litert-module.ts";
import { tfliteLoadOptions } from "./load-options.ts";

/** Options of {@link litertRuntime}. */
export interface LitertOptions {
  /** Each session in a worker thread of its own (the default), because a run blocks the thread that calls it. */
  readonly worker?: boolean;
  /** Which build: "compat" unless given, the same numbers on every machine. */
  readonly build?: LitertBuild;
}

/** What {@link LitertOptions} leave out. */
export const LITERT_DEFAULTS = { worker: true, build: "compat" } as const satisfies LitertOptions;

/**
 * LiteRT (TensorFlow Lite's successor) in WebAssembly, with XNNPACK, in plain Node, as a {@link Runtime} called "litert". Sessions have the
 * inputs and outputs of the file as they are: names of tensors of the first subgraph, NHWC shapes, integers with their `encodings`.
 * @throws RUNTIME_MISSING when the package cannot be loaded.
 *
 * @example
 * const session = await (await litertRuntime()).load(tfliteBytes);
 * const outputs = await session.run(new Map([["input", f32([1, 112, 112, 3], pixels)]]));
 */
export async function litertRuntime(options: LitertOptions = {}): Promise<Runtime> {
  const { worker = LITERT_DEFAULTS.worker, build = LITERT_DEFAULTS.build } = options;
  return {
    id: "litert",
    version: `${litertVersion()} (${build} build)`,
    formats: ["tflite"],
    async load(bytes, loadOptions = {}) {
      const load = tfliteLoadOptions(loadOptions);
      const request = { engine: "litert", bytes, build, options: load } as const;
      return worker || (load.threads ?? 1) > 1 ? openInWorker(request) : openHere(request);
    },
  };
}
