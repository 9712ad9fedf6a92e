import { fail } from "../../base/error.ts";
import type { QuantDType } from "../../graph/plan.ts";

/** One tensor of an encodings file, as it stands there. */
export interface ReadEncoding {
  readonly name: string;
  readonly dtype: QuantDType;
  /** float32 values > 0, one or one a channel. */
  readonly scale: readonly number[];
  readonly zeroPoint: readonly number[];
  /** Scales are by channel; the axis is known from version 2.0.0 alone. */
  readonly perChannel: boolean;
  readonly axis?: number;
}

/** An encodings file as it reads. */
export interface EncodingsFile {
  readonly version: string;
  readonly encodings: readonly ReadEncoding[];
  /** Tensors that the file says are computed in float. */
  readonly floats: readonly string[];
}

/** Largest encodings file that is read, in characters. */
export const ENCODINGS_MAX_CHARACTERS = 64 * 1024 * 1024;

/** Most tensors of a file, and most channels of a tensor. */
export const ENCODINGS_MAX_TENSORS = 100_000;

type Json = Readonly<Record<string, unknown>>;

/** Whether a JSON value is an encodings file of AIMET's or Qualcomm's, by its fields. */
export function isEncodings(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return (
    Object.hasOwn(value, "activation_encodings") || Object.hasOwn(value, "param_encodings") || Object.hasOwn(value, "encodings")
  );
}

/**
 * Reads an encodings file that AIMET exported or that Qualcomm's converters take as overrides: versions 0.4 to 0.6.1 (the schema without a version
 * is that of 0.4), 1.0.0 and 2.0.0. Where an entry has no scale, it follows from min and max. What is written in unsigned form comes back so.
 *
 * @throws MALFORMED naming the entry; LIMIT_EXCEEDED above {@link ENCODINGS_MAX_CHARACTERS} or {@link ENCODINGS_MAX_TENSORS}; PLAN_INVALID for encodings
 * that a plan has no form for: blocks of weights, other widths than 4, 8, 16 and 32 bits
 */
export function readEncodings(text: string): EncodingsFile {
  if (text.length > ENCODINGS_MAX_CHARACTERS)
    throw fail("LIMIT_EXCEEDED", `Cannot read the encodings: ${text.length} characters, more than ${ENCODINGS_MAX_CHARACTERS}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fail("MALFORMED", "Cannot read the encodings: the text is not JSON", { cause });
  }
  const json = object(value, "the file");
  const said = json["version"];
  const version = said === undefined ? (Array.isArray(json["encodings"]) ? "2.0.0" : "0.4.0") : said;
  if (typeof version !== "string" || !/^[012]\./.test(version))
    throw malformed(`version ${JSON.stringify(version)?.slice(0, 40)} is none of 0.x, 1.x and 2.x`);
  const found: ReadEncoding[] = [];
  const floats: string[] = [];
  const seen = new Set<string>();
  const take = (name: string, read: ReadEncoding | undefined): void => {
    if (seen.has(name)) throw malformed(`${shown(name)} is named twice`);
    seen.add(name);
    if (seen.size > ENCODINGS_MAX_TENSORS)
      throw fail("LIMIT_EXCEEDED", `Cannot read the encodings: more than ${ENCODINGS_MAX_TENSORS} tensors`);
    if (read === undefined) floats.push(name);
    else found.push(read);
  };
  if (version.startsWith("2."))
    for (const [name, entry] of named(json["encodings"], "encodings")) take(name, entryOf200(name, entry));
  else
    for (const group of ["activation_encodings", "param_encodings"]) {
      const entries = json[group] ?? (version.startsWith("1.") ? [] : {});
      if (version.startsWith("1.")) for (const [name, entry] of named(entries, group)) take(name, entryOf100(name, entry));
      else for (const [name, list] of Object.entries(object(entries, group))) take(name, entryOf061(name, list));
    }
  return { version, encodings: found, floats };
}

function malformed(what: string): Error {
  return fail("MALFORMED", `Cannot read the encodings: ${what}`);
}

function shown(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}...` : name);
}

function object(value: unknown, what: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed(`${what} is not an object`);
  return value as Json;
}

/** A list of objects that carry their name. */
function named(value: unknown, what: string): readonly (readonly [string, Json])[] {
  if (!Array.isArray(value)) throw malformed(`${what} is not a list`);
  return value.map((entry: unknown, i) => {
    const json = object(entry, `${what}[${i}]`);
    if (typeof json["name"] !== "string") throw malformed(`${what}[${i}] has no name`);
    return [json["name"], json] as const;
  });
}

function finite(value: unknown, what: string): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw malformed(`${what} is not a number`);
  return value;
}

function listOf(value: unknown, what: string): readonly number[] {
  const list = Array.isArray(value) ? value : [value];
  if (list.length === 0 || list.length > ENCODINGS_MAX_TENSORS) throw malformed(`${what} has ${list.length} entries`);
  return list.map((v: unknown) => finite(v, what));
}

/** True, "True" and "true"; the text forms are what older versions write. */
function flag(value: unknown, what: string): boolean {
  const text = typeof value === "string" ? value.toLowerCase() : value;
  if (text === true || text === "true") return true;
  if (text === false || text === "false" || text === undefined) return false;
  throw malformed(`${what} is neither true nor false`);
}

const WIDTHS: Readonly<Record<number, readonly [QuantDType, QuantDType | undefined]>> = {
  4: ["int4", "uint4"],
  8: ["int8", "uint8"],
  16: ["int16", "uint16"],
  32: ["int32", undefined],
};

interface Grid {
  readonly bits: number;
  readonly symmetric: boolean;
  readonly scale: readonly number[];
  /** Counted from the lowest integer, 0 or less. */
  readonly offset: readonly number[];
}

/** The type and zero points of a grid: signed where zero is in its middle and it is said to be symmetric, unsigned else. */
function typed(
  name: string,
  { bits, symmetric, scale, offset }: Grid,
): Pick<ReadEncoding, "name" | "dtype" | "scale" | "zeroPoint"> {
  const types = Object.hasOwn(WIDTHS, bits) ? WIDTHS[bits] : undefined;
  if (types === undefined)
    throw fail("PLAN_INVALID", `Cannot use the encoding of ${shown(name)}: ${bits} bits, where plans have 4, 8, 16 or 32`);
  if (scale.length !== offset.length) throw malformed(`${shown(name)} has ${scale.length} scales and ${offset.length} offsets`);
  const rounded = scale.map(Math.fround);
  if (!rounded.every((s) => s > 0 && Number.isFinite(s)))
    throw malformed(`${shown(name)} has a scale that is no positive float32`);
  const half = 2 ** (bits - 1);
  const [signed, unsigned] = types;
  if ((symmetric || unsigned === undefined) && offset.every((o) => o === -half))
    return { name, dtype: signed, scale: rounded, zeroPoint: offset.map(() => 0) };
  if (unsigned === undefined || !offset.every((o) => Number.isInteger(o) && o <= 0 && o > -2 * half))
    throw malformed(`${shown(name)} has an offset outside its ${bits} bits`);
  return { name, dtype: unsigned, scale: rounded, zeroPoint: offset.map((o) => 0 - o) };
}

function entryOf061(name: string, value: unknown): ReadEncoding | undefined {
  const entries = (Array.isArray(value) ? value : [value]).map((entry: unknown) => object(entry, `the entry of ${shown(name)}`));
  const [first] = entries;
  if (first === undefined || entries.length > ENCODINGS_MAX_TENSORS)
    throw malformed(`${shown(name)} has ${entries.length} entries`);
  if (typeof first["dtype"] === "string" && first["dtype"].toLowerCase() === "float") return undefined;
  const what = shown(name);
  const bits = finite(first["bitwidth"] ?? first["bw"], `bitwidth of ${what}`);
  const symmetric = flag(first["is_symmetric"] ?? first["is_sym"], `is_symmetric of ${what}`);
  const grids = entries.map((entry) => scaleAndOffset(entry, bits, what));
  return {
    ...typed(name, { bits, symmetric, scale: grids.map((g) => g.scale), offset: grids.map((g) => g.offset) }),
    perChannel: entries.length > 1,
  };
}

function scaleAndOffset(entry: Json, bits: number, what: string): { readonly scale: number; readonly offset: number } {
  if (entry["scale"] !== undefined && entry["offset"] !== undefined)
    return { scale: finite(entry["scale"], `scale of ${what}`), offset: finite(entry["offset"], `offset of ${what}`) };
  const min = finite(entry["min"], `min of ${what}`);
  const max = finite(entry["max"], `max of ${what}`);
  const scale = (max - min) / (2 ** bits - 1);
  return { scale, offset: Math.round(min / scale) + 0 };
}

function entryOf100(name: string, entry: Json): ReadEncoding | undefined {
  const what = shown(name);
  if (entry["dtype"] === "FLOAT") return undefined;
  const kind = entry["enc_type"];
  if (kind !== "PER_TENSOR" && kind !== "PER_CHANNEL")
    throw fail("PLAN_INVALID", `Cannot use the encoding of ${what}: enc_type is ${JSON.stringify(kind)?.slice(0, 40)}`, {
      hint: "Plans hold scales by tensor or by channel",
    });
  const grid: Grid = {
    bits: finite(entry["bw"], `bw of ${what}`),
    symmetric: flag(entry["is_sym"], `is_sym of ${what}`),
    scale: listOf(entry["scale"], `scale of ${what}`),
    offset: listOf(entry["offset"], `offset of ${what}`),
  };
  if (kind === "PER_TENSOR" && grid.scale.length !== 1)
    throw malformed(`${what} is PER_TENSOR and has ${grid.scale.length} scales`);
  return { ...typed(name, grid), perChannel: kind === "PER_CHANNEL" };
}

function entryOf200(name: string, entry: Json): ReadEncoding | undefined {
  const what = shown(name);
  const said = entry["output_dtype"];
  if (typeof said === "string" && said.includes("float")) return undefined;
  const match = typeof said === "string" ? /^(u?)int(4|8|16|32)$/.exec(said) : null;
  if (match === null || said === "uint32")
    throw fail("PLAN_INVALID", `Cannot use the encoding of ${what}: output_dtype is ${JSON.stringify(said)?.slice(0, 40)}`);
  if (entry["block_size"] !== undefined)
    throw fail("PLAN_INVALID", `Cannot use the encoding of ${what}: it is by blocks`, {
      hint: "Plans hold scales by tensor or by channel",
    });
  const scale = listOf(entry["y_scale"], `y_scale of ${what}`);
  const zero =
    entry["y_zero_point"] === undefined ? scale.map(() => 0) : listOf(entry["y_zero_point"], `y_zero_point of ${what}`);
  const bits = Number(match[2]);
  const low = match[1] === "u" ? 0 : -(2 ** (bits - 1));
  const axis = entry["axis"];
  if (axis !== undefined && !Number.isInteger(axis)) throw malformed(`axis of ${what} is not an integer`);
  if (axis === undefined && scale.length !== 1) throw malformed(`${what} has ${scale.length} scales and no axis`);
  const read = typed(name, { bits, symmetric: match[1] !== "u", scale, offset: zero.map((z) => low - z) });
  return { ...read, perChannel: axis !== undefined, ...(axis === undefined ? {} : { axis: axis as number }) };
}
