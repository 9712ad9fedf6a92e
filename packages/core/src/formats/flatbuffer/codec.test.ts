import { flatArbitrary } from "@tessera/testkit/flat-arbitrary";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTesseraError } from "../../base/error.ts";
import type { ErrorCode } from "../../base/error-codes.ts";
import { decodeRoot } from "./decode.ts";
import { firstDifference } from "./difference.ts";
import { type EncodeOptions, encodeChunks, joinChunks } from "./encode.ts";
import type { FlatLimits } from "./limits.ts";
import {
  type Draft,
  inlined,
  makeStruct,
  makeTable,
  makeUnion,
  many,
  one,
  oneOf,
  scalar,
  string,
  strings,
  structs,
  type TableType,
  vector,
} from "./table.ts";
import { listUnknown } from "./unknown.ts";

const POINT = makeStruct("Point", { flag: scalar("bool"), x: scalar("float64"), y: scalar("int16") });
const SHAPES = makeUnion("Shapes", ["Square", "Nothing"], { Square: { side: scalar("int32", 3) } });
const LEAF = makeTable("Leaf", { name: string(), size: scalar("int32", 1) });

/** Everything the codec knows. */
const ALL = makeTable("All", {
  flag: scalar("bool"),
  yes: scalar("bool", true),
  i8: scalar("int8", -1),
  u8: scalar("uint8"),
  i16: scalar("int16"),
  u16: scalar("uint16"),
  i32: scalar("int32"),
  u32: scalar("uint32", 7),
  i64: scalar("int64", -5),
  u64: scalar("uint64"),
  f32: scalar("float32"),
  f64: scalar("float64", 0.5),
  text: string(),
  texts: strings(),
  point: inlined(POINT),
  points: structs(POINT),
  shape: oneOf(SHAPES),
  leaf: one(() => LEAF),
  leaves: many(() => LEAF),
  bytes: vector("uint8", 16),
  bools: vector("bool"),
  i8s: vector("int8"),
  i16s: vector("int16"),
  u16s: vector("uint16", 4),
  u32s: vector("uint32"),
  i64s: vector("int64"),
  u64s: vector("uint64"),
  f32s: vector("float32"),
  f64s: vector("float64"),
});

/** A list in itself. */
interface Nest {
  readonly inner?: Nest;
  readonly items?: readonly Nest[];
}
const NEST: TableType<Nest> = makeTable("Nest", {
  inner: one((): TableType<Nest> => NEST),
  items: many((): TableType<Nest> => NEST),
});

function encode<R>(type: TableType<R>, record: Draft<R>, options: EncodeOptions = {}): Uint8Array<ArrayBuffer> {
  return joinChunks(encodeChunks(type, record, { identifier: "TEST", ...options }));
}

function codeOf(run: () => unknown): { code: ErrorCode | undefined; offset: number | undefined } {
  try {
    run();
  } catch (error) {
    if (isTesseraError(error)) return { code: error.code, offset: error.at.offset };
    throw error;
  }
  return { code: undefined, offset: undefined };
}

function decodeCode<R>(type: TableType<R>, bytes: Uint8Array, limits: Partial<FlatLimits> = {}) {
  return codeOf(() => decodeRoot(type, bytes, { limits }));
}

/** A file from 16-bit words, little-endian. */
const words = (...values: readonly number[]): Uint8Array => new Uint8Array(Uint16Array.from(values).buffer);

describe("a flatbuffer", () => {
  it("is written and read back with the same content", () => {
    fc.assert(
      fc.property(flatArbitrary(ALL), (record) => {
        const bytes = encode(ALL, record);
        const again = decodeRoot(ALL, bytes, { identifier: "TEST" });
        expect(firstDifference(again, record)).toBeUndefined();
        expect(Buffer.compare(encode(ALL, again), bytes)).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it("holds byte for byte what the format says", () => {
    const bytes = encode(LEAF, { name: "ab", size: 258 });
    // Root 16 | TEST | vtable: 8 bytes, table of 12, name at 4, size at 8 | table: 8 back to the vtable, name 8 on, 258 | "ab"
    expect([...bytes]).toEqual([
      ...[16, 0, 0, 0, 0x54, 0x45, 0x53, 0x54],
      ...[8, 0, 12, 0, 4, 0, 8, 0],
      ...[8, 0, 0, 0, 8, 0, 0, 0, 2, 1, 0, 0],
      ...[2, 0, 0, 0, 0x61, 0x62, 0],
    ]);
  });

  it("leaves defaults out and gives them back", () => {
    const [empty, named] = [encode(ALL, {}), encode(ALL, { yes: true, i8: -1, u32: 7, i64: -5, f64: 0.5, f32: 0 })];
    expect(named).toEqual(empty);
    expect(decodeRoot(ALL, empty)).toMatchObject({ yes: true, i8: -1, u32: 7, i64: -5, f64: 0.5, f32: 0, flag: false });
    expect(Object.is(decodeRoot(ALL, encode(ALL, { f32: -0 })).f32, -0)).toBe(true);
  });

  it("has equal vtables once, and byte vectors at their alignment, as views when read", () => {
    const leaves = Array.from({ length: 100 }, (_, i) => ({ size: i + 2 }));
    expect(encode(ALL, { leaves }).length - encode(ALL, { leaves: leaves.slice(1) }).length).toBe(12);
    for (let before = 0; before < 20; before++) {
      for (const length of [1, 5000]) {
        const bytes = encode(ALL, { text: "x".repeat(before), bytes: new Uint8Array(length).fill(9) });
        const read = decodeRoot(ALL, bytes).bytes;
        expect(read?.buffer).toBe(bytes.buffer);
        expect((read?.byteOffset ?? 1) % 16).toBe(0);
      }
    }
  });

  it("shares large byte vectors with what it was written from", () => {
    const data = new Uint8Array(5000);
    expect(encodeChunks(ALL, { bytes: data }).some((chunk) => chunk.buffer === data.buffer)).toBe(true);
  });

  it("is frozen when read", () => {
    const record = decodeRoot(ALL, encode(ALL, { leaves: [{ size: 2 }], shape: { kind: "Square", side: 4 } }));
    for (const part of [record, record.leaves, record.leaves?.[0], record.shape]) expect(Object.isFrozen(part)).toBe(true);
  });

  it("is refused when a value does not fit the schema", () => {
    expect(codeOf(() => encode(ALL, { i8: 128 })).code).toBe("MALFORMED");
    expect(codeOf(() => encode(ALL, { u64: -1n })).code).toBe("MALFORMED");
    expect(codeOf(() => encode(ALL, { i32: 0.5 })).code).toBe("MALFORMED");
    expect(codeOf(() => encode(ALL, { text: "\ud800" })).code).toBe("MALFORMED");
    expect(codeOf(() => encode(ALL, { shape: { kind: "Circle" } as never })).code).toBe("MALFORMED");
  });
});

describe("a flatbuffer of a newer schema", () => {
  const NEWER = makeTable("Leaf", {
    name: string(),
    size: scalar("int32", 1),
    extra: scalar("int64"),
    more: string(),
    tiny: scalar("int8"),
  });
  const NEWER_SHAPES = makeUnion("Shapes", ["Square", "Nothing", "Circle"], { Circle: { radius: scalar("float32") } });
  const OLD_HOLDER = makeTable("Holder", { shape: oneOf(SHAPES) });
  const NEW_HOLDER = makeTable("Holder", { shape: oneOf(NEWER_SHAPES) });

  it("keeps scalars that are not known", () => {
    const record = { name: "a", size: 5, extra: -7, tiny: 3 };
    const read = decodeRoot(LEAF, encode(NEWER, record));
    expect(listUnknown(read).map(({ path, kept }) => [path, kept])).toEqual([
      ["unknown[slot 2]", true],
      ["unknown[slot 4]", true],
    ]);
    expect(decodeRoot(NEWER, encode(LEAF, read))).toEqual(record);
  });

  it("is not written without what may point elsewhere, unless told to", () => {
    const read = decodeRoot(LEAF, encode(NEWER, { name: "a", more: "text" }));
    expect(listUnknown(read).map(({ kept }) => kept)).toEqual([false]);
    expect(codeOf(() => encode(LEAF, read)).code).toBe("UNSUPPORTED_FORMAT");
    expect(decodeRoot(NEWER, encode(LEAF, read, { dropUnknown: true }))).toMatchObject({ name: "a", size: 1 });
  });

  it("is not written without the value of a union that is not known, unless told to", () => {
    const read = decodeRoot(OLD_HOLDER, encode(NEW_HOLDER, { shape: { kind: "Circle", radius: 2 } }));
    expect(read.shape).toEqual({ kind: "opaque", code: 3, hasValue: true });
    expect(codeOf(() => encode(OLD_HOLDER, read)).code).toBe("UNSUPPORTED_FORMAT");
    expect(decodeRoot(OLD_HOLDER, encode(OLD_HOLDER, read, { dropUnknown: true }))).toEqual({});
  });
});

describe("a hostile flatbuffer", () => {
  const good = encode(ALL, { text: "abc", leaves: [{ name: "x" }], i64s: BigInt64Array.of(1n), bytes: new Uint8Array(4) });

  it("is refused wherever it is cut off", () => {
    const whole = decodeRoot(ALL, good);
    for (let length = 0; length < good.length; length++) {
      const { code } = decodeCode(ALL, good.subarray(0, length));
      // Only padding at the end can be missed.
      if (code === undefined) expect(firstDifference(decodeRoot(ALL, good.subarray(0, length)), whole)).toBeUndefined();
      else expect(code).toBe("TRUNCATED");
    }
  });

  it("is refused for another identifier", () => {
    expect(codeOf(() => decodeRoot(ALL, good, { identifier: "OTHR" }))).toEqual({ code: "UNSUPPORTED_FORMAT", offset: 4 });
  });

  it.each<[string, Uint8Array, ErrorCode, number]>([
    ["whose root points to itself", words(0, 0, 0, 0), "MALFORMED", 0],
    ["whose root is far away", words(0, 0xffff, 0, 0), "TRUNCATED", 0],
    ["whose vtable is before the file", words(8, 0, 0, 0, 9, 0), "TRUNCATED", 8],
    ["whose vtable is behind the file", words(8, 0, 0, 0, 0, 0x8000), "TRUNCATED", 8],
    ["whose vtable has an odd size", words(12, 0, 0, 0, 5, 4, 4, 0), "MALFORMED", 12],
    ["whose vtable has no size", words(12, 0, 0, 0, 2, 4, 4, 0), "MALFORMED", 12],
    ["whose vtable ends behind the file", words(12, 0, 0, 0, 400, 4, 4, 0), "TRUNCATED", 12],
    ["whose table is too small", words(12, 0, 0, 0, 4, 3, 4, 0), "MALFORMED", 12],
    ["whose table ends behind the file", words(12, 0, 0, 0, 4, 40, 4, 0), "TRUNCATED", 12],
    ["whose value is outside its table", words(16, 0, 0, 0, 8, 8, 0, 6, 8, 0, 0, 0), "MALFORMED", 14],
    ["whose value is on the way to the vtable", words(16, 0, 0, 0, 8, 8, 0, 2, 8, 0, 0, 0), "MALFORMED", 14],
    ["whose text points to itself", words(16, 0, 0, 0, 8, 8, 4, 0, 8, 0, 0, 0), "MALFORMED", 20],
    ["whose text is longer than the file", words(16, 0, 0, 0, 8, 8, 4, 0, 8, 0, 4, 0, 0xffff, 0xffff), "TRUNCATED", 24],
    ["whose text does not end with zero", words(16, 0, 0, 0, 8, 8, 4, 0, 8, 0, 4, 0, 1, 0, 0x4141, 0), "MALFORMED", 24],
  ])("%s is refused", (_, bytes, code, offset) => {
    expect(decodeCode(LEAF, bytes)).toEqual({ code, offset });
  });

  it.each<[string, Uint8Array]>([
    // A table whose only value points to the table, backwards around 2^32; positions are not taken modulo 2^32.
    ["a table in itself", words(16, 0, 0, 0, 6, 8, 4, 0, 8, 0, 0xfffc, 0xffff)],
    ["a list of far more tables than bytes", words(16, 0, 0, 0, 8, 8, 0, 4, 8, 0, 4, 0, 0xffff, 0xffff)],
  ])("%s is refused", (_, bytes) => {
    expect(decodeCode(NEST, bytes).code).toBe("TRUNCATED");
  });

  it("that is nested too deep is refused, and read with a higher limit", () => {
    let nest: Nest = {};
    for (let i = 0; i < 150; i++) nest = { inner: nest };
    const bytes = encode(NEST, nest);
    expect(decodeCode(NEST, bytes).code).toBe("LIMIT_EXCEEDED");
    expect(decodeRoot(NEST, bytes, { limits: { maxDepth: 151 } })).toEqual(nest);
  });

  it("whose tables are all shared does not double again and again", () => {
    // Each of 40 tables lists the next one twice: 2^40 tables if all were read.
    const bytes = new Uint8Array(8 + 40 * 32);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 16, true);
    for (let i = 0; i < 40; i++) {
      const base = 8 + 32 * i;
      for (const [k, half] of [8, 8, 0, 4].entries()) view.setUint16(base + 2 * k, half, true);
      view.setInt32(base + 8, 8, true);
      view.setUint32(base + 12, 4, true);
      view.setUint32(base + 16, i < 39 ? 2 : 0, true);
      view.setUint32(base + 20, base + 40 - (base + 20), true);
      view.setUint32(base + 24, base + 40 - (base + 24), true);
    }
    expect(decodeCode(NEST, bytes, { maxRecords: 10_000 }).code).toBe("LIMIT_EXCEEDED");
  });

  it("is held to every limit by its name", () => {
    const many = encode(ALL, { texts: ["abc", "def"], leaves: [{}, {}], bytes: new Uint8Array(100) });
    for (const limits of [
      { maxBytes: 20 },
      { maxRecords: 2 },
      { maxStringBytes: 2 },
      { maxDecodedBytes: 500 },
      { maxSharedBytes: -500 },
    ]) {
      expect(decodeCode(ALL, many, limits).code).toBe("LIMIT_EXCEEDED");
    }
    expect(decodeCode(ALL, many, { maxDepth: 1 }).code).toBe("LIMIT_EXCEEDED");
    expect(decodeCode(ALL, many).code).toBeUndefined();
  });
});

describe("a difference", () => {
  it("is found wherever it is", () => {
    const record = decodeRoot(ALL, encode(ALL, { leaves: [{ name: "a" }, { name: "b" }], i64s: BigInt64Array.of(1n), f64: 0 }));
    expect(firstDifference(record, record)).toBeUndefined();
    expect(firstDifference(record, { ...record, leaves: [record.leaves?.[0], { name: "c", size: 1 }] })).toBe("leaves[1].name");
    expect(firstDifference(record, { ...record, leaves: [] })).toBe("leaves");
    expect(firstDifference(record, { ...record, i64s: BigInt64Array.of(2n) })).toBe("i64s");
    expect(firstDifference(record, { ...record, i64s: BigUint64Array.of(1n) })).toBe("i64s");
    expect(firstDifference(record, { ...record, f64: -0 })).toBe("f64");
    expect(firstDifference(record, 3)).toBe("(root)");
  });
});
