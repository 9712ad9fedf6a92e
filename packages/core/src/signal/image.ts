import { fail } from "../base/error.ts";

/**
 * A decoded picture: 8-bit samples, row-major, channels interleaved (HWC). Three channels are sRGB in the order R, G, B; one channel is grey.
 * `data.length` is height * width * channels. Never written to after it was made.
 */
export interface Image {
  readonly kind: "image";
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly data: Uint8Array;
}

/** Limits of every reader of pictures. */
export interface ImageLimits {
  /** Most pixels (width times height) that are accepted. */
  readonly maxPixels: number;
}

/** 64 megapixels: larger than any camera of an access device, small enough for a server. */
export const IMAGE_LIMITS: ImageLimits = { maxPixels: 64_000_000 };

/** An image around samples, without copying. @throws IMAGE_INVALID when sizes are not positive integers or do not fit the samples. */
export function imageOf(width: number, height: number, channels: 1 | 3, data: Uint8Array): Image {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw fail("IMAGE_INVALID", `Cannot make a picture of ${width} x ${height}: sizes are integers of at least 1`);
  }
  if (data.length !== width * height * channels) {
    throw fail("IMAGE_INVALID", `Cannot make a picture of ${width} x ${height} x ${channels} from ${data.length} samples`);
  }
  return { kind: "image", width, height, channels, data };
}

/** @throws IMAGE_INVALID when the sizes a file declares are not positive or pass the limit. To be asked before anything is allocated. */
export function checkImageSize(width: number, height: number, limits: ImageLimits): void {
  if (!(width >= 1 && height >= 1))
    throw fail("IMAGE_INVALID", `Cannot read a picture of ${width} x ${height}: it has no pixels`);
  if (width * height > limits.maxPixels) {
    throw fail(
      "IMAGE_INVALID",
      `Cannot read a picture of ${width} x ${height}: more than ${limits.maxPixels} pixels (maxPixels)`,
    );
  }
}

/** The picture with three channels: itself, or the grey value in each. */
export function toRgb(image: Image): Image {
  if (image.channels === 3) return image;
  const { data } = image;
  const out = new Uint8Array(data.length * 3);
  for (let i = 0, o = 0; i < data.length; i++, o += 3) {
    const v = data[i] as number;
    out[o] = v;
    out[o + 1] = v;
    out[o + 2] = v;
  }
  return { ...image, channels: 3, data: out };
}

/** The picture with one channel: itself, or luma by ITU-R BT.601 (.299 R + .587 G + .114 B), rounded. */
export function toGrey(image: Image): Image {
  if (image.channels === 1) return image;
  const { data } = image;
  const out = new Uint8Array(data.length / 3);
  for (let o = 0, i = 0; o < out.length; o++, i += 3) {
    out[o] = Math.round(0.299 * (data[i] as number) + 0.587 * (data[i + 1] as number) + 0.114 * (data[i + 2] as number));
  }
  return { ...image, channels: 1, data: out };
}

/** The picture with the first and third channel exchanged (RGB to BGR and back). A grey picture is itself. */
export function swapRedBlue(image: Image): Image {
  if (image.channels === 1) return image;
  const out = new Uint8Array(image.data);
  for (let i = 0; i < out.length; i += 3) {
    out[i] = image.data[i + 2] as number;
    out[i + 2] = image.data[i] as number;
  }
  return { ...image, data: out };
}
