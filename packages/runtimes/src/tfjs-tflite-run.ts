import type { TfjsRunner, TfjsTensors, TfjsWasm } from "./tfjs-tflite-module.ts";

/** A graph in the heap, ready to run. */
export interface TfjsLoaded {
  readonly runner: TfjsRunner;
  free(): void;
}

/** Loads a file. `profiling` keeps that many events of the profiler. @throws Error in the runtime's words */
export function loadTfjs(wasm: TfjsWasm, bytes: Uint8Array, options: { readonly profiling?: number } = {}): TfjsLoaded {
  const { profiling = 0 } = options;
  // The graph stays where it is in this memory, so that it must outlive the runner.
  const pointer = wasm._malloc(bytes.length);
  if (pointer === 0) throw new Error(`the WebAssembly heap has no ${bytes.length} bytes left`);
  wasm.HEAPU8.set(bytes, pointer);
  const result = wasm.TFLiteWebModelRunner.CreateFromBufferAndOptions(pointer, bytes.length, {
    numThreads: 1,
    enableWebNNDelegate: false,
    webNNDevicePreference: 0,
    enableProfiling: profiling > 0,
    maxProfilingBufferEntries: profiling,
  });
  try {
    if (!result.ok()) throw new Error(result.errorMessage());
    const runner = result.value();
    return {
      runner,
      free() {
        runner.delete();
        wasm._free(pointer);
      },
    };
  } catch (error) {
    wasm._free(pointer);
    throw error;
  } finally {
    result.delete();
  }
}

/** Runs once. @throws Error when the runtime stops on the way */
export function inferTfjs(runner: TfjsRunner): void {
  if (!runner.Infer()) throw new Error("the runtime stopped in the middle of the model");
}

/** Calls `use` for each input or output, with its bytes in the heap and its shape of today. */
export function eachTensor<T>(
  tensors: TfjsTensors,
  use: (tensor: { readonly bytes: Uint8Array; readonly shape: readonly number[] }, index: number) => T,
): T[] {
  const out = Array.from({ length: tensors.size() }, (_, i) => {
    const tensor = tensors.get(i);
    const { buffer, byteOffset, byteLength } = tensor.data();
    const shape = tensor.shape === "" ? [] : tensor.shape.split(",").map(Number);
    tensor.delete();
    return use({ bytes: new Uint8Array(buffer, byteOffset, byteLength), shape }, i);
  });
  tensors.delete();
  return out;
}
