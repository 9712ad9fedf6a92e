import { fail } from "../base/error.ts";
import type { Image } from "./image.ts";

/** A point in pixels; the centre of the top left pixel is (0, 0), as in OpenCV. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** An affine map [a, b, c, d, e, f]: x' = a x + b y + c, y' = d x + e y + f. */
export type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/** The map that changes nothing. */
export const IDENTITY: Affine = [1, 0, 0, 0, 1, 0];

/** Where a map takes a point. */
export function mapPoint(m: Affine, p: Point): Point {
  return { x: m[0] * p.x + m[1] * p.y + m[2], y: m[3] * p.x + m[4] * p.y + m[5] };
}

/** The map that does `first`, then `second`. */
export function compose(second: Affine, first: Affine): Affine {
  const [a, b, c, d, e, f] = second;
  const [g, h, i, j, k, l] = first;
  return [a * g + b * j, a * h + b * k, a * i + b * l + c, d * g + e * j, d * h + e * k, d * i + e * l + f];
}

/** The map back. @throws IMAGE_INVALID when the map squeezes the plane to a line or is not finite. */
export function invert(m: Affine): Affine {
  const [a, b, c, d, e, f] = m;
  const det = a * e - b * d;
  if (!m.every(Number.isFinite) || Math.abs(det) < 1e-12) {
    throw fail("IMAGE_INVALID", `Cannot invert the affine map [${m.join(", ")}]: its determinant is ${det}`);
  }
  return [e / det, -b / det, (b * f - c * e) / det, -d / det, a / det, (c * d - a * f) / det];
}

/** Options of {@link warpAffine}. */
export interface WarpOptions {
  /** Value of every sample outside the source, 0..255. */
  readonly border: number;
}

/** Defaults of {@link warpAffine}. */
export const WARP_DEFAULTS: WarpOptions = { border: 0 };

/**
 * Draws a picture through an affine map. `map` takes source to target coordinates (integers are pixel centres); each target pixel is the
 * bilinear mean of the four source pixels around its origin, those outside counting as `border`, rounded half up. This is
 * cv2.warpAffine(INTER_LINEAR, BORDER_CONSTANT) but for OpenCV's rounding of positions to 1/32 pixel.
 * @throws IMAGE_INVALID when the map has no inverse.
 */
export function warpAffine(
  image: Image,
  map: Affine,
  options: { readonly width: number; readonly height: number } & Partial<WarpOptions>,
): Image {
  const { width, height, border } = { ...WARP_DEFAULTS, ...options };
  const [a, b, c, d, e, f] = invert(map);
  const { data, channels } = image;
  const out = new Uint8Array(width * height * channels);
  const stride = image.width * channels;
  const lastX = image.width - 1;
  const lastY = image.height - 1;
  let o = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++, o += channels) {
      const sx = a * x + b * y + c;
      const sy = d * x + e * y + f;
      const x0 = Math.floor(sx);
      const y0 = Math.floor(sy);
      const fx = sx - x0;
      const fy = sy - y0;
      if (x0 >= 0 && y0 >= 0 && x0 < lastX && y0 < lastY) {
        const at = y0 * stride + x0 * channels;
        for (let k = at; k < at + channels; k++) {
          const top = (data[k] as number) * (1 - fx) + (data[k + channels] as number) * fx;
          const bottom = (data[k + stride] as number) * (1 - fx) + (data[k + stride + channels] as number) * fx;
          out[o + k - at] = top * (1 - fy) + bottom * fy + 0.5;
        }
      } else {
        for (let k = 0; k < channels; k++) out[o + k] = edgeSample(image, { x: x0, y: y0 }, { fx, fy, k, border }) + 0.5;
      }
    }
  }
  return { ...image, width, height, data: out };
}

function edgeSample(
  image: Image,
  corner: Point,
  at: { readonly fx: number; readonly fy: number; readonly k: number; readonly border: number },
): number {
  const { fx, fy, k, border } = at;
  let sum = 0;
  for (let j = 0; j < 2; j++) {
    for (let i = 0; i < 2; i++) {
      const x = corner.x + i;
      const y = corner.y + j;
      const inside = x >= 0 && y >= 0 && x < image.width && y < image.height;
      const value = inside ? (image.data[(y * image.width + x) * image.channels + k] as number) : border;
      sum += value * (i === 0 ? 1 - fx : fx) * (j === 0 ? 1 - fy : fy);
    }
  }
  return sum;
}
