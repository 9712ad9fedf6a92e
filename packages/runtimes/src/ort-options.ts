import type { LoadOptions } from "@tessera/core/graph/runtime";
import type { InferenceSession } from "onnxruntime-node";
import { fixDims } from "./fix-dims.ts";
import { type CheckedOptions, checkLoadOptions, LOAD_DEFAULTS, type PreparedModel } from "./load-options.ts";

const LEVELS = { none: "disabled", basic: "basic", extended: "extended", all: "all" } as const satisfies Record<
  NonNullable<LoadOptions["optimization"]>,
  InferenceSession.SessionOptions["graphOptimizationLevel"]
>;

/**
 * Checks load options and writes symbolic dimensions into the model.
 * @throws RUNTIME_FAILED naming the option; what {@link fixDims} throws.
 */
export function prepareModel(bytes: Uint8Array, loadOptions: LoadOptions): PreparedModel {
  checkLoadOptions(loadOptions);
  const { dims, ...options } = loadOptions;
  return { bytes: dims?.size ? fixDims(bytes, dims) : bytes, options };
}

/** Options of {@link ortSessionOptions} besides the caller's. */
export interface OrtExtras {
  /** Path prefix of the profile that the session writes. */
  readonly profilePrefix?: string;
  /** Where ONNX Runtime writes the graph as it optimised it; a path ending in .ort chooses its own format. */
  readonly optimizedPath?: string;
}

/** Threads that run operators side by side. */
export function branchThreads({ threads, parallel }: Pick<CheckedOptions, "threads" | "parallel">): number {
  return (parallel ?? LOAD_DEFAULTS.parallel) ? Math.max(2, threads ?? LOAD_DEFAULTS.threads) : 1;
}

/** Checked load options in ONNX Runtime's words. */
export function ortSessionOptions(options: CheckedOptions, extras: OrtExtras = {}): InferenceSession.SessionOptions {
  return {
    executionMode: (options.parallel ?? LOAD_DEFAULTS.parallel) ? "parallel" : "sequential",
    intraOpNumThreads: options.threads ?? LOAD_DEFAULTS.threads,
    interOpNumThreads: branchThreads(options),
    graphOptimizationLevel: LEVELS[options.optimization ?? LOAD_DEFAULTS.optimization],
    // Refusals come back as exceptions with the same words; without this they are also printed on stderr.
    logSeverityLevel: 4,
    ...(options.externalData?.size ? { externalData: Array.from(options.externalData, ([path, data]) => ({ path, data })) } : {}),
    ...((options.flushSubnormals ?? LOAD_DEFAULTS.flushSubnormals) ? { extra: { session: { set_denormal_as_zero: "1" } } } : {}),
    ...(extras.profilePrefix === undefined ? {} : { enableProfiling: true, profileFilePrefix: extras.profilePrefix }),
    ...(extras.optimizedPath === undefined ? {} : { optimizedModelFilePath: extras.optimizedPath }),
  };
}
