import { fail } from "@tessera/core/base/error";
import { byteLength } from "@tessera/core/graph/dtype";
import { countOf, type Tensor } from "@tessera/core/graph/tensor";
import { type Engine, feedsByName, type NamedTensors, runtimeError, timeRuns, wordsOf } from "./engine.ts";
import type { EngineSpec } from "./engines.ts";
import { type LitertInstance, startLitert } from "./litert-module.ts";
import type { Handle, HeapCompiled, HeapModel, HeapTensor, LitertWasm } from "./litert-wasm.ts";
import { LOAD_DEFAULTS } from "./load-options.ts";
import { checkFeed, type TfliteIo, type TfliteValue, tfliteIo } from "./tflite-io.ts";

/** A line that says something went wrong: `ERROR: [model_load.cc:290] Variable tensors not yet supported.` */
const COMPLAINT = /^(?:ERROR|FATAL)\S*\s+(?:\[[^\]]*\]\s*)?(.+)$/;

/** What the runtime threw together with what it printed: the reason of a refusal is often only there. */
function litertError(doing: string, error: unknown, log: readonly string[]): Error {
  const said = log.flatMap((line) => COMPLAINT.exec(line)?.[1] ?? []);
  const words = [wordsOf(error), ...new Set(said)].map((line) => line.replace(/\.$/, "")).join("; ");
  return runtimeError(doing, error instanceof Error ? Object.assign(new Error(words), { cause: error }) : words);
}

/** C++ exceptions that are thrown back at us are plain errors; all else (traps, aborts, an exhausted stack) leaves a heap in ruins. */
function isCrash(error: unknown): boolean {
  return !(error instanceof Error) || error.name === "RuntimeError" || error.name === "RangeError";
}

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

/** A model in the heap. */
interface Loaded {
  readonly wasm: LitertWasm;
  readonly compiled: HeapCompiled;
  readonly inputs: readonly { readonly value: TfliteValue; readonly buffer: HeapTensor }[];
  readonly outputs: readonly TfliteValue[];
  free(): void;
}

async function loadInto({ wasm }: LitertInstance, bytes: Uint8Array, io: TfliteIo, threads: number): Promise<Loaded> {
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
  return {
    wasm,
    compiled,
    inputs,
    outputs,
    free() {
      for (const handle of owned.reverse()) handle.delete();
      wasm._free(pointer);
    },
  };
}

function writeInputs({ wasm, inputs }: Loaded, feeds: ReadonlyMap<string, Tensor>): void {
  for (const { value, buffer } of inputs) {
    const at = buffer.lock(wasm.LiteRtTensorBufferLockMode.WRITE);
    wasm.HEAPU8.set((feeds.get(value.name) as Tensor).bytes, at);
    buffer.unlock();
  }
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
  const io = tfliteIo(bytes);
  const threads = spec.options.threads ?? LOAD_DEFAULTS.threads;
  let instance: LitertInstance | undefined = await startLitert(spec);
  let loaded: Loaded;
  try {
    loaded = await loadInto(instance, bytes, io, threads);
  } catch (error) {
    throw litertError("load the model", error, instance.takeLog());
  }
  instance.takeLog();
  let broken = false;

  async function guarded<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      if (broken) throw fail("RUNTIME_FAILED", `Cannot ${doing}: an earlier call broke the runtime`);
      return await work();
    } catch (error) {
      const log = instance?.takeLog() ?? [];
      const ours = litertError(doing, error, log);
      // Nothing in this heap is worth freeing: let go of it as a whole.
      if (ours !== error && isCrash(error)) {
        broken = true;
        instance = undefined;
      }
      throw ours;
    }
  }

  async function once(): Promise<HeapTensor[]> {
    return loaded.compiled.run(
      0,
      loaded.inputs.map(({ buffer }) => buffer),
    );
  }
  function fed(feeds: NamedTensors): ReadonlyMap<string, Tensor> {
    const byName = feedsByName(io.inputs, feeds);
    for (const value of io.inputs) checkFeed(value, byName.get(value.name) as Tensor);
    return byName;
  }

  return {
    inputs: io.inputs.map(({ name, type }) => ({ name, type })),
    outputs: io.outputs.map(({ name, type }) => ({ name, type })),
    encodings: io.encodings,
    // Its WebAssembly interface has no profiler.
    profiles: false,
    get broken() {
      return broken;
    },
    run: (feeds) =>
      guarded("run the model", async () => {
        writeInputs(loaded, fed(feeds));
        const buffers = await once();
        const byName = new Map(
          buffers.map((buffer, i) => {
            const value = loaded.outputs[i] as TfliteValue;
            return [value.name, readOutput(loaded.wasm, value, buffer)] as const;
          }),
        );
        for (const buffer of buffers) buffer.delete();
        return io.outputs.map(({ name }) => [name, byName.get(name) as Tensor] as const);
      }),
    time: (feeds, { runs, warmup }) =>
      guarded("time the model", async () => {
        const byName = fed(feeds);
        const run = async (): Promise<void> => {
          writeInputs(loaded, byName);
          for (const buffer of await once()) buffer.delete();
        };
        return timeRuns(run, { runs, warmup, threads });
      }),
    profile: () => Promise.reject(fail("RUNTIME_FAILED", "Cannot profile the model: LiteRT's WebAssembly build has no profiler")),
    async close() {
      if (broken || !instance) return;
      loaded.free();
      instance = undefined;
    },
  };
}
