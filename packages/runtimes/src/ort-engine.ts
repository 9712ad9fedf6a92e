import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail } from "@tessera/core/base/error";
import { type Dim, isStatic, UNKNOWN_DIM } from "@tessera/core/graph/dim";
import { DTYPES, type DType } from "@tessera/core/graph/dtype";
import { tensorType, type ValueInfo } from "@tessera/core/graph/model";
import type { RuntimeProfile } from "@tessera/core/graph/runtime";
import type * as Ort from "onnxruntime-node";
import { type Engine, feedsByName, type NamedTensors, runtimeError, timeRuns } from "./engine.ts";
import { type CheckedOptions, LOAD_DEFAULTS } from "./load-options.ts";
import type { OrtFlavour } from "./ort-module.ts";
import { branchThreads, ortSessionOptions } from "./ort-options.ts";
import { parseOrtProfile } from "./ort-profile.ts";
import { emptyOrtTensor, fromOrtTensor, type OrtModule, toOrtTensor } from "./ort-tensor.ts";

function infoOf(meta: Ort.InferenceSession.ValueMetadata): ValueInfo {
  if (!meta.isTensor || !(meta.type in DTYPES)) return { name: meta.name, type: { kind: "opaque", record: meta } };
  const shape = meta.shape.map((d): Dim => (d === "" ? UNKNOWN_DIM : d));
  return { name: meta.name, type: tensorType(meta.type as DType, shape) };
}

function ortFeeds(ort: OrtModule, inputs: readonly ValueInfo[], feeds: NamedTensors): Record<string, Ort.Tensor> {
  const out: Record<string, Ort.Tensor> = Object.create(null) as Record<string, Ort.Tensor>;
  for (const [name, tensor] of feedsByName(inputs, feeds)) out[name] = toOrtTensor(ort, tensor);
  return out;
}

/** Options of {@link openOrtEngine}. */
export interface OrtEngineOptions {
  readonly load: CheckedOptions;
  readonly flavour: OrtFlavour;
}

/**
 * Loads a model, its bytes or the path of its file (native build only), in this thread. @throws RUNTIME_FAILED with the runtime's words, or when a symbolic dimension to set does not exist.
 */
export async function openOrtEngine(ort: OrtModule, model: Uint8Array | string, options: OrtEngineOptions): Promise<Engine> {
  let session: Ort.InferenceSession;
  try {
    session = await ort.InferenceSession.create(model as Uint8Array, ortSessionOptions(options.load));
  } catch (error) {
    throw runtimeError("load the model", error);
  }
  const inputs = session.inputMetadata.map(infoOf);
  const outputs = session.outputMetadata.map(infoOf);

  /**
   * Output tensors in memory of our own, where the sizes are known: the native build writes into them and they can be moved to another
   * thread, which Node refuses for memory that belongs to the binding. The web build leaves such tensors untouched (1.30), so it gets none.
   */
  function fetches(): Record<string, Ort.Tensor | null> {
    const out: Record<string, Ort.Tensor | null> = Object.create(null) as Record<string, Ort.Tensor | null>;
    for (const { name, type } of outputs) {
      // The binding reports [] for a scalar and for a tensor of unknown rank alike.
      const known = options.flavour === "node" && type.kind === "tensor" && isStatic(type.shape) && type.shape.length > 0;
      out[name] = (known ? emptyOrtTensor(ort, type.dtype, type.shape) : undefined) ?? null;
    }
    return out;
  }

  return {
    inputs,
    outputs,
    // The web build writes no trace.
    profiles: options.flavour === "node",
    broken: false,
    async run(feeds) {
      try {
        const wanted = fetches();
        const got = await session.run(ortFeeds(ort, inputs, feeds), wanted);
        return outputs.map(({ name }) => {
          const own = wanted[name];
          if (own) return [name, fromOrtTensor(own)] as const;
          const theirs = fromOrtTensor(got[name] as Ort.OnnxValue);
          return [name, { ...theirs, bytes: theirs.bytes.slice() }] as const;
        });
      } catch (error) {
        throw runtimeError("run the model", error);
      }
    },
    async time(feeds, { runs, warmup }) {
      try {
        const fed = ortFeeds(ort, inputs, feeds);
        const wanted = fetches();
        const threads = Math.max(options.load.threads ?? LOAD_DEFAULTS.threads, branchThreads(options.load));
        return await timeRuns(() => session.run(fed, wanted), { runs, warmup, threads });
      } catch (error) {
        throw runtimeError("time the model", error);
      }
    },
    profile: (feeds, { bytes, runs }) =>
      profileModel(ort, { bytes, options: options.load, feeds, runs, runtime: `ort-${options.flavour}` }),
    close: () => session.release(),
  };
}

/** What {@link profileModel} needs. */
interface ProfileRequest {
  readonly bytes: Uint8Array;
  readonly options: CheckedOptions;
  readonly feeds: NamedTensors;
  readonly runs: number;
  readonly runtime: string;
}

/**
 * Per-operator times from a session of its own: ONNX Runtime profiles from load to end, once a session. Its trace goes to a fresh temporary
 * directory (the binding does not tell the file's name) that is removed in any case. The first run is not counted.
 */
async function profileModel(ort: OrtModule, request: ProfileRequest): Promise<RuntimeProfile> {
  const dir = await mkdtemp(join(tmpdir(), "tessera-profile-"));
  try {
    const session = await ort.InferenceSession.create(
      request.bytes,
      ortSessionOptions(request.options, { profilePrefix: join(dir, "p") }),
    );
    try {
      const inputs = session.inputMetadata.map(infoOf);
      const fed = ortFeeds(ort, inputs, request.feeds);
      for (let i = 0; i <= request.runs; i++) await session.run(fed);
    } finally {
      session.endProfiling();
      await session.release();
    }
    const [file] = await readdir(dir);
    if (file === undefined) throw fail("RUNTIME_FAILED", "Cannot profile the model: the runtime wrote no trace");
    return parseOrtProfile(await readFile(join(dir, file), "utf8"), { runtime: request.runtime, warmup: 1 });
  } catch (error) {
    throw runtimeError("profile the model", error);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
