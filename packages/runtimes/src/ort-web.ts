import { fail } from "@tessera/core/base/error";
import type { Runtime } from "@tessera/core/graph/runtime";
import { openHere, openInWorker } from "./engine-session.ts";
import { importOrt, ortVersion } from "./ort-module.ts";
import { prepareModel } from "./ort-options.ts";

/** Options of {@link ortWebRuntime}. */
export interface OrtWebOptions {
  /**
   * Each session in a worker thread of its own (the default): the build sizes its thread pool once per thread it is loaded in, and that pool
   * ends with the worker instead of keeping the process alive. Without, all sessions share one instance with a single thread.
   */
  readonly worker?: boolean;
}

/** What {@link OrtWebOptions} leave out. */
export const ORT_WEB_DEFAULTS = { worker: true } as const satisfies OrtWebOptions;

/**
 * ONNX Runtime's WebAssembly build (onnxruntime-web) in Node, as a {@link Runtime} called "ort-web": what a browser would compute, and an
 * independent check of the native build. No `profile`; `flushSubnormals` has no effect, WebAssembly knows no such
 * mode. Measured against the native build: float 7-8 times slower, and int8 slower than
 * float. @throws RUNTIME_MISSING when the package cannot be loaded.
 */
export async function ortWebRuntime(options: OrtWebOptions = {}): Promise<Runtime> {
  const worker = options.worker ?? ORT_WEB_DEFAULTS.worker;
  const ort = await importOrt("web");
  return {
    id: "ort-web",
    version: ortVersion(ort, "web"),
    formats: ["onnx", "ort"],
    async load(bytes, loadOptions = {}) {
      const request = { engine: "ort-web", ...prepareModel(bytes, loadOptions) } as const;
      if (worker) return openInWorker(request);
      if ((loadOptions.threads ?? 1) > 1)
        throw fail("RUNTIME_FAILED", `Cannot load a model: ort-web has ${loadOptions.threads} threads only in a worker`);
      return openHere(request);
    },
  };
}
