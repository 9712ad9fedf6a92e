import { isTesseraError } from "../../base/error.ts";
import { crop } from "../../signal/crop.ts";
import { type Image, toRgb } from "../../signal/image.ts";
import { resize } from "../../signal/resize.ts";
import type { FaceEmbeddingCard } from "../card.ts";
import { alignFace, templateOf } from "./align.ts";
import type { AcquisitionFailure, FaceCrops } from "./crops.ts";
import { chooseFace, DETECT_DEFAULTS, type DetectOptions, detectFaces, type FaceChoice, type FaceDetector } from "./detect.ts";

/** A picture to come: its name in reports, and the way to it. */
export interface FaceSource {
  readonly name: string;
  readonly load: () => Promise<Image>;
}

/** Options of {@link acquireEach}. */
export interface AcquireOptions extends DetectOptions {
  readonly choice: FaceChoice;
  /**
   * What to do with a picture in which no face is found. "reject": nothing, it counts as a failure to acquire. "centre-crop": its central
   * square stands in, for benchmark data that is known to be roughly aligned; still counted as a failure.
   */
  readonly onNoFace: "reject" | "centre-crop";
  /** Side of the central square as a share of the shorter side. .57 is where funneled LFW faces fill the ArcFace frame as aligned ones do. */
  readonly centreShare: number;
  /** Called after each picture. */
  readonly onProgress?: (done: number, failures: number) => void;
  readonly signal?: AbortSignal;
}

/** Defaults of {@link acquireEach}. */
export const ACQUIRE_DEFAULTS: AcquireOptions = { ...DETECT_DEFAULTS, choice: "largest", onNoFace: "reject", centreShare: 0.57 };

/** What became of one picture: an aligned face, a stand-in with its failure, or a failure alone. */
export interface Acquired {
  readonly index: number;
  readonly name: string;
  readonly crop?: Image;
  readonly failure?: AcquisitionFailure;
}

/**
 * Picture by picture: load, find faces, choose one, align it for `card`. Holds one picture at a time. A picture that cannot be read
 * (IMAGE_INVALID) is a failure to acquire; any other error is thrown. @throws RUNTIME_FAILED; the reason of an aborted `signal`
 */
export async function* acquireEach(
  tools: { readonly detector: FaceDetector; readonly card: FaceEmbeddingCard },
  sources: Iterable<FaceSource> | AsyncIterable<FaceSource>,
  options: Partial<AcquireOptions> = {},
): AsyncGenerator<Acquired> {
  const settings: AcquireOptions = { ...ACQUIRE_DEFAULTS, ...options };
  let index = 0;
  let failures = 0;
  for await (const { name, load } of sources) {
    settings.signal?.throwIfAborted();
    const found = await acquireOne(tools, load, settings);
    if (found.why !== undefined) failures++;
    const used = found.crop === undefined ? ("nothing" as const) : ("centre-crop" as const);
    yield {
      index,
      name,
      ...(found.crop && { crop: found.crop }),
      ...(found.why && { failure: { index, name, why: found.why, used, message: found.message } }),
    };
    index++;
    settings.onProgress?.(index, failures);
  }
}

interface Found {
  readonly crop?: Image;
  readonly why?: AcquisitionFailure["why"];
  readonly message: string;
}

async function acquireOne(
  { detector, card }: { readonly detector: FaceDetector; readonly card: FaceEmbeddingCard },
  load: () => Promise<Image>,
  settings: AcquireOptions,
): Promise<Found> {
  let image: Image;
  try {
    image = toRgb(await load());
  } catch (error) {
    if (isTesseraError(error) && error.code === "IMAGE_INVALID") return { why: "unreadable", message: error.message };
    throw error;
  }
  const { width, height, placement } = card.input;
  const faces = (await detectFaces(detector, image, settings)).filter((face) => face.landmarks !== undefined);
  const face = chooseFace(faces, image, settings.choice);
  if (face?.landmarks)
    return { crop: alignFace(image, face.landmarks, { template: templateOf(placement, width), width, height }), message: "" };
  const message = `no face with landmarks and a score of at least ${settings.minScore}`;
  if (settings.onNoFace === "reject") return { why: "no-face", message };
  return { crop: centreCrop(image, { width, height, share: settings.centreShare }), why: "no-face", message };
}

/** The central square of `share` times the shorter side, scaled to a size. */
export function centreCrop(
  image: Image,
  options: { readonly width: number; readonly height: number; readonly share: number },
): Image {
  const side = Math.max(1, Math.round(Math.min(image.width, image.height) * options.share));
  const x = Math.floor((image.width - side) / 2);
  const y = Math.floor((image.height - side) / 2);
  return resize(crop(image, { x, y, width: side, height: side }), options);
}

/** All pictures as crops in memory: 37,632 bytes a face at 112 x 112. @throws as {@link acquireEach} */
export async function acquireFaces(
  tools: { readonly detector: FaceDetector; readonly card: FaceEmbeddingCard },
  sources: Iterable<FaceSource> | AsyncIterable<FaceSource>,
  options: Partial<AcquireOptions> = {},
): Promise<FaceCrops> {
  const { width, height } = tools.card.input;
  const size = width * height * 3;
  const names: string[] = [];
  const crops: (Uint8Array | undefined)[] = [];
  const failures: AcquisitionFailure[] = [];
  for await (const { name, crop: face, failure } of acquireEach(tools, sources, options)) {
    names.push(name);
    crops.push(face?.data);
    if (failure) failures.push(failure);
  }
  const data = new Uint8Array(crops.length * size);
  const acquired = new Uint8Array(crops.length);
  for (const [i, pixels] of crops.entries()) {
    if (pixels === undefined) continue;
    data.set(pixels, i * size);
    acquired[i] = 1;
  }
  return { kind: "crops", width, height, count: crops.length, data, names, acquired, failures };
}
