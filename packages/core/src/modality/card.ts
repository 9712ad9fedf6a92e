import { fail } from "../base/error.ts";
import type { FrontEnd } from "../signal/front-end.ts";
import type { PixelContract } from "../signal/pixels.ts";
import type { Point } from "../signal/warp.ts";

/** What a network does. */
export type Task = "embedding" | "detection" | "liveness" | "activity";

/** What it looks at. */
export type Modality = "face" | "voice" | "keystroke";

/**
 * How a picture gets to the size of the input.
 * - `align`: five landmarks onto a template by a similarity transform. `points` are in pixels of the input, in the order left eye, right eye,
 *   nose, left and right mouth corner as seen in the picture.
 * - `box`: the detected box enlarged by `expand` about its centre, kept inside the picture, then stretched.
 * - `stretch`: the whole picture, whatever its proportions. `fit`: the whole picture at its proportions, as large as possible, top left, rest 0.
 *   `pad`: as `fit`, but never enlarged.
 */
export type Placement =
  | { readonly kind: "align"; readonly template: "arcface-112" }
  | { readonly kind: "align"; readonly points: readonly Point[] }
  | { readonly kind: "box"; readonly expand: number }
  | { readonly kind: "stretch" }
  | { readonly kind: "fit" }
  | { readonly kind: "pad" };

/** The input of a network that looks at pictures: f32[N, C, H, W] or f32[N, H, W, C]. */
export interface ImageInput extends PixelContract {
  readonly kind: "image";
  readonly tensor: string;
  readonly width: number;
  readonly height: number;
  readonly placement: Placement;
}

/** How a voice recording of any length is prepared for a network that looks at a fixed number of frames. In this order: level, speech, windows. */
export interface VoicePreparation {
  /** The recording is raised (never lowered) to this root mean square level, dB relative to full scale; absent: left as it is. */
  readonly raiseToDbfs?: number;
  /** `all`: every sample is used. `energy`: only what the energy detector of modality/voice/activity takes for speech. */
  readonly speech: "all" | "energy";
  readonly frontEnd: FrontEnd;
  /** Overlapping windows of frames; the embeddings of all of them are averaged. */
  readonly windows: {
    /** Frames a window. */
    readonly frames: number;
    /** Frames from one window to the next. */
    readonly hop: number;
    /** A window after the first is used when at least this share of it, above 0, lies within the recording; silence fills the rest. */
    readonly minCoverage: number;
    /** `whole`: features of the whole recording, then cut. `each`: of the samples of each window on its own, as a network for clips of one length saw them. */
    readonly computed: "whole" | "each";
  };
}

/** The input of a network that takes numbers computed from a signal. `shape` is that of one sample, without the batch axis. */
export interface FeatureInput {
  readonly kind: "features";
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly features: "samples" | "mfcc" | "fbank" | "keystroke-timing";
  readonly sampleRateHz?: number;
  /** With "mfcc" and "fbank": how sound becomes `shape`, which ends in [frames, coefficients]. Without it a voice cannot be embedded. */
  readonly preparation?: VoicePreparation;
  /** What the last axis holds, in words. */
  readonly meaning?: string;
}

/** One embedding per sample, f32[N, dimension]. */
export interface EmbeddingOutput {
  readonly kind: "embedding";
  readonly tensor: string;
  readonly dimension: number;
  readonly metric: "cosine" | "euclidean";
  /** Whether the network itself divides by the L2 norm. */
  readonly normalised: boolean;
}

/** Boxes of faces. `tensors` says which output plays which role where the names differ from the roles of the decoder. */
export interface FacesOutput {
  readonly kind: "faces";
  readonly decoder: "yunet" | "ultralight" | "corners";
  readonly tensors?: readonly { readonly role: string; readonly tensor: string }[];
}

/** Scores of classes, f32[N, classes]; `positive` is the index of the class that is asked for (real, speech). */
export interface ClassesOutput {
  readonly kind: "classes";
  readonly tensor: string;
  readonly classes: number;
  readonly positive: number;
  readonly activation: "softmax" | "none";
}

/** What a figure of a card was measured on. */
export interface CardEvidence {
  /** Share of genuine comparisons accepted at the threshold, and its interval. */
  readonly tar: number;
  readonly interval: readonly [low: number, high: number];
  readonly confidence: number;
  readonly genuine: number;
  readonly impostor: number;
  readonly dataset: { readonly name: string; readonly sha256: string };
}

/** A decision threshold and what it rests on. */
export interface CardThreshold {
  /** False accept rate as a fraction. */
  readonly far: number;
  /** In the unit of the metric: accept at or above it for cosine, at or below it for euclidean. */
  readonly threshold: number;
  readonly evidence: CardEvidence;
}

/** What another model's templates are worth to this one. */
export interface CardCompatibility {
  /** Embedding-space id of the model that enrolled. */
  readonly gallerySpace: string;
  /** SHA-256 of its file: models of one space were measured one by one. */
  readonly gallerySha256?: string;
  readonly far: number;
  readonly verdict: "templates stay" | "re-fit threshold" | "adapter suffices" | "re-enrol";
  /** For templates of that model against probes of this one; absent with "re-enrol", which no threshold makes good. */
  readonly threshold?: number;
  /** What maps the templates into this model's space first: the file next to the card. There if and only if the verdict is "adapter suffices". */
  readonly adapter?: { readonly file: string; readonly sha256: string };
  /** Of the threshold; with "re-enrol" the best that was reached, absent where the two cannot be compared at all. */
  readonly evidence?: CardEvidence;
}

/**
 * Everything one must know to use a model, next to it as `NAME.card.json`. Pre-processing is part of the model: nothing guesses it.
 * Embeddings of cards with another `embeddingSpace` must not be compared.
 */
export interface ModelCard {
  readonly kind: "card";
  readonly version: 1;
  readonly name: string;
  readonly modality: Modality;
  readonly task: Task;
  readonly input: ImageInput | FeatureInput;
  readonly output: EmbeddingOutput | FacesOutput | ClassesOutput;
  readonly embeddingSpace?: string;
  /** For templates of this very model. */
  readonly thresholds: readonly CardThreshold[];
  /** For templates of other models. What is not listed was not measured: refuse it. */
  readonly compatibility?: readonly CardCompatibility[];
  /** SPDX identifier, or "none" where its authors grant nothing. */
  readonly licence: string;
  readonly provenance: string;
  /** SHA-256 of the model file, hexadecimal. */
  readonly modelSha256?: string;
  readonly notes?: string;
}

/** A card of a network that turns an aligned face (or a face box) into numbers or classes. */
export type ImageCard = ModelCard & { readonly input: ImageInput };

/** A card of a face embedding network. */
export type FaceEmbeddingCard = ImageCard & { readonly output: EmbeddingOutput };

/** A card of a face detector. */
export type FaceDetectorCard = ImageCard & { readonly output: FacesOutput };

/** A card of a voice embedding network that says how sound becomes its input. */
export type VoiceEmbeddingCard = ModelCard & {
  readonly input: FeatureInput & { readonly preparation: VoicePreparation };
  readonly output: EmbeddingOutput;
};

/** A card of a network that tells speech from other sound, looking at samples at a rate it names. */
export type VoiceActivityCard = ModelCard & {
  readonly input: FeatureInput & { readonly sampleRateHz: number };
  readonly output: ClassesOutput;
};

/** A card of a network that classifies a picture. */
export type ImageClassCard = ImageCard & { readonly output: ClassesOutput };

/** The card as one of an embedding network for faces. @throws CARD_INVALID when it is something else. */
export function faceEmbeddingCard(card: ModelCard): FaceEmbeddingCard {
  const { input, output } = card;
  if (card.modality !== "face" || input.kind !== "image" || output.kind !== "embedding" || input.placement.kind !== "align") {
    throw fail(
      "CARD_INVALID",
      `Cannot embed faces with "${card.name}": its card describes ${card.modality} ${card.task} from ${input.kind}`,
    );
  }
  return { ...card, input, output };
}

/** The card as one of a face detector. @throws CARD_INVALID when it is something else. */
export function faceDetectorCard(card: ModelCard): FaceDetectorCard {
  const { input, output } = card;
  if (card.modality !== "face" || input.kind !== "image" || output.kind !== "faces") {
    throw fail("CARD_INVALID", `Cannot find faces with "${card.name}": its card describes ${card.modality} ${card.task}`);
  }
  return { ...card, input, output };
}

/** The card as one of an embedding network for voices. @throws CARD_INVALID when it is something else or lacks `input.preparation`. */
export function voiceEmbeddingCard(card: ModelCard): VoiceEmbeddingCard {
  const { input, output } = card;
  if (card.modality !== "voice" || input.kind !== "features" || output.kind !== "embedding") {
    throw fail(
      "CARD_INVALID",
      `Cannot embed voices with "${card.name}": its card describes ${card.modality} ${card.task} from ${input.kind}`,
    );
  }
  const { preparation } = input;
  if (preparation === undefined) {
    throw fail("CARD_INVALID", `Cannot embed voices with "${card.name}": its card has no "input.preparation"`);
  }
  return { ...card, input: { ...input, preparation }, output };
}

/** The card as one of a voice activity network that looks at samples. @throws CARD_INVALID when it is something else or names no rate */
export function voiceActivityCard(card: ModelCard): VoiceActivityCard {
  const { input, output } = card;
  const rate = input.kind === "features" && input.features === "samples" ? input.sampleRateHz : undefined;
  if (card.task !== "activity" || input.kind !== "features" || rate === undefined || output.kind !== "classes") {
    throw fail("CARD_INVALID", `Cannot find speech with "${card.name}": its card describes ${card.modality} ${card.task}`);
  }
  return { ...card, input: { ...input, sampleRateHz: rate }, output };
}

/** The card as one of a classifier of pictures, such as liveness. @throws CARD_INVALID when it is something else. */
export function imageClassCard(card: ModelCard): ImageClassCard {
  const { input, output } = card;
  if (input.kind !== "image" || output.kind !== "classes") {
    throw fail("CARD_INVALID", `Cannot classify pictures with "${card.name}": its card describes ${card.modality} ${card.task}`);
  }
  return { ...card, input, output };
}
