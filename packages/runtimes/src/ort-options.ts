import { fail } from "@tessera/core/base/error";
import type { LoadOptions } from "@tessera/core/graph/runtime";
import type { InferenceSession } from "onnxruntime-node";
import { fixDims } from "./fix-dims.ts";

/** What {@link LoadOptions} leave out. */
export const LOAD_DEFAULTS = { threads: 1, optimization: "all", flushSubnormals: false } as const satisfies LoadOptions;

const LEVELS = { none: "disabled", basic: "basic", extended: "extended", all: "all" } as const satisfies Record<
  NonNullable<LoadOptions["optimization"]>,
  InferenceSession.SessionOptions["graphOptimizationLevel"]
>;

const KEYS = {
  threads: true,
  optimization: true,
  dims: true,
  flushSubnormals: true,
  externalData: true,
} as const satisfies Record<keyof LoadOptions, true>;

function refuse(why: string): Error {
  return fail("RUNTIME_FAILED", `Cannot load a model: ${why}`);
}

/** Load options that were checked, without symbolic dimensions: those were written into the model. */
export type CheckedOptions = Omit<LoadOptions, "dims">;

/** A model that is ready for the runtime. */
export interface PreparedModel {
  readonly bytes: Uint8Array;
  readonly options: CheckedOptions;
}

/**
 * Checks load options and writes symbolic dimensions into the model. ONNX Runtime accepts unknown names and silly values without a word,
 * so this is the only check there is. @throws RUNTIME_FAILED naming the option; what {@link fixDims} throws.
 */
export function prepareModel(bytes: Uint8Array, loadOptions: LoadOptions): PreparedModel {
  for (const key of Object.keys(loadOptions)) if (!Object.hasOwn(KEYS, key)) throw refuse(`there is no load option "${key}"`);
  const { dims, ...options } = loadOptions;
  const { threads, optimization, externalData } = options;
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= 1024)) {
    throw refuse(`threads must be a whole number from 1 to 1024, not ${threads}`);
  }
  if (optimization !== undefined && !Object.hasOwn(LEVELS, optimization)) {
    throw refuse(`optimization must be one of ${Object.keys(LEVELS).join(", ")}, not ${optimization}`);
  }
  for (const [name, data] of externalData ?? []) {
    if (!(data instanceof Uint8Array)) throw refuse(`external data ${name} must be bytes`);
  }
  return { bytes: dims?.size ? fixDims(bytes, dims) : bytes, options };
}

/** Options of {@link ortSessionOptions} besides the caller's. */
export interface OrtExtras {
  /** Path prefix of the profile that the session writes. */
  readonly profilePrefix?: string;
  /** Where ONNX Runtime writes the graph as it optimised it; a path ending in .ort chooses its own format. */
  readonly optimizedPath?: string;
}

/** Checked load options in ONNX Runtime's words. */
export function ortSessionOptions(options: CheckedOptions, extras: OrtExtras = {}): InferenceSession.SessionOptions {
  return {
    executionMode: "sequential",
    intraOpNumThreads: options.threads ?? LOAD_DEFAULTS.threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: LEVELS[options.optimization ?? LOAD_DEFAULTS.optimization],
    // Refusals come back as exceptions with the same words; without this they are also printed on stderr.
    logSeverityLevel: 4,
    ...(options.externalData?.size ? { externalData: Array.from(options.externalData, ([path, data]) => ({ path, data })) } : {}),
    ...((options.flushSubnormals ?? LOAD_DEFAULTS.flushSubnormals) ? { extra: { session: { set_denormal_as_zero: "1" } } } : {}),
    ...(extras.profilePrefix === undefined ? {} : { enableProfiling: true, profileFilePrefix: extras.profilePrefix }),
    ...(extras.optimizedPath === undefined ? {} : { optimizedModelFilePath: extras.optimizedPath }),
  };
}
