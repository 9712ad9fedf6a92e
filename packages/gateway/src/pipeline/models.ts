import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fail } from "@tessera/core/base/error";
import {
  type FaceDetectorCard,
  type FaceEmbeddingCard,
  faceDetectorCard,
  faceEmbeddingCard,
  type ImageClassCard,
  imageClassCard,
  type ModelCard,
  type VoiceActivityCard,
  type VoiceEmbeddingCard,
  voiceActivityCard,
  voiceEmbeddingCard,
} from "@tessera/core/modality/card";
import { parseCard } from "@tessera/core/modality/read-card";
import type { ModelEntry } from "@tessera/core/protocol/gateway-api";
import type { ModelPaths, PipelineConfig } from "./config.ts";

/** A model file that is the one its card describes. Plain data: it goes to the workers as it is. */
export interface LoadedModel<C extends ModelCard = ModelCard> {
  readonly role: ModelEntry["role"];
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly card: C;
}

/** The networks of a pipeline. */
export interface PipelineModels {
  readonly face?: {
    readonly detector: LoadedModel<FaceDetectorCard>;
    readonly liveness?: LoadedModel<ImageClassCard> & { readonly threshold: number };
    readonly embedder: LoadedModel<FaceEmbeddingCard>;
  };
  readonly voice?: {
    readonly vad?: LoadedModel<VoiceActivityCard>;
    readonly embedder: LoadedModel<VoiceEmbeddingCard>;
  };
}

/**
 * Reads the models of a configuration. @throws IO, CARD_INVALID when a card is wrong, describes something else, names another file than the one
 * that is there, lacks an embedding space or compares by another measure than the cosine, or when the detector finds no landmarks to align faces by
 */
export async function loadModels(config: PipelineConfig): Promise<PipelineModels> {
  const { face, voice } = config;
  return { ...(face && { face: await loadFace(face) }), ...(voice && { voice: await loadVoice(voice) }) };
}

async function loadVoice(voice: NonNullable<PipelineConfig["voice"]>): Promise<NonNullable<PipelineModels["voice"]>> {
  const embedder = await loadModel("voice-embedder", voice.embedder, voiceEmbeddingCard);
  return { embedder, ...(voice.vad && { vad: await loadModel("vad", voice.vad, voiceActivityCard) }) };
}

async function loadFace(face: NonNullable<PipelineConfig["face"]>): Promise<NonNullable<PipelineModels["face"]>> {
  const detector = await loadModel("detector", face.detector, faceDetectorCard);
  if (detector.card.output.decoder !== "yunet") {
    throw fail(
      "CARD_INVALID",
      `Cannot align faces found by "${detector.card.name}": its decoder "${detector.card.output.decoder}" gives no landmarks`,
      { at: { file: face.detector.card }, hint: "Use a detector with landmarks, such as YuNet" },
    );
  }
  const embedder = await loadModel("face-embedder", face.embedder, faceEmbeddingCard);
  if (face.liveness === undefined) return { detector, embedder };
  const { threshold } = face.liveness;
  if (!(threshold >= 0 && threshold <= 1))
    throw fail("CARD_INVALID", `Cannot judge liveness at a threshold of ${threshold}: it is a probability, 0..1`);
  return { detector, embedder, liveness: { ...(await loadModel("liveness", face.liveness, imageClassCard)), threshold } };
}

async function loadModel<C extends ModelCard>(
  role: ModelEntry["role"],
  paths: ModelPaths,
  narrow: (card: ModelCard) => C,
): Promise<LoadedModel<C>> {
  const card = narrow(parseCard(await bytesOf(paths.card)));
  const bytes = await bytesOf(paths.model);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (card.modelSha256 !== undefined && card.modelSha256 !== sha256) {
    throw fail("CARD_INVALID", `Cannot use ${paths.model}: its SHA-256 is ${sha256}, its card says ${card.modelSha256}`, {
      at: { file: paths.card },
      hint: "Model and card do not belong together, or one was changed: bring both from where they were made",
    });
  }
  const { output } = card;
  if (output.kind === "embedding" && (card.embeddingSpace === undefined || output.metric !== "cosine")) {
    const why = card.embeddingSpace === undefined ? "its card names no embedding space" : `they are compared by ${output.metric}`;
    throw fail("CARD_INVALID", `Cannot store templates of "${card.name}": ${why}`, { at: { file: paths.card } });
  }
  return { role, bytes, sha256, card };
}

async function bytesOf(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    throw fail("IO", `Cannot read ${path}: ${cause instanceof Error ? cause.message : cause}`, { at: { file: path }, cause });
  }
}

/** What the gateway tells about its models. */
export function modelEntries(models: PipelineModels, runtime: string): readonly ModelEntry[] {
  const { face, voice } = models;
  const all = [face?.detector, face?.liveness, face?.embedder, voice?.vad, voice?.embedder].filter(
    (model) => model !== undefined,
  );
  return all.map(({ role, card, sha256 }) => ({
    role,
    name: card.name,
    sha256,
    runtime,
    ...(card.embeddingSpace !== undefined && { embeddingSpace: card.embeddingSpace }),
    thresholds: card.thresholds.map(({ far, threshold }) => ({ far, threshold })),
    licence: card.licence,
  }));
}
