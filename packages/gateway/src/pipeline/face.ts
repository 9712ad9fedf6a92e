import { isTesseraError } from "@tessera/core/base/error";
import { unitVector } from "@tessera/core/modality/enrol";
import { alignFace, templateOf } from "@tessera/core/modality/face/align";
import type { Face } from "@tessera/core/modality/face/boxes";
import { cropsOf } from "@tessera/core/modality/face/crops";
import { chooseFace, detectFaces, type FaceDetector } from "@tessera/core/modality/face/detect";
import { embedCrops, type FaceEmbedder } from "@tessera/core/modality/face/embed";
import { judgeLiveness, type LivenessJudge } from "@tessera/core/modality/face/liveness";
import { brokenFaceLimits, type FaceQuality, faceQuality, hasRival } from "@tessera/core/modality/face/quality";
import type { QualityCode, QualityFigures } from "@tessera/core/protocol/gateway-api";
import { type Image, toRgb } from "@tessera/core/signal/image";
import { isPnm } from "@tessera/core/signal/pnm";
import { decodeReduced, isJpegOrPng, type ReducedImage } from "@tessera/media/images";
import type { PipelineLimits } from "./config.ts";
import { noteOf } from "./notes.ts";
import type { Probe } from "./pipeline.ts";
import { stageClock } from "./stages.ts";

/** The networks of a face. */
export interface FaceTools {
  readonly detector: FaceDetector;
  readonly liveness?: LivenessJudge & { readonly threshold: number };
  readonly embedder: FaceEmbedder;
}

/** Options of {@link probeFace}. */
export interface FaceProbeOptions {
  readonly limits: Pick<PipelineLimits, "maxPixels" | "maxSide">;
  readonly stop?: "quality";
}

/**
 * A picture to a probe: decode, find faces, take the largest, align it, measure it; then, if nothing is wrong with it, liveness, and only after a
 * pass the embedding. @throws RUNTIME_FAILED; DATA_MISSING and SHAPE_MISMATCH when a card and its model disagree; SCORES_INVALID when
 * the network gives zeros or numbers that are not finite
 */
export async function probeFace(tools: FaceTools, bytes: Uint8Array, options: FaceProbeOptions): Promise<Probe> {
  const { detector, liveness, embedder } = tools;
  const clock = stageClock("face");
  const answer = (codes: readonly QualityCode[], rest: Partial<Probe> = {}): Probe => ({
    modality: "face",
    space: embedder.card.embeddingSpace ?? "",
    notes: codes.map(noteOf),
    quality: {},
    stages: clock.stages,
    ...rest,
  });

  const decoded = await decodeOrNone(bytes, options.limits);
  clock.lap("decode");
  if (decoded === undefined) return answer(["unreadable"]);
  const image = toRgb(decoded.image);

  const faces = (await detectFaces(detector, image)).filter((found) => found.landmarks !== undefined);
  const face = chooseFace(faces, image, "largest");
  clock.lap("detect");
  if (face?.landmarks === undefined) return answer(["no-face"]);

  const { width, height, placement } = embedder.card.input;
  const template = templateOf(placement, width);
  const aligned = alignOrNone(image, face.landmarks, { template, width, height });
  clock.lap("align");
  if (aligned === undefined) return answer(["no-face"]);

  const measured = faceQuality(face, { picture: image, aligned, template });
  const codes: QualityCode[] = [...(hasRival(faces, face) ? (["several-faces"] as const) : []), ...brokenFaceLimits(measured)];
  const quality = figuresOf(face, measured, decoded.reduction);
  clock.lap("quality");
  if (codes.length > 0 || options.stop === "quality") return answer(codes, { quality });

  let live: Probe["liveness"];
  if (liveness !== undefined) {
    const { real } = await judgeLiveness(liveness, image, face);
    live = { real, passed: real >= liveness.threshold };
    clock.lap("liveness");
    if (!live.passed) return answer([], { quality, liveness: live });
  }

  const { data } = await embedCrops(embedder, cropsOf([aligned], [""]));
  const embedding = unitVector(data);
  clock.lap("embed");
  return answer([], { quality, embedding, ...(live && { liveness: live }) });
}

async function decodeOrNone(bytes: Uint8Array, limits: FaceProbeOptions["limits"]): Promise<ReducedImage | undefined> {
  if (!isJpegOrPng(bytes) && !isPnm(bytes)) return undefined;
  try {
    return await decodeReduced(bytes, limits);
  } catch (error) {
    if (isTesseraError(error) && error.code === "IMAGE_INVALID") return undefined;
    throw error;
  }
}

/** Five points in one place, or spread over the whole number range, are no face. */
function alignOrNone(...args: Parameters<typeof alignFace>): Image | undefined {
  try {
    return alignFace(...args);
  } catch (error) {
    if (isTesseraError(error) && error.code === "IMAGE_INVALID") return undefined;
    throw error;
  }
}

/** Measures as the caller gets them: lengths in pixels of the picture that was sent. */
function figuresOf(face: Face, measured: FaceQuality, reduction: number): QualityFigures {
  const { cutShare: _, eyeDistance, ...rest } = measured;
  return {
    ...rest,
    eyeDistance: eyeDistance * reduction,
    box: [face.x * reduction, face.y * reduction, face.width * reduction, face.height * reduction],
  };
}
