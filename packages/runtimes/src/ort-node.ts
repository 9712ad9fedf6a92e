import type { Runtime } from "@tessera/core/graph/runtime";
import { openHere, openInProcess, openInWorker } from "./engine-session.ts";
import { importOrt, ortVersion } from "./ort-module.ts";
import { prepareModel } from "./ort-options.ts";

/** Options of {@link ortNodeRuntime}. */
export interface OrtNodeOptions {
  /**
   * Each session in a worker thread of its own (the default), because the binding blocks the thread that calls it. Without: sessions start
   * some tens of milliseconds sooner and tensors are not copied, but nothing else happens in the thread during a run. For short commands.
   */
  readonly worker?: boolean;
}

/** What {@link OrtNodeOptions} leave out. */
export const ORT_NODE_DEFAULTS = { worker: true } as const satisfies OrtNodeOptions;

/**
 * ONNX Runtime's native build (onnxruntime-node) on the CPU, as a {@link Runtime} called "ort-node". Its sessions queue calls, so that
 * overlapping `run`s are safe; `profile` is there. Load options: all of them; sessions with `flushSubnormals` live in a process of their own,
 * because ONNX Runtime (1.30) heeds it for the first session of a process only, and by setting the mode of the calling thread for good: in
 * ours, it would change what this very program computes. @throws RUNTIME_MISSING when the package cannot be loaded.
 *
 * @example
 * const runtime = await ortNodeRuntime();
 * const session = await runtime.load(bytes, { threads: 2 });
 * const outputs = await session.run(new Map([["input", f32([1, 3, 112, 112], pixels)]]));
 * await session.close();
 */
export async function ortNodeRuntime(options: OrtNodeOptions = {}): Promise<Runtime> {
  const worker = options.worker ?? ORT_NODE_DEFAULTS.worker;
  const ort = await importOrt("node");
  return {
    id: "ort-node",
    version: ortVersion(ort, "node"),
    formats: ["onnx", "ort"],
    async load(bytes, loadOptions = {}) {
      const request = { engine: "ort-node", ...prepareModel(bytes, loadOptions) } as const;
      if (loadOptions.flushSubnormals) return openInProcess(request);
      return worker ? openInWorker(request) : openHere(request);
    },
  };
}
