import { at, invariant } from "../../base/assert.ts";
import { fail } from "../../base/error.ts";
import { halvesOf, type Measure, measureMessage, splitInteger } from "./encode-size.ts";
import { sourceOf } from "./source.ts";
import type { Field, Int64, MessageRecord, MessageTable, NumberList } from "./table.ts";
import { writeUtf8 } from "./utf8.ts";

/** Options of {@link encodeMessageChunks}. */
export interface ChunkOptions {
  /** Values of at least this many bytes become chunks of their own, by reference. */
  readonly minShareBytes?: number;
}

/** The defaults of {@link ChunkOptions}: below some kilobytes copying is cheaper than one more piece to write. */
export const CHUNK_DEFAULTS = { minShareBytes: 4096 } as const satisfies ChunkOptions;

/** Protobuf lengths are signed 32-bit numbers in the usual implementations: nobody could read back what is larger. */
const MAX_MESSAGE_BYTES = 2 ** 31 - 1;

interface Writing {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly sizes: readonly number[];
  nextSize: number;
  pos: number;
  readonly minShareBytes: number;
  /** Finished chunks, and where in `bytes` the current one starts. */
  readonly chunks: Uint8Array[];
  chunkStart: number;
}

/**
 * Writes a message into one buffer of exactly its size: fields in ascending order, shortest varints, unknown fields last. A record that
 * came from a file and was written there in another way keeps its own bytes.
 *
 * @throws TOO_LARGE above 2 GiB, MALFORMED for an integer or string that the format cannot hold, LIMIT_EXCEEDED if nested too deep
 */
export function encodeMessage<T extends MessageRecord>(table: MessageTable<T>, record: T): Uint8Array<ArrayBuffer> {
  const measure = measured(table, record, Number.POSITIVE_INFINITY);
  const bytes = new Uint8Array(measure.total);
  writeAll({ table, record, bytes, measure });
  return bytes;
}

/**
 * Writes a message as a list of chunks whose concatenation is what {@link encodeMessage} returns. Large values (weights) are not copied:
 * they are chunks of their own that share memory with the record, for `writev` or a stream.
 *
 * @throws TOO_LARGE, MALFORMED, LIMIT_EXCEEDED as {@link encodeMessage}
 */
export function encodeMessageChunks<T extends MessageRecord>(
  table: MessageTable<T>,
  record: T,
  options: ChunkOptions = {},
): Uint8Array[] {
  const measure = measured(table, record, Math.max(1, options.minShareBytes ?? CHUNK_DEFAULTS.minShareBytes));
  return writeAll({ table, record, bytes: new Uint8Array(measure.total - measure.sharedBytes), measure });
}

function measured<T extends MessageRecord>(
  table: MessageTable<T>,
  record: T,
  minShareBytes: number,
): Measure & { readonly total: number } {
  const measure: Measure = { sizes: [], minShareBytes, sharedBytes: 0, depth: 0 };
  const total = measureMessage(table, record, measure);
  if (total > MAX_MESSAGE_BYTES) {
    throw fail(
      "TOO_LARGE",
      `Cannot write ${table.name}: it would take ${total} bytes and the format ends at ${MAX_MESSAGE_BYTES}`,
    );
  }
  return { ...measure, total };
}

interface Job {
  readonly table: MessageTable<MessageRecord>;
  readonly record: MessageRecord;
  readonly bytes: Uint8Array;
  readonly measure: Measure;
}

function writeAll(job: Job): Uint8Array[] {
  const { bytes, measure } = job;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { sizes, minShareBytes } = measure;
  const out: Writing = { bytes, view, sizes, nextSize: 0, pos: 0, minShareBytes, chunks: [], chunkStart: 0 };
  writeMessage(out, job.table, job.record);
  invariant(out.pos === bytes.length && out.nextSize === sizes.length, "what was written is as long as what was measured");
  closeChunk(out);
  return out.chunks;
}

function writeMessage(out: Writing, table: MessageTable<MessageRecord>, record: MessageRecord): void {
  const source = sourceOf(record);
  if (source !== undefined) {
    writeRaw(out, source.file.subarray(source.start, source.end));
    return;
  }
  for (const field of table.ordered) {
    const value = (record as Record<string, unknown>)[field.key];
    if (value === undefined) continue;
    if (field.list === "none") writeField(out, field, value);
    else if (field.list === "array") for (const item of value as readonly unknown[]) writeField(out, field, item);
    else writeTyped(out, field, value as NumberList);
  }
  if (record.unknown !== undefined) for (const slice of record.unknown) writeRaw(out, slice);
}

function takeSize(out: Writing): number {
  return at(out.sizes, out.nextSize++);
}

function writeField(out: Writing, field: Field, value: unknown): void {
  writeVarint(out, field.tag, 0);
  switch (field.type) {
    case "message":
      writeVarint(out, takeSize(out), 0);
      writeMessage(out, field.message(), value as MessageRecord);
      return;
    case "string":
      writeVarint(out, takeSize(out), 0);
      out.pos = writeUtf8(out.bytes, value as string, out.pos);
      return;
    case "bytes":
      writeVarint(out, (value as Uint8Array).length, 0);
      writeRaw(out, value as Uint8Array);
      return;
    case "float":
      writeFloat(out, value as number);
      return;
    case "double":
      writeDouble(out, value as number);
      return;
    default: {
      const { lo, hi } = splitInteger(field, value as Int64);
      writeVarint(out, lo, hi);
    }
  }
}

function writeTyped(out: Writing, field: Field, list: NumberList): void {
  if (list.length === 0) return;
  if (field.packed) {
    writeVarint(out, field.tag, 0);
    writeVarint(out, takeSize(out), 0);
    if (field.wire === 0) writeVarints(out, list, 0);
    else writeRaw(out, bytesOf(list));
  } else if (field.wire === 0) writeVarints(out, list, field.tag);
  else {
    const raw = bytesOf(list);
    const size = list.BYTES_PER_ELEMENT;
    for (let i = 0; i < raw.length; i++) {
      if (i % size === 0) writeVarint(out, field.tag, 0);
      out.bytes[out.pos++] = raw[i] as number;
    }
  }
}

/** Writes integers, each after `tag` unless that is 0. */
function writeVarints(out: Writing, list: NumberList, tag: number): void {
  if (list instanceof Int32Array) {
    for (const value of list) {
      if (tag !== 0) writeVarint(out, tag, 0);
      writeVarint(out, value >>> 0, value < 0 ? 0xffffffff : 0);
    }
    return;
  }
  const halves = halvesOf(list);
  for (let i = 0; i < halves.length; i += 2) {
    if (tag !== 0) writeVarint(out, tag, 0);
    writeVarint(out, halves[i] as number, halves[i + 1] as number);
  }
}

function bytesOf(list: NumberList): Uint8Array {
  return new Uint8Array(list.buffer, list.byteOffset, list.byteLength);
}

function writeFloat(out: Writing, value: number): void {
  // setFloat32 may write any NaN; the usual one is fixed here so that the same record gives the same bytes everywhere.
  if (Number.isNaN(value)) out.view.setUint32(out.pos, 0x7fc00000, true);
  else out.view.setFloat32(out.pos, value, true);
  out.pos += 4;
}

function writeDouble(out: Writing, value: number): void {
  if (Number.isNaN(value)) out.view.setBigUint64(out.pos, 0x7ff8000000000000n, true);
  else out.view.setFloat64(out.pos, value, true);
  out.pos += 8;
}

function writeVarint(out: Writing, lo: number, hi: number): void {
  const { bytes } = out;
  let low = lo;
  let high = hi;
  while (high !== 0 || low > 0x7f) {
    bytes[out.pos++] = (low & 0x7f) | 0x80;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  bytes[out.pos++] = low;
}

/** Writes bytes as they are: copied, or as a chunk of their own. */
function writeRaw(out: Writing, raw: Uint8Array): void {
  if (raw.length >= out.minShareBytes) {
    closeChunk(out);
    out.chunks.push(raw);
    return;
  }
  out.bytes.set(raw, out.pos);
  out.pos += raw.length;
}

function closeChunk(out: Writing): void {
  if (out.pos > out.chunkStart) out.chunks.push(out.bytes.subarray(out.chunkStart, out.pos));
  out.chunkStart = out.pos;
}
