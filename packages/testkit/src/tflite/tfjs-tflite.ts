import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { TfliteRunner } from "./tflite-runner.ts";

/** The part of the WebAssembly interface of tfjs-tflite that is used here. */
interface TfliteModule {
  readonly HEAPU8: Uint8Array;
  _malloc(size: number): number;
  _free(pointer: number): void;
  readonly TFLiteWebModelRunner: {
    CreateFromBufferAndOptions(
      pointer: number,
      size: number,
      options: object,
    ): { ok(): boolean; errorMessage(): string; value(): ModelRunner; delete(): void };
  };
}
interface ModelRunner {
  GetInputs(): TensorList;
  GetOutputs(): TensorList;
  Infer(): boolean;
  delete(): void;
}
interface TensorList {
  size(): number;
  get(i: number): { data(): ArrayBufferView };
}

const require = createRequire(import.meta.url);

/** All of them must be given. */
const OPTIONS = {
  numThreads: 1,
  enableWebNNDelegate: false,
  webNNDevicePreference: 0,
  enableProfiling: false,
  maxProfilingBufferEntries: 0,
};

/**
 * Starts the TensorFlow Lite of 2023 that is inside tfjs-tflite: an independent and older runtime, which computes the sizes of all tensors
 * itself and knows stateful operators.
 */
export async function openTfjsTflite(): Promise<TfliteRunner> {
  (globalThis as { self?: unknown }).self ??= globalThis;
  const path = require.resolve("@tensorflow/tfjs-tflite/wasm/tflite_web_api_cc_simd.js");
  const start = require(path) as (options: object) => Promise<TfliteModule>;
  const silent = (): void => undefined;
  const wasm = await start({ wasmBinary: readFileSync(path.replace(/\.js$/, ".wasm")), print: silent, printErr: silent });
  const bytesOf = (list: TensorList, i: number): Uint8Array => {
    const view = list.get(i).data();
    return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  };
  const run: TfliteRunner["run"] = async (file, fill) => {
    const pointer = wasm._malloc(file.length);
    wasm.HEAPU8.set(file, pointer);
    const result = wasm.TFLiteWebModelRunner.CreateFromBufferAndOptions(pointer, file.length, OPTIONS);
    if (!result.ok()) throw new Error(result.errorMessage());
    const runner = result.value();
    const inputs = runner.GetInputs();
    for (let i = 0; i < inputs.size(); i++) {
      const input = bytesOf(inputs, i);
      input.set(fill(i, input.length));
    }
    if (!runner.Infer()) throw new Error("The runtime stopped in the middle of the model");
    const outputs = runner.GetOutputs();
    const values = Array.from({ length: outputs.size() }, (_, i) => bytesOf(outputs, i).slice());
    runner.delete();
    wasm._free(pointer);
    return values;
  };
  return { run };
}
