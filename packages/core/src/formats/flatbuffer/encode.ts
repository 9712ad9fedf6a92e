import { invariant, at as itemAt } from "../../base/assert.ts";
import { fail } from "../../base/error.ts";
import { utf8Size, writeUtf8 } from "../protobuf/utf8.ts";
import { type Inline, inlinesOf, layOut } from "./layout.ts";
import { SCALAR_ARRAYS, writeScalar } from "./scalar.ts";
import type { Draft, FieldShape, StructType, TableType } from "./table.ts";

/** Options of {@link encodeChunks}. */
export interface EncodeOptions {
  /** The four characters to stand at byte 4. */
  readonly identifier?: string;
  /** Leave out what a newer schema put there and cannot be kept, instead of refusing. */
  readonly dropUnknown?: boolean;
  /** Write equal vectors once and point to them from all places, which the format allows and few writers do: smaller, and read by every reader. */
  readonly share?: boolean;
}

/** The defaults of {@link EncodeOptions}. */
export const ENCODE_DEFAULTS = { dropUnknown: false, share: false } as const satisfies EncodeOptions;

/** Offsets are signed 32-bit numbers in the usual implementations. */
const MAX_BYTES = 2 ** 31 - 1;

/** Larger vectors are not compared with others. */
const SHARED_MAX_BYTES = 65536;

/** Byte vectors of at least this size are put behind everything else and are not copied. */
const TAIL_BYTES = 1024;

/** A byte vector to come behind everything else. */
interface Tail {
  /** Where the offset to it stands. */
  readonly offsetAt: number;
  readonly align: number;
  readonly data: Uint8Array;
}

/** Equal vectors, to be written once behind all that points to them: offsets only lead forward. */
interface Shared {
  readonly offsetsAt: number[];
  readonly vector: VectorBytes;
}

/** A vector of scalars as it stands in the file. */
interface VectorBytes {
  readonly data: Uint8Array;
  /** Number of elements. */
  readonly length: number;
  readonly align: number;
}

interface Writing {
  bytes: Uint8Array;
  view: DataView;
  pos: number;
  /** Positions of the vtables written so far, by content. */
  readonly vtables: Map<string, number>;
  readonly tails: Tail[];
  /** By content; absent when vectors are not shared. */
  readonly shared: Map<string, Shared> | undefined;
  readonly dropUnknown: boolean;
}

/**
 * Writes a flatbuffer as chunks to be put one after another; large byte vectors are chunks that share memory with the record. A table
 * stands before what it points to (the format only asks that offsets are positive), equal vtables are written once, and everything is
 * aligned from the start of the file. Same record, same bytes.
 *
 * @throws TOO_LARGE above 2 GiB, MALFORMED for a number, string or union member that the schema cannot hold, UNSUPPORTED_FORMAT for
 * something of a newer schema that was not kept (unless `dropUnknown`)
 */
export function encodeChunks<R>(type: TableType<R>, record: Draft<R>, options: EncodeOptions = {}): Uint8Array[] {
  const { identifier, dropUnknown, share } = { ...ENCODE_DEFAULTS, ...options };
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  const shared = share ? new Map<string, Shared>() : undefined;
  const out: Writing = { bytes, view, pos: 4, vtables: new Map(), tails: [], shared, dropUnknown };
  if (identifier !== undefined) {
    invariant(/^[\x20-\x7e]{4}$/.test(identifier), `${identifier} has four printable characters`);
    for (let i = 0; i < 4; i++) out.bytes[out.pos++] = identifier.charCodeAt(i);
  }
  pointTo(out, 0, writeTable(out, type, record as object));
  for (const { offsetsAt, vector } of out.shared?.values() ?? []) {
    const start = writeVector(out, vector);
    for (const offsetAt of offsetsAt) pointTo(out, offsetAt, start);
  }
  return [out.bytes.subarray(0, out.pos), ...writeTails(out)];
}

/** Puts chunks together into one array of exactly their size. */
export function joinChunks(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let pos = 0;
  for (const chunk of chunks) {
    out.set(chunk, pos);
    pos += chunk.length;
  }
  return out;
}

function writeTails(out: Writing): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let pos = out.pos;
  for (const { offsetAt, align, data } of out.tails) {
    const start = alignUp(pos + 4, align);
    const head = new Uint8Array(start - pos);
    new DataView(head.buffer).setUint32(head.length - 4, data.length, true);
    chunks.push(head, data);
    checkSize(start + data.length);
    pointTo(out, offsetAt, start - 4);
    pos = start + data.length;
  }
  return chunks;
}

function checkSize(size: number): void {
  if (size > MAX_BYTES) throw fail("TOO_LARGE", `Cannot write a flatbuffer of ${size} bytes: the format ends at ${MAX_BYTES}`);
}

function alignUp(pos: number, align: number): number {
  return Math.ceil(pos / align) * align;
}

/** Moves to the next position `p` where `p + before` is a multiple of `align`, and makes room for `size` bytes there. Returns `p`. */
function reserve(out: Writing, size: number, spot: { readonly align: number; readonly before?: number }): number {
  const before = spot.before ?? 0;
  const start = alignUp(out.pos + before, spot.align) - before;
  out.pos = start + size;
  checkSize(out.pos);
  if (out.pos > out.bytes.length) {
    const grown = new Uint8Array(Math.max(out.pos, 2 * out.bytes.length));
    grown.set(out.bytes);
    out.bytes = grown;
    out.view = new DataView(grown.buffer);
  }
  return start;
}

function pointTo(out: Writing, offsetAt: number, target: number): void {
  out.view.setUint32(offsetAt, target - offsetAt, true);
}

function writeTable(out: Writing, type: TableType, record: object): number {
  const layout = layOut(type, inlinesOf(type, record, out.dropUnknown));
  const vtable = writeVtable(out, layout.vtable);
  // The four bytes before the values keep the table itself at a multiple of 4, whatever the values ask for.
  const start = reserve(out, layout.size, { align: Math.max(4, layout.align), before: 4 });
  out.view.setInt32(start, start - vtable, true);
  const pending: { readonly inline: Inline; readonly at: number }[] = [];
  for (const [i, inline] of layout.inlines.entries()) {
    const at = start + itemAt(layout.offsets, i);
    if (!writeInline(out, inline, at)) pending.push({ inline, at });
  }
  // What is pointed to comes in the order of the schema.
  pending.sort((a, b) => a.inline.slot - b.inline.slot);
  for (const { inline, at } of pending) writeTarget(out, inline, at);
  return start;
}

function writeVtable(out: Writing, vtable: readonly number[]): number {
  const key = vtable.join();
  const present = out.vtables.get(key);
  if (present !== undefined) return present;
  const start = reserve(out, 2 * vtable.length, { align: 2 });
  for (const [i, value] of vtable.entries()) out.view.setUint16(start + 2 * i, value, true);
  out.vtables.set(key, start);
  return start;
}

/** Writes what stands in the table itself; returns false for an offset. */
function writeInline(out: Writing, inline: Inline, at: number): boolean {
  const { field, value } = inline;
  if (field === undefined) out.bytes.set(value as Uint8Array, at);
  else if (inline.code) out.bytes[at] = value as number;
  else if (field.shape.kind === "scalar") writeScalar(out.view, { type: field.shape.type, at }, value as number);
  else if (field.shape.kind === "struct") writeStruct(out, field.shape.struct, { value, at });
  else return false;
  return true;
}

function writeTarget(out: Writing, inline: Inline, at: number): void {
  const { shape } = inline.field as { shape: FieldShape };
  const { value } = inline;
  switch (shape.kind) {
    case "scalar":
    case "struct":
      return;
    case "string":
      pointTo(out, at, writeString(out, value as string));
      return;
    case "vector": {
      const list = value as InstanceType<(typeof SCALAR_ARRAYS)[keyof typeof SCALAR_ARRAYS]>;
      invariant(list instanceof SCALAR_ARRAYS[shape.type], `a vector of ${shape.type} is in its array`);
      const data = new Uint8Array(list.buffer, list.byteOffset, list.byteLength);
      if (data.length >= TAIL_BYTES && data.length === list.length) out.tails.push({ offsetAt: at, align: shape.align, data });
      else placeVector(out, at, { data, length: list.length, align: shape.align });
      return;
    }
    case "table":
      pointTo(out, at, writeTable(out, shape.table(), value as object));
      return;
    case "union":
      pointTo(out, at, writeTable(out, memberOf(inline), value as object));
      return;
    case "strings":
      writeList(out, at, value as readonly string[], (text) => writeString(out, text));
      return;
    case "tables": {
      const table = shape.table();
      writeList(out, at, value as readonly object[], (record) => writeTable(out, table, record));
      return;
    }
    case "structs":
      writeStructs(out, shape.struct, { list: value as readonly unknown[], at });
      return;
  }
}

function memberOf(inline: Inline): TableType {
  const { kind } = inline.value as { readonly kind: string };
  const shape = inline.field?.shape;
  const member = shape?.kind === "union" ? shape.union.members.find(({ name }) => name === kind) : undefined;
  invariant(member, `the union has the member ${kind}`);
  return member;
}

function writeString(out: Writing, text: string): number {
  const size = utf8Size(text);
  const start = reserve(out, 4 + size + 1, { align: 4 });
  out.view.setUint32(start, size, true);
  writeUtf8(out.bytes, text, start + 4);
  return start;
}

function placeVector(out: Writing, at: number, vector: VectorBytes): void {
  if (out.shared === undefined || vector.data.length > SHARED_MAX_BYTES) {
    pointTo(out, at, writeVector(out, vector));
    return;
  }
  const key = `${vector.align} ${vector.length} ${vector.data.join()}`;
  const known = out.shared.get(key);
  if (known !== undefined) known.offsetsAt.push(at);
  else out.shared.set(key, { offsetsAt: [at], vector });
}

function writeVector(out: Writing, vector: VectorBytes): number {
  const start = reserve(out, 4 + vector.data.length, { align: vector.align, before: 4 });
  out.view.setUint32(start, vector.length, true);
  out.bytes.set(vector.data, start + 4);
  return start;
}

function writeList<T>(out: Writing, at: number, list: readonly T[], writeItem: (item: T) => number): void {
  const start = reserve(out, 4 + 4 * list.length, { align: 4 });
  pointTo(out, at, start);
  out.view.setUint32(start, list.length, true);
  for (const [i, item] of list.entries()) pointTo(out, start + 4 + 4 * i, writeItem(item));
}

function writeStructs(
  out: Writing,
  struct: StructType,
  target: { readonly list: readonly unknown[]; readonly at: number },
): void {
  const { list, at } = target;
  const start = reserve(out, 4 + struct.size * list.length, { align: Math.max(4, struct.align), before: 4 });
  pointTo(out, at, start);
  out.view.setUint32(start, list.length, true);
  for (const [i, value] of list.entries()) writeStruct(out, struct, { value, at: start + 4 + struct.size * i });
}

function writeStruct(out: Writing, struct: StructType, target: { readonly value: unknown; readonly at: number }): void {
  const values = target.value as Readonly<Record<string, number>>;
  for (const { key, type, offset } of struct.fields) writeScalar(out.view, { type, at: target.at + offset }, values[key] ?? 0);
}
