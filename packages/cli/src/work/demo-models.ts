import type { FaceDetectorCard, FaceEmbeddingCard, ModelCard } from "@tessera/core/modality/card";
import type { PinnedPackage } from "../io/packages.ts";
import { FACE_MODELS, TFLITE_FACES } from "./demo-packages.ts";

const PROVENANCE = `npm package ${FACE_MODELS.name}@${FACE_MODELS.version}; its authors say nothing of training data`;

/** What both embedding networks are fed: a face of 112 x 112 pixels, aligned as ArcFace's are. */
const ALIGNED_FACE = {
  kind: "image",
  tensor: "input",
  width: 112,
  height: 112,
  scale: 1,
  std: [128, 128, 128],
  placement: { kind: "align", template: "arcface-112" },
} as const;

/**
 * The embedding network. Size, alignment, mean and scale follow the package's own code. The colour order was measured, because that code leaves
 * it open (it feeds what a canvas gives, which its detector takes for BGR): on the demo's evaluation faces d' is 6.3 with BGR and 5.0 with RGB.
 */
export const EMBEDDING_CARD: FaceEmbeddingCard = {
  kind: "card",
  version: 1,
  name: "faceplugin-embedding",
  modality: "face",
  task: "embedding",
  input: { ...ALIGNED_FACE, layout: "NCHW", colour: "BGR", mean: [127, 127, 127] },
  output: { kind: "embedding", tensor: "output", dimension: 512, metric: "cosine", normalised: false },
  thresholds: [],
  licence: FACE_MODELS.licence,
  provenance: PROVENANCE,
  modelSha256: FACE_MODELS.files[0].sha256,
  notes: "Colour order found by experiment: BGR separates people better than RGB.",
};

/**
 * The network that the demo works on. Pre-processing is that of the training repository (sirius-ai/MobileFaceNet_TF) and of the package's own code; the
 * batch is fixed at a pair of faces.
 */
export const TFLITE_CARD: FaceEmbeddingCard = {
  kind: "card",
  version: 1,
  name: "mobilefacenet-sirius",
  modality: "face",
  task: "embedding",
  input: { ...ALIGNED_FACE, layout: "NHWC", colour: "RGB", mean: [127.5, 127.5, 127.5] },
  output: { kind: "embedding", tensor: "embeddings", dimension: 192, metric: "cosine", normalised: false },
  thresholds: [],
  licence: TFLITE_FACES.licence,
  provenance: `npm package ${TFLITE_FACES.name}@${TFLITE_FACES.version}; trained by github sirius-ai/MobileFaceNet_TF (Apache-2.0)`,
  modelSha256: TFLITE_FACES.files[0].sha256,
  notes: "The batch is fixed at 2. The package says MIT in its package.json and has no licence file.",
};

/** The detector: an Ultra-Light of 320 x 240 that decodes its own boxes. */
export const DETECTOR_CARD: FaceDetectorCard = {
  kind: "card",
  version: 1,
  name: "faceplugin-detector",
  modality: "face",
  task: "detection",
  input: {
    kind: "image",
    tensor: "input",
    width: 320,
    height: 240,
    layout: "NCHW",
    colour: "RGB",
    scale: 1,
    mean: [127, 127, 127],
    std: [128, 128, 128],
    placement: { kind: "stretch" },
  },
  output: { kind: "faces", decoder: "corners" },
  thresholds: [],
  licence: FACE_MODELS.licence,
  provenance: PROVENANCE,
  modelSha256: FACE_MODELS.files[1].sha256,
  notes: "Boxes without landmarks: align with the landmark network.",
};

/** A model that `tessera models` offers. */
export interface SampleModel {
  readonly name: string;
  readonly task: string;
  readonly package: PinnedPackage;
  /** Path inside the package. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Absent where cards know no such task. */
  readonly card?: ModelCard;
}

/** The models that can be pulled. */
export const SAMPLE_MODELS: readonly SampleModel[] = [
  {
    name: TFLITE_CARD.name,
    task: "face embedding, 192 numbers",
    package: TFLITE_FACES,
    ...TFLITE_FACES.files[0],
    card: TFLITE_CARD,
  },
  {
    name: EMBEDDING_CARD.name,
    task: "face embedding, 512 numbers",
    package: FACE_MODELS,
    ...FACE_MODELS.files[0],
    card: EMBEDDING_CARD,
  },
  { name: DETECTOR_CARD.name, task: "face detection", package: FACE_MODELS, ...FACE_MODELS.files[1], card: DETECTOR_CARD },
  { name: "faceplugin-landmarks", task: "68 face landmarks", package: FACE_MODELS, ...FACE_MODELS.files[2] },
];
