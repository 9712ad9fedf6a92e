import { cInteger } from "./names.ts";

/** What a constant is for: how the report divides the flash. */
export type ConstantKind = "weights" | "bias" | "multipliers" | "shifts" | "tables" | "constants";

/** Numbers that go to flash. */
export type ConstantData = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array;

/** A constant array of the emitted code. */
export interface EmittedConstant {
  /** C identifier. */
  readonly name: string;
  readonly kind: ConstantKind;
  readonly type: string;
  readonly data: ConstantData;
}

/** Collects constants; equal arrays of one type are emitted once. */
export interface ConstantPool {
  /** The C identifier of an array. `kind` counts for the first user of equal arrays. */
  add(kind: ConstantKind, data: ConstantData): string;
  readonly all: readonly EmittedConstant[];
}

const LETTERS = {
  weights: "w",
  bias: "b",
  multipliers: "m",
  shifts: "s",
  tables: "t",
  constants: "c",
} as const satisfies Record<ConstantKind, string>;

/** A pool whose identifiers begin with `prefix`. */
export function constantPool(prefix: string): ConstantPool {
  const all: EmittedConstant[] = [];
  const known = new Map<string, EmittedConstant[]>();
  const counts = new Map<ConstantKind, number>();
  return {
    all,
    add(kind, data) {
      const type = cTypeOf(data);
      const key = `${type} ${data.length} ${fingerprint(data)}`;
      const alike = known.get(key) ?? [];
      const same = alike.find((c) => sameNumbers(c.data, data));
      if (same !== undefined) return same.name;
      const count = counts.get(kind) ?? 0;
      counts.set(kind, count + 1);
      const added = { name: `${prefix}_${LETTERS[kind]}${count}`, kind, type, data };
      all.push(added);
      known.set(key, [...alike, added]);
      return added.name;
    },
  };
}

function cTypeOf(data: ConstantData): string {
  if (data instanceof Int8Array) return "int8_t";
  if (data instanceof Uint8Array) return "uint8_t";
  if (data instanceof Int16Array) return "int16_t";
  return data instanceof Uint16Array ? "uint16_t" : "int32_t";
}

function fingerprint(data: ConstantData): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < data.length; i++) hash = Math.imul(hash ^ (data[i] as number), 0x01000193);
  return hash >>> 0;
}

function sameNumbers(a: ConstantData, b: ConstantData): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return a.length === b.length;
}

/** Characters of a line of numbers. */
const LINE = 118;

/** The numbers of an array as lines of C, without braces. */
export function numberLines(data: ConstantData): string {
  const lines: string[] = [];
  let line = " ";
  for (let i = 0; i < data.length; i++) {
    const text = `${cInteger(data[i] as number)},`;
    if (line.length + text.length > LINE) {
      lines.push(line);
      line = " ";
    }
    line += line.length === 1 ? ` ${text}` : text;
  }
  lines.push(line);
  return lines.join("\n");
}

/** Bytes of all constants by kind. */
export function bytesByKind(constants: readonly EmittedConstant[]): Readonly<Record<ConstantKind, number>> {
  const bytes = { weights: 0, bias: 0, multipliers: 0, shifts: 0, tables: 0, constants: 0 };
  for (const { kind, data } of constants) bytes[kind] += data.byteLength;
  return bytes;
}
