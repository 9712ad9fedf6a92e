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

/** Most character codes turned into text in one call. */
const BATCH = 8192;

/** Decodes `bytes[start, end)`; bytes that are not UTF-8 become U+DC00 + byte. */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  // The decoder is given valid text only: it throws on other text, and thousands of throws would stall the reader of a hostile file.
  if (end - start > SHORT && isUtf8(bytes, start, end)) return decoder.decode(bytes.subarray(start, end));
  let text = "";
  let codes: number[] = [];
  for (let i = start; i < end; ) {
    const lead = bytes[i] as number;
    const size = lead < 0x80 ? 1 : sequenceSize(bytes, i, end);
    if (size === 1) codes.push(lead);
    else if (size === 0) codes.push(ESCAPE + lead);
    else pushSequence(codes, codePoint(bytes, i, size));
    i += Math.max(1, size);
    if (codes.length >= BATCH) {
      text += String.fromCharCode.apply(null, codes);
      codes = [];
    }
  }
  return text + String.fromCharCode.apply(null, codes);
}

function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; ) {
    const size = (bytes[i] as number) < 0x80 ? 1 : sequenceSize(bytes, i, end);
    if (size === 0) return false;
    i += size;
  }
  return true;
}

/** Bytes of the UTF-8 sequence that starts at `i`, or 0 if there is none (Unicode 16, table 3-7, well-formed byte sequences). */
function sequenceSize(bytes: Uint8Array, i: number, end: number): number {
  const lead = bytes[i] as number;
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (i + size > end) return 0;
  for (let k = 1; k < size; k++) if (((bytes[i + k] as number) & 0xc0) !== 0x80) return 0;
  const second = bytes[i + 1] as number;
  if (lead === 0xe0) return second < 0xa0 ? 0 : 3;
  if (lead === 0xed) return second > 0x9f ? 0 : 3;
  if (lead === 0xf0) return second < 0x90 ? 0 : 4;
  if (lead === 0xf4) return second > 0x8f ? 0 : 4;
  return size;
}

/** The character of a well-formed sequence of 2 to 4 bytes. */
function codePoint(bytes: Uint8Array, i: number, size: number): number {
  let point = (bytes[i] as number) & (0x7f >> size);
  for (let k = 1; k < size; k++) point = (point << 6) | ((bytes[i + k] as number) & 0x3f);
  return point;
}

function pushSequence(codes: number[], point: number): void {
  if (point < 0x10000) codes.push(point);
  else codes.push(0xd800 | ((point - 0x10000) >> 10), 0xdc00 | ((point - 0x10000) & 0x3ff));
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
