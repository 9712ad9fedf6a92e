import type { ScalarType } from "@tessera/core/formats/flatbuffer/scalar";
import type { Field, FieldShape, TableType } from "@tessera/core/formats/flatbuffer/table";
import { decodeUtf8 } from "@tessera/core/formats/protobuf/utf8";
import fc from "fast-check";

/** What {@link flatArbitrary} makes. */
export interface FlatArbitraryOptions {
  /** Tables inside each other. */
  readonly depth?: number;
  /** Whether slots and unions of a newer schema and texts that are not UTF-8 are among it. */
  readonly foreign?: boolean;
}

/**
 * Arbitrary records of a flatbuffer table in the form in which a reader returns them: every scalar there, safe integers as numbers. What
 * a newer schema put there is only such as can be kept.
 */
export function flatArbitrary<R>(type: TableType<R>, options: FlatArbitraryOptions = {}): fc.Arbitrary<R> {
  const { depth = 8, foreign = true } = options;
  const always: string[] = [];
  const model: Record<string, fc.Arbitrary<unknown>> = {};
  for (const field of type.fields) {
    if (field.shape.kind === "scalar") always.push(field.key);
    const value = fieldArbitrary(field, { depth, foreign });
    if (value !== undefined) model[field.key] = value;
  }
  if (foreign) model["unknown"] = unknownArbitrary(type.slots);
  return fc.record(model, { requiredKeys: always }) as fc.Arbitrary<R>;
}

/** Bytes that cannot be an offset, wherever they stand in a file of less than 4 GiB. */
function unknownArbitrary(slots: number): fc.Arbitrary<unknown> {
  const sizes = fc.constantFrom(1, 2, 4, 8);
  return fc
    .tuple(fc.integer({ min: 0, max: 5 }), sizes)
    .map(([gap, size]) => [{ slot: slots + gap, bytes: new Uint8Array(size).fill(0xff), align: size, mayPoint: false }]);
}

const integers = (bits: number, signed: boolean): fc.Arbitrary<number | bigint> => {
  const top = 2n ** BigInt(signed ? bits - 1 : bits);
  const any = fc.bigInt({ min: signed ? -top : 0n, max: top - 1n });
  const small = fc.bigInt({ min: signed ? -3n : 0n, max: 3n });
  return fc.oneof(small, any).map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value));
};

const SCALARS = {
  bool: fc.boolean(),
  int8: integers(8, true),
  uint8: integers(8, false),
  int16: integers(16, true),
  uint16: integers(16, false),
  int32: integers(32, true),
  uint32: integers(32, false),
  int64: integers(64, true),
  uint64: integers(64, false),
  float32: fc.float(),
  float64: fc.double(),
} as const satisfies Record<ScalarType, fc.Arbitrary<unknown>>;

const LENGTH = { maxLength: 9 } as const;
const VECTORS = {
  bool: fc.uint8Array({ max: 1, ...LENGTH }),
  int8: fc.int8Array(LENGTH),
  // Large ones are written elsewhere than small ones.
  uint8: fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 1000, max: 3000 }).map(patterned)),
  int16: fc.int16Array(LENGTH),
  uint16: fc.uint16Array(LENGTH),
  int32: fc.int32Array(LENGTH),
  uint32: fc.uint32Array(LENGTH),
  int64: fc.bigInt64Array(LENGTH),
  uint64: fc.bigUint64Array(LENGTH),
  float32: fc.float32Array(LENGTH),
  float64: fc.float64Array(LENGTH),
} as const satisfies Record<ScalarType, fc.Arbitrary<unknown>>;

function patterned(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 255);
}

const utf8 = fc.string({ unit: "grapheme", maxLength: 20 });
const anyText = fc.oneof(
  utf8,
  fc.uint8Array({ maxLength: 20 }).map((bytes) => decodeUtf8(bytes, 0, bytes.length)),
);

interface Inside {
  readonly depth: number;
  readonly foreign: boolean;
}

function fieldArbitrary(field: Field, inside: Inside): fc.Arbitrary<unknown> | undefined {
  const { shape } = field;
  switch (shape.kind) {
    case "scalar":
      return SCALARS[shape.type];
    case "string":
      return inside.foreign ? anyText : utf8;
    case "strings":
      return fc.array(inside.foreign ? anyText : utf8, { maxLength: 3 });
    case "vector":
      return VECTORS[shape.type];
    case "struct":
    case "structs": {
      const one = fc.record(Object.fromEntries(shape.struct.fields.map(({ key, type }) => [key, SCALARS[type]])));
      return shape.kind === "struct" ? one : fc.array(one, { maxLength: 3 });
    }
    default:
      return inside.depth > 1 ? tableArbitrary(shape, { ...inside, depth: inside.depth - 1 }) : undefined;
  }
}

function tableArbitrary(shape: FieldShape, inside: Inside): fc.Arbitrary<unknown> | undefined {
  if (shape.kind === "table") return fc.constant(null).chain(() => flatArbitrary(shape.table(), inside));
  if (shape.kind === "tables") {
    return fc.constant(null).chain(() => fc.array(flatArbitrary(shape.table(), inside), { maxLength: 3 }));
  }
  if (shape.kind !== "union") return undefined;
  const known = fc.constantFrom(...shape.union.members).chain((member) => {
    return flatArbitrary(member, inside).map((record) => ({ ...(record as object), kind: member.name }));
  });
  // A code without a value can be kept, also one that is known.
  const opaque = fc.integer({ min: 1, max: 255 }).map((code) => ({ kind: "opaque", code, hasValue: false }));
  return inside.foreign ? fc.oneof({ weight: 9, arbitrary: known }, { weight: 1, arbitrary: opaque }) : known;
}
