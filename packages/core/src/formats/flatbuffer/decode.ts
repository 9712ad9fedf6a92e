import { fail } from "../../base/error.ts";
import { decodeUtf8 } from "../protobuf/utf8.ts";
import { cut, type Frame, follow, openTable, type Reading, type Spot, slotPosition, wrong } from "./frame.ts";
import { COST, charge, chargeRecord, chargeView, exceeded, type FlatLimits, makeBudget } from "./limits.ts";
import { readScalar, SCALAR_ARRAYS, type ScalarType, scalarSize } from "./scalar.ts";
import type { Field, StructType, TableType, UnionType } from "./table.ts";
import { readUnknown } from "./unknown.ts";

/** Options of {@link decodeRoot}. */
export interface DecodeOptions {
  /** The four characters that the file must have at byte 4. */
  readonly identifier?: string;
  readonly limits?: Partial<FlatLimits>;
}

/**
 * Reads a flatbuffer. Byte vectors are views of the file; strings and other vectors are copied, so alignment does not matter. The record
 * and all inside it are frozen. What the tables do not know is kept in `unknown` and in opaque unions, see `listUnknown`. Tables may
 * overlap or be shared, as the format allows; limits bound what that costs.
 *
 * @throws TRUNCATED if something lies beyond the end, MALFORMED, LIMIT_EXCEEDED, each with the byte offset; UNSUPPORTED_FORMAT for
 * another identifier
 */
export function decodeRoot<R>(type: TableType<R>, bytes: Uint8Array, options: DecodeOptions = {}): R {
  const { identifier } = options;
  const reading: Reading = {
    bytes,
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    budget: makeBudget(options.limits ?? {}, bytes.length),
  };
  if (bytes.length < 8) throw cut({ name: type.name, at: 0 }, `the file has ${bytes.length} bytes`);
  const found = String.fromCharCode(...bytes.subarray(4, 8));
  if (identifier !== undefined && found !== identifier) {
    throw fail("UNSUPPORTED_FORMAT", `Cannot read ${type.name}: the file is not marked ${identifier} at byte 4`, {
      at: { offset: 4 },
    });
  }
  return readTable(reading, type, { at: follow(reading, { name: type.name, at: 0 }), depth: 1 }) as R;
}

function readTable(reading: Reading, type: TableType, place: { readonly at: number; readonly depth: number }): object {
  const frame = openTable(reading, type, place);
  const record: Record<string, unknown> = {};
  for (const field of type.fields) {
    const value = readField(frame, field);
    if (value !== undefined) record[field.key] = value;
  }
  if (frame.slots > type.slots) {
    const unknown = readUnknown(frame);
    if (unknown.length > 0) record["unknown"] = Object.freeze(unknown);
  }
  return Object.freeze(record);
}

function readField(frame: Frame, field: Field): unknown {
  const { shape, slot, key } = field;
  if (shape.kind === "scalar") {
    const at = slotPosition(frame, slot, scalarSize(shape.type));
    return at === 0 ? shape.initial : readScalar(frame.view, shape.type, at);
  }
  if (shape.kind === "union") return readUnion(frame, field, shape.union);
  const name = `${frame.type.name}.${key}`;
  if (shape.kind === "struct") {
    const at = slotPosition(frame, slot, shape.struct.size);
    return at === 0 ? undefined : readStruct(frame, shape.struct, at);
  }
  const at = slotPosition(frame, slot, 4);
  if (at === 0) return undefined;
  const spot = { name, at };
  switch (shape.kind) {
    case "string":
      return readString(frame, spot);
    case "vector":
      return readVector(frame, shape.type, spot);
    case "table":
      return readTable(frame, shape.table(), { at: follow(frame, spot), depth: frame.depth + 1 });
    case "strings":
      return readList(frame, spot, (item) => readString(frame, item));
    case "tables": {
      const table = shape.table();
      return readList(frame, spot, (item) => readTable(frame, table, { at: follow(frame, item), depth: frame.depth + 1 }));
    }
    case "structs":
      return readStructs(frame, shape.struct, spot);
  }
}

function readUnion(frame: Frame, field: Field, union: UnionType): unknown {
  const codeAt = slotPosition(frame, field.slot, 1);
  const at = slotPosition(frame, field.slot + 1, 4);
  const code = codeAt === 0 ? 0 : frame.view.getUint8(codeAt);
  if (code === 0 && at === 0) return undefined;
  const member = union.members[code - 1];
  if (member === undefined || at === 0) {
    chargeRecord(frame.budget, 3, codeAt);
    return Object.freeze({ kind: "opaque", code, hasValue: at !== 0 });
  }
  const spot = { name: `${frame.type.name}.${field.key}`, at };
  const record = readTable(frame, member, { at: follow(frame, spot), depth: frame.depth + 1 });
  return Object.freeze({ kind: member.name, ...record });
}

function readString(reading: Reading, spot: Spot): string {
  const { bytes, budget } = reading;
  const at = follow(reading, spot);
  const length = reading.view.getUint32(at, true);
  const start = at + 4;
  // The byte after the text must be 0: C++ readers take it for the end.
  if (start + length + 1 > bytes.length) throw cut({ ...spot, at }, `it has ${length} bytes, the file ends at ${bytes.length}`);
  if (bytes[start + length] !== 0) throw wrong({ ...spot, at }, `no zero byte follows its ${length} bytes`);
  if (length > budget.limits.maxStringBytes) throw exceeded("maxStringBytes", budget.limits.maxStringBytes, at);
  charge(budget, COST.string + 2 * length, at);
  return decodeUtf8(bytes, start, start + length);
}

/** The first element and the number of elements of a vector that lies inside the file. */
function openVector(reading: Reading, spot: Spot, elementSize: number): { readonly start: number; readonly length: number } {
  const at = follow(reading, spot);
  const length = reading.view.getUint32(at, true);
  const start = at + 4;
  if (length * elementSize > reading.bytes.length - start)
    throw cut({ ...spot, at }, `it has ${length} elements of ${elementSize} bytes, the file ends at ${reading.bytes.length}`);
  return { start, length };
}

function readVector(reading: Reading, type: ScalarType, spot: Spot): unknown {
  const { bytes, budget } = reading;
  const { start, length } = openVector(reading, spot, scalarSize(type));
  const sizeBytes = length * scalarSize(type);
  if (type === "uint8" || type === "bool") {
    chargeView(budget, length, start);
    return bytes.subarray(start, start + length);
  }
  charge(budget, COST.view + sizeBytes, start);
  const buffer = new ArrayBuffer(sizeBytes);
  new Uint8Array(buffer).set(bytes.subarray(start, start + sizeBytes));
  return new SCALAR_ARRAYS[type](buffer);
}

function readList(reading: Reading, spot: Spot, readItem: (item: Spot) => unknown): readonly unknown[] {
  const { start, length } = openVector(reading, spot, 4);
  charge(reading.budget, COST.list + COST.item * length, start);
  const list: unknown[] = [];
  for (let i = 0; i < length; i++) list.push(readItem({ name: `${spot.name}[${i}]`, at: start + 4 * i }));
  return Object.freeze(list);
}

function readStruct(reading: Reading, struct: StructType, at: number): object {
  chargeRecord(reading.budget, struct.fields.length, at);
  const record: Record<string, unknown> = {};
  for (const { key, type, offset } of struct.fields) record[key] = readScalar(reading.view, type, at + offset);
  return Object.freeze(record);
}

function readStructs(reading: Reading, struct: StructType, spot: Spot): readonly unknown[] {
  const { start, length } = openVector(reading, spot, struct.size);
  charge(reading.budget, COST.list + COST.item * length, start);
  const list: unknown[] = [];
  for (let i = 0; i < length; i++) list.push(readStruct(reading, struct, start + struct.size * i));
  return Object.freeze(list);
}
