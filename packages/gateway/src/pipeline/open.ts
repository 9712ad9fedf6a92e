import { fail } from "@tessera/core/base/error";
import type { GatewayModality } from "@tessera/core/protocol/gateway-api";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { startWorker } from "@tessera/runtimes/worker-start";
import { PIPELINE_DEFAULTS, type PipelineConfig } from "./config.ts";
import { loadModels, modelEntries } from "./models.ts";
import type { Pipeline, Probe } from "./pipeline.ts";
import { openPool } from "./pool.ts";
import type { PipelineWorkerData, ProbeRequest } from "./wire.ts";

/** Longest time a worker may take to load its networks, milliseconds. */
const START_TIMEOUT_MS = 60_000;

/** Wait before a worker that did not come up is tried again, milliseconds. */
const RESTART_MS = 100;

/**
 * Loads networks into worker threads, each with all of them on one thread of ONNX Runtime, and runs captures through them: the face and the voice
 * of one request side by side. Every network was run once before this resolves.
 * @throws IO, CARD_INVALID as {@link loadModels}; RUNTIME_MISSING; RUNTIME_FAILED, DATA_MISSING, SHAPE_MISMATCH when a model cannot be run, or not
 * as its card says
 */
export async function openPipeline(config: PipelineConfig): Promise<Pipeline> {
  const workers = config.workers ?? PIPELINE_DEFAULTS.workers;
  if (!(Number.isInteger(workers) && workers >= 1 && workers <= 64))
    throw fail("RUNTIME_FAILED", `Cannot open the pipeline: workers must be a whole number from 1 to 64, not ${workers}`);
  const limits = { ...PIPELINE_DEFAULTS.limits, ...config.limits };
  const models = await loadModels(config);
  const modalities = (["face", "voice"] as const).filter((modality) => models[modality] !== undefined);
  if (modalities.length === 0) throw fail("CARD_INVALID", "Cannot open the pipeline: the configuration names no models");
  const { id, version } = await ortNodeRuntime();
  const data: PipelineWorkerData = { models, limits };
  const pool = await openPool<ProbeRequest, Probe>(() => startWorker("./worker", { from: import.meta.url, data }), {
    ...limits,
    workers,
    startTimeoutMs: START_TIMEOUT_MS,
    restartMs: RESTART_MS,
  });
  return {
    models: modelEntries(models, `${id} ${version}`),
    modalities,
    async probe(modality: GatewayModality, bytes, options = {}) {
      if (!(modalities as readonly GatewayModality[]).includes(modality))
        throw fail("RUNTIME_FAILED", `Cannot use the capture: there is no network for ${modality}`);
      const { stop, signal } = options;
      const request: ProbeRequest = { modality, bytes, ...(stop && { stop }) };
      const { answer, queuedMs } = await pool.run(request, {
        bytes: bytes.byteLength,
        idle: stop === "quality",
        ...(signal && { signal }),
      });
      return { ...answer, stages: [{ stage: "queue", modality, ms: queuedMs }, ...answer.stages] };
    },
    close: () => pool.close(),
  };
}
