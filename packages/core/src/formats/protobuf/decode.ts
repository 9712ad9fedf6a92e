import { fail } from "../../base/error.ts";
import { finishLists, readArrayItems, readTypedItems } from "./decode-lists.ts";
import { arrayFor, type Fields, type Frame, type Reading } from "./frame.ts";
import { COST, charge, chargeMerge, chargeRecord, type DecodeLimits, exceeded, makeBudget } from "./limits.ts";
import { forgetSource, rememberSource } from "./source.ts";
import type { Field, MessageRecord, MessageTable } from "./table.ts";
import { decodeUtf8 } from "./utf8.ts";
import {
  cutShort,
  makeCursor,
  readLength,
  readTag,
  readVarint,
  signedInt64,
  skipGroup,
  skipScalar,
  unsignedInt64,
} from "./wire.ts";

/**
 * Reads one message; it takes all of `bytes`. `bytes` fields are views of the file, nothing of it is copied but numbers and strings; do
 * not write into the file or into a typed array of the record. Absent fields are absent in the record, and the record with all inside it
 * is frozen: change it by copying (`{ ...record, name }`). Written again untouched it gives the same bytes.
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

/** Reads a message from the cursor to `end` into a new record. */
function decodeNew(
  reading: Reading,
  table: MessageTable<MessageRecord>,
  extent: { readonly end: number; readonly depth: number },
): Fields {
  const start = reading.cursor.pos;
  chargeRecord(reading.budget, start);
  const record: Fields = {};
  reading.made.push(record);
  const { end, depth } = extent;
  if (!decodeInto({ reading, table, record, end, depth, packed: false, lists: undefined })) {
    charge(reading.budget, COST.source, start);
    rememberSource(record, { file: reading.cursor.bytes, start, end });
  }
  return record;
}

/** Reads fields into the record of a frame. Returns whether they stand there as they would be written for that record. */
function decodeInto(frame: Frame): boolean {
  const { reading, table, record, end } = frame;
  const { cursor } = reading;
  const { maxDepth } = reading.budget.limits;
  if (frame.depth > maxDepth) throw exceeded("maxDepth", maxDepth, cursor.pos);
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
    if (field === undefined || !(wire === field.wire || (wire === 2 && field.list !== "none"))) {
      skipUnknown(frame, tag);
      if (unknownStart < 0) unknownStart = start;
      lastNumber = Number.POSITIVE_INFINITY;
      continue;
    }
    if (unknownStart >= 0) keepUnknown(frame, unknownStart, start);
    unknownStart = -1;
    const again = number === lastNumber && field.list !== "none" && !field.packed;
    canonical = canonical && minimalTag && (number > lastNumber || again);
    lastNumber = number;
    frame.packed = wire === 2 && field.wire !== 2;
    const same =
      field.list === "none"
        ? readSingle(frame, field)
        : field.list === "typed"
          ? readTypedItems(frame, field)
          : readRepeated(frame, field);
    canonical = same && canonical;
  }
  if (unknownStart >= 0) keepUnknown(frame, unknownStart, cursor.pos);
  if (frame.lists !== undefined) finishLists(frame.lists, record);
  return canonical;
}

function skipUnknown(frame: Frame, tag: number): void {
  const { cursor, budget } = frame.reading;
  const { maxDepth } = budget.limits;
  if ((tag & 7) !== 3) skipScalar(cursor, tag, frame.end);
  else if (!skipGroup(cursor, tag, { end: frame.end, maxGroups: maxDepth - frame.depth }))
    throw exceeded("maxDepth", maxDepth, cursor.pos);
}

/** Keeps the unknown fields in `[start, end)` of the file as one slice. They follow each other, so their number costs nothing. */
function keepUnknown(frame: Frame, start: number, end: number): void {
  charge(frame.reading.budget, COST.view + COST.item, start);
  arrayFor(frame, "unknown").push(frame.reading.cursor.bytes.subarray(start, end));
}

/** Reads a field that is not repeated; the last occurrence wins. Returns whether it was written canonically. */
function readSingle(frame: Frame, field: Field): boolean {
  const { record, end } = frame;
  const { cursor, budget } = frame.reading;
  charge(budget, COST.item, cursor.pos);
  let canonical = true;
  for (const rival of field.rivals) {
    if (record[rival] === undefined) continue;
    delete record[rival];
    canonical = false;
  }
  switch (field.type) {
    case "message":
      return readSubmessage(frame, field) && canonical;
    case "string":
    case "bytes":
      record[field.key] = readDelimited(frame, field);
      return cursor.minimal && canonical;
    case "float":
    case "double":
      return readReal(frame, field) && canonical;
    default: {
      readVarint(cursor, end);
      const { lo, hi } = cursor;
      const value = field.type === "int32" ? lo | 0 : field.type === "int64" ? signedInt64(lo, hi) : unsignedInt64(lo, hi);
      if (typeof value === "bigint") charge(budget, COST.bigItem, cursor.pos);
      record[field.key] = value;
      return cursor.minimal && canonical && (field.type !== "int32" || hi === ((lo | 0) >> 31) >>> 0);
    }
  }
}

function readReal(frame: Frame, field: Field): boolean {
  const { cursor } = frame.reading;
  const { pos, view } = cursor;
  const size = field.type === "float" ? 4 : 8;
  if (pos + size > frame.end) throw cutShort(cursor, `field ${field.key}`, frame.end);
  const value = field.type === "float" ? view.getFloat32(pos, true) : view.getFloat64(pos, true);
  frame.record[field.key] = value;
  cursor.pos = pos + size;
  if (!Number.isNaN(value)) return true;
  // A NaN that is not the usual one would lose its payload on the way through a number.
  return field.type === "float" ? view.getUint32(pos, true) === 0x7fc00000 : view.getBigUint64(pos, true) === 0x7ff8000000000000n;
}

/** Reads a string or a view. `cursor.minimal` then tells about its length. */
function readDelimited(frame: Frame, field: Field): string | Uint8Array {
  const { cursor, budget } = frame.reading;
  const length = readLength(cursor, frame.end, field.key);
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
function readSubmessage(frame: Frame, field: Field): boolean {
  const { reading, record } = frame;
  const { cursor, budget } = reading;
  const length = readLength(cursor, frame.end, field.key);
  const { minimal } = cursor;
  const end = cursor.pos + length;
  const depth = frame.depth + 1;
  const before = record[field.key] as Fields | undefined;
  if (before === undefined) {
    record[field.key] = decodeNew(reading, field.message(), { end, depth });
    return minimal;
  }
  chargeMerge(budget, cursor.pos);
  forgetSource(before);
  decodeInto({ reading, table: field.message(), record: before, end, depth, packed: false, lists: undefined });
  return false;
}

/** Reads one occurrence of a repeated field that is held in a plain array. Returns whether it was written canonically. */
function readRepeated(frame: Frame, field: Field): boolean {
  const { cursor, budget } = frame.reading;
  if (field.wire === 0) return readArrayItems(frame, field);
  charge(budget, COST.item, cursor.pos);
  const list = arrayFor(frame, field.key);
  if (field.type !== "message") {
    list.push(readDelimited(frame, field));
    return cursor.minimal;
  }
  const length = readLength(cursor, frame.end, field.key);
  const { minimal } = cursor;
  list.push(decodeNew(frame.reading, field.message(), { end: cursor.pos + length, depth: frame.depth + 1 }));
  return minimal;
}
