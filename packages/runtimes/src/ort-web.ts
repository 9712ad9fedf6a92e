import type { Runtime } from "@tessera/core/graph/runtime";
import { importOrt, ortVersion } from "./ort-module.ts";
import { checkLoadOptions } from "./ort-options.ts";
import { openInWorker } from "./ort-session.ts";

/**
 * ONNX Runtime's WebAssembly build (onnxruntime-web) in Node, as a {@link Runtime} called "ort-web": what a browser would compute, and an
 * independent check of the native build. Sessions always live in workers: the build sizes its thread pool once per thread it is loaded in,
 * and the pool ends with the worker instead of keeping the process alive. No `profile`. @throws RUNTIME_MISSING when the package cannot be loaded.
 */
export async function ortWebRuntime(): Promise<Runtime> {
  const ort = await importOrt("web");
  return {
    id: "ort-web",
    version: ortVersion(ort, "web"),
    formats: ["onnx", "ort"],
    async load(bytes, options = {}) {
      checkLoadOptions(options);
      return openInWorker({ flavour: "web", runtime: "ort-web", bytes, options });
    },
  };
}
