import { fail } from "@tessera/core/base/error";
import type { RuntimeProfile } from "@tessera/core/graph/runtime";
import type { Tensor } from "@tessera/core/graph/tensor";
import { type Engine, feedsByName, type NamedTensors, timeRuns, wordsOf } from "./engine.ts";
import { checkFeed, type TfliteIo, tfliteIo } from "./tflite-io.ts";
import { measuredOutputs, withShapes } from "./tflite-resize.ts";
import { makeGuard } from "./wasm-guard.ts";

/** A model that a backend holds ready, for inputs of one size. */
export interface TfliteHold {
  /** Copies inputs in. */
  write(feeds: ReadonlyMap<string, Tensor>): void;
  infer(): Promise<void>;
  /** Copies of the outputs of the last inference, in the order of the graph. */
  read(): NamedTensors;
  free(): void;
}

/** A TensorFlow Lite in WebAssembly, whichever; calls block the thread. */
export interface TfliteBackend {
  /** Threads that work on a run. */
  readonly threads: number;
  /** Whether it takes the declared shapes of outputs for the truth, so that they have to be. */
  readonly believesOutputs: boolean;
  /** What it printed since the last call. */
  takeLog(): readonly string[];
  /** @throws anything: the runtime's own errors */
  load(bytes: Uint8Array, io: TfliteIo): Promise<TfliteHold>;
  profile?(
    bytes: Uint8Array,
    request: { readonly io: TfliteIo; readonly feeds: ReadonlyMap<string, Tensor>; readonly runs: number },
  ): Promise<RuntimeProfile>;
  /** Lets go of the runtime as a whole. */
  close(): Promise<void>;
}

function keyOf(shapes: readonly (readonly number[])[]): string {
  return shapes.map((shape) => shape.join()).join(";");
}

/** Whether an output leaves a size open besides its first, the batch: what the file declares of such a size is often a dummy. */
function hasOpenOutputs({ outputs }: TfliteIo): boolean {
  return outputs.some(({ open }) => open.some((isOpen, axis) => isOpen && axis > 0));
}

/**
 * A TFLite file on a backend. Inputs whose declared shape leaves a size open (-1 in its signature) take any size: the graph is then loaded
 * anew for that size, which takes as long as loading does.
 * @throws RUNTIME_FAILED with the runtime's words; what the reader throws for bytes that are no TFLite file
 */
export async function openTfliteEngine(bytes: Uint8Array, backend: TfliteBackend): Promise<Engine> {
  const io = tfliteIo(bytes);
  const guard = makeGuard(() => backend.takeLog());
  const declared = keyOf(io.inputs.map(({ shape }) => shape));
  let hold: TfliteHold | undefined;
  let key = "";

  /** The file for inputs of these shapes, in the order of the graph. */
  async function fileFor(shapes: readonly (readonly number[])[]): Promise<Uint8Array> {
    const resized = keyOf(shapes) !== declared;
    const doubtful = backend.believesOutputs && (resized || hasOpenOutputs(io));
    if (!resized && !doubtful) return bytes;
    const wanted = new Map(io.inputs.map(({ tensor }, i) => [tensor, shapes[i] as readonly number[]]));
    if (!doubtful) return withShapes(io, wanted);
    const outputs = await measuredOutputs(withShapes(io, wanted)).catch((error: unknown) => {
      const why = "the sizes of the outputs are open, and the runtime that would tell them refuses the file";
      throw fail("RUNTIME_FAILED", `Cannot load the model: ${why}: ${wordsOf(error)}`, { cause: error });
    });
    io.outputs.forEach(({ tensor }, i) => {
      const shape = outputs[i];
      if (shape && !wanted.has(tensor)) wanted.set(tensor, shape);
    });
    return withShapes(io, wanted);
  }

  async function load(shapes: readonly (readonly number[])[]): Promise<TfliteHold> {
    if (hold && keyOf(shapes) === key) return hold;
    const file = await fileFor(shapes);
    hold?.free();
    hold = undefined;
    hold = await backend.load(file, file === bytes ? io : tfliteIo(file));
    key = keyOf(shapes);
    return hold;
  }

  function checked(feeds: NamedTensors): {
    readonly byName: ReadonlyMap<string, Tensor>;
    readonly shapes: (readonly number[])[];
  } {
    const byName = feedsByName(io.inputs, feeds);
    const shapes = io.inputs.map((value) => {
      const feed = byName.get(value.name) as Tensor;
      checkFeed(value, feed);
      return feed.shape;
    });
    return { byName, shapes };
  }

  try {
    await guard.run("load the model", () => load(io.inputs.map(({ shape }) => shape)));
  } catch (error) {
    await backend.close();
    throw error;
  }
  const profile = backend.profile?.bind(backend);
  return {
    inputs: io.inputs.map(({ name, type }) => ({ name, type })),
    outputs: io.outputs.map(({ name, type }) => ({ name, type })),
    ...(io.encodings.size > 0 ? { encodings: io.encodings } : {}),
    profiles: profile !== undefined,
    get broken() {
      return guard.broken;
    },
    run: (feeds) =>
      guard.run("run the model", async () => {
        const { byName, shapes } = checked(feeds);
        const ready = await load(shapes);
        ready.write(byName);
        await ready.infer();
        return ready.read();
      }),
    time: (feeds, { runs, warmup }) =>
      guard.run("time the model", async () => {
        const { byName, shapes } = checked(feeds);
        const ready = await load(shapes);
        const once = (): Promise<void> => {
          ready.write(byName);
          return ready.infer();
        };
        return timeRuns(once, { runs, warmup, threads: backend.threads });
      }),
    profile: (feeds, { runs }) =>
      guard.run("profile the model", async () => {
        if (!profile) throw fail("RUNTIME_FAILED", "Cannot profile the model: this runtime has no profiler");
        const { byName, shapes } = checked(feeds);
        const file = await fileFor(shapes);
        return profile(file, { io, feeds: byName, runs });
      }),
    async close() {
      // Nothing in a heap in ruins is worth freeing.
      if (!guard.broken) hold?.free();
      hold = undefined;
      await backend.close();
    },
  };
}
