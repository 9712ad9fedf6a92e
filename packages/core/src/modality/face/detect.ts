import { fail } from "../../base/error.ts";
import type { Session } from "../../graph/runtime.ts";
import { f32, view } from "../../graph/tensor.ts";
import { crop } from "../../signal/crop.ts";
import { type Image, toRgb } from "../../signal/image.ts";
import { pixelValues } from "../../signal/pixels.ts";
import { resize } from "../../signal/resize.ts";
import type { FaceDetectorCard, Placement } from "../card.ts";
import { type Face, SUPPRESS_DEFAULTS, type SuppressOptions, suppress } from "./boxes.ts";
import { decodeCorners } from "./corners.ts";
import { decodeUltralight } from "./ultralight.ts";
import { type DecodeOptions, type DetectorOutputs, decodeYunet } from "./yunet.ts";

/** A detector: a loaded network and the card that says how to feed it. */
export interface FaceDetector {
  readonly session: Session;
  readonly card: FaceDetectorCard;
}

/** Options of {@link detectFaces}. */
export interface DetectOptions extends SuppressOptions {
  /** Faces below this score are left out, 0..1. */
  readonly minScore: number;
}

/** Defaults of {@link detectFaces}. */
export const DETECT_DEFAULTS: DetectOptions = { ...SUPPRESS_DEFAULTS, minScore: 0.6 };

const DECODERS = {
  yunet: decodeYunet,
  ultralight: decodeUltralight,
  corners: decodeCorners,
} as const satisfies Record<string, (outputs: DetectorOutputs, options: DecodeOptions) => Face[]>;

/** A picture put into the frame of an input: source pixel = input pixel / scale. */
export interface Framed {
  readonly image: Image;
  readonly scaleX: number;
  readonly scaleY: number;
}

/**
 * Puts a whole picture into a frame of `size`, top left, the rest black. "stretch" fills the frame; "fit" keeps the proportions and is as
 * large as possible; "pad" is "fit" that never enlarges. Shrinks and grows bilinearly.
 */
export function frame(image: Image, size: { readonly width: number; readonly height: number }, kind: Placement["kind"]): Framed {
  if (kind === "align" || kind === "box")
    throw fail("CARD_INVALID", `Cannot frame a whole picture: the card's placement is "${kind}"`);
  if (kind === "stretch") {
    return { image: resize(image, size), scaleX: size.width / image.width, scaleY: size.height / image.height };
  }
  const fit = Math.min(size.width / image.width, size.height / image.height);
  const scale = kind === "pad" ? Math.min(1, fit) : fit;
  const width = Math.max(1, Math.round(image.width * scale));
  const height = Math.max(1, Math.round(image.height * scale));
  const scaled = resize(image, { width, height });
  const framed = width === size.width && height === size.height ? scaled : crop(scaled, { x: 0, y: 0, ...size });
  return { image: framed, scaleX: width / image.width, scaleY: height / image.height };
}

/**
 * Finds faces: frames the picture as the card says, runs the network, decodes, suppresses overlapping boxes and returns what is left in
 * pixels of the picture, best score first. Boxes may reach beyond the picture.
 * @throws RUNTIME_FAILED, DATA_MISSING, SHAPE_MISMATCH
 */
export async function detectFaces(detector: FaceDetector, image: Image, options: Partial<DetectOptions> = {}): Promise<Face[]> {
  const settings = { ...DETECT_DEFAULTS, ...options };
  const { session, card } = detector;
  const { input, output } = card;
  const framed = frame(toRgb(image), input, input.placement.kind);
  const shape = input.layout === "NCHW" ? [1, 3, input.height, input.width] : [1, input.height, input.width, 3];
  const results = await session.run(new Map([[input.tensor, f32(shape, pixelValues(framed.image, input))]]));
  const outputs = new Map<string, Float32Array>();
  for (const [name, tensor] of results) {
    const role = output.tensors?.find((row) => row.tensor === name)?.role ?? name;
    if (tensor.dtype === "float32") outputs.set(role, view(tensor, "float32"));
  }
  const decoded = DECODERS[output.decoder](outputs, { width: input.width, height: input.height, minScore: settings.minScore });
  return suppress(decoded, settings).map((face) => unframe(face, framed));
}

function unframe(face: Face, { scaleX, scaleY }: Framed): Face {
  return {
    x: face.x / scaleX,
    y: face.y / scaleY,
    width: face.width / scaleX,
    height: face.height / scaleY,
    score: face.score,
    ...(face.landmarks && { landmarks: face.landmarks.map((p) => ({ x: p.x / scaleX, y: p.y / scaleY })) }),
  };
}

/**
 * Which of several faces is meant: "largest" (area of the box; the person at the door), "central" (box centre nearest to the picture's
 * centre; the rule for LFW, whose pictures are centred on the named person) or "best" (highest score). Ties go to the higher score.
 */
export type FaceChoice = "largest" | "central" | "best";

/** The face that is meant, or `undefined` when there is none. */
export function chooseFace(faces: readonly Face[], image: Pick<Image, "width" | "height">, choice: FaceChoice): Face | undefined {
  const merit = (face: Face): number => {
    if (choice === "largest") return face.width * face.height;
    if (choice === "best") return face.score;
    return -Math.hypot(face.x + face.width / 2 - image.width / 2, face.y + face.height / 2 - image.height / 2);
  };
  let chosen: Face | undefined;
  for (const face of faces) {
    if (chosen === undefined || merit(face) > merit(chosen) || (merit(face) === merit(chosen) && face.score > chosen.score))
      chosen = face;
  }
  return chosen;
}
