import { invariant } from "../../base/assert.ts";
import { fail } from "../../base/error.ts";
import { sourceOf } from "./source.ts";
import type { Field, Int64, MessageRecord, MessageTable, NumberList } from "./table.ts";
import { utf8Size } from "./utf8.ts";
import { varintSize } from "./wire.ts";

/** What measuring finds out for writing. */
export interface Measure {
  /** Sizes of messages, strings and packed lists, in the order in which they are written. */
  readonly sizes: number[];
  /** Values of at least this many bytes are written by reference. */
  readonly minShareBytes: number;
  /** Bytes of all those together. */
  sharedBytes: number;
  /** Messages around the one being measured, itself included. */
  depth: number;
}

/** Stops at a record that contains itself; far beyond what readers accept by default, so that a file read with a raised limit can be written. */
const MAX_WRITE_DEPTH = 1000;

/**
 * The size in bytes of a message without its own tag and length; notes the sizes that writing will need.
 *
 * @throws LIMIT_EXCEEDED if messages nest deeper than 1000, MALFORMED for what does not fit its field
 */
export function measureMessage(table: MessageTable<MessageRecord>, record: MessageRecord, measure: Measure): number {
  const source = sourceOf(record);
  if (source !== undefined) return shareable(measure, source.end - source.start);
  if (++measure.depth > MAX_WRITE_DEPTH) {
    throw fail("LIMIT_EXCEEDED", `Cannot write ${table.name}: messages nest deeper than ${MAX_WRITE_DEPTH}`);
  }
  let total = 0;
  for (const field of table.ordered) {
    const value = (record as Record<string, unknown>)[field.key];
    if (value === undefined) continue;
    total +=
      field.list === "none"
        ? field.tagSize + measureValue(field, value, measure)
        : field.list === "array"
          ? measureArray(field, value as readonly unknown[], measure)
          : measureTyped(field, value as NumberList, measure);
  }
  if (record.unknown !== undefined) for (const slice of record.unknown) total += shareable(measure, slice.length);
  measure.depth--;
  return total;
}

/** Passes a size on, noting whether the value will be written by reference. */
function shareable(measure: Measure, size: number): number {
  if (size >= measure.minShareBytes) measure.sharedBytes += size;
  return size;
}

function delimitedSize(size: number): number {
  // A length beyond 32 bits is refused once the total is known.
  return size + varintSize(size >>> 0, 0);
}

function measureValue(field: Field, value: unknown, measure: Measure): number {
  const { sizes } = measure;
  switch (field.type) {
    case "message": {
      const slot = sizes.push(0) - 1;
      const size = measureMessage(field.message(), value as MessageRecord, measure);
      sizes[slot] = size;
      return delimitedSize(size);
    }
    case "string": {
      const size = utf8Size(value as string);
      sizes.push(size);
      return delimitedSize(size);
    }
    case "bytes":
      return delimitedSize(shareable(measure, (value as Uint8Array).length));
    case "float":
      return 4;
    case "double":
      return 8;
    default: {
      const { lo, hi } = splitInteger(field, value as Int64);
      return varintSize(lo, hi);
    }
  }
}

function measureArray(field: Field, values: readonly unknown[], measure: Measure): number {
  let total = values.length * field.tagSize;
  for (const value of values) total += measureValue(field, value, measure);
  return total;
}

function measureTyped(field: Field, list: NumberList, measure: Measure): number {
  if (list.length === 0) return 0;
  const body = field.wire === 0 ? varintsSize(list) : list.byteLength;
  if (!field.packed) return list.length * field.tagSize + body;
  measure.sizes.push(body);
  if (field.wire !== 0) shareable(measure, body);
  return field.tagSize + delimitedSize(body);
}

function varintsSize(list: NumberList): number {
  let total = 0;
  if (list instanceof Int32Array) {
    for (let i = 0; i < list.length; i++) {
      const value = list[i] as number;
      total += varintSize(value >>> 0, value < 0 ? 0xffffffff : 0);
    }
    return total;
  }
  const halves = halvesOf(list);
  for (let i = 0; i < halves.length; i += 2) total += varintSize(halves[i] as number, halves[i + 1] as number);
  return total;
}

/** A list of 64-bit integers as low and high words. */
export function halvesOf(list: NumberList): Uint32Array {
  invariant(list instanceof BigInt64Array || list instanceof BigUint64Array, "a list of 64-bit integers");
  return new Uint32Array(list.buffer, list.byteOffset, list.length * 2);
}

const RANGE = {
  int32: { min: -(2n ** 31n), max: 2n ** 31n - 1n },
  int64: { min: -(2n ** 63n), max: 2n ** 63n - 1n },
  uint64: { min: 0n, max: 2n ** 64n - 1n },
} as const;

/** The low and high words of an integer as it is written (sign-extended to 64 bits). @throws MALFORMED if it does not fit the field */
export function splitInteger(field: Field, value: Int64): { lo: number; hi: number } {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && (field.type !== "int32" || value < 2147483648)) {
    return { lo: value >>> 0, hi: Math.floor(value / 4294967296) };
  }
  const { min, max } = RANGE[field.type as keyof typeof RANGE];
  const big = typeof value === "bigint" ? value : Number.isSafeInteger(value) ? BigInt(value) : max + 1n;
  if (big < min || big > max) throw fail("MALFORMED", `Cannot write field ${field.key}: ${value} is not an ${field.type}`);
  return { lo: Number(BigInt.asUintN(32, big)), hi: Number(BigInt.asUintN(32, big >> 32n)) };
}
