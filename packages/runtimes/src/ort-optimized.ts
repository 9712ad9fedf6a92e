import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LoadOptions } from "@tessera/core/graph/runtime";
import { runtimeError } from "./engine.ts";
import { importOrt } from "./ort-module.ts";
import { ortSessionOptions, prepareModel } from "./ort-options.ts";

/** Options of {@link optimizedGraph} and {@link convertToOrt}. */
export interface OptimizeOptions {
  /**
   * How far ONNX Runtime rewrites the graph; "extended" unless given. "all" adds layouts and kernels of the machine it runs on, and such a
   * file is not for another one.
   */
  readonly optimization?: NonNullable<LoadOptions["optimization"]>;
  /** Values for symbolic dimensions. */
  readonly dims?: ReadonlyMap<string, number>;
  readonly externalData?: ReadonlyMap<string, Uint8Array>;
}

/** What {@link OptimizeOptions} leave out. */
export const OPTIMIZE_DEFAULTS = { optimization: "extended" } as const satisfies OptimizeOptions;

async function saved(bytes: Uint8Array, options: OptimizeOptions, file: string): Promise<Uint8Array> {
  const prepared = prepareModel(bytes, { ...OPTIMIZE_DEFAULTS, ...options });
  const ort = await importOrt("node");
  const dir = await mkdtemp(join(tmpdir(), "tessera-optimize-"));
  try {
    const path = join(dir, file);
    const session = await ort.InferenceSession.create(
      prepared.bytes,
      ortSessionOptions(prepared.options, { optimizedPath: path }),
    );
    await session.release();
    return new Uint8Array(await readFile(path));
  } catch (error) {
    throw runtimeError("optimise the model", error);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/**
 * The graph as ONNX Runtime rewrites it for itself, as an `.onnx` file: what really runs. Loads the model once, in this thread.
 * @throws RUNTIME_FAILED with the runtime's words, RUNTIME_MISSING.
 */
export function optimizedGraph(bytes: Uint8Array, options: OptimizeOptions = {}): Promise<Uint8Array> {
  return saved(bytes, options, "optimized.onnx");
}

/**
 * The model in ONNX Runtime's own format (`.ort`): loads several times faster, and minimal builds of the runtime read nothing else.
 * @throws RUNTIME_FAILED with the runtime's words, RUNTIME_MISSING.
 */
export function convertToOrt(bytes: Uint8Array, options: OptimizeOptions = {}): Promise<Uint8Array> {
  return saved(bytes, options, "model.ort");
}
