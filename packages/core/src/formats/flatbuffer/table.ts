import { type Int64, type ScalarArray, type ScalarType, type ScalarValue, scalarSize } from "./scalar.ts";

/*
 * A FlatBuffers schema as data. A table is declared as its fields in the order of the schema: a field's slot is its position, and a union
 * takes two (type code, then value), as in the schema language without explicit ids. Record types are derived from the tables.
 */

/** A slot that the table does not know: the file follows a newer schema. */
export interface UnknownSlot {
  readonly slot: number;
  /** The bytes in the table from the value on up to the next value, padding included. A view of the file. */
  readonly bytes: Uint8Array;
  /** Alignment (1 to 8) at which the value stood. */
  readonly align: number;
  /** Whether the first four bytes could be an offset to something elsewhere, which then is not kept: it cannot be told without the schema. */
  readonly mayPoint: boolean;
}

/** What every decoded table may carry besides its own fields. */
export interface TableRecord {
  readonly unknown?: readonly UnknownSlot[];
}

/** A union whose value is not known: a code of a newer schema, a code without a value, or a value without a code (0). */
export interface OpaqueUnion {
  readonly kind: "opaque";
  readonly code: number;
  /** Whether there is a value, which then is not kept. */
  readonly hasValue: boolean;
}

/** A row of a table. `V` is what it is in a record, `P` whether it is always there (scalars have defaults) or may be absent. */
export type Spec<V = unknown, P extends "always" | "maybe" = "always" | "maybe"> = FieldShape & {
  /** Never set; tie the row to its types. */
  readonly value?: V;
  readonly presence?: P;
};

/** What a field is on the wire. */
export type FieldShape =
  | { readonly kind: "scalar"; readonly type: ScalarType; readonly initial: boolean | Int64 }
  | { readonly kind: "string" }
  | { readonly kind: "strings" }
  | { readonly kind: "vector"; readonly type: ScalarType; readonly align: number }
  | { readonly kind: "struct"; readonly struct: StructType }
  | { readonly kind: "structs"; readonly struct: StructType }
  | { readonly kind: "table"; readonly table: () => TableType }
  | { readonly kind: "tables"; readonly table: () => TableType }
  | { readonly kind: "union"; readonly union: UnionType };

/** The fields of a table, in the order of the schema. */
export type Specs = Readonly<Record<string, Spec>>;

/** A row made ready for the codec: its record key and its (first) slot. */
export interface Field {
  readonly key: string;
  readonly slot: number;
  readonly shape: FieldShape;
}

/** A table type; `R` is the record it decodes to. */
export interface TableType<R = unknown> {
  readonly name: string;
  readonly fields: readonly Field[];
  /** Number of slots that are known. */
  readonly slots: number;
  readonly record?: R;
}

/** A struct type: scalars at fixed places. */
export interface StructType<R = unknown> {
  readonly name: string;
  readonly fields: readonly { readonly key: string; readonly type: ScalarType; readonly offset: number }[];
  readonly size: number;
  readonly align: number;
  readonly record?: R;
}

/** A union type: the member with code `i` is `members[i - 1]`; 0 is none. */
export interface UnionType<V = unknown> {
  readonly name: string;
  readonly members: readonly TableType[];
  readonly value?: V;
}

type ValueOf<S> = S extends { readonly value?: infer V } ? Exclude<V, undefined> : never;
type AlwaysKeys<F> = { [K in keyof F]: F[K] extends Spec<unknown, "always"> ? K : never }[keyof F];

/** The record of a table with the fields `F`: scalars always there, the others when the file has them. */
export type RecordOf<F> = { readonly [K in AlwaysKeys<F>]: ValueOf<F[K]> } & {
  readonly [K in Exclude<keyof F, AlwaysKeys<F>>]?: ValueOf<F[K]>;
} & TableRecord;

/** The record of a table type, struct type or union type. */
export type Decoded<T> = T extends { readonly record?: infer R }
  ? Exclude<R, undefined>
  : T extends { readonly value?: infer V }
    ? Exclude<V, undefined>
    : never;

/** A record to be written: a scalar may be left out and has its default then. */
export type Draft<R> = R extends string | number | boolean | bigint | ArrayBufferView
  ? R
  : R extends readonly (infer E)[]
    ? readonly Draft<E>[]
    : { readonly [K in keyof R as R[K] extends boolean | Int64 ? never : K]: Draft<R[K]> } & {
        readonly [K in keyof R as R[K] extends boolean | Int64 ? K : never]?: R[K];
      };

/** A scalar with its default (0 or false unless given). */
export function scalar<T extends ScalarType>(type: T, initial?: ScalarValue<T>): Spec<ScalarValue<T>, "always"> {
  return { kind: "scalar", type, initial: initial ?? (type === "bool" ? false : 0) };
}

/** Text. */
export function string(): Spec<string, "maybe"> {
  return { kind: "string" };
}

/** A list of texts. */
export function strings(): Spec<readonly string[], "maybe"> {
  return { kind: "strings" };
}

/** Scalars in a typed array, aligned to at least `align` bytes in the file. Vectors of `uint8` and `bool` are views of the file. */
export function vector<T extends ScalarType>(type: T, align = 0): Spec<ScalarArray<T>, "maybe"> {
  return { kind: "vector", type, align: Math.max(4, align, scalarSize(type)) };
}

/** A struct that stands in the table itself. */
export function inlined<R>(struct: StructType<R>): Spec<R, "maybe"> {
  return { kind: "struct", struct };
}

/** Structs one after another. */
export function structs<R>(struct: StructType<R>): Spec<readonly R[], "maybe"> {
  return { kind: "structs", struct };
}

/** Another table; a function because tables may contain themselves. */
export function one<R>(table: () => TableType<R>): Spec<R, "maybe"> {
  return { kind: "table", table };
}

/** A list of tables. */
export function many<R>(table: () => TableType<R>): Spec<readonly R[], "maybe"> {
  return { kind: "tables", table };
}

/** One of several tables, told apart by `kind`, the name of the table. */
export function oneOf<V>(union: UnionType<V>): Spec<V | OpaqueUnion, "maybe"> {
  return { kind: "union", union };
}

/**
 * Declares a table.
 *
 * @example
 * const PAIR = makeTable("Pair", { key: string(), count: scalar("int32", 1) });
 * type Pair = Decoded<typeof PAIR>; // { readonly key?: string; readonly count: number; readonly unknown?: ... }
 */
export function makeTable<F extends Specs>(name: string, specs: F): TableType<RecordOf<F>> {
  let slot = 0;
  const fields = Object.entries(specs).map(([key, shape]): Field => {
    const field = { key, slot, shape };
    slot += shape.kind === "union" ? 2 : 1;
    return field;
  });
  return { name, fields, slots: slot };
}

type ScalarSpec = Spec<unknown, "always"> & { readonly kind: "scalar" };

/** Declares a struct: every scalar at the next multiple of its size, the whole as long as a multiple of the largest. */
export function makeStruct<F extends Specs>(
  name: string,
  specs: F & Readonly<Record<string, Spec<unknown, "always">>>,
): StructType<{ readonly [K in keyof F]: ValueOf<F[K]> }> {
  let size = 0;
  let align = 1;
  const fields = Object.entries(specs).map(([key, shape]) => {
    const { type } = shape as ScalarSpec;
    const own = scalarSize(type);
    const offset = Math.ceil(size / own) * own;
    size = offset + own;
    align = Math.max(align, own);
    return { key, type, offset };
  });
  return { name, fields, size: Math.ceil(size / align) * align, align };
}

/** The values of a union with the members `Names`, of which those in `Rows` have fields. */
export type UnionOf<Names extends readonly string[], Rows> = {
  [N in Names[number]]: { readonly kind: N } & RecordOf<N extends keyof Rows ? Rows[N] : Record<never, Spec>>;
}[Names[number]];

/** Declares a union: member names in the order of their codes from 1 on, and the fields of those that have any. */
export function makeUnion<const Names extends readonly string[], Rows extends { readonly [N in Names[number]]?: Specs }>(
  name: string,
  names: Names,
  rows: Rows,
): UnionType<UnionOf<Names, Rows>> {
  const known: Readonly<Partial<Record<string, Specs>>> = rows;
  return { name, members: names.map((member) => makeTable(member, known[member] ?? {})) };
}
