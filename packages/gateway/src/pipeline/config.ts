/** A network and what is known of it: paths of the model and of its card. */
export interface ModelPaths {
  readonly model: string;
  readonly card: string;
}

/** Which networks a {@link Pipeline} runs; a modality that is left out is not served. */
export interface PipelineConfig {
  readonly face?: {
    /** A detector that finds landmarks (YuNet). */
    readonly detector: ModelPaths;
    /** `threshold`: least P(real) of a living face, 0..1. Without: nobody looks whether the face lives. */
    readonly liveness?: ModelPaths & { readonly threshold: number };
    readonly embedder: ModelPaths;
  };
  readonly voice?: {
    /** Silero's voice activity detector; without, speech is told by its energy. */
    readonly vad?: ModelPaths;
    readonly embedder: ModelPaths;
  };
  /** Worker threads, each with all networks; 2 unless given. */
  readonly workers?: number;
  readonly limits?: Partial<PipelineLimits>;
}

/** Bounds of what a {@link Pipeline} takes on. */
export interface PipelineLimits {
  /** Captures that wait for a worker; GATEWAY_BUSY beyond. */
  readonly maxQueued: number;
  /** Bytes of captures that wait. */
  readonly maxQueuedBytes: number;
  /** Longest wait of a capture, milliseconds; GATEWAY_BUSY after. */
  readonly maxWaitMs: number;
  /** Longest time a worker may take for a capture, milliseconds; the worker is ended and RUNTIME_FAILED thrown after. */
  readonly jobTimeoutMs: number;
  /** Largest picture, pixels of the file. */
  readonly maxPixels: number;
  /** Pictures are reduced to this many pixels a side while they are decoded. */
  readonly maxSide: number;
  /** Longest sound, seconds. */
  readonly maxSeconds: number;
}

/** What {@link PipelineConfig} leaves out. */
export const PIPELINE_DEFAULTS = {
  workers: 2,
  limits: {
    maxQueued: 128,
    maxQueuedBytes: 64 << 20,
    maxWaitMs: 10_000,
    jobTimeoutMs: 5_000,
    maxPixels: 24_000_000,
    maxSide: 1280,
    maxSeconds: 30,
  },
} as const satisfies { readonly workers: number; readonly limits: PipelineLimits };
