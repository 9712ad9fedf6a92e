import type { GatewayModality, ModelEntry, QualityFigures, QualityNote, StageTime } from "@tessera/core/protocol/gateway-api";

/** One capture after the networks: what the store compares, or why there is nothing to compare. */
export interface Probe {
  readonly modality: GatewayModality;
  /** f32[dimension], of length 1. Absent when quality or liveness refused the capture: recognition is not run on such. */
  readonly embedding?: Float32Array;
  /** Embedding-space id of the card; embeddings of another space must not be compared with it. */
  readonly space: string;
  readonly notes: readonly QualityNote[];
  readonly quality: QualityFigures;
  /** P(real), where a liveness network looked. */
  readonly liveness?: { readonly real: number; readonly passed: boolean };
  readonly stages: readonly StageTime[];
}

/** Captures to probes, off the main thread. */
export interface Pipeline {
  readonly models: readonly ModelEntry[];
  readonly modalities: readonly GatewayModality[];
  /**
   * Runs one capture through its networks. `bytes` is a whole file: JPEG, PNG, PGM or PPM for a face, WAV for a voice. A capture that cannot be
   * read or used is an answer with notes, not an error. `stop: "quality"` ends after the quality measures, for live feedback.
   * @throws GATEWAY_BUSY when the queue is full, RUNTIME_FAILED; the reason of an aborted `signal`
   */
  probe(
    modality: GatewayModality,
    bytes: Uint8Array,
    options?: { readonly stop?: "quality"; readonly signal?: AbortSignal },
  ): Promise<Probe>;
  close(): Promise<void>;
}
