import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { compileFunction } from "node:vm";
import type { TfliteRunner } from "./tflite-runner.ts";

/** What its loader looks for on the global object of a browser. */
interface BrowserGlobals {
  self?: unknown;
  Module?: unknown;
  ModuleFactory?: unknown;
  importScripts?: (path: string) => void;
}

const require = createRequire(import.meta.url);

/** A build without relaxed SIMD, which Node 20 does not have, and without threads: the same numbers on every machine. */
const BUILD = "litert_wasm_compat_internal.js";

/**
 * Starts LiteRT in this process. Its loader expects a worker of a browser, so the few globals that it uses are put there for the time being.
 * It warns on the console that there is no graphics device; everything else it would say there is silenced.
 *
 * @example
 * const litert = await openLitert();
 * const [output] = await litert.run(file, (_, size) => new Uint8Array(size));
 */
export async function openLitert(): Promise<TfliteRunner> {
  const host = globalThis as BrowserGlobals;
  host.self ??= globalThis;
  host.Module = { print: () => undefined, printErr: () => undefined };
  host.importScripts = (path) => {
    // CommonJS inside a package of ES modules: neither require nor import takes it.
    const module = { exports: {} };
    const names = ["exports", "require", "module", "__filename", "__dirname"];
    const load = compileFunction(readFileSync(path, "utf8"), names, { filename: path });
    load(module.exports, createRequire(path), module, path, dirname(path));
    host.ModuleFactory = module.exports;
  };
  const { loadLiteRt } = await import("@litertjs/core");
  const lite = await loadLiteRt(join(dirname(require.resolve("@litertjs/core")), "../wasm", BUILD));
  // Others that look at the global object should not take this for a worker.
  delete host.importScripts;
  const wasm = lite.liteRtWasm;
  const environment = lite.getDefaultEnvironment();
  const { READ, WRITE } = wasm.LiteRtTensorBufferLockMode;
  // The high level knows three element types only; here inputs and outputs are bytes. The heap may move with every call.
  const run: TfliteRunner["run"] = async (file, fill) => {
    const pointer = wasm._malloc(file.length);
    wasm.HEAPU8.set(file, pointer);
    const model = wasm.loadModel(environment.liteRtEnvironment, pointer, file.length);
    const options = {
      environment,
      accelerator: "wasm" as const,
      cpuOptions: { numThreads: 1 },
      gpuOptions: {},
      webNNOptions: {},
    };
    const compiled = await wasm.compileModel(environment.liteRtEnvironment, model, options);
    const inputs = Array.from({ length: model.getSignature(0).inputNames().size() }, (_, i) => {
      const type = model.getInputTensorType(0, i);
      const host = wasm.LiteRtTensorBufferType.HOST_MEMORY;
      const tensor = wasm.LiteRtTensorBuffer.createManaged(environment.liteRtEnvironment, host, type, type.bytes());
      wasm.HEAPU8.set(fill(i, type.bytes()), tensor.lock(WRITE));
      tensor.unlock();
      return tensor;
    });
    const outputs = await compiled.run(0, inputs);
    const values = outputs.map((tensor) => {
      const at = tensor.lock(READ);
      const value = wasm.HEAPU8.slice(at, at + tensor.size());
      tensor.unlock();
      return value;
    });
    for (const object of [...inputs, ...outputs, compiled, model]) object.delete();
    wasm._free(pointer);
    return values;
  };
  return { run };
}
