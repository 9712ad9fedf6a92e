import type { Random } from "@tessera/core/base/random";

const NUMBERS: readonly (number | bigint)[] = [
  -1,
  0,
  1,
  2,
  3,
  7,
  127,
  255,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  Number.MAX_SAFE_INTEGER,
  2n ** 62n,
  -(2n ** 63n),
];

function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.int(items.length)] as T;
}

/** Where in the record the change is. */
interface Place {
  /** Strings of the whole record. */
  readonly names: readonly string[];
  /** Field that holds what is changed. */
  readonly key: string;
}

/** Every string inside a value, so that one name can be put in the place of another. */
function stringsIn(value: unknown, found: string[] = []): string[] {
  if (typeof value === "string") found.push(value);
  else if (Array.isArray(value)) for (const item of value) stringsIn(item, found);
  else if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value))
    for (const item of Object.values(value)) stringsIn(item, found);
  return found;
}

function changedList(list: readonly unknown[], random: Random): unknown[] {
  const at = random.int(list.length);
  const other = random.int(list.length);
  switch (random.int(4)) {
    case 0:
      return list.filter((_, i) => i !== at);
    case 1:
      return [...list, list[at]];
    case 2:
      return list.map((item, i) => (i === at ? list[other] : i === other ? list[at] : item));
    default:
      return list.map((item, i) => (i === at ? list[other] : item));
  }
}

/** Fields that hold 64-bit integers: only there can a reader give a bigint. */
const INT64_FIELDS: ReadonlySet<string> = new Set([
  "dims",
  "ints",
  "i",
  "dimValue",
  "version",
  "irVersion",
  "modelVersion",
  "begin",
  "end",
]);

function changedLeaf(value: unknown, random: Random, { names, key }: Place): unknown {
  if (typeof value === "number" || typeof value === "bigint") {
    const number = pick(random, NUMBERS);
    return INT64_FIELDS.has(key) ? number : Number(number);
  }
  if (typeof value === "string") return random.next() < 0.2 ? "" : pick(random, names);
  if (value instanceof Uint8Array)
    return random.next() < 0.5 ? value.slice(0, random.int(value.length + 1)) : Uint8Array.from([...value.slice(0, 64), 1]);
  if (ArrayBuffer.isView(value)) {
    const array = value as Float32Array;
    return array.slice(0, random.int(array.length + 1));
  }
  return value;
}

/**
 * A record with one thing changed somewhere inside: a number, a name (to another name of the record), a length, a list, or a field that is gone.
 * The record itself is not touched. Damage that a parser would not let through is not what this is for.
 */
export function mutateRecord<T>(record: T, random: Random, place: Place = { names: stringsIn(record), key: "" }): T {
  if (Array.isArray(record)) {
    if (record.length === 0) return record;
    if (random.next() < 0.15) return changedList(record, random) as T;
    const at = random.int(record.length);
    return record.map((item, i) => (i === at ? mutateRecord(item, random, place) : item)) as T;
  }
  if (typeof record !== "object" || record === null || ArrayBuffer.isView(record)) return changedLeaf(record, random, place) as T;
  const keys = Object.keys(record);
  if (keys.length === 0) return record;
  // Most of a file's records are in its graph: go there more often than to the header.
  const key = keys.includes("graph") && random.next() < 0.8 ? "graph" : pick(random, keys);
  const { [key]: value, ...rest } = record as Record<string, unknown>;
  return (random.next() < 0.05 ? rest : { ...rest, [key]: mutateRecord(value, random, { ...place, key }) }) as T;
}
