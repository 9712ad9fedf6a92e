import { at } from "../../base/assert.ts";
import { fail } from "../../base/error.ts";
import type { Image } from "../../signal/image.ts";
import { type Affine, type Point, warpAffine } from "../../signal/warp.ts";
import type { Placement } from "../card.ts";

/** The five points that ArcFace training put faces on, in a picture of 112 x 112: left eye, right eye, nose, left and right mouth corner. */
export const ARCFACE_112: readonly Point[] = [
  { x: 38.2946, y: 51.6963 },
  { x: 73.5318, y: 51.5014 },
  { x: 56.0252, y: 71.7366 },
  { x: 41.5493, y: 92.3655 },
  { x: 70.7299, y: 92.2041 },
];

/** The ArcFace template for a square picture of another size: every coordinate times size / 112. */
export function arcfaceTemplate(size: number): readonly Point[] {
  return ARCFACE_112.map((p) => ({ x: (p.x * size) / 112, y: (p.y * size) / 112 }));
}

/** The target points of an `align` placement for an input of a width. @throws CARD_INVALID when the placement is of another kind. */
export function templateOf(placement: Placement, width: number): readonly Point[] {
  if (placement.kind !== "align") throw fail("CARD_INVALID", `Cannot align a face: the card's placement is "${placement.kind}"`);
  return "points" in placement ? placement.points : arcfaceTemplate(width);
}

/**
 * The similarity transform (rotation, one scale, translation; no reflection) that takes `from` to `to` with the least sum of squared
 * distances. In the plane Umeyama's solution (PAMI 1991) has a closed form: with centred points s, d and rotation-scale [[a, -b], [b, a]],
 * a = sum(s . d) / sum(s . s), b = sum(s x d) / sum(s . s).
 * @throws IMAGE_INVALID when the lists differ in length or all points of `from` coincide.
 */
export function similarity(from: readonly Point[], to: readonly Point[]): Affine {
  const count = from.length;
  if (count < 2 || count !== to.length)
    throw fail("IMAGE_INVALID", `Cannot fit a similarity to ${count} and ${to.length} points`);
  const s = centroid(from);
  const d = centroid(to);
  let dot = 0;
  let cross = 0;
  let square = 0;
  for (let i = 0; i < count; i++) {
    const sx = at(from, i).x - s.x;
    const sy = at(from, i).y - s.y;
    const dx = at(to, i).x - d.x;
    const dy = at(to, i).y - d.y;
    dot += sx * dx + sy * dy;
    cross += sx * dy - sy * dx;
    square += sx * sx + sy * sy;
  }
  if (!(square > 0)) throw fail("IMAGE_INVALID", "Cannot fit a similarity: the points coincide or are not finite");
  const a = dot / square;
  const b = cross / square;
  return [a, -b, d.x - a * s.x + b * s.y, b, a, d.y - b * s.x - a * s.y];
}

function centroid(points: readonly Point[]): Point {
  let x = 0;
  let y = 0;
  for (const p of points) {
    x += p.x / points.length;
    y += p.y / points.length;
  }
  return { x, y };
}

/** The face drawn so that its landmarks lie on `template` as well as a similarity allows; outside the picture is black. @throws IMAGE_INVALID */
export function alignFace(
  image: Image,
  landmarks: readonly Point[],
  options: { readonly template: readonly Point[]; readonly width: number; readonly height: number },
): Image {
  return warpAffine(image, similarity(landmarks, options.template), { width: options.width, height: options.height });
}
