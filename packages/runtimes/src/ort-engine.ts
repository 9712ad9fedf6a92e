import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail, isTesseraError } from "@tessera/core/base/error";
import type { ErrorCode } from "@tessera/core/base/error-codes";
import { type Dim, isStatic, UNKNOWN_DIM } from "@tessera/core/graph/dim";
import { DTYPES, type DType } from "@tessera/core/graph/dtype";
import { tensorType, type ValueInfo } from "@tessera/core/graph/model";
import type { RuntimeProfile } from "@tessera/core/graph/runtime";
import type { Tensor } from "@tessera/core/graph/tensor";
import type * as Ort from "onnxruntime-node";
import type { OrtFlavour } from "./ort-module.ts";
import { type CheckedOptions, ortSessionOptions } from "./ort-options.ts";
import { parseOrtProfile } from "./ort-profile.ts";
import { emptyOrtTensor, fromOrtTensor, type OrtModule, toOrtTensor } from "./ort-tensor.ts";

/** Wall times of single runs and the processor time of them all, both in milliseconds. */
export interface Timing {
  readonly wallMs: readonly number[];
  readonly cpuMs: number;
}

/** Tensors by name in a form that crosses threads. */
export type NamedTensors = readonly (readonly [name: string, tensor: Tensor])[];

/** A session in the thread that calls it: the calls block that thread while the runtime works. */
export interface OrtEngine {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  run(feeds: NamedTensors): Promise<NamedTensors>;
  time(feeds: NamedTensors, options: { readonly runs: number; readonly warmup: number }): Promise<Timing>;
  close(): Promise<void>;
}

/** The runtime's own words, without the parts that only say who speaks. */
export function wordsOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n")[0]?.trim() || "unknown failure";
}

/** Turns anything thrown by the runtime into RUNTIME_FAILED with the runtime's words; our own errors pass. */
export function runtimeError(doing: string, error: unknown, code: ErrorCode = "RUNTIME_FAILED"): Error {
  return isTesseraError(error) ? error : fail(code, `Cannot ${doing}: ${wordsOf(error)}`, { cause: error });
}

function infoOf(meta: Ort.InferenceSession.ValueMetadata): ValueInfo {
  if (!meta.isTensor || !(meta.type in DTYPES)) return { name: meta.name, type: { kind: "opaque", record: meta } };
  const shape = meta.shape.map((d): Dim => (d === "" ? UNKNOWN_DIM : d));
  return { name: meta.name, type: tensorType(meta.type as DType, shape) };
}

/** Processor time of the calling thread where Node can tell and one thread does the work, else of the process; microseconds. */
function cpuClock(threads: number): () => number {
  const { threadCpuUsage } = process as { threadCpuUsage?: () => NodeJS.CpuUsage };
  const clock = threads === 1 && threadCpuUsage ? threadCpuUsage.bind(process) : process.cpuUsage.bind(process);
  return () => {
    const { user, system } = clock();
    return user + system;
  };
}

function checkedFeeds(ort: OrtModule, inputs: readonly ValueInfo[], feeds: NamedTensors): Record<string, Ort.Tensor> {
  const names = new Set(inputs.map((i) => i.name));
  const out: Record<string, Ort.Tensor> = Object.create(null) as Record<string, Ort.Tensor>;
  for (const [name, tensor] of feeds) {
    // The binding skips what it does not know: a typing error would go unseen.
    if (!names.delete(name))
      throw fail(
        "RUNTIME_FAILED",
        `Cannot feed ${name}: the model has no such input, it has ${inputs.map((i) => i.name).join(", ")}`,
      );
    out[name] = toOrtTensor(ort, tensor);
  }
  const [missing] = names;
  if (missing !== undefined)
    throw fail("DATA_MISSING", `Cannot run the model: input ${missing} was not fed`, { at: { tensor: missing } });
  return out;
}

/** Options of {@link openEngine}. */
export interface EngineOptions {
  readonly load: CheckedOptions;
  readonly flavour: OrtFlavour;
}

/**
 * Loads a model, its bytes or the path of its file (native build only), in this thread. @throws RUNTIME_FAILED with the runtime's words, or when a symbolic dimension to set does not exist.
 */
export async function openEngine(ort: OrtModule, model: Uint8Array | string, options: EngineOptions): Promise<OrtEngine> {
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
    async run(feeds) {
      try {
        const wanted = fetches();
        const got = await session.run(checkedFeeds(ort, inputs, feeds), wanted);
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
        const fed = checkedFeeds(ort, inputs, feeds);
        const wanted = fetches();
        for (let i = 0; i < warmup; i++) await session.run(fed, wanted);
        const cpu = cpuClock(options.load.threads ?? 1);
        const wallMs: number[] = [];
        const cpuStart = cpu();
        for (let i = 0; i < runs; i++) {
          const start = performance.now();
          await session.run(fed, wanted);
          wallMs.push(performance.now() - start);
        }
        return { wallMs, cpuMs: (cpu() - cpuStart) / 1000 };
      } catch (error) {
        throw runtimeError("time the model", error);
      }
    },
    close: () => session.release(),
  };
}

/** What {@link profileModel} needs. */
export interface ProfileRequest {
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
export async function profileModel(ort: OrtModule, request: ProfileRequest): Promise<RuntimeProfile> {
  const dir = await mkdtemp(join(tmpdir(), "tessera-profile-"));
  try {
    const session = await ort.InferenceSession.create(
      request.bytes,
      ortSessionOptions(request.options, { profilePrefix: join(dir, "p") }),
    );
    try {
      const inputs = session.inputMetadata.map(infoOf);
      const fed = checkedFeeds(ort, inputs, request.feeds);
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
