import { fail } from "../../base/error.ts";

/*
 * Strings of a file must come back byte for byte, also where an exporter wrote something that is not UTF-8. Bytes that do not decode
 * become the lone low surrogates U+DC80..U+DCFF (valid UTF-8 never decodes to those), and are turned back when written. Two different
 * byte strings therefore never become one name.
 */
const ESCAPE = 0xdc00;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Up to this many bytes the text is put together here: calling the decoder costs more than the work. Measured on Node 20. */
const SHORT = 64;

/** Most arguments given to one call. */
const BATCH = 8192;

/** Decodes `bytes[start, end)`; bytes that are not UTF-8 become U+DC00 + byte. */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start;
  if (length > SHORT) {
    // The decoder's own check is not used: it throws, and thousands of throws would stall the reader of a hostile file.
    const slice = bytes.subarray(start, end);
    return isUtf8(slice) ? decoder.decode(slice) : decodeHere(slice);
  }
  const codes: number[] = new Array(length);
  for (let i = 0; i < length; i++) {
    const byte = bytes[start + i] as number;
    if (byte >= 0x80) return decodeHere(bytes.subarray(start, end));
    codes[i] = byte;
  }
  return String.fromCharCode.apply(null, codes);
}

function isUtf8(bytes: Uint8Array): boolean {
  let i = 0;
  while (i < bytes.length) {
    const size = (bytes[i] as number) < 0x80 ? 1 : sequenceSize(bytes, i);
    if (size === 0) return false;
    i += size;
  }
  return true;
}

/** Bytes of the UTF-8 sequence that starts at `i`, or 0 if there is none (Unicode 16, table 3-7, well-formed byte sequences). */
function sequenceSize(bytes: Uint8Array, i: number): number {
  const lead = bytes[i] ?? 0;
  const second = bytes[i + 1] ?? 0;
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4 || (second & 0xc0) !== 0x80) return 0;
  if (lead < 0xe0) return 2;
  if (((bytes[i + 2] ?? 0) & 0xc0) !== 0x80) return 0;
  if (lead < 0xf0) return (lead === 0xe0 && second < 0xa0) || (lead === 0xed && second > 0x9f) ? 0 : 3;
  if (((bytes[i + 3] ?? 0) & 0xc0) !== 0x80) return 0;
  return (lead === 0xf0 && second < 0x90) || (lead === 0xf4 && second > 0x8f) ? 0 : 4;
}

function decodeHere(bytes: Uint8Array): string {
  const codes = new Uint16Array(bytes.length);
  let count = 0;
  for (let i = 0; i < bytes.length; ) {
    const lead = bytes[i] as number;
    const size = lead < 0x80 ? 1 : sequenceSize(bytes, i);
    const tail = (k: number): number => (bytes[i + k] as number) & 0x3f;
    if (size === 0) codes[count++] = ESCAPE + lead;
    else if (size === 1) codes[count++] = lead;
    else if (size === 2) codes[count++] = ((lead & 0x1f) << 6) | tail(1);
    else if (size === 3) codes[count++] = ((lead & 0x0f) << 12) | (tail(1) << 6) | tail(2);
    else {
      const point = (((lead & 0x07) << 18) | (tail(1) << 12) | (tail(2) << 6) | tail(3)) - 0x10000;
      codes[count++] = 0xd800 | (point >> 10);
      codes[count++] = 0xdc00 | (point & 0x3ff);
    }
    i += Math.max(1, size);
  }
  let text = "";
  for (let from = 0; from < count; from += BATCH) {
    text += String.fromCharCode(...codes.subarray(from, Math.min(count, from + BATCH)));
  }
  return text;
}

/**
 * Bytes that {@link writeUtf8} will write.
 *
 * @throws MALFORMED if the text holds a lone surrogate that is not one of our escapes: there is no UTF-8 for it
 */
export function utf8Size(text: string): number {
  let size = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    if (code < 0x800) size += 1;
    else if (code < 0xd800 || code > 0xdfff) size += 2;
    else if (isPair(code, text.charCodeAt(i + 1))) {
      size += 2;
      i++;
    } else if (code < ESCAPE + 0x80 || code > ESCAPE + 0xff) {
      throw fail("MALFORMED", `Cannot write a string: character ${i} is the lone surrogate U+${code.toString(16).toUpperCase()}`);
    }
  }
  return size;
}

/** Writes the text at `at` and returns the position after it; `bytes` must have room for {@link utf8Size} bytes. */
export function writeUtf8(bytes: Uint8Array, text: string, at: number): number {
  let pos = at;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) bytes[pos++] = code;
    else if (code < 0x800) {
      bytes[pos++] = 0xc0 | (code >> 6);
      bytes[pos++] = 0x80 | (code & 0x3f);
    } else if (code < 0xd800 || code > 0xdfff) {
      bytes[pos++] = 0xe0 | (code >> 12);
      bytes[pos++] = 0x80 | ((code >> 6) & 0x3f);
      bytes[pos++] = 0x80 | (code & 0x3f);
    } else if (isPair(code, text.charCodeAt(i + 1))) {
      const point = 0x10000 + ((code & 0x3ff) << 10) + (text.charCodeAt(++i) & 0x3ff);
      bytes[pos++] = 0xf0 | (point >> 18);
      bytes[pos++] = 0x80 | ((point >> 12) & 0x3f);
      bytes[pos++] = 0x80 | ((point >> 6) & 0x3f);
      bytes[pos++] = 0x80 | (point & 0x3f);
    } else bytes[pos++] = code & 0xff;
  }
  return pos;
}

function isPair(high: number, low: number): boolean {
  return high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000;
}
