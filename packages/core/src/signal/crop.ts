import { fail } from "../base/error.ts";
import type { Image } from "./image.ts";

/** A rectangle in pixels; `x`, `y` is its top left corner and may lie outside the picture. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Cuts a rectangle of whole pixels out of a picture; what lies outside is filled with `fill` in every channel.
 * @throws IMAGE_INVALID when the rectangle is empty or not made of integers.
 */
export function crop(image: Image, rect: Rect, fill = 0): Image {
  const { x, y, width, height } = rect;
  if (![x, y, width, height].every(Number.isInteger) || width < 1 || height < 1) {
    throw fail("IMAGE_INVALID", `Cannot crop ${width} x ${height} at ${x}, ${y}: whole pixels are needed, at least one`);
  }
  const { channels } = image;
  const out = new Uint8Array(width * height * channels);
  if (fill !== 0) out.fill(fill);
  const left = Math.max(0, x);
  const right = Math.min(image.width, x + width);
  if (left < right) {
    for (let row = Math.max(0, y); row < Math.min(image.height, y + height); row++) {
      const from = row * image.width * channels;
      out.set(image.data.subarray(from + left * channels, from + right * channels), ((row - y) * width + left - x) * channels);
    }
  }
  return { ...image, width, height, data: out };
}
