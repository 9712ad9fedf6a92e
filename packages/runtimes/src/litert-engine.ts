import { fail } from "@tessera/core/base/error";
import { byteLength } from "@tessera/core/graph/dtype";
import { countOf, type Tensor } from "@tessera/core/graph/tensor";
import type { Engine } from "./engine.ts";
import type { EngineSpec } from "./engines.ts";
import { startLitert } from "./litert-module.ts";
import type { Handle, HeapModel, HeapTensor, LitertWasm } from "./litert-wasm.ts";
import { LOAD_DEFAULTS } from "./load-options.ts";
import { openTfliteEngine, type TfliteHold } from "./tflite-engine.ts";
import type { TfliteIo, TfliteValue } from "./tflite-io.ts";

function namesIn(list: { size(): number; get(i: number): string } & Handle): string[] {
  const names = Array.from({ length: list.size() }, (_, i) => list.get(i));
  list.delete();
  return names;
}

/** Indices of the graph's inputs (or outputs) in the order in which the signature has them. */
function signatureOrder(io: TfliteIo, names: readonly string[], side: "inputs" | "outputs"): readonly TfliteValue[] {
  const values = io[side];
  const [signature] = io.records.signatureDefs ?? [];
  const maps = signature?.[side];
  if (signature === undefined || maps === undefined) {
    if (names.length === values.length) return values;
    throw fail("RUNTIME_FAILED", `Cannot load the model: LiteRT sees ${names.length} ${side}, the file has ${values.length}`);
  }
  return names.map((name) => {
    const index = maps.find((map) => map.name === name)?.tensorIndex;
    const value = values.find(({ tensor }) => tensor === index);
    if (!value)
      throw fail("RUNTIME_FAILED", `Cannot load the model: its signature has ${name} among the ${side}, the graph has not`);
    return value;
  });
}

/** A model in LiteRT's heap. */
interface LitertHold extends TfliteHold {
  /** Whether XNNPACK took all of it. */
  readonly accelerated: boolean;
}

/** Loads a file into an instance. @throws Error in LiteRT's words */
export async function loadLitert(
  wasm: LitertWasm,
  { bytes, io, threads }: { readonly bytes: Uint8Array; readonly io: TfliteIo; readonly threads: number },
): Promise<LitertHold> {
  const owned: Handle[] = [];
  const own = <T extends Handle>(handle: T): T => {
    owned.push(handle);
    return handle;
  };
  const environment = own(wasm.LiteRtEnvironment.create(null));
  // The graph stays where it is in this memory, so that it must outlive the model.
  const pointer = wasm._malloc(bytes.length);
  if (pointer === 0) throw new Error(`the WebAssembly heap has no ${bytes.length} bytes left`);
  wasm.HEAPU8.set(bytes, pointer);
  const model: HeapModel = own(wasm.loadModel(environment, pointer, bytes.length));
  const compiled = own(
    await wasm.compileModel(environment, model, {
      environment: { liteRtEnvironment: environment },
      accelerator: "wasm",
      cpuOptions: { numThreads: threads },
      gpuOptions: {},
      webNNOptions: {},
    }),
  );
  const signature = own(model.getSignature(0));
  const outputs = signatureOrder(io, namesIn(signature.outputNames()), "outputs");
  const inputs = signatureOrder(io, namesIn(signature.inputNames()), "inputs").map((value, i) => {
    const type = model.getInputTensorType(0, i);
    const { HOST_MEMORY } = wasm.LiteRtTensorBufferType;
    const buffer = own(wasm.LiteRtTensorBuffer.createManaged(environment, HOST_MEMORY, type, type.bytes()));
    type.delete();
    return { value, buffer };
  });
  const buffers = inputs.map(({ buffer }) => buffer);
  let results: readonly HeapTensor[] = [];
  function dropResults(): void {
    for (const result of results) result.delete();
    results = [];
  }
  return {
    accelerated: compiled.isFullyAccelerated(),
    write(feeds) {
      for (const { value, buffer } of inputs) {
        const at = buffer.lock(wasm.LiteRtTensorBufferLockMode.WRITE);
        wasm.HEAPU8.set((feeds.get(value.name) as Tensor).bytes, at);
        buffer.unlock();
      }
    },
    async infer() {
      dropResults();
      results = await compiled.run(0, buffers);
    },
    read() {
      const byName = new Map(
        results.map((buffer, i) => {
          const value = outputs[i] as TfliteValue;
          return [value.name, readOutput(wasm, value, buffer)] as const;
        }),
      );
      return io.outputs.map(({ name }) => [name, byName.get(name) as Tensor] as const);
    },
    free() {
      dropResults();
      for (const handle of owned.reverse()) handle.delete();
      wasm._free(pointer);
    },
  };
}

/** Copies an output out of the heap. */
function readOutput(wasm: LitertWasm, { dtype }: TfliteValue, buffer: HeapTensor): Tensor {
  const type = buffer.tensorType();
  const layout = type.layout();
  const dims = layout.dimensions();
  const shape = Array.from({ length: dims.size() }, (_, i) => dims.get(i));
  for (const handle of [dims, layout, type]) handle.delete();
  const at = buffer.lock(wasm.LiteRtTensorBufferLockMode.READ);
  const bytes = wasm.HEAPU8.slice(at, at + byteLength(dtype, countOf(shape)));
  buffer.unlock();
  return { dtype, shape, bytes };
}

/**
 * Loads a model into an instance of its own, in this thread. @throws RUNTIME_FAILED with LiteRT's words; what the reader throws for bytes
 * that are no TFLite file; RUNTIME_MISSING
 */
export async function openLitertEngine(bytes: Uint8Array, spec: EngineSpec): Promise<Engine> {
  const threads = spec.options.threads ?? LOAD_DEFAULTS.threads;
  const { wasm, takeLog, end } = await startLitert(spec);
  // Its WebAssembly interface has no profiler.
  return openTfliteEngine(bytes, {
    threads,
    believesOutputs: true,
    takeLog,
    load: (file, io) => loadLitert(wasm, { bytes: file, io, threads }),
    close: end,
  });
}
