import type { Random } from "@tessera/core/base/random";
import { scalarSize } from "@tessera/core/formats/flatbuffer/scalar";
import type { Field, TableType } from "@tessera/core/formats/flatbuffer/table";

/** What holds a flatbuffer together, as positions in the file. */
export interface FlatAnatomy {
  /** 32-bit offsets to strings, vectors and tables; the first is the one to the root. */
  readonly offsets: number[];
  /** Tables: each begins with the signed distance to its vtable. */
  readonly tables: number[];
  /** Entries of vtables, 16 bits each: its size, the size of the table, places of values. */
  readonly entries: number[];
  /** Lengths of vectors and strings. */
  readonly lengths: number[];
  /** Type codes of unions. */
  readonly codes: number[];
  /** Scalars, with their size. */
  readonly scalars: { readonly at: number; readonly size: number }[];
}

/** Takes a well-formed file apart. */
export function anatomyOf(type: TableType, file: Uint8Array): FlatAnatomy {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const anatomy: FlatAnatomy = { offsets: [], tables: [], entries: [], lengths: [], codes: [], scalars: [] };
  const follow = (at: number): number => {
    anatomy.offsets.push(at);
    return at + view.getUint32(at, true);
  };
  const list = (at: number): readonly number[] => {
    const start = follow(at);
    anatomy.lengths.push(start);
    return Array.from({ length: view.getUint32(start, true) }, (_, i) => start + 4 + 4 * i);
  };
  const visitTable = (table: TableType, at: number): void => {
    anatomy.tables.push(at);
    const vtable = at - view.getInt32(at, true);
    const size = view.getUint16(vtable, true);
    for (let k = 0; k < size; k += 2) anatomy.entries.push(vtable + k);
    const placeOf = (slot: number): number => {
      const offset = 4 + 2 * slot < size ? view.getUint16(vtable + 4 + 2 * slot, true) : 0;
      return offset === 0 ? 0 : at + offset;
    };
    for (const field of table.fields) visitField(field, placeOf);
  };
  const visitField = ({ shape, slot }: Field, placeOf: (slot: number) => number): void => {
    const at = placeOf(slot);
    if (at === 0) return;
    switch (shape.kind) {
      case "scalar":
        anatomy.scalars.push({ at, size: scalarSize(shape.type) });
        return;
      case "string":
      case "vector":
      case "structs":
        anatomy.lengths.push(follow(at));
        return;
      case "strings":
        for (const item of list(at)) anatomy.lengths.push(follow(item));
        return;
      case "table":
        visitTable(shape.table(), follow(at));
        return;
      case "tables":
        for (const item of list(at)) visitTable(shape.table(), follow(item));
        return;
      case "union": {
        anatomy.codes.push(at);
        const member = shape.union.members[view.getUint8(at) - 1];
        const value = placeOf(slot + 1);
        if (member !== undefined && value !== 0) visitTable(member, follow(value));
        return;
      }
      case "struct":
        return;
    }
  };
  visitTable(type, follow(0));
  return anatomy;
}

/**
 * Damages what holds a flatbuffer together: an offset goes elsewhere (to another's target, in a circle, beyond the end), a vtable is
 * another table's or lies about sizes and places, a length or union code is changed. One to three such changes.
 *
 * @example
 * const mutant = mutateFlatbuffer(file, anatomyOf(MODEL, file), seededRandom(3));
 */
export function mutateFlatbuffer(file: Uint8Array, anatomy: FlatAnatomy, random: Random): Uint8Array {
  const out = file.slice();
  const view = new DataView(out.buffer);
  for (let left = 1 + random.int(3); left > 0; left--) CHANGES[random.int(CHANGES.length)]?.({ view, anatomy, random });
  return out;
}

interface Patient {
  readonly view: DataView;
  readonly anatomy: FlatAnatomy;
  readonly random: Random;
}

const TELLING_WORDS = [0, 1, 2, 3, 4, 8, 12, 0xff, 0xffff, 0x10000, 0x7ffffffc, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff];
const TELLING_HALVES = [0, 1, 2, 3, 4, 5, 6, 8, 0x7fff, 0x8000, 0xfffe, 0xffff];

function pick<T>(random: Random, list: readonly T[]): T | undefined {
  return list[random.int(list.length)];
}

const CHANGES: readonly ((patient: Patient) => void)[] = [
  /** An offset points to what another offset points to, or to what that one stands in. */
  ({ view, anatomy, random }) => {
    const at = pick(random, anatomy.offsets) ?? 0;
    const other = pick(random, anatomy.offsets) ?? 0;
    const target = random.int(2) === 0 ? other + view.getUint32(other, true) : (pick(random, anatomy.tables) ?? 0);
    view.setUint32(at, target - at, true);
  },
  /** An offset is another number. */
  ({ view, anatomy, random }) => {
    const at = pick(random, anatomy.offsets) ?? 0;
    const near = view.getUint32(at, true) + random.int(17) - 8;
    view.setUint32(at, random.int(2) === 0 ? near : (pick(random, TELLING_WORDS) ?? 0), true);
  },
  /** A table has the vtable of another, or one that is none. */
  ({ view, anatomy, random }) => {
    const at = pick(random, anatomy.tables) ?? 0;
    const other = pick(random, anatomy.tables) ?? 0;
    const vtable = random.int(3) === 0 ? random.int(view.byteLength) : other - view.getInt32(other, true);
    view.setInt32(at, at - vtable, true);
  },
  /** An entry of a vtable is another number. */
  ({ view, anatomy, random }) => {
    const at = pick(random, anatomy.entries) ?? 0;
    const other = view.getUint16(pick(random, anatomy.entries) ?? 0, true);
    view.setUint16(at, random.int(2) === 0 ? other : (pick(random, TELLING_HALVES) ?? 0), true);
  },
  /** A length is another number. */
  ({ view, anatomy, random }) => {
    const at = pick(random, anatomy.lengths) ?? 0;
    const near = view.getUint32(at, true) + random.int(5) - 2;
    view.setUint32(at, random.int(2) === 0 ? near : (pick(random, TELLING_WORDS) ?? 0), true);
  },
  /** A union is of another type. */
  ({ view, anatomy, random }) => {
    const at = pick(random, anatomy.codes);
    if (at !== undefined) view.setUint8(at, random.int(160));
  },
  /** A scalar has another byte. */
  ({ view, anatomy, random }) => {
    const scalar = pick(random, anatomy.scalars);
    if (scalar !== undefined) view.setUint8(scalar.at + random.int(scalar.size), random.int(256));
  },
];
