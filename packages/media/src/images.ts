import { readFile } from "node:fs/promises";
import { fail, isTesseraError } from "@tessera/core/base/error";
import { IMAGE_LIMITS, type Image, type ImageLimits, imageOf } from "@tessera/core/signal/image";
import { decodePnm, isPnm } from "@tessera/core/signal/pnm";
import sharp from "sharp";

let tuned = false;

/** Pictures are read once each: a cache and a thread pool of libvips would only take memory and cores from the runtime that is measured. */
function tuneOnce(): void {
  if (tuned) return;
  tuned = true;
  sharp.cache(false);
  sharp.concurrency(1);
}

/**
 * Decodes the bytes of a picture: PGM and PPM by our own reader, everything else (JPEG, PNG, WebP, ...) by sharp. The result is upright (EXIF
 * orientation applied), 8-bit sRGB or grey, without transparency (laid on black).
 * @throws IMAGE_INVALID when it cannot be decoded or has more pixels than allowed
 */
export async function decodeImage(bytes: Uint8Array, limits: ImageLimits = IMAGE_LIMITS): Promise<Image> {
  if (isPnm(bytes)) return decodePnm(bytes, limits);
  tuneOnce();
  try {
    const { data, info } = await sharp(bytes, { limitInputPixels: limits.maxPixels, failOn: "error", pages: 1 })
      .autoOrient()
      .flatten({ background: "#000" })
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 1 && info.channels !== 3) {
      throw fail("IMAGE_INVALID", `Cannot use the picture: it decodes to ${info.channels} channels`);
    }
    return imageOf(info.width, info.height, info.channels, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  } catch (cause) {
    if (isTesseraError(cause)) throw cause;
    const why = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    throw fail("IMAGE_INVALID", `Cannot decode the picture: ${why}`, { cause });
  }
}

/** Reads and decodes a picture file. @throws IO when it cannot be read, IMAGE_INVALID (with the file's name) when it cannot be decoded */
export async function readImage(path: string, limits: ImageLimits = IMAGE_LIMITS): Promise<Image> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw fail("IO", `Cannot read ${path}: ${cause instanceof Error ? cause.message : cause}`, { at: { file: path }, cause });
  }
  try {
    return await decodeImage(bytes, limits);
  } catch (error) {
    if (!isTesseraError(error)) throw error;
    throw fail(error.code, error.message, { at: { ...error.at, file: path }, cause: error.cause });
  }
}

/** A picture as the bytes of a PNG file (lossless). */
export async function encodePng(image: Image): Promise<Uint8Array> {
  tuneOnce();
  const { width, height, channels } = image;
  return sharp(image.data, { raw: { width, height, channels } }).png().toBuffer();
}
