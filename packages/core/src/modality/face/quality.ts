import { at } from "../../base/assert.ts";
import { fail } from "../../base/error.ts";
import { type Image, toGrey } from "../../signal/image.ts";
import type { Point } from "../../signal/warp.ts";
import type { Face } from "./boxes.ts";

/** What is measured of a face before anybody is recognised by it. */
export interface FaceQuality {
  /** The longer side of the box as a share of the shorter side of the picture. */
  readonly faceShare: number;
  /** Distance between the eyes, pixels of the picture. */
  readonly eyeDistance: number;
  /** Turn of the head about the vertical axis, degrees, positive where the nose points to the right of the picture. An estimate, see {@link yawOf}. */
  readonly yawDegrees: number;
  /** Tilt in the picture's plane, degrees, positive where the eye on the right is the lower one. */
  readonly rollDegrees: number;
  /** Share of the box that lies outside the picture, 0..1. */
  readonly cutShare: number;
  /** Variance of the Laplacian over the aligned face, grey levels squared. */
  readonly sharpness: number;
  /** Mean grey level of the aligned face, 0..255. */
  readonly brightness: number;
}

/**
 * Measures a face. `aligned` is the face drawn onto the template of the embedding network, grey or RGB; `picture` is the size of the whole picture.
 * @throws FACE_NOT_FOUND when the face has no landmarks
 */
export function faceQuality(
  face: Face,
  picture: { readonly width: number; readonly height: number },
  aligned: Image,
): FaceQuality {
  const points = face.landmarks;
  if (points === undefined || points.length !== 5)
    throw fail("FACE_NOT_FOUND", "Cannot measure a face: it has no five landmarks");
  const [left, right] = [at(points, 0), at(points, 1)];
  const grey = toGrey(aligned);
  return {
    faceShare: Math.max(face.width, face.height) / Math.min(picture.width, picture.height),
    eyeDistance: Math.hypot(right.x - left.x, right.y - left.y),
    yawDegrees: yawOf(points),
    rollDegrees: degrees(Math.atan2(right.y - left.y, right.x - left.x)),
    cutShare: cutShare(face, picture),
    sharpness: laplacianVariance(grey),
    brightness: meanLevel(grey),
  };
}

/**
 * How far the tip of the nose stands out of the plane of eyes and mouth corners, as a share of the distance between the eyes of a head that faces
 * the camera: 27 mm over 63 mm, an adult's usual pupillary distance and nose protrusion.
 */
const NOSE_PROTRUSION = 27 / 63;

/**
 * Turn of a head about its vertical axis, degrees, from its five landmarks. Eyes and mouth corners are taken to lie in a plane that turns with the
 * head and the nose to stand out of it: turned by y, eyes at +-1/2 appear at +-cos(y)/2 and the nose at p sin(y), so tan(y) = offset / (p eye
 * distance), both measured along the line of the eyes from the middle between eyes and mouth. Individual noses make this good to some ten degrees.
 */
export function yawOf(points: readonly Point[]): number {
  const [left, right, nose, mouthLeft, mouthRight] = [at(points, 0), at(points, 1), at(points, 2), at(points, 3), at(points, 4)];
  const distance = Math.hypot(right.x - left.x, right.y - left.y);
  if (!(distance > 0)) return 90;
  const ux = (right.x - left.x) / distance;
  const uy = (right.y - left.y) / distance;
  const middleX = (left.x + right.x + mouthLeft.x + mouthRight.x) / 4;
  const middleY = (left.y + right.y + mouthLeft.y + mouthRight.y) / 4;
  const offset = (nose.x - middleX) * ux + (nose.y - middleY) * uy;
  return degrees(Math.atan2(offset, NOSE_PROTRUSION * distance));
}

function degrees(radians: number): number {
  return (radians * 180) / Math.PI;
}

function cutShare(face: Face, { width, height }: { readonly width: number; readonly height: number }): number {
  const seenWidth = Math.max(0, Math.min(width, face.x + face.width) - Math.max(0, face.x));
  const seenHeight = Math.max(0, Math.min(height, face.y + face.height) - Math.max(0, face.y));
  return 1 - (seenWidth * seenHeight) / (face.width * face.height);
}

/**
 * Variance of the discrete Laplacian (the four neighbours less four times the pixel) over the inner pixels of a grey picture, grey levels squared:
 * the usual measure of focus. 0 for a picture of less than 3 x 3.
 */
export function laplacianVariance(grey: Image): number {
  const { width, height, data } = grey;
  const count = (width - 2) * (height - 2);
  if (width < 3 || height < 3) return 0;
  let sum = 0;
  let squares = 0;
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1, i = y * width + 1; x < width - 1; x++, i++) {
      const value =
        (data[i - 1] as number) +
        (data[i + 1] as number) +
        (data[i - width] as number) +
        (data[i + width] as number) -
        4 * (data[i] as number);
      sum += value;
      squares += value * value;
    }
  }
  return squares / count - (sum / count) ** 2;
}

function meanLevel(grey: Image): number {
  let sum = 0;
  for (let i = 0; i < grey.data.length; i++) sum += grey.data[i] as number;
  return sum / grey.data.length;
}

/** What a face must have, in the order in which notes are given. */
export type FaceLimitCode = "face-small" | "face-cut" | "face-turned" | "blurred" | "dark" | "bright";

/** A bound on one measure. */
export interface FaceLimit {
  readonly code: FaceLimitCode;
  readonly measure: keyof FaceQuality;
  /** "least": too little of it is bad; "most": too much; "within": too far from zero on either side. */
  readonly side: "least" | "most" | "within";
  readonly bound: number;
}

/** Bounds that are used unless others are given. */
export const FACE_LIMITS: readonly FaceLimit[] = [
  { code: "face-small", measure: "eyeDistance", side: "least", bound: 24 },
  { code: "face-cut", measure: "cutShare", side: "most", bound: 0.15 },
  { code: "face-turned", measure: "yawDegrees", side: "within", bound: 40 },
  { code: "face-turned", measure: "rollDegrees", side: "within", bound: 35 },
  { code: "blurred", measure: "sharpness", side: "least", bound: 40 },
  { code: "dark", measure: "brightness", side: "least", bound: 40 },
  { code: "bright", measure: "brightness", side: "most", bound: 220 },
];

/** The limits that a face breaks, each code once, in the order of the table. A measure that is not a number breaks its limit. */
export function brokenFaceLimits(quality: FaceQuality, limits: readonly FaceLimit[] = FACE_LIMITS): readonly FaceLimitCode[] {
  const broken = new Set<FaceLimitCode>();
  for (const { code, measure, side, bound } of limits) {
    const value = quality[measure];
    const good = side === "least" ? value >= bound : side === "most" ? value <= bound : Math.abs(value) <= bound;
    if (!good) broken.add(code);
  }
  return [...broken];
}

/** Whether another face is nearly as large as the chosen one: who is meant is not certain then. `share` compares areas, .4 of the chosen face's unless given. */
export function hasRival(faces: readonly Face[], chosen: Face, share = 0.4): boolean {
  const area = chosen.width * chosen.height;
  return faces.some((face) => face !== chosen && face.width * face.height >= share * area);
}
