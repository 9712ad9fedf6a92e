import type { Runtime, Session } from "@tessera/core/graph/runtime";
import { cropsOf } from "@tessera/core/modality/face/crops";
import { detectFaces } from "@tessera/core/modality/face/detect";
import { embedCrops } from "@tessera/core/modality/face/embed";
import { judgeLiveness } from "@tessera/core/modality/face/liveness";
import { speechOf } from "@tessera/core/modality/voice/activity";
import { embedVoice } from "@tessera/core/modality/voice/embed";
import { imageOf } from "@tessera/core/signal/image";
import { soundOf } from "@tessera/core/signal/sound";
import type { FaceTools } from "./face.ts";
import type { LoadedModel, PipelineModels } from "./models.ts";
import type { VoiceTools } from "./voice.ts";

/** One thread each: the workers are the parallelism. */
function load(runtime: Runtime, model: LoadedModel): Promise<Session> {
  return runtime.load(model.bytes, { threads: 1 });
}

/**
 * Loads the networks of a face and runs each once on grey: the first run is slow, and a card that contradicts its model is found out here.
 * @throws RUNTIME_FAILED, DATA_MISSING, SHAPE_MISMATCH
 */
export async function openFaceTools(runtime: Runtime, models: NonNullable<PipelineModels["face"]>): Promise<FaceTools> {
  const { detector, liveness, embedder } = models;
  const tools: FaceTools = {
    detector: { session: await load(runtime, detector), card: detector.card },
    ...(liveness && {
      liveness: { session: await load(runtime, liveness), card: liveness.card, threshold: liveness.threshold },
    }),
    embedder: { session: await load(runtime, embedder), card: embedder.card },
  };
  const { width, height } = embedder.card.input;
  const blank = imageOf(width, height, 3, new Uint8Array(width * height * 3).fill(127));
  await detectFaces(tools.detector, blank);
  if (tools.liveness !== undefined) await judgeLiveness(tools.liveness, blank, { x: 0, y: 0, width, height, score: 1 });
  await embedCrops(tools.embedder, cropsOf([blank], [""]));
  return tools;
}

/** Loads the networks of a voice and runs each once on a hum, as {@link openFaceTools} does. @throws RUNTIME_FAILED, DATA_MISSING, SHAPE_MISMATCH */
export async function openVoiceTools(runtime: Runtime, models: NonNullable<PipelineModels["voice"]>): Promise<VoiceTools> {
  const { vad, embedder } = models;
  const tools: VoiceTools = {
    ...(vad && { vad: { session: await load(runtime, vad), card: vad.card } }),
    embedder: { session: await load(runtime, embedder), card: embedder.card },
  };
  const { rateHz } = embedder.card.input.preparation.frontEnd;
  const hum = soundOf(
    rateHz,
    Float32Array.from({ length: rateHz }, (_, i) => 0.1 * Math.sin((2 * Math.PI * 150 * i) / rateHz)),
  );
  if (tools.vad !== undefined) await speechOf(tools.vad, hum);
  await embedVoice(tools.embedder, hum);
  return tools;
}
