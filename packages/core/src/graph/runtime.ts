import type { ValueInfo } from "./model.ts";
import type { Encoding } from "./plan.ts";
import type { Tensor } from "./tensor.ts";

/** Tensors by graph input or output name. */
export type Feeds = ReadonlyMap<string, Tensor>;

/** Options of {@link Runtime.load}. */
export interface LoadOptions {
  /** Intra-operator threads; 1 unless given. */
  readonly threads?: number;
  /**
   * Runs branches of the graph that do not wait for each other at the same time, where the runtime can (ONNX Runtime's native build), in as many threads as
   * `threads` says but two at least. For graphs of large branches, such as fused ones: handing small operators from thread to thread costs more than it saves.
   */
  readonly parallel?: boolean;
  /** How far the runtime may rewrite the graph itself; "all" unless given. */
  readonly optimization?: "none" | "basic" | "extended" | "all";
  /** Values for symbolic dimensions. */
  readonly dims?: ReadonlyMap<string, number>;
  /** Treat subnormal numbers as zero, where the runtime can. */
  readonly flushSubnormals?: boolean;
  /** Bytes of external data files by the location written in the model. */
  readonly externalData?: ReadonlyMap<string, Uint8Array>;
}

/** Time of one operator of the runtime's own (possibly fused) graph. */
export interface OperatorTime {
  readonly name: string;
  readonly op: string;
  /** Median over the profiled runs, microseconds. */
  readonly timeUs: number;
  readonly calls: number;
  readonly outputBytes?: number;
  /** Which part of the runtime computed it, where there is more than one: "xnnpack" or "builtin" kernels of TensorFlow Lite. */
  readonly by?: string;
}

/** Per-operator times of a session. */
export interface RuntimeProfile {
  readonly runtime: string;
  readonly runs: number;
  readonly operators: readonly OperatorTime[];
  /** Sum over operators, microseconds. */
  readonly totalUs: number;
}

/** A loaded model. Not re-entrant: one run at a time. */
export interface Session {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** How inputs and outputs of integer type stand for real numbers, by name; absent for a session without such. */
  readonly encodings?: ReadonlyMap<string, Encoding>;
  /** Runs the model. @throws DATA_MISSING for an absent feed, RUNTIME_FAILED with the runtime's words. */
  run(feeds: Feeds): Promise<Feeds>;
  /**
   * Wall time of each of `runs` runs in milliseconds, taken next to the runtime (inside its worker), after `warmup` runs, and the CPU time of the whole.
   */
  time(
    feeds: Feeds,
    options: { readonly runs: number; readonly warmup?: number },
  ): Promise<{ readonly wallMs: readonly number[]; readonly cpuMs: number }>;
  /** Per-operator times. `undefined` where the runtime cannot tell. */
  profile?(feeds: Feeds, runs: number): Promise<RuntimeProfile>;
  close(): Promise<void>;
}

/** Software that runs model files. Adapters live in packages/runtimes; core's own interpreter implements it too. */
export interface Runtime {
  /** "ort-node", "ort-web", "interp" ... */
  readonly id: string;
  /** Version of the software behind it. */
  readonly version: string;
  readonly formats: readonly ("onnx" | "ort" | "tflite")[];
  /** @throws RUNTIME_FAILED, RUNTIME_MISSING */
  load(bytes: Uint8Array, options?: LoadOptions): Promise<Session>;
}
