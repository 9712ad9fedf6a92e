import { at } from "../../base/assert.ts";
import { fail } from "../../base/error.ts";
import { type Image, toGrey } from "../../signal/image.ts";
import { invert, mapPoint, type Point } from "../../signal/warp.ts";
import { similarity } from "./align.ts";
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
  /**
   * Share of the inner face (the box of its aligned landmarks, enlarged 1.6 times) that lies outside the picture, 0..1. Not of the detector's box:
   * detectors give boxes of what they see.
   */
  readonly cutShare: number;
  /** Variance of the Laplacian over the aligned face, grey levels squared. */
  readonly sharpness: number;
  /** Mean grey level of the aligned face, 0..255. */
  readonly brightness: number;
}

/** Where a face was seen, and what it became. */
export interface FaceView {
  /** The whole picture. */
  readonly picture: { readonly width: number; readonly height: number };
  /** The face drawn onto the template of the embedding network, grey or RGB. */
  readonly aligned: Image;
  /** Where its landmarks came to lie there. */
  readonly template: readonly Point[];
}

/** Measures a face. @throws FACE_NOT_FOUND when it has no landmarks, IMAGE_INVALID when they coincide */
export function faceQuality(face: Face, view: FaceView): FaceQuality {
  const { picture, aligned } = view;
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
    cutShare: cutShare(points, view),
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

/** Points a side at which the inner face is asked where it comes from, and how far it reaches about the box of the landmarks. */
const GRID = 16;
const INNER = 1.6;

function cutShare(points: readonly Point[], { picture, template }: FaceView): number {
  const back = invert(similarity(points, template));
  const [xs, ys] = [template.map((p) => p.x), template.map((p) => p.y)];
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  let outside = 0;
  for (let row = 0; row < GRID; row++) {
    for (let column = 0; column < GRID; column++) {
      const x = (left + right) / 2 + INNER * (right - left) * ((column + 0.5) / GRID - 0.5);
      const y = (top + bottom) / 2 + INNER * (bottom - top) * ((row + 0.5) / GRID - 0.5);
      const from = mapPoint(back, { x, y });
      if (!(from.x >= -0.5 && from.y >= -0.5 && from.x < picture.width - 0.5 && from.y < picture.height - 0.5)) outside++;
    }
  }
  return outside / (GRID * GRID);
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

/**
 * Bounds that are used unless others are given, laid where recognition begins to fall when LFW pictures are spoilt (`bench/face-quality.ts`: genuine
 * pairs of folds 1 and 2, one picture of each spoilt; MobileFaceNet 128 at the threshold of FAR 1e-3, where clean pictures reach a TAR of .97).
 *
 * | measure | TAR around the bound | LFW calibration pictures |
 * |---|---|---|
 * | eye distance, px | .99 at 16, .96 at 13, .86 at 10 | 1 of 300 below 16, the next at 35 |
 * | cut share | .95 at .03, .90 at .18, .88 at .26 | none above 0 |
 * | yaw | no loss seen up to 45, with few pairs beyond | 1 % beyond 48 |
 * | roll | .96 at 16, .74 at 20 (YuNet finds less tilt than there is: 25 and 35) | all but one within 9 |
 * | sharpness | .95 at 12, .85 at 8 | least 12.5, 1 % below 30 |
 * | brightness | .98 at 23, .81 at 15; .96 at 197, .84 at 215 | 58 to 180 |
 *
 * Eyes nearer than 16 pixels would be recognised, but the liveness network's 80 x 80 would be drawn from fewer pixels than it has.
 */
export const FACE_LIMITS: readonly FaceLimit[] = [
  { code: "face-small", measure: "eyeDistance", side: "least", bound: 16 },
  { code: "face-cut", measure: "cutShare", side: "most", bound: 0.15 },
  { code: "face-turned", measure: "yawDegrees", side: "within", bound: 45 },
  { code: "face-turned", measure: "rollDegrees", side: "within", bound: 18 },
  { code: "blurred", measure: "sharpness", side: "least", bound: 10 },
  { code: "dark", measure: "brightness", side: "least", bound: 20 },
  { code: "bright", measure: "brightness", side: "most", bound: 205 },
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
