import { fail } from "../../base/error.ts";
import type { Int64 } from "./table.ts";

/** Where reading is, and the last varint read: its low and high 32 bits, and whether it was written in the one shortest way. */
export interface Cursor {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  pos: number;
  lo: number;
  hi: number;
  minimal: boolean;
}

/** A cursor at the start of a file. */
export function makeCursor(bytes: Uint8Array): Cursor {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), pos: 0, lo: 0, hi: 0, minimal: true };
}

/** The error for a value that passes `end`: the file is too short, or a message inside it is. */
export function cutShort(cursor: Cursor, what: string, end: number): Error {
  const at = { offset: cursor.pos };
  if (end >= cursor.bytes.length)
    return fail("TRUNCATED", `Cannot read ${what}: the file ends at byte ${cursor.bytes.length}`, { at });
  return fail("MALFORMED", `Cannot read ${what}: its message ends at byte ${end}`, { at });
}

/** Reads a varint of at most 10 bytes into `lo` and `hi` (both unsigned). @throws TRUNCATED, MALFORMED */
export function readVarint(cursor: Cursor, end: number): void {
  const { bytes } = cursor;
  let pos = cursor.pos;
  let lo = 0;
  let hi = 0;
  for (let i = 0; i < 10; i++) {
    if (pos >= end) throw cutShort(cursor, "a varint", end);
    const byte = bytes[pos++] as number;
    const bits = byte & 0x7f;
    if (i < 4) lo |= bits << (7 * i);
    else if (i === 4) {
      lo |= bits << 28;
      hi |= bits >>> 4;
    } else hi |= bits << (7 * i - 32);
    if (byte < 0x80) {
      cursor.lo = lo >>> 0;
      cursor.hi = hi >>> 0;
      cursor.minimal = i === 0 || (byte !== 0 && (i < 9 || byte === 1));
      cursor.pos = pos;
      return;
    }
  }
  throw fail("MALFORMED", "Cannot read a varint: it is longer than 10 bytes", { at: { offset: cursor.pos } });
}

/** Reads a field's tag (field number * 8 + wire type). @throws TRUNCATED, MALFORMED */
export function readTag(cursor: Cursor, end: number): number {
  const offset = cursor.pos;
  readVarint(cursor, end);
  const tag = cursor.lo;
  if (cursor.hi !== 0 || cursor.pos - offset > 5 || tag < 8) {
    throw fail("MALFORMED", "Cannot read a field: its number is out of range", { at: { offset } });
  }
  return tag;
}

/** Reads the length of a length-delimited value and checks that the value ends before `end`. @throws TRUNCATED, MALFORMED */
export function readLength(cursor: Cursor, end: number, what: string): number {
  const offset = cursor.pos;
  readVarint(cursor, end);
  const length = cursor.hi * 4294967296 + cursor.lo;
  if (length <= end - cursor.pos) return length;
  const says = `Cannot read ${what}: it claims ${length} bytes`;
  if (cursor.pos + length > cursor.bytes.length) {
    throw fail("TRUNCATED", `${says} and the file has ${cursor.bytes.length - cursor.pos} left`, { at: { offset } });
  }
  throw fail("MALFORMED", `${says} and its message has ${end - cursor.pos} left`, { at: { offset } });
}

/** Passes over the value of a field whose tag was just read; not for groups (wire types 3 and 4). @throws TRUNCATED, MALFORMED */
export function skipScalar(cursor: Cursor, tag: number, end: number): void {
  switch (tag & 7) {
    case 0:
      readVarint(cursor, end);
      return;
    case 1:
      skipBytes(cursor, 8, end);
      return;
    case 2: {
      const length = readLength(cursor, end, "an unknown field");
      cursor.pos += length;
      return;
    }
    case 5:
      skipBytes(cursor, 4, end);
      return;
    default: {
      const at = { offset: cursor.pos };
      throw fail("MALFORMED", `Cannot read field ${tag >>> 3}: wire type ${tag & 7} is not expected here`, { at });
    }
  }
}

/**
 * Passes over a group (deprecated, but legal) whose start tag was just read, with all that it holds. Returns false, somewhere inside, if
 * groups nest deeper than `maxGroups`.
 *
 * @throws TRUNCATED, MALFORMED
 */
export function skipGroup(cursor: Cursor, tag: number, options: { readonly end: number; readonly maxGroups: number }): boolean {
  const { end, maxGroups } = options;
  const open: number[] = [tag >>> 3];
  while (open.length > 0) {
    if (open.length > maxGroups) return false;
    const next = readTag(cursor, end);
    if ((next & 7) === 3) open.push(next >>> 3);
    else if ((next & 7) === 4 && open.at(-1) === next >>> 3) open.pop();
    else skipScalar(cursor, next, end);
  }
  return true;
}

function skipBytes(cursor: Cursor, count: number, end: number): void {
  if (cursor.pos + count > end) throw cutShort(cursor, `a ${count}-byte value`, end);
  cursor.pos += count;
}

/** Two's complement 64 bits as a number where that is exact, else a bigint. */
export function signedInt64(lo: number, hi: number): Int64 {
  const value = (hi | 0) * 4294967296 + lo;
  return Number.isSafeInteger(value) ? value : (BigInt(hi | 0) << 32n) | BigInt(lo);
}

/** Unsigned 64 bits as a number where that is exact, else a bigint. */
export function unsignedInt64(lo: number, hi: number): Int64 {
  const value = hi * 4294967296 + lo;
  return Number.isSafeInteger(value) ? value : (BigInt(hi) << 32n) | BigInt(lo);
}

/** Bytes that the shortest varint of these 64 bits takes. */
export function varintSize(lo: number, hi: number): number {
  if (hi === 0) return lo < 0x80 ? 1 : lo < 0x4000 ? 2 : lo < 0x200000 ? 3 : lo < 0x10000000 ? 4 : 5;
  return hi < 0x8 ? 5 : hi < 0x400 ? 6 : hi < 0x20000 ? 7 : hi < 0x1000000 ? 8 : hi < 0x80000000 ? 9 : 10;
}
