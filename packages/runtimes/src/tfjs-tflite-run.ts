import type { TfjsRunner, TfjsTensor, TfjsTensors, TfjsWasm } from "./tfjs-tflite-module.ts";

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

function shapeOf({ shape }: TfjsTensor): number[] {
  return shape === "" ? [] : shape.split(",").map(Number);
}

function bytesOf(tensor: TfjsTensor): Uint8Array {
  const data = tensor.data();
  if (!ArrayBuffer.isView(data)) {
    throw new Error(`the WebAssembly interface of tfjs-tflite has no access to the elements of ${tensor.name}`);
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function eachIn<T>(tensors: TfjsTensors, use: (tensor: TfjsTensor, index: number) => T): T[] {
  const out = Array.from({ length: tensors.size() }, (_, i) => {
    const tensor = tensors.get(i);
    const value = use(tensor, i);
    tensor.delete();
    return value;
  });
  tensors.delete();
  return out;
}

/** Shapes of inputs or outputs as they are today. */
export function tensorShapes(tensors: TfjsTensors): number[][] {
  return eachIn(tensors, shapeOf);
}

/**
 * Calls `use` for each input or output, with its bytes in the heap and its shape of today.
 * @throws Error for an element type that cannot be passed
 */
export function eachTensor<T>(
  tensors: TfjsTensors,
  use: (tensor: { readonly bytes: Uint8Array; readonly shape: readonly number[] }, index: number) => T,
): T[] {
  return eachIn(tensors, (tensor, i) => use({ bytes: bytesOf(tensor), shape: shapeOf(tensor) }, i));
}
