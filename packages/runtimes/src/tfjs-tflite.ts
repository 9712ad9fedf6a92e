import type { Runtime } from "@tessera/core/graph/runtime";
import { openHere, openInWorker } from "./engine-session.ts";
import { refuseLoad, tfliteLoadOptions } from "./load-options.ts";
import { tfjsVersion } from "./tfjs-tflite-module.ts";

/** Options of {@link tfjsTfliteRuntime}. */
export interface TfjsTfliteOptions {
  /** Each session in a worker thread of its own (the default), because a run blocks the thread that calls it. */
  readonly worker?: boolean;
}

/** What {@link TfjsTfliteOptions} leave out. */
export const TFJS_TFLITE_DEFAULTS = { worker: true } as const satisfies TfjsTfliteOptions;

/**
 * The TensorFlow Lite of 2023 inside tfjs-tflite, as a {@link Runtime} called "tfjs-tflite": an independent and older second opinion on
 * LiteRT, which computes the sizes of all tensors itself, knows stateful operators, and tells times by operator. One thread. Inputs and
 * outputs as `litertRuntime` has them. @throws RUNTIME_MISSING when the package cannot be loaded.
 */
export async function tfjsTfliteRuntime(options: TfjsTfliteOptions = {}): Promise<Runtime> {
  const { worker = TFJS_TFLITE_DEFAULTS.worker } = options;
  return {
    id: "tfjs-tflite",
    version: tfjsVersion(),
    formats: ["tflite"],
    async load(bytes, loadOptions = {}) {
      const load = tfliteLoadOptions(loadOptions);
      if ((load.threads ?? 1) > 1) throw refuseLoad(`tfjs-tflite has one thread, not ${load.threads}`);
      const request = { engine: "tfjs-tflite", bytes, options: load } as const;
      return worker ? openInWorker(request) : openHere(request);
    },
  };
}
