/** A 64-bit integer: a number while it is a safe integer, a bigint beyond. */
export type Int64 = number | bigint;

/** What every decoded message may carry besides its own fields. */
export interface MessageRecord {
  /** Fields that the table does not know, as raw slices (tag included) of the file, in file order; written back after the known ones. */
  readonly unknown?: readonly Uint8Array[];
}

/** Types of a field. Enums are open in ONNX and therefore plain `int32`. */
export type FieldType = "int32" | "int64" | "uint64" | "float" | "double" | "string" | "bytes" | "message";

/** The typed arrays that hold a repeated number. */
export type NumberList = Float32Array | Float64Array | Int32Array | BigInt64Array | BigUint64Array;

interface FieldBase {
  readonly number: number;
  /** Name of the `oneof` that the field belongs to: reading one member clears the others. */
  readonly oneof?: string;
}
interface ScalarField<T extends FieldType> extends FieldBase {
  readonly type: T;
}
interface ArrayField<T extends FieldType> extends FieldBase {
  readonly type: T;
  /** Repeated, held in a plain array, written unpacked. */
  readonly list: "array";
}
interface TypedField<T extends FieldType> extends FieldBase {
  readonly type: T;
  /** Repeated, held in a typed array. */
  readonly list: "typed";
  /** Whether it is written packed; both forms are read. */
  readonly packed?: true;
}
// biome-ignore lint/suspicious/noExplicitAny: a thunk's table is invariant in its record; the exact record is checked where it is declared
type SubmessageField<M = any> = FieldBase & { readonly type: "message"; readonly message: () => MessageTable<M> };

/** A row of a message table as it is declared. */
export type FieldSpec =
  | ScalarField<Exclude<FieldType, "message">>
  | ArrayField<"int64" | "string" | "bytes">
  | TypedField<"float" | "double" | "int32" | "int64" | "uint64">
  | SubmessageField
  | (SubmessageField & { readonly list: "array" });

/** The row that fits a property of a record type: a table that disagrees with its record does not compile. */
export type FieldFor<V> = [V] extends [string]
  ? ScalarField<"string">
  : [V] extends [number]
    ? ScalarField<"int32" | "float" | "double">
    : [V] extends [Int64]
      ? ScalarField<"int64" | "uint64">
      : [V] extends [Uint8Array]
        ? ScalarField<"bytes">
        : [V] extends [Float32Array]
          ? TypedField<"float">
          : [V] extends [Float64Array]
            ? TypedField<"double">
            : [V] extends [Int32Array]
              ? TypedField<"int32">
              : [V] extends [BigInt64Array]
                ? TypedField<"int64">
                : [V] extends [BigUint64Array]
                  ? TypedField<"uint64">
                  : [V] extends [readonly string[]]
                    ? ArrayField<"string">
                    : [V] extends [readonly Uint8Array[]]
                      ? ArrayField<"bytes">
                      : [V] extends [readonly Int64[]]
                        ? ArrayField<"int64">
                        : [V] extends [readonly (infer M)[]]
                          ? SubmessageField<M> & { readonly list: "array" }
                          : SubmessageField<V>;

/** All rows of a record type. */
export type FieldsOf<T> = { readonly [K in Exclude<keyof T, "unknown">]-?: FieldFor<NonNullable<T[K]>> };

/** A row made ready for the codec. */
export interface Field {
  readonly key: string;
  readonly number: number;
  readonly type: FieldType;
  readonly list: "none" | "array" | "typed";
  readonly packed: boolean;
  /** Wire type of one value. */
  readonly wire: 0 | 1 | 2 | 5;
  /** The tag as it is written (number << 3 | wire type, wire type 2 where packed) and its size in bytes. */
  readonly tag: number;
  readonly tagSize: number;
  /** Other members of its `oneof`. */
  readonly rivals: readonly string[];
  readonly message: () => MessageTable<MessageRecord>;
}

/** A message type: fields by number (for reading) and in ascending order (for writing). `T` is the record it decodes to. */
export interface MessageTable<T> {
  readonly name: string;
  readonly byNumber: readonly (Field | undefined)[];
  readonly ordered: readonly Field[];
  /** Never set; ties the table to its record type. */
  readonly record?: T;
}

/** Largest field number a table may use: the lookup is an array. Protobuf itself allows 2^29 - 1. */
const MAX_FIELD_NUMBER = 1023;

/**
 * Declares a message type.
 *
 * @example
 * interface Pair extends MessageRecord { readonly key?: string; readonly value?: string }
 * const PAIR = message<Pair>("Pair", { key: { number: 1, type: "string" }, value: { number: 2, type: "string" } });
 */
export function message<T extends MessageRecord>(name: string, fields: FieldsOf<T>): MessageTable<T> {
  const rows = Object.entries(fields as Record<string, FieldSpec>);
  const ordered = rows.map(([key, spec]) => makeField(key, spec, rows)).sort((a, b) => a.number - b.number);
  const byNumber: (Field | undefined)[] = new Array(ordered.reduce((top, field) => Math.max(top, field.number), 0) + 1).fill(
    undefined,
  );
  for (const field of ordered) {
    const free = field.number >= 1 && field.number <= MAX_FIELD_NUMBER && byNumber[field.number] === undefined;
    if (!free) throw new Error(`Broken invariant: field ${name}.${field.key} has the number ${field.number}`);
    byNumber[field.number] = field;
  }
  return { name, byNumber, ordered };
}

const WIRE_OF = { int32: 0, int64: 0, uint64: 0, double: 1, string: 2, bytes: 2, message: 2, float: 5 } as const satisfies Record<
  FieldType,
  number
>;

function makeField(key: string, spec: FieldSpec, rows: readonly (readonly [string, FieldSpec])[]): Field {
  const wire = WIRE_OF[spec.type];
  const packed = "packed" in spec && spec.packed === true;
  const tag = spec.number * 8 + (packed ? 2 : wire);
  return {
    key,
    number: spec.number,
    type: spec.type,
    list: "list" in spec ? spec.list : "none",
    packed,
    wire,
    tag,
    tagSize: tag < 0x80 ? 1 : 2,
    rivals: rows
      .filter(([other, row]) => spec.oneof !== undefined && row.oneof === spec.oneof && other !== key)
      .map(([other]) => other),
    message: "message" in spec ? spec.message : noMessage,
  };
}

function noMessage(): never {
  throw new Error("Broken invariant: the field holds no message");
}
