import { fail } from "../base/error.ts";
import { checkImageSize, IMAGE_LIMITS, type Image, type ImageLimits, imageOf } from "./image.ts";

/** Whether bytes begin like a binary PGM (P5) or PPM (P6) file. */
export function isPnm(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && (bytes[1] === 0x35 || bytes[1] === 0x36) && isSpace(bytes[2]);
}

/**
 * Reads a binary PGM (P5, grey) or PPM (P6, RGB) picture: one image, comments in the header allowed, samples of one or two bytes rescaled to
 * 0..255 (rounded) when the maximum value is another than 255. Bytes after the picture are ignored.
 * Written after the netpbm format description. @throws IMAGE_INVALID naming the byte offset.
 */
export function decodePnm(bytes: Uint8Array, limits: ImageLimits = IMAGE_LIMITS): Image {
  if (!isPnm(bytes))
    throw fail("IMAGE_INVALID", "Cannot read a PGM or PPM picture: it does not begin with P5 or P6", { at: { offset: 0 } });
  const channels = bytes[1] === 0x35 ? 1 : 3;
  const width = headerNumber(bytes, 2, "width");
  const height = headerNumber(bytes, width.end, "height");
  const max = headerNumber(bytes, height.end, "maximum value");
  checkImageSize(width.value, height.value, limits);
  if (max.value < 1 || max.value > 65_535) {
    throw fail("IMAGE_INVALID", `Cannot read a PGM or PPM picture: its maximum value is ${max.value}, not 1..65535`, {
      at: { offset: max.end },
    });
  }
  if (!isSpace(bytes[max.end])) {
    throw fail("IMAGE_INVALID", "Cannot read a PGM or PPM picture: one white space must follow the header", {
      at: { offset: max.end },
    });
  }
  const start = max.end + 1;
  const count = width.value * height.value * channels;
  const wide = max.value > 255;
  const needed = wide ? count * 2 : count;
  if (bytes.length - start < needed) {
    throw fail(
      "IMAGE_INVALID",
      `Cannot read a ${width.value} x ${height.value} picture: ${needed} bytes of samples are needed, ${bytes.length - start} are there`,
      {
        at: { offset: start },
      },
    );
  }
  if (max.value === 255) return imageOf(width.value, height.value, channels, bytes.slice(start, start + count));
  const out = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const raw = wide
      ? (bytes[start + 2 * i] as number) * 256 + (bytes[start + 2 * i + 1] as number)
      : (bytes[start + i] as number);
    out[i] = Math.round((Math.min(raw, max.value) * 255) / max.value);
  }
  return imageOf(width.value, height.value, channels, out);
}

/** Writes a picture as binary PGM (grey) or PPM (RGB). */
export function encodePnm(image: Image): Uint8Array {
  const header = new TextEncoder().encode(`P${image.channels === 1 ? 5 : 6}\n${image.width} ${image.height}\n255\n`);
  const out = new Uint8Array(header.length + image.data.length);
  out.set(header);
  out.set(image.data, header.length);
  return out;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}

/** A decimal number after white space and comments (# to the end of the line). Nine digits at most, so that it stays an exact integer. */
function headerNumber(bytes: Uint8Array, from: number, what: string): { readonly value: number; readonly end: number } {
  let at = from;
  for (;;) {
    if (isSpace(bytes[at])) at++;
    else if (bytes[at] === 0x23) while (at < bytes.length && bytes[at] !== 0x0a && bytes[at] !== 0x0d) at++;
    else break;
  }
  const start = at;
  let value = 0;
  for (; at - start < 10; at++) {
    const digit = (bytes[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  if (at === start || at === from || at - start > 9) {
    throw fail("IMAGE_INVALID", `Cannot read a PGM or PPM picture: no usable ${what} in its header`, { at: { offset: start } });
  }
  return { value, end: at };
}
