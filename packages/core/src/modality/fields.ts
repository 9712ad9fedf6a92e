import { fail, type TesseraError } from "../base/error.ts";

/**
 * A cursor on JSON from outside. Values are taken out field by field, checked, and put into new objects: keys that nobody asked for (and
 * `__proto__` among them) never reach the inside. Every failure is a CARD_INVALID that names the field, such as `input.mean[2]`.
 */
export interface Field {
  readonly value: unknown;
  readonly path: string;
}

/** The error for a field. */
export function badField(field: Field, why: string): TesseraError {
  return fail("CARD_INVALID", `Cannot use the model card: ${field.path === "" ? "it" : `field "${field.path}"`} ${why}`);
}

/** A reader of one object: asks for fields by name and, at the end, refuses those nobody asked for. */
export interface ObjectReader {
  /** A field that must be there. */
  need(key: string): Field;
  /** A field that may be absent. */
  may(key: string): Field | undefined;
  /** @throws CARD_INVALID for a key that was never asked for: a misspelt optional field would otherwise be ignored in silence. */
  end(): void;
}

/** Opens an object. @throws CARD_INVALID when it is none. */
export function objectAt(field: Field): ObjectReader {
  const { value, path } = field;
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw badField(field, "must be an object");
  const record = value as { readonly [key: string]: unknown };
  const asked = new Set<string>();
  const inside = (key: string): Field => ({ value: record[key], path: path === "" ? key : `${path}.${key}` });
  const may = (key: string): Field | undefined => {
    asked.add(key);
    return Object.hasOwn(record, key) ? inside(key) : undefined;
  };
  return {
    may,
    need: (key) => {
      const found = may(key);
      if (found === undefined) throw badField({ value: undefined, path: path === "" ? key : `${path}.${key}` }, "is missing");
      return found;
    },
    end: () => {
      for (const key of Object.keys(record)) {
        if (!asked.has(key)) throw badField(inside(key.slice(0, 60)), `is unknown; known here: ${[...asked].join(", ")}`);
      }
    },
  };
}

/** Longest text accepted in a card, characters. */
export const MAX_TEXT = 4096;

/** Longest list accepted in a card. */
export const MAX_LIST = 256;

/** Text of 1 to {@link MAX_TEXT} characters. */
export function textAt(field: Field): string {
  const { value } = field;
  if (typeof value !== "string" || value === "") throw badField(field, "must be text");
  if (value.length > MAX_TEXT) throw badField(field, `is longer than ${MAX_TEXT} characters`);
  return value;
}

/** 64 hexadecimal digits, returned in lower case. */
export function sha256At(field: Field): string {
  const { value } = field;
  if (typeof value !== "string" || !/^[0-9a-f]{64}$/i.test(value))
    throw badField(field, "must be a SHA-256 of 64 hexadecimal digits");
  return value.toLowerCase();
}

/** A finite number within closed bounds. */
export function numberAt(field: Field, low = -Number.MAX_VALUE, high = Number.MAX_VALUE): number {
  const { value } = field;
  if (typeof value !== "number" || !Number.isFinite(value)) throw badField(field, "must be a number");
  if (value < low || value > high) throw badField(field, `is ${value}, not within ${low}..${high}`);
  return value;
}

/** An integer within closed bounds. */
export function integerAt(field: Field, low: number, high: number): number {
  const value = numberAt(field, low, high);
  if (!Number.isInteger(value)) throw badField(field, `is ${value}, not an integer`);
  return value;
}

/** true or false. */
export function flagAt(field: Field): boolean {
  if (typeof field.value !== "boolean") throw badField(field, "must be true or false");
  return field.value;
}

/** One of the given words. */
export function wordAt<const T extends string>(field: Field, words: readonly T[]): T {
  const found = words.find((word) => word === field.value);
  if (found === undefined) throw badField(field, `must be one of ${words.join(", ")}`);
  return found;
}

/** The fields of a list of `low` to `high` entries. */
export function listAt(field: Field, low = 0, high = MAX_LIST): readonly Field[] {
  const { value, path } = field;
  if (!Array.isArray(value)) throw badField(field, "must be a list");
  if (value.length < low || value.length > high) throw badField(field, `has ${value.length} entries, not ${low}..${high}`);
  return value.map((entry: unknown, i) => ({ value: entry, path: `${path}[${i}]` }));
}
