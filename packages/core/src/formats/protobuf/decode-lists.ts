import { invariant } from "../../base/assert.ts";
import { arrayFor, type Fields, type Frame, type ListBuilder } from "./frame.ts";
import { COST, charge } from "./limits.ts";
import type { Field, NumberList } from "./table.ts";
import { type Cursor, cutShort, readLength, readVarint, signedInt64, unsignedInt64 } from "./wire.ts";

// Typed arrays are filled with the file's own little-endian bytes.
invariant(new Uint8Array(new Uint16Array([1]).buffer)[0] === 1, "the machine is little-endian");

const BYTES_PER = { float: 4, double: 8, int32: 4, int64: 8, uint64: 8 } as const;

type NumberType = keyof typeof BYTES_PER;

function makeList(type: NumberType, length: number): NumberList {
  switch (type) {
    case "float":
      return new Float32Array(length);
    case "double":
      return new Float64Array(length);
    case "int32":
      return new Int32Array(length);
    case "int64":
      return new BigInt64Array(length);
    case "uint64":
      return new BigUint64Array(length);
  }
}

/**
 * Reads an occurrence of a repeated number into its typed list: a packed block, or a run of single values with the same tag.
 * Returns whether it was written canonically. Lengths are counted in the file before anything is allocated.
 *
 * @throws TRUNCATED, MALFORMED, LIMIT_EXCEEDED
 */
export function readTypedItems(frame: Frame, field: Field): boolean {
  const { cursor } = frame.reading;
  const fixed = field.wire !== 0;
  if (!frame.packed) return (fixed ? readFixedRun(frame, field) : readSingleVarint(frame, field)) && !field.packed;
  const length = readLength(cursor, frame.end, field.key);
  const canonical = cursor.minimal && length > 0 && field.packed;
  const end = cursor.pos + length;
  return (fixed ? readFixedBlock(frame, field, { end }) : readVarintBlock(frame, field, { end })) && canonical;
}

/** Room for `count` more elements. Grows by doubling, so many small blocks stay linear. Returns the list, already that much longer. */
function grow(frame: Frame, field: Field, options: { readonly count: number }): ListBuilder {
  const { budget, cursor } = frame.reading;
  const { count } = options;
  const type = field.type as NumberType;
  frame.lists ??= new Map();
  let list = frame.lists.get(field.key);
  if (list === undefined) {
    // What is there already was read in an earlier occurrence of the message and is merged with.
    const previous = frame.record[field.key] as NumberList | undefined;
    list = { data: previous ?? makeList(type, 0), length: previous?.length ?? 0 };
    frame.lists.set(field.key, list);
  }
  const { length } = list;
  if (length + count > list.data.length) {
    const capacity = length === 0 ? count : Math.max(length + count, 2 * length, 8);
    charge(budget, capacity * BYTES_PER[type] + COST.view, cursor.pos);
    const data = makeList(type, capacity);
    if (length > 0) bytesOf(data).set(bytesOf(list.data).subarray(0, length * BYTES_PER[type]));
    list.data = data;
  }
  list.length = length + count;
  return list;
}

function bytesOf(list: NumberList): Uint8Array {
  return new Uint8Array(list.buffer, list.byteOffset, list.byteLength);
}

/** Puts the finished typed lists into the record, cut to size; an empty block is the same as none. */
export function finishLists(lists: ReadonlyMap<string, ListBuilder>, record: Fields): void {
  for (const [key, list] of lists) {
    if (list.length > 0) record[key] = list.length === list.data.length ? list.data : list.data.slice(0, list.length);
  }
}

function readFixedBlock(frame: Frame, field: Field, options: { readonly end: number }): boolean {
  const { cursor } = frame.reading;
  const { end } = options;
  const size = BYTES_PER[field.type as NumberType];
  const start = cursor.pos;
  const count = Math.floor((end - start) / size);
  const list = grow(frame, field, { count });
  bytesOf(list.data).set(cursor.bytes.subarray(start, start + count * size), (list.length - count) * size);
  cursor.pos = start + count * size;
  if (cursor.pos !== end) throw cutShort(cursor, `an element of ${field.key}`, end);
  return true;
}

/** Reads the value at the cursor and those that follow it directly under the same one-byte tag. */
function readFixedRun(frame: Frame, field: Field): boolean {
  const { cursor } = frame.reading;
  const { end } = frame;
  const { bytes } = cursor;
  const size = BYTES_PER[field.type as NumberType];
  const start = cursor.pos;
  if (start + size > end) throw cutShort(cursor, `field ${field.key}`, end);
  const tag = field.number * 8 + field.wire;
  const stride = size + 1;
  let count = 1;
  if (tag < 0x80) for (let next = start + size; next + stride <= end && bytes[next] === tag; next += stride) count++;
  const list = grow(frame, field, { count });
  const out = bytesOf(list.data);
  let to = (list.length - count) * size;
  for (let i = 0; i < count; i++) {
    const from = start + i * stride;
    for (let k = 0; k < size; k++) out[to++] = bytes[from + k] as number;
  }
  cursor.pos = start + count * stride - 1;
  return true;
}

function readSingleVarint(frame: Frame, field: Field): boolean {
  return readVarints(frame.reading.cursor, grow(frame, field, { count: 1 }), { count: 1, end: frame.end });
}

function readVarintBlock(frame: Frame, field: Field, options: { readonly end: number }): boolean {
  const { cursor } = frame.reading;
  const { bytes } = cursor;
  const { end } = options;
  let count = 0;
  for (let i = cursor.pos; i < end; i++) if ((bytes[i] as number) < 0x80) count++;
  const canonical = readVarints(cursor, grow(frame, field, { count }), { count, end });
  // Whatever is left is a varint without a last byte.
  if (cursor.pos !== end) readVarint(cursor, end);
  return canonical;
}

/** Reads the last `count` elements of a list. */
function readVarints(cursor: Cursor, list: ListBuilder, options: { readonly count: number; readonly end: number }): boolean {
  const { data, length } = list;
  const { count, end } = options;
  let canonical = true;
  if (data instanceof Int32Array) {
    for (let i = length - count; i < length; i++) {
      readVarint(cursor, end);
      data[i] = cursor.lo | 0;
      canonical = canonical && cursor.minimal && cursor.hi === ((cursor.lo | 0) >> 31) >>> 0;
    }
    return canonical;
  }
  const halves = new Uint32Array(data.buffer, data.byteOffset, data.length * 2);
  for (let i = length - count; i < length; i++) {
    readVarint(cursor, end);
    halves[2 * i] = cursor.lo;
    halves[2 * i + 1] = cursor.hi;
    canonical = canonical && cursor.minimal;
  }
  return canonical;
}

/**
 * Reads an occurrence of a repeated 64-bit integer that is held in a plain array: a packed block (an empty one is the same as none), or a
 * run of single values with the same tag. Returns whether it was written canonically, that is unpacked.
 *
 * @throws TRUNCATED, MALFORMED, LIMIT_EXCEEDED
 */
export function readArrayItems(frame: Frame, field: Field): boolean {
  const { cursor, budget } = frame.reading;
  const { packed } = frame;
  const end = packed ? readLength(cursor, frame.end, field.key) + cursor.pos : frame.end;
  let canonical = !packed;
  while (!packed || cursor.pos < end) {
    readVarint(cursor, end);
    const value = field.type === "int64" ? signedInt64(cursor.lo, cursor.hi) : unsignedInt64(cursor.lo, cursor.hi);
    charge(budget, typeof value === "bigint" ? COST.item + COST.bigItem : COST.item, cursor.pos);
    arrayFor(frame, field.key).push(value);
    canonical = canonical && cursor.minimal;
    if (packed) continue;
    if (field.tagSize !== 1 || cursor.pos >= end || cursor.bytes[cursor.pos] !== field.tag) break;
    cursor.pos++;
  }
  return canonical;
}
