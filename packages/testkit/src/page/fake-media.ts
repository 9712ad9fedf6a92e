import { writeFile } from "node:fs/promises";
import { fail } from "@tessera/core/base/error";
import type { Image } from "@tessera/core/signal/image";

/** Where a picture lies in the frame of a fake camera. */
export interface Placement {
  /** Frame, pixels; both even. */
  readonly width: number;
  readonly height: number;
  /** Height of the picture in the frame, pixels. */
  readonly pictureHeight: number;
}

/** A picture of 250 rows at twice its size fills a frame of 480 rows, as a person at arm's length does. */
export const PLACEMENT_DEFAULTS: Placement = { width: 640, height: 480, pictureHeight: 480 };

/**
 * Lays a picture in the middle of a grey frame, enlarged or reduced by bilinear interpolation; what does not fit is cut off. RGB u8[height, width, 3].
 * @throws IMAGE_INVALID when it has not three channels
 */
export function placePicture(image: Image, options: Partial<Placement> = {}): Uint8Array {
  const { width, height, pictureHeight } = { ...PLACEMENT_DEFAULTS, ...options };
  if (image.channels !== 3) throw fail("IMAGE_INVALID", `Cannot show the picture to a camera: it has ${image.channels} channels`);
  const scale = pictureHeight / image.height;
  const left = (width - image.width * scale) / 2;
  const top = (height - pictureHeight) / 2;
  const frame = new Uint8Array(3 * width * height).fill(128);
  const clamp = (v: number, most: number): number => Math.max(0, Math.min(most, v));
  for (let y = 0; y < height; y++) {
    const sy = (y + 0.5 - top) / scale - 0.5;
    if (sy < -0.5 || sy > image.height - 0.5) continue;
    const y0 = clamp(Math.floor(sy), image.height - 1);
    const y1 = clamp(y0 + 1, image.height - 1);
    const fy = clamp(sy - y0, 1);
    for (let x = 0; x < width; x++) {
      const sx = (x + 0.5 - left) / scale - 0.5;
      if (sx < -0.5 || sx > image.width - 0.5) continue;
      const x0 = clamp(Math.floor(sx), image.width - 1);
      const x1 = clamp(x0 + 1, image.width - 1);
      const fx = clamp(sx - x0, 1);
      for (let c = 0; c < 3; c++) {
        const at = (row: number, column: number): number => image.data[3 * (row * image.width + column) + c] as number;
        const upper = at(y0, x0) * (1 - fx) + at(y0, x1) * fx;
        const lower = at(y1, x0) * (1 - fx) + at(y1, x1) * fx;
        frame[3 * (y * width + x) + c] = Math.round(upper * (1 - fy) + lower * fy);
      }
    }
  }
  return frame;
}

/**
 * Writes frames as YUV4MPEG2, which Chromium's fake camera plays in a loop: one text header, then for each frame "FRAME" and the planes Y, U, V at
 * 4:2:0, in the full-range BT.601 of JPEG squeezed to 16..235 and 16..240. Each frame is RGB u8[height, width, 3].
 */
export async function writeY4m(
  path: string,
  frames: readonly Uint8Array[],
  { width, height, framesPerSecond = 10 }: { readonly width: number; readonly height: number; readonly framesPerSecond?: number },
): Promise<void> {
  const parts: Uint8Array[] = [Buffer.from(`YUV4MPEG2 W${width} H${height} F${framesPerSecond}:1 Ip A1:1 C420mpeg2\n`)];
  for (const frame of frames) parts.push(Buffer.from("FRAME\n"), planesOf(frame, width, height));
  await writeFile(path, Buffer.concat(parts));
}

/** Planes Y u8[h, w], U and V u8[h/2, w/2] of an RGB frame: ITU-R BT.601 with studio swing. */
function planesOf(rgb: Uint8Array, width: number, height: number): Uint8Array {
  const size = width * height;
  const planes = new Uint8Array(size + size / 2);
  for (let i = 0; i < size; i++) {
    const [r, g, b] = [rgb[3 * i] as number, rgb[3 * i + 1] as number, rgb[3 * i + 2] as number];
    planes[i] = Math.round(16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255);
  }
  const half = width / 2;
  for (let y = 0; y < height; y += 2) {
    for (let x = 0; x < width; x += 2) {
      const mean = (c: number): number => {
        const at = 3 * (y * width + x) + c;
        const below = at + 3 * width;
        return ((rgb[at] as number) + (rgb[at + 3] as number) + (rgb[below] as number) + (rgb[below + 3] as number)) / 4;
      };
      const [r, g, b] = [mean(0), mean(1), mean(2)];
      const to = size + (y / 2) * half + x / 2;
      planes[to] = Math.round(128 + (-37.797 * r - 74.203 * g + 112 * b) / 255);
      planes[to + size / 4] = Math.round(128 + (112 * r - 93.786 * g - 18.214 * b) / 255);
    }
  }
  return planes;
}
