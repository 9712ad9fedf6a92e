import type { Field, Int64, MessageRecord, MessageTable } from "@tessera/core/formats/protobuf/table";
import { decodeUtf8 } from "@tessera/core/formats/protobuf/utf8";
import fc from "fast-check";

/**
 * Arbitrary records of a message table, in the form in which a reader returns them: safe integers as numbers, no empty lists, at most one
 * member of a oneof, unknown fields as one slice. `depth` bounds how many messages are inside each other.
 */
export function recordArbitrary<T extends MessageRecord>(table: MessageTable<T>, depth = 3): fc.Arbitrary<T> {
  const fields = table.ordered.filter((field) => field.type !== "message" || depth > 1);
  const model: Record<string, fc.Arbitrary<unknown>> = { unknown: unknownArbitrary };
  for (const field of fields) model[field.key] = fieldArbitrary(field, depth);
  return fc.record(model, { requiredKeys: [] }).map((record) => {
    for (const field of fields) if (field.rivals.some((rival) => rival in record)) delete record[field.key];
    return record as unknown as T;
  });
}

/** A varint field 900 or a bytes field 901, which no table has. */
const unknownArbitrary = fc
  .oneof(fc.constant([0xa0, 0x38, 0x05]), fc.constant([0xaa, 0x38, 0x02, 0x00, 0xff]))
  .map((bytes) => [Uint8Array.from(bytes)]);

const normal = (value: bigint): Int64 => (Number.isSafeInteger(Number(value)) ? Number(value) : value);
const signed = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const unsigned = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const small = fc.integer({ min: -300, max: 300 });

const SCALARS = {
  int32: fc.oneof(small, fc.integer()),
  int64: fc.oneof(small, signed.map(normal)),
  uint64: unsigned.map(normal),
  float: fc.float(),
  double: fc.double(),
  bytes: fc.uint8Array({ maxLength: 200 }),
  // From bytes, so that text which is not UTF-8 is among it.
  string: fc
    .oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.string({ unit: "grapheme", maxLength: 100 }).map((text) => new TextEncoder().encode(text)),
    )
    .map((bytes) => decodeUtf8(bytes, 0, bytes.length)),
} as const;

const LISTS = {
  int32: fc.int32Array({ minLength: 1, maxLength: 20 }),
  int64: fc.bigInt64Array({ minLength: 1, maxLength: 20 }),
  uint64: fc.bigUint64Array({ minLength: 1, maxLength: 20 }),
  float: fc.float32Array({ minLength: 1, maxLength: 20 }),
  double: fc.float64Array({ minLength: 1, maxLength: 20 }),
} as const;

function fieldArbitrary(field: Field, depth: number): fc.Arbitrary<unknown> {
  if (field.list === "typed") return LISTS[field.type as keyof typeof LISTS];
  const item =
    field.type === "message" ? fc.constant(null).chain(() => recordArbitrary(field.message(), depth - 1)) : SCALARS[field.type];
  return field.list === "array" ? fc.array(item as fc.Arbitrary<unknown>, { minLength: 1, maxLength: 3 }) : item;
}
