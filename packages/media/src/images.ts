import { readFile } from "node:fs/promises";
import { fail, isTesseraError } from "@tessera/core/base/error";
import { IMAGE_LIMITS, type Image, type ImageLimits, imageOf } from "@tessera/core/signal/image";
import { decodePnm, isPnm } from "@tessera/core/signal/pnm";
import { resize } from "@tessera/core/signal/resize";
import sharp, { type Sharp } from "sharp";
import { jpegScans, MAX_JPEG_SCANS } from "./jpeg-scans.ts";

/** Most pixels of an interlaced PNG that is reduced: unlike others it must be held whole. 24 million of 16 bits are 838 kB of file and took 9 s. */
const MAX_INTERLACED_PIXELS = 4_000_000;

let tuned = false;

/** Pictures are read once each: a cache and a thread pool of libvips would only take memory and cores from the runtime that is measured. */
function tuneOnce(): void {
  if (tuned) return;
  tuned = true;
  sharp.cache(false);
  sharp.concurrency(1);
}

/** Whether bytes begin like a JPEG or a PNG file. Other formats of libvips (SVG, TIFF, ...) are much code that a service need not lay open. */
export function isJpegOrPng(bytes: Uint8Array): boolean {
  return startsWith(bytes, [0xff, 0xd8, 0xff]) || startsWith(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

/** A picture that was perhaps made smaller while it was decoded. */
export interface ReducedImage {
  readonly image: Image;
  /** Width of the picture in the file (upright) over that of `image`; 1 when nothing was reduced. */
  readonly reduction: number;
}

/**
 * Decodes as {@link decodeImage}, to at most `maxSide` pixels a side: a JPEG is shrunk by powers of two while it is decoded, so that a picture
 * of a phone's camera costs little more than a small one. @throws IMAGE_INVALID as {@link decodeImage}
 */
export async function decodeReduced(
  bytes: Uint8Array,
  options: ImageLimits & { readonly maxSide: number },
): Promise<ReducedImage> {
  const { maxSide } = options;
  if (isPnm(bytes)) {
    const image = decodePnm(bytes, options);
    const reduction = Math.max(image.width, image.height) / maxSide;
    if (reduction <= 1) return { image, reduction: 1 };
    const size = {
      width: Math.max(1, Math.round(image.width / reduction)),
      height: Math.max(1, Math.round(image.height / reduction)),
    };
    return { image: resize(image, size, { filter: "area" }), reduction: image.width / size.width };
  }
  checkScans(bytes);
  tuneOnce();
  return invalidWhenUnread(async () => {
    const file = sharp(bytes, { limitInputPixels: options.maxPixels, failOn: "error", pages: 1 });
    const { width, height, autoOrient, format, isProgressive } = await file.metadata();
    if (format === "png" && isProgressive === true && width * height > MAX_INTERLACED_PIXELS)
      throw fail(
        "IMAGE_INVALID",
        `Cannot decode the picture: an interlaced PNG of ${width} x ${height}, at most ${MAX_INTERLACED_PIXELS} pixels are read`,
      );
    if (Math.max(width, height) <= maxSide) return { image: await pixelsOf(file), reduction: 1 };
    const image = await pixelsOf(file.resize({ width: maxSide, height: maxSide, fit: "inside" }));
    return { image, reduction: autoOrient.width / image.width };
  });
}

/**
 * Decodes the bytes of a picture: PGM and PPM by our own reader, everything else (JPEG, PNG, WebP, ...) by sharp. The result is upright (EXIF
 * orientation applied), 8-bit sRGB or grey, without transparency (laid on black).
 * @throws IMAGE_INVALID when it cannot be decoded, has more pixels than allowed, or is a JPEG of more scans than {@link MAX_JPEG_SCANS}
 */
export async function decodeImage(bytes: Uint8Array, limits: ImageLimits = IMAGE_LIMITS): Promise<Image> {
  if (isPnm(bytes)) return decodePnm(bytes, limits);
  checkScans(bytes);
  tuneOnce();
  return invalidWhenUnread(() => pixelsOf(sharp(bytes, { limitInputPixels: limits.maxPixels, failOn: "error", pages: 1 })));
}

function checkScans(bytes: Uint8Array): void {
  if (!startsWith(bytes, [0xff, 0xd8, 0xff])) return;
  const scans = jpegScans(bytes);
  if (scans > MAX_JPEG_SCANS)
    throw fail("IMAGE_INVALID", `Cannot decode the picture: it has ${scans} scans, at most ${MAX_JPEG_SCANS} are read`);
}

async function pixelsOf(file: Sharp): Promise<Image> {
  const { data, info } = await file
    .autoOrient()
    .flatten({ background: "#000" })
    .toColourspace("srgb")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 1 && info.channels !== 3) {
    throw fail("IMAGE_INVALID", `Cannot use the picture: it decodes to ${info.channels} channels`);
  }
  return imageOf(info.width, info.height, info.channels, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

async function invalidWhenUnread<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
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
