import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { compileProgram, packageMissing, startProgram, type WasmRun } from "./wasm-program.ts";
import type { WasmProgram } from "./web-assembly.ts";

const PACKAGE = "@tensorflow/tfjs-tflite";
const BUILD = "wasm/tflite_web_api_cc_simd";

/** A value that lives in the WebAssembly heap until it is deleted. */
interface Handle {
  delete(): void;
}

/** An input or output. `data` is a view of the heap of today: ask again after every call. */
export interface TfjsTensor extends Handle {
  /** Sizes joined by commas. */
  readonly shape: string;
  readonly name: string;
  /** A number for element types that the interface does not know: 16-bit floats, 16-bit unsigned and 64-bit integers. */
  data(): ArrayBufferView | number;
}

/** Inputs or outputs in the order of the graph. */
export interface TfjsTensors extends Handle {
  size(): number;
  get(index: number): TfjsTensor;
}

/** A graph that can run. */
export interface TfjsRunner extends Handle {
  GetInputs(): TfjsTensors;
  GetOutputs(): TfjsTensors;
  Infer(): boolean;
  GetProfilingSummary(): string;
}

/** The part of its WebAssembly interface that is used here. */
export interface TfjsWasm {
  readonly HEAPU8: Uint8Array;
  _malloc(size: number): number;
  _free(pointer: number): void;
  readonly TFLiteWebModelRunner: {
    /** All options must be given. */
    CreateFromBufferAndOptions(
      pointer: number,
      size: number,
      options: {
        readonly numThreads: number;
        readonly enableWebNNDelegate: boolean;
        readonly webNNDevicePreference: number;
        readonly enableProfiling: boolean;
        readonly maxProfilingBufferEntries: number;
      },
    ): Handle & { ok(): boolean; errorMessage(): string; value(): TfjsRunner };
  };
}

const require = createRequire(import.meta.url);
let program: Promise<WasmProgram> | undefined;

function folder(): string {
  // Its main file is for tfjs, which it wants besides; the WebAssembly stands alone.
  return dirname(require.resolve("@tensorflow/tfjs-tflite/package.json"));
}

/** Version of the package. @throws RUNTIME_MISSING */
export function tfjsVersion(): string {
  try {
    return (JSON.parse(readFileSync(join(folder(), "package.json"), "utf8")) as { version: string }).version;
  } catch (error) {
    throw packageMissing(PACKAGE, error);
  }
}

async function compile(): Promise<WasmProgram> {
  try {
    return await compileProgram(join(folder(), BUILD));
  } catch (error) {
    throw packageMissing(PACKAGE, error);
  }
}

/** The compiled program; read once per thread. @throws RUNTIME_MISSING */
function tfjsProgram(): Promise<WasmProgram> {
  program ??= compile();
  return program;
}

/** Starts an instance. @throws RUNTIME_MISSING */
export async function startTfjs(): Promise<WasmRun<TfjsWasm>> {
  return startProgram(await tfjsProgram(), { path: join(folder(), BUILD), names: { self: globalThis } });
}
