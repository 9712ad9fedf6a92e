import { fail } from "../../base/error.ts";
import { finishLists, type ListBuilders, readArrayItems, readTypedItems } from "./decode-lists.ts";
import { type Budget, COST, charge, chargeMerge, chargeRecord, type DecodeLimits, exceeded, makeBudget } from "./limits.ts";
import { forgetSource, rememberSource } from "./source.ts";
import type { Field, MessageRecord, MessageTable } from "./table.ts";
import { decodeUtf8 } from "./utf8.ts";
import {
  type Cursor,
  cutShort,
  makeCursor,
  readLength,
  readTag,
  readVarint,
  signedInt64,
  skipValue,
  unsignedInt64,
} from "./wire.ts";

type Fields = Record<string, unknown>;

/** What all messages of one file share while it is read. */
interface Reading {
  readonly cursor: Cursor;
  readonly budget: Budget;
  /** Every record and array made, to be frozen when all is read: until then a later occurrence may be merged into a record. */
  readonly made: object[];
}

/**
 * Reads one message; it takes all of `bytes`. `bytes` fields are views of the file, nothing of it is copied but numbers and strings.
 * Absent fields are absent in the record, and the record with all inside it is frozen: change it by copying (`{ ...record, name }`).
 * Written again untouched it gives the same bytes.
 *
 * @throws TRUNCATED, MALFORMED, LIMIT_EXCEEDED, each with the byte offset
 */
export function decodeMessage<T extends MessageRecord>(
  table: MessageTable<T>,
  bytes: Uint8Array,
  limits: Partial<DecodeLimits> = {},
): T {
  const reading: Reading = { cursor: makeCursor(bytes), budget: makeBudget(limits), made: [] };
  const { maxBytes } = reading.budget.limits;
  if (bytes.length > maxBytes) {
    throw fail("LIMIT_EXCEEDED", `Cannot read ${table.name}: ${bytes.length} bytes are more than maxBytes, ${maxBytes}`, {
      at: { offset: 0 },
    });
  }
  const record = decodeNew(reading, table, { end: bytes.length, depth: 1 });
  for (const object of reading.made) Object.freeze(object);
  return record as T;
}

/** The end of a message and how many messages it is inside of, itself included. */
interface Extent {
  readonly end: number;
  readonly depth: number;
}

/** Reads a message from the cursor to `end` into a new record. */
function decodeNew(reading: Reading, table: MessageTable<MessageRecord>, extent: Extent): Fields {
  const start = reading.cursor.pos;
  chargeRecord(reading.budget, start);
  const record: Fields = {};
  reading.made.push(record);
  if (!decodeInto(reading, { table, record }, extent)) {
    charge(reading.budget, COST.source, start);
    rememberSource(record, { file: reading.cursor.bytes, start, end: extent.end });
  }
  return record;
}

/** Reads fields into a record. Returns whether what it read is what a canonical writer would have written for that record. */
function decodeInto(reading: Reading, into: { table: MessageTable<MessageRecord>; record: Fields }, extent: Extent): boolean {
  const { cursor, budget } = reading;
  const { table, record } = into;
  const { end, depth } = extent;
  if (depth > budget.limits.maxDepth) throw exceeded("maxDepth", budget.limits.maxDepth, cursor.pos);
  const lists: ListBuilders = new Map();
  let canonical = true;
  let lastNumber = 0;
  let unknownStart = -1;
  while (cursor.pos < end) {
    const start = cursor.pos;
    const tag = readTag(cursor, end);
    const minimalTag = cursor.minimal;
    const number = tag >>> 3;
    const wire = tag & 7;
    const field = table.byNumber[number];
    if (field === undefined || !(wire === field.wire || (wire === 2 && isPackable(field)))) {
      skipValue(cursor, tag, {
        end,
        maxGroups: budget.limits.maxDepth - depth,
        tooDeep: (at) => exceeded("maxDepth", budget.limits.maxDepth, at),
      });
      if (unknownStart < 0) unknownStart = start;
      lastNumber = Number.POSITIVE_INFINITY;
      continue;
    }
    if (unknownStart >= 0) keepUnknown(reading, record, unknownStart, start);
    unknownStart = -1;
    const again = number === lastNumber && field.list !== "none" && !field.packed;
    canonical = canonical && minimalTag && (number > lastNumber || again);
    lastNumber = number;
    const same =
      field.list === "none"
        ? readSingle(reading, { field, record, depth }, end)
        : field.list === "typed"
          ? readTypedItems(
              cursor,
              { field, lists, budget, packed: wire === 2 && field.wire !== 2, previous: record[field.key] },
              end,
            )
          : readRepeated(reading, { field, record, depth, packed: wire === 2 && field.wire !== 2 }, end);
    canonical = same && canonical;
  }
  if (unknownStart >= 0) keepUnknown(reading, record, unknownStart, cursor.pos);
  finishLists(lists, record);
  return canonical;
}

function isPackable(field: Field): boolean {
  return field.list !== "none" && field.wire !== 2;
}

/** Keeps the unknown fields in `[start, end)` of the file as one slice. They follow each other, so their number costs nothing. */
function keepUnknown(reading: Reading, record: Fields, start: number, end: number): void {
  charge(reading.budget, COST.view, start);
  arrayOf(reading, record, "unknown").push(reading.cursor.bytes.subarray(start, end));
}

function arrayOf(reading: Reading, record: Fields, key: string): unknown[] {
  const present = record[key];
  if (present !== undefined) return present as unknown[];
  const list: unknown[] = [];
  record[key] = list;
  reading.made.push(list);
  return list;
}

interface Target {
  readonly field: Field;
  readonly record: Fields;
  readonly depth: number;
}

/** Reads a field that is not repeated; the last occurrence wins. Returns whether it was written canonically. */
function readSingle(reading: Reading, target: Target, end: number): boolean {
  const { cursor } = reading;
  const { field, record } = target;
  let canonical = true;
  for (const rival of field.rivals) {
    if (record[rival] === undefined) continue;
    delete record[rival];
    canonical = false;
  }
  switch (field.type) {
    case "message":
      return readSubmessage(reading, target, end) && canonical;
    case "string":
    case "bytes":
      record[field.key] = readDelimited(reading, field, end);
      return cursor.minimal && canonical;
    case "float":
    case "double":
      return readReal(cursor, target, end) && canonical;
    default: {
      readVarint(cursor, end);
      const { lo, hi } = cursor;
      const value = field.type === "int32" ? lo | 0 : field.type === "int64" ? signedInt64(lo, hi) : unsignedInt64(lo, hi);
      if (typeof value === "bigint") charge(reading.budget, COST.bigItem, cursor.pos);
      record[field.key] = value;
      return cursor.minimal && canonical && (field.type !== "int32" || hi === ((lo | 0) >> 31) >>> 0);
    }
  }
}

function readReal(cursor: Cursor, target: Target, end: number): boolean {
  const { field, record } = target;
  const { pos, view } = cursor;
  const size = field.type === "float" ? 4 : 8;
  if (pos + size > end) throw cutShort(cursor, `field ${field.key}`, end);
  const value = field.type === "float" ? view.getFloat32(pos, true) : view.getFloat64(pos, true);
  record[field.key] = value;
  cursor.pos = pos + size;
  if (!Number.isNaN(value)) return true;
  // A NaN that is not the usual one would lose its payload on the way through a number.
  return field.type === "float" ? view.getUint32(pos, true) === 0x7fc00000 : view.getBigUint64(pos, true) === 0x7ff8000000000000n;
}

/** Reads a string or a view. `cursor.minimal` then tells about its length. */
function readDelimited(reading: Reading, field: Field, end: number): string | Uint8Array {
  const { cursor, budget } = reading;
  const length = readLength(cursor, end, `field ${field.key}`);
  const start = cursor.pos;
  cursor.pos = start + length;
  if (field.type === "bytes") {
    charge(budget, COST.view, start);
    return cursor.bytes.subarray(start, start + length);
  }
  if (length > budget.limits.maxStringBytes) throw exceeded("maxStringBytes", budget.limits.maxStringBytes, start);
  charge(budget, COST.string + 2 * length, start);
  return decodeUtf8(cursor.bytes, start, start + length);
}

/** Reads a message that may have occurred before; protobuf says that they are merged. */
function readSubmessage(reading: Reading, target: Target, end: number): boolean {
  const { cursor, budget } = reading;
  const { field, record } = target;
  const length = readLength(cursor, end, `field ${field.key}`);
  const { minimal } = cursor;
  const extent = { end: cursor.pos + length, depth: target.depth + 1 };
  const before = record[field.key] as Fields | undefined;
  if (before === undefined) {
    record[field.key] = decodeNew(reading, field.message(), extent);
    return minimal;
  }
  chargeMerge(budget, cursor.pos);
  forgetSource(before);
  decodeInto(reading, { table: field.message(), record: before }, extent);
  return false;
}

/** Reads one occurrence of a repeated field that is held in a plain array. Returns whether it was written canonically. */
function readRepeated(reading: Reading, target: Target & { packed: boolean }, end: number): boolean {
  const { cursor, budget } = reading;
  const { field, record } = target;
  charge(budget, COST.item, cursor.pos);
  const list = arrayOf(reading, record, field.key);
  if (field.type === "message") {
    const length = readLength(cursor, end, `field ${field.key}`);
    const { minimal } = cursor;
    list.push(decodeNew(reading, field.message(), { end: cursor.pos + length, depth: target.depth + 1 }));
    return minimal;
  }
  if (field.type === "string" || field.type === "bytes") {
    list.push(readDelimited(reading, field, end));
    return cursor.minimal;
  }
  const canonical = readArrayItems(cursor, { field, list, budget, packed: target.packed }, end);
  if (list.length === 0) delete record[field.key];
  return canonical;
}
