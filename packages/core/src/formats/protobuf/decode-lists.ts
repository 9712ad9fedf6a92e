import { invariant } from "../../base/assert.ts";
import { type Budget, COST, charge } from "./limits.ts";
import type { Field, NumberList } from "./table.ts";
import { type Cursor, cutShort, readLength, readVarint, signedInt64, unsignedInt64 } from "./wire.ts";

/** A typed array that is being filled: `length` elements of `data` are in use. */
interface ListBuilder {
  data: NumberList;
  length: number;
}

/** The typed lists of one message while it is read, by record key. */
export type ListBuilders = Map<string, ListBuilder>;

/** One occurrence of a repeated number: where it goes and how it is written. */
interface TypedTarget {
  readonly field: Field;
  readonly lists: ListBuilders;
  readonly budget: Budget;
  readonly packed: boolean;
  /** What an earlier occurrence of the message left in the record, if it is merged. */
  readonly previous: unknown;
}

interface ArrayTarget {
  readonly field: Field;
  readonly list: unknown[];
  readonly budget: Budget;
  readonly packed: boolean;
}

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
export function readTypedItems(cursor: Cursor, target: TypedTarget, end: number): boolean {
  const { field } = target;
  const regular = target.packed === field.packed;
  const fixed = field.wire !== 0;
  if (!target.packed) return (fixed ? readFixedRun(cursor, target, end) : readSingleVarint(cursor, target, end)) && regular;
  const length = readLength(cursor, end, `field ${field.key}`);
  const canonical = cursor.minimal && length > 0 && regular;
  const blockEnd = cursor.pos + length;
  return (fixed ? readFixedBlock(cursor, target, blockEnd) : readVarintBlock(cursor, target, blockEnd)) && canonical;
}

/** Room for `count` more elements: the typed array and the index of the first. Grows by doubling, so many small blocks stay linear. */
function grow(target: TypedTarget, count: number, offset: number): { data: NumberList; from: number } {
  const { field, lists, budget } = target;
  const type = field.type as NumberType;
  let list = lists.get(field.key);
  if (list === undefined) {
    const previous = target.previous as NumberList | undefined;
    list = { data: previous ?? makeList(type, 0), length: previous?.length ?? 0 };
    lists.set(field.key, list);
  }
  const from = list.length;
  if (from + count > list.data.length) {
    const capacity = from === 0 ? count : Math.max(from + count, 2 * from, 8);
    charge(budget, capacity * BYTES_PER[type] + COST.view, offset);
    const data = makeList(type, capacity);
    if (from > 0) bytesOf(data).set(bytesOf(list.data).subarray(0, from * BYTES_PER[type]));
    list.data = data;
  }
  list.length = from + count;
  return { data: list.data, from };
}

function bytesOf(list: NumberList): Uint8Array {
  return new Uint8Array(list.buffer, list.byteOffset, list.byteLength);
}

/** Puts the finished typed lists into the record, cut to size; an empty block is the same as none. */
export function finishLists(lists: ListBuilders, record: Record<string, unknown>): void {
  for (const [key, list] of lists) {
    if (list.length > 0) record[key] = list.length === list.data.length ? list.data : list.data.slice(0, list.length);
  }
}

function readFixedBlock(cursor: Cursor, target: TypedTarget, end: number): boolean {
  const size = BYTES_PER[target.field.type as NumberType];
  const start = cursor.pos;
  const count = Math.floor((end - start) / size);
  const { data, from } = grow(target, count, start);
  bytesOf(data).set(cursor.bytes.subarray(start, start + count * size), from * size);
  cursor.pos = start + count * size;
  if (cursor.pos !== end) throw cutShort(cursor, `an element of ${target.field.key}`, end);
  return true;
}

/** Reads the value at the cursor and those that follow it directly under the same one-byte tag. */
function readFixedRun(cursor: Cursor, target: TypedTarget, end: number): boolean {
  const { field } = target;
  const { bytes } = cursor;
  const size = BYTES_PER[field.type as NumberType];
  const start = cursor.pos;
  if (start + size > end) throw cutShort(cursor, `field ${field.key}`, end);
  const tag = field.number * 8 + field.wire;
  const stride = size + 1;
  let count = 1;
  if (tag < 0x80) for (let next = start + size; next + stride <= end && bytes[next] === tag; next += stride) count++;
  const { data, from } = grow(target, count, start);
  const out = bytesOf(data);
  let to = from * size;
  for (let i = 0; i < count; i++) {
    const at = start + i * stride;
    for (let k = 0; k < size; k++) out[to++] = bytes[at + k] as number;
  }
  cursor.pos = start + count * stride - 1;
  return true;
}

function readSingleVarint(cursor: Cursor, target: TypedTarget, end: number): boolean {
  const { data, from } = grow(target, 1, cursor.pos);
  return readVarints(cursor, { data, from, count: 1 }, end);
}

function readVarintBlock(cursor: Cursor, target: TypedTarget, end: number): boolean {
  const { bytes } = cursor;
  let count = 0;
  for (let i = cursor.pos; i < end; i++) if ((bytes[i] as number) < 0x80) count++;
  const { data, from } = grow(target, count, cursor.pos);
  const canonical = readVarints(cursor, { data, from, count }, end);
  // Whatever is left is a varint without a last byte.
  if (cursor.pos !== end) readVarint(cursor, end);
  return canonical;
}

function readVarints(cursor: Cursor, into: { data: NumberList; from: number; count: number }, end: number): boolean {
  const { data, from, count } = into;
  let canonical = true;
  if (data instanceof Int32Array) {
    for (let i = from; i < from + count; i++) {
      readVarint(cursor, end);
      data[i] = cursor.lo | 0;
      canonical = canonical && cursor.minimal && cursor.hi === ((cursor.lo | 0) >> 31) >>> 0;
    }
    return canonical;
  }
  const halves = new Uint32Array(data.buffer, data.byteOffset, data.length * 2);
  for (let i = from; i < from + count; i++) {
    readVarint(cursor, end);
    halves[2 * i] = cursor.lo;
    halves[2 * i + 1] = cursor.hi;
    canonical = canonical && cursor.minimal;
  }
  return canonical;
}

/**
 * Reads an occurrence of a repeated 64-bit integer that is held in a plain array. Returns whether it was written canonically (unpacked).
 *
 * @throws TRUNCATED, MALFORMED, LIMIT_EXCEEDED
 */
export function readArrayItems(cursor: Cursor, target: ArrayTarget, end: number): boolean {
  const { field, packed } = target;
  const { bytes } = cursor;
  const blockEnd = packed ? readLength(cursor, end, `field ${field.key}`) + cursor.pos : end;
  let canonical = !packed;
  while (!packed || cursor.pos < blockEnd) {
    readVarint(cursor, blockEnd);
    const value = field.type === "int64" ? signedInt64(cursor.lo, cursor.hi) : unsignedInt64(cursor.lo, cursor.hi);
    charge(target.budget, typeof value === "bigint" ? COST.bigItem : COST.item, cursor.pos);
    target.list.push(value);
    canonical = canonical && cursor.minimal;
    if (packed) continue;
    if (field.tagSize !== 1 || cursor.pos >= end || bytes[cursor.pos] !== field.tag) break;
    cursor.pos++;
  }
  return canonical;
}
