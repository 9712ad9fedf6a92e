import { at, invariant } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import type { Model } from "@tessera/core/graph/model";
import type { Feeds } from "@tessera/core/graph/runtime";
import { f32 } from "@tessera/core/graph/tensor";
import {
  type FaceEmbeddingCard,
  faceEmbeddingCard,
  type ModelCard,
  type VoiceEmbeddingCard,
  voiceEmbeddingCard,
} from "@tessera/core/modality/card";
import { cropAt, type FaceCrops, selectCrops } from "@tessera/core/modality/face/crops";
import { batchShape } from "@tessera/core/modality/face/embed";
import { pixelValues } from "@tessera/core/signal/pixels";

/** A card of a network that turns one recording of a person into an embedding, of a modality that is evaluated here. */
export type EmbeddingCard = FaceEmbeddingCard | VoiceEmbeddingCard;

/** What networks look at instead of voice recordings: the windows of each. */
export interface VoiceWindows {
  readonly kind: "windows";
  readonly count: number;
  readonly names: readonly string[];
  /** For each recording the network's inputs, one for each window; none where it was not acquired. */
  readonly windows: readonly (readonly Float32Array[])[];
  /** u8[count]: 1 where there is at least one window. */
  readonly acquired: Uint8Array;
  readonly failures: readonly { readonly name: string; readonly used: "nothing"; readonly message: string }[];
}

/** Recordings in the form that networks look at, one row for each. */
export type Samples = FaceCrops | VoiceWindows;

/** What recordings are called, by what was made of them. */
export const SAMPLE_WORDS = {
  crops: { one: "face", many: "faces", recorded: "pictures", lacking: "in which a face was found" },
  windows: { one: "voice", many: "voices", recorded: "recordings", lacking: "long enough to be heard" },
} as const satisfies Readonly<Record<Samples["kind"], Readonly<Record<string, string>>>>;

/** The card as one of a network that is evaluated here. @throws CARD_INVALID when it is something else */
export function embeddingCard(card: ModelCard): EmbeddingCard {
  if (card.modality === "keystroke")
    throw fail("CARD_INVALID", `Cannot evaluate "${card.name}" on recordings: its card describes a keystroke network`, {
      hint: "Detectors of keystrokes are judged by tessera keystroke; networks of faces and voices here",
    });
  return card.modality === "voice" ? voiceEmbeddingCard(card) : faceEmbeddingCard(card);
}

/** Whether a card is one of faces. */
export function isFaceCard(card: EmbeddingCard): card is FaceEmbeddingCard {
  return card.input.kind === "image";
}

/** Everything that samples depend on: models that want the same ones share them. */
export function samplesWanted(card: EmbeddingCard): string {
  if (!isFaceCard(card)) return JSON.stringify([card.input.preparation, card.input.shape]);
  const { placement, width, height } = card.input;
  return JSON.stringify({ placement, width, height });
}

/** The samples at the given rows, in that order; failures are left behind. */
export function selectSamples(samples: Samples, rows: readonly number[]): Samples {
  if (samples.kind === "crops") return selectCrops(samples, rows);
  return {
    kind: "windows",
    count: rows.length,
    names: rows.map((row) => at(samples.names, row)),
    windows: rows.map((row) => at(samples.windows, row)),
    acquired: Uint8Array.from(rows, (row) => at(samples.acquired, row)),
    failures: [],
  };
}

/** The batch size that a model insists on; 1 where it is free. */
export function batchOf(model: Model, card: EmbeddingCard): number {
  const type = model.graph.inputs.find((input) => input.name === card.input.tensor)?.type;
  const size = type?.kind === "tensor" ? type.shape?.[0] : undefined;
  return typeof size === "number" && size > 0 ? size : 1;
}

/** The shape of a batch of samples: [N, C, H, W], [N, H, W, C] or [N, ...] as the card of features says. */
export function shapeOfBatch({ input }: EmbeddingCard, batch: number): readonly number[] {
  return input.kind === "image" ? batchShape(input, batch) : [batch, ...input.shape];
}

/** Everything that a network looks at of one row: a face, or every window of a voice. */
function inputsOf(card: EmbeddingCard, samples: Samples, row: number): readonly Float32Array[] {
  if (samples.kind === "windows") return at(samples.windows, row);
  invariant(isFaceCard(card), `faces for the card of a voice, "${card.name}"`);
  return [pixelValues(cropAt(samples, row), card.input)];
}

/** One input, copied until the batch is full. */
function feedsOf(card: EmbeddingCard, input: Float32Array, batch: number): Feeds {
  const data = new Float32Array(input.length * batch);
  for (let b = 0; b < batch; b++) data.set(input, b * input.length);
  return new Map([[card.input.tensor, f32(shapeOfBatch(card, batch), data)]]);
}

/**
 * The input tensors of some samples, one for each row, made as they are asked for: memory does not grow with their number. Of a voice it is the window
 * in the middle.
 */
export function* sampleFeeds(card: EmbeddingCard, samples: Samples, rows: readonly number[], batch = 1): Generator<Feeds> {
  for (const row of rows) {
    const inputs = inputsOf(card, samples, row);
    yield feedsOf(card, at(inputs, inputs.length >> 1), batch);
  }
}

/** As {@link sampleFeeds}, but all that a network looks at of each row, every window of a voice: for calibration. */
export function* allFeeds(card: EmbeddingCard, samples: Samples, rows: readonly number[], batch = 1): Generator<Feeds> {
  for (const row of rows) for (const input of inputsOf(card, samples, row)) yield feedsOf(card, input, batch);
}

/** How many feeds {@link allFeeds} makes. */
export function countFeeds(samples: Samples, rows: readonly number[]): number {
  return samples.kind === "crops" ? rows.length : rows.reduce((sum, row) => sum + at(samples.windows, row).length, 0);
}
