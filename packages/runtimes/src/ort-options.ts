import { fail } from "@tessera/core/base/error";
import { readOnnx } from "@tessera/core/formats/onnx/read";
import type { GraphProto } from "@tessera/core/formats/onnx/records";
import type { LoadOptions } from "@tessera/core/graph/runtime";
import type { InferenceSession } from "onnxruntime-node";

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

/** Names of the symbolic sizes of inputs and outputs; `undefined` for bytes that we cannot read (the .ort format, or no model at all). */
function symbolsOf(bytes: Uint8Array): ReadonlySet<string> | undefined {
  let graph: GraphProto | undefined;
  try {
    graph = readOnnx(bytes).graph;
  } catch {
    return undefined;
  }
  const names = new Set<string>();
  for (const { type } of [...(graph?.input ?? []), ...(graph?.output ?? [])]) {
    for (const { dimParam } of type?.tensorType?.shape?.dim ?? []) if (dimParam) names.add(dimParam);
  }
  return names;
}

function checkDims(bytes: Uint8Array, dims: ReadonlyMap<string, number>): void {
  const known = symbolsOf(bytes);
  for (const [name, size] of dims) {
    if (!(Number.isSafeInteger(size) && size >= 0)) throw refuse(`dimension ${name} must be a whole number, not ${size}`);
    if (!known || known.has(name)) continue;
    throw refuse(
      `it has no dimension ${name} to set, ${known.size ? `only ${[...known].join(", ")}` : "nor any other with a name"}`,
    );
  }
}

/**
 * Checks load options. ONNX Runtime accepts unknown names and silly values without a word, so this is the only check there is.
 * @throws RUNTIME_FAILED naming the option.
 */
export function checkLoadOptions(bytes: Uint8Array, options: LoadOptions): void {
  for (const key of Object.keys(options)) if (!Object.hasOwn(KEYS, key)) throw refuse(`there is no load option "${key}"`);
  const { threads, optimization, dims, externalData } = options;
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= 1024)) {
    throw refuse(`threads must be a whole number from 1 to 1024, not ${threads}`);
  }
  if (optimization !== undefined && !Object.hasOwn(LEVELS, optimization)) {
    throw refuse(`optimization must be one of ${Object.keys(LEVELS).join(", ")}, not ${optimization}`);
  }
  if (dims?.size) checkDims(bytes, dims);
  for (const [name, bytes] of externalData ?? []) {
    if (!(bytes instanceof Uint8Array)) throw refuse(`external data ${name} must be bytes`);
  }
}

/** Options of {@link ortSessionOptions} besides the caller's. */
export interface OrtExtras {
  /** Path prefix of the profile that the session writes. */
  readonly profilePrefix?: string;
  /** Where ONNX Runtime writes the graph as it optimised it; a path ending in .ort chooses its own format. */
  readonly optimizedPath?: string;
}

/** Checked load options in ONNX Runtime's words. */
export function ortSessionOptions(options: LoadOptions, extras: OrtExtras = {}): InferenceSession.SessionOptions {
  return {
    executionMode: "sequential",
    intraOpNumThreads: options.threads ?? LOAD_DEFAULTS.threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: LEVELS[options.optimization ?? LOAD_DEFAULTS.optimization],
    // Refusals come back as exceptions with the same words; without this they are also printed on stderr.
    logSeverityLevel: 4,
    ...(options.dims?.size ? { freeDimensionOverrides: Object.fromEntries(options.dims) } : {}),
    ...(options.externalData?.size ? { externalData: Array.from(options.externalData, ([path, data]) => ({ path, data })) } : {}),
    ...((options.flushSubnormals ?? LOAD_DEFAULTS.flushSubnormals) ? { extra: { session: { set_denormal_as_zero: "1" } } } : {}),
    ...(extras.profilePrefix === undefined ? {} : { enableProfiling: true, profileFilePrefix: extras.profilePrefix }),
    ...(extras.optimizedPath === undefined ? {} : { optimizedModelFilePath: extras.optimizedPath }),
  };
}
