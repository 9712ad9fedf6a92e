import { fail } from "../base/error.ts";
import type { Image } from "./image.ts";

/** Options of {@link resize}. */
export interface ResizeOptions {
  /**
   * "bilinear": two taps per axis, whatever the scale (what cv2.resize does by default, and what most face models were trained behind).
   * "area": where the picture shrinks, the exact mean over the area each new pixel covers; where it grows, bilinear.
   */
  readonly filter: "bilinear" | "area";
}

/** Defaults of {@link resize}. */
export const RESIZE_DEFAULTS: ResizeOptions = { filter: "bilinear" };

/** For each output index of an axis: where its taps start and what they weigh (`count` weights each, padded with zeros). */
interface Taps {
  readonly count: number;
  readonly start: Int32Array;
  readonly weights: Float32Array;
}

/**
 * Scales a picture to `width` x `height`. Pixel centres lie at half-integers (source = (target + 0.5) * in / out - 0.5) and samples beyond
 * the edge repeat the edge; values are rounded half up. @throws IMAGE_INVALID when a size is not a positive integer.
 */
export function resize(
  image: Image,
  size: { readonly width: number; readonly height: number },
  options: Partial<ResizeOptions> = {},
): Image {
  const { filter } = { ...RESIZE_DEFAULTS, ...options };
  const { width, height } = size;
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw fail("IMAGE_INVALID", `Cannot resize to ${width} x ${height}: sizes are integers of at least 1`);
  }
  if (width === image.width && height === image.height) return image;
  const columns = tapsOf(image.width, width, filter);
  const rows = tapsOf(image.height, height, filter);
  const narrow = alongRows(image, width, columns);
  return { ...image, width, height, data: alongColumns(narrow, width * image.channels, height, rows) };
}

function tapsOf(from: number, to: number, filter: ResizeOptions["filter"]): Taps {
  return filter === "area" && to < from ? areaTaps(from, to) : bilinearTaps(from, to);
}

function bilinearTaps(from: number, to: number): Taps {
  const start = new Int32Array(to);
  const weights = new Float32Array(to * 2);
  for (let i = 0; i < to; i++) {
    const at = Math.min(from - 1, Math.max(0, ((i + 0.5) * from) / to - 0.5));
    // The last sample is reached with the upper tap, so that both taps always exist when there are two samples.
    const first = Math.min(Math.floor(at), Math.max(0, from - 2));
    start[i] = first;
    weights[i * 2] = 1 - (at - first);
    weights[i * 2 + 1] = at - first;
  }
  if (from > 1) return { count: 2, start, weights };
  return { count: 1, start, weights: new Float32Array(to).fill(1) };
}

function areaTaps(from: number, to: number): Taps {
  const scale = from / to;
  const count = Math.min(from, Math.ceil(scale) + 1);
  const start = new Int32Array(to);
  const weights = new Float32Array(to * count);
  for (let i = 0; i < to; i++) {
    const low = i * scale;
    const high = Math.min(from, low + scale);
    const first = Math.min(Math.floor(low), from - count);
    start[i] = first;
    for (let k = 0; k < count; k++) {
      weights[i * count + k] = Math.max(0, Math.min(high, first + k + 1) - Math.max(low, first + k)) / scale;
    }
  }
  return { count, start, weights };
}

function alongRows(image: Image, width: number, taps: Taps): Float32Array {
  const { data, channels, height } = image;
  const { count, start, weights } = taps;
  const out = new Float32Array(height * width * channels);
  let o = 0;
  for (let y = 0; y < height; y++) {
    const row = y * image.width * channels;
    for (let x = 0; x < width; x++) {
      const from = row + (start[x] as number) * channels;
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let k = 0; k < count; k++) sum += (weights[x * count + k] as number) * (data[from + k * channels + c] as number);
        out[o++] = sum;
      }
    }
  }
  return out;
}

function alongColumns(samples: Float32Array, stride: number, height: number, taps: Taps): Uint8Array {
  const { count, start, weights } = taps;
  const out = new Uint8Array(height * stride);
  for (let y = 0; y < height; y++) {
    const from = (start[y] as number) * stride;
    for (let x = 0; x < stride; x++) {
      let sum = 0;
      for (let k = 0; k < count; k++) sum += (weights[y * count + k] as number) * (samples[from + k * stride + x] as number);
      out[y * stride + x] = sum + 0.5;
    }
  }
  return out;
}
