import { scalarSize } from "@tessera/core/formats/flatbuffer/scalar";
import type { Field, TableType } from "@tessera/core/formats/flatbuffer/table";
import { Builder, ByteBuffer } from "flatbuffers";

/*
 * Tables read and written with the `flatbuffers` package of Google, knowing of ours only the schema: what one side writes the other must
 * read. Without structs and unknown slots.
 */

type Values = Readonly<Record<string, unknown>>;

/** Builds a file with the package's builder, which writes from the end to the start. */
export function buildWithOracle(type: TableType, record: object, identifier: string): Uint8Array {
  const builder = new Builder(64);
  builder.finish(buildTable(builder, type, record as Values), identifier);
  return builder.asUint8Array().slice();
}

function buildTable(builder: Builder, type: TableType, values: Values): number {
  const offsets = new Map<string, number>();
  for (const field of type.fields) {
    const value = values[field.key];
    if (value !== undefined && field.shape.kind !== "scalar") offsets.set(field.key, buildTarget(builder, field, value));
  }
  builder.startObject(type.slots);
  for (const field of type.fields) {
    const { shape, slot, key } = field;
    const value = values[key];
    if (shape.kind === "scalar") addScalar(builder, field, value as number);
    else if (value !== undefined) {
      if (shape.kind === "union") {
        const code = shape.union.members.findIndex((member) => member.name === (value as { kind: string }).kind) + 1;
        builder.addFieldInt8(slot, code, 0);
        builder.addFieldOffset(slot + 1, offsets.get(key) ?? 0, 0);
      } else builder.addFieldOffset(slot, offsets.get(key) ?? 0, 0);
    }
  }
  return builder.endObject();
}

function addScalar(builder: Builder, field: Field, value: number | boolean | bigint): void {
  const { shape, slot } = field;
  if (shape.kind !== "scalar") return;
  const [now, initial] = [Number(value), Number(shape.initial)];
  switch (shape.type) {
    case "bool":
    case "int8":
    case "uint8":
      builder.addFieldInt8(slot, now, initial);
      return;
    case "int16":
    case "uint16":
      builder.addFieldInt16(slot, now, initial);
      return;
    case "int32":
    case "uint32":
      builder.addFieldInt32(slot, now, initial);
      return;
    case "float32":
      // The package compares with ==, which would drop a negative zero.
      builder.forceDefaults(true);
      builder.addFieldFloat32(slot, now, initial);
      builder.forceDefaults(false);
      return;
    case "float64":
      builder.addFieldFloat64(slot, now, initial);
      return;
    default:
      builder.addFieldInt64(slot, BigInt(value), BigInt(shape.initial));
  }
}

function buildTarget(builder: Builder, field: Field, value: unknown): number {
  const { shape } = field;
  switch (shape.kind) {
    case "string":
      return builder.createString(value as string);
    case "vector": {
      const bytes = bytesOf(value as ArrayBufferView);
      const size = scalarSize(shape.type);
      builder.startVector(size, bytes.length / size, shape.align);
      for (let i = bytes.length - 1; i >= 0; i--) builder.writeInt8(bytes[i] ?? 0);
      return builder.endVector();
    }
    case "table":
      return buildTable(builder, shape.table(), value as Values);
    case "tables": {
      const offsets = (value as readonly Values[]).map((item) => buildTable(builder, shape.table(), item));
      builder.startVector(4, offsets.length, 4);
      for (const offset of offsets.toReversed()) builder.addOffset(offset);
      return builder.endVector();
    }
    case "union": {
      const member = shape.union.members.find(({ name }) => name === (value as { kind: string }).kind);
      if (member === undefined) throw new Error("The oracle knows no opaque unions");
      return buildTable(builder, member, value as Values);
    }
    default:
      throw new Error(`The oracle knows no ${shape.kind}`);
  }
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Reads a file with the package's buffer. Vectors come as typed arrays, and everything is where our reader puts it. */
export function readWithOracle(type: TableType, file: Uint8Array): object {
  const bb = new ByteBuffer(file);
  return readTable(bb, type, bb.readInt32(0));
}

function readTable(bb: ByteBuffer, type: TableType, pos: number): object {
  const record: Record<string, unknown> = {};
  for (const field of type.fields) {
    const at = bb.__offset(pos, 4 + 2 * field.slot);
    const value = field.shape.kind === "union" ? readUnion(bb, field, pos) : readField(bb, field, at === 0 ? 0 : pos + at);
    if (value !== undefined) record[field.key] = value;
  }
  return record;
}

function readUnion(bb: ByteBuffer, field: Field, pos: number): unknown {
  if (field.shape.kind !== "union") return undefined;
  const code = bb.__offset(pos, 4 + 2 * field.slot);
  const value = bb.__offset(pos, 6 + 2 * field.slot);
  if (code === 0) return undefined;
  const member = field.shape.union.members[bb.readUint8(pos + code) - 1];
  if (member === undefined) throw new Error("The oracle knows no opaque unions");
  return { kind: member.name, ...readTable(bb, member, bb.__indirect(pos + value)) };
}

function readField(bb: ByteBuffer, field: Field, at: number): unknown {
  const { shape } = field;
  if (shape.kind === "scalar") return at === 0 ? shape.initial : readScalar(bb, field, at);
  if (at === 0) return undefined;
  switch (shape.kind) {
    case "string":
      return bb.__string(at);
    case "table":
      return readTable(bb, shape.table(), bb.__indirect(at));
    case "tables":
      return Array.from({ length: bb.__vector_len(at) }, (_, i) => {
        return readTable(bb, shape.table(), bb.__indirect(bb.__vector(at) + 4 * i));
      });
    case "vector": {
      const start = bb.__vector(at);
      const size = scalarSize(shape.type);
      if (start % Math.max(size, shape.align) !== 0)
        throw new Error(`${field.key} is at ${start}, not aligned to ${shape.align}`);
      return bb.bytes().slice(start, start + size * bb.__vector_len(at));
    }
    default:
      throw new Error(`The oracle knows no ${shape.kind}`);
  }
}

function readScalar(bb: ByteBuffer, field: Field, at: number): unknown {
  if (field.shape.kind !== "scalar") return undefined;
  const { type } = field.shape;
  if (at % scalarSize(type) !== 0) throw new Error(`${field.key} is at ${at}, not aligned`);
  const narrow = (wide: bigint): number | bigint => (Number.isSafeInteger(Number(wide)) ? Number(wide) : wide);
  switch (type) {
    case "bool":
      return bb.readInt8(at) !== 0;
    case "int8":
      return bb.readInt8(at);
    case "uint8":
      return bb.readUint8(at);
    case "int16":
      return bb.readInt16(at);
    case "uint16":
      return bb.readUint16(at);
    case "int32":
      return bb.readInt32(at);
    case "uint32":
      return bb.readUint32(at);
    case "int64":
      return narrow(bb.readInt64(at));
    case "uint64":
      return narrow(bb.readUint64(at));
    case "float32":
      return bb.readFloat32(at);
    case "float64":
      return bb.readFloat64(at);
  }
}
