import { recordArbitrary } from "@tessera/testkit/record-arbitrary";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTesseraError } from "../../base/error.ts";
import { decodeMessage } from "./decode.ts";
import { encodeMessage, encodeMessageChunks } from "./encode.ts";
import type { DecodeLimits } from "./limits.ts";
import { type Int64, type MessageRecord, type MessageTable, message } from "./table.ts";

interface Leaf extends MessageRecord {
  readonly name?: string;
  readonly left?: Int64;
  readonly right?: string;
}
interface Sample extends MessageRecord {
  readonly count?: number;
  readonly text?: string;
  readonly big?: Int64;
  readonly unsigned?: Int64;
  readonly ratio?: number;
  readonly precise?: number;
  readonly blob?: Uint8Array;
  readonly leaf?: Leaf;
  readonly leaves?: readonly Leaf[];
  readonly self?: Sample;
  readonly names?: readonly string[];
  readonly blobs?: readonly Uint8Array[];
  readonly sizes?: readonly Int64[];
  readonly loose?: Float32Array;
  readonly floats?: Float32Array;
  readonly doubles?: Float64Array;
  readonly ints?: Int32Array;
  readonly longs?: BigInt64Array;
  readonly ulongs?: BigUint64Array;
  readonly looseLongs?: BigInt64Array;
}
const LEAF: MessageTable<Leaf> = message<Leaf>("Leaf", {
  name: { number: 1, type: "string" },
  left: { number: 2, type: "int64", oneof: "side" },
  right: { number: 3, type: "string", oneof: "side" },
});
const SAMPLE: MessageTable<Sample> = message<Sample>("Sample", {
  count: { number: 1, type: "int32" },
  text: { number: 2, type: "string" },
  big: { number: 3, type: "int64" },
  ints: { number: 4, type: "int32", list: "typed", packed: true },
  ratio: { number: 5, type: "float" },
  precise: { number: 6, type: "double" },
  blob: { number: 7, type: "bytes" },
  leaf: { number: 8, type: "message", message: () => LEAF },
  leaves: { number: 9, type: "message", list: "array", message: () => LEAF },
  self: { number: 10, type: "message", message: () => SAMPLE },
  names: { number: 11, type: "string", list: "array" },
  blobs: { number: 12, type: "bytes", list: "array" },
  sizes: { number: 13, type: "int64", list: "array" },
  loose: { number: 14, type: "float", list: "typed" },
  floats: { number: 15, type: "float", list: "typed", packed: true },
  doubles: { number: 16, type: "double", list: "typed", packed: true },
  unsigned: { number: 17, type: "uint64" },
  longs: { number: 18, type: "int64", list: "typed", packed: true },
  ulongs: { number: 19, type: "uint64", list: "typed", packed: true },
  looseLongs: { number: 20, type: "int64", list: "typed" },
});

const bytes = (...list: number[]): Uint8Array => Uint8Array.from(list);
const read = (...list: number[]): Sample => decodeMessage(SAMPLE, bytes(...list));
const write = (record: Sample): number[] => [...encodeMessage(SAMPLE, record)];

/** Runs and returns the coded error. */
function failure(run: () => unknown): { code: string; offset: number | undefined; message: string } {
  try {
    run();
  } catch (error) {
    if (isTesseraError(error)) return { code: error.code, offset: error.at.offset, message: error.message };
    throw error;
  }
  throw new Error("it did not fail");
}

describe("the wire format", () => {
  it("reads and writes the vectors of the protobuf encoding guide", () => {
    expect(read(0x08, 0x96, 0x01)).toEqual({ count: 150 });
    expect(write({ count: 150 })).toEqual([0x08, 0x96, 0x01]);
    expect(read(0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67)).toEqual({ text: "testing" });
    expect(write({ text: "testing" })).toEqual([0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]);
    expect(read(0x22, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05)).toEqual({ ints: Int32Array.of(3, 270, 86942) });
    expect(write({ ints: Int32Array.of(3, 270, 86942) })).toEqual([0x22, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05]);
    expect(write({ count: -2 })).toEqual([0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
  });

  it("keeps the difference between absent and default", () => {
    expect(read(0x08, 0x00, 0x12, 0x00)).toEqual({ count: 0, text: "" });
    expect(write({ count: 0, text: "" })).toEqual([0x08, 0x00, 0x12, 0x00]);
    expect(read()).toEqual({});
    expect(write({ names: [], floats: new Float32Array(), leaf: {} })).toEqual([0x42, 0x00]);
  });

  it("reads 64-bit integers as numbers while they are safe and as bigints beyond", () => {
    for (const big of [
      0,
      -1,
      Number.MAX_SAFE_INTEGER,
      Number.MIN_SAFE_INTEGER,
      2n ** 53n,
      -(2n ** 53n),
      2n ** 63n - 1n,
      -(2n ** 63n),
    ]) {
      const record: Sample = { big, sizes: [big] };
      expect(decodeMessage(SAMPLE, encodeMessage(SAMPLE, record))).toEqual(record);
    }
    expect(decodeMessage(SAMPLE, encodeMessage(SAMPLE, { unsigned: 2n ** 64n - 1n }))).toEqual({ unsigned: 2n ** 64n - 1n });
  });

  it("reads repeated numbers packed, unpacked and mixed", () => {
    const value = [0, 0, 0x80, 0x3f];
    expect(read(0x7a, 8, ...value, ...value)).toEqual({ floats: Float32Array.of(1, 1) });
    expect(read(0x7d, ...value, 0x7d, ...value)).toEqual({ floats: Float32Array.of(1, 1) });
    expect(read(0x72, 4, ...value, 0x08, 1, 0x75, ...value, 0x75, ...value)).toEqual({
      loose: Float32Array.of(1, 1, 1),
      count: 1,
    });
    expect(read(0x6a, 2, 5, 7, 0x68, 9)).toEqual({ sizes: [5, 7, 9] });
    expect(read(0x20, 5, 0x20, 7)).toEqual({ ints: Int32Array.of(5, 7) });
    const one = [0x81, 0x01, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f];
    expect(read(...one, ...one, ...one)).toEqual({ doubles: Float64Array.of(1, 1, 1) });
    expect(read(0x22, 0, 0x6a, 0)).toEqual({});
  });

  it("keeps unknown fields, groups among them, and writes them last", () => {
    const group = [0xa3, 0x38, 0x08, 0x01, 0xa3, 0x38, 0xa4, 0x38, 0xa4, 0x38];
    const record = read(0xa0, 0x38, 0x01, ...group, 0x08, 0x02);
    expect(record.unknown?.map((slice) => [...slice])).toEqual([[0xa0, 0x38, 0x01, ...group]]);
    expect(write({ ...record, count: 3 })).toEqual([0x08, 0x03, 0xa0, 0x38, 0x01, ...group]);
  });

  it("treats a known number with another wire type as unknown", () => {
    const record = read(0x0d, 1, 2, 3, 4, 0x10, 7);
    expect(record).toEqual({ unknown: [bytes(0x0d, 1, 2, 3, 4, 0x10, 7)] });
  });

  it("takes the last of several values, merges messages and clears the rivals of a oneof", () => {
    expect(read(0x08, 1, 0x08, 2)).toEqual({ count: 2 });
    expect(read(0x42, 2, 0x10, 1, 0x42, 3, 0x0a, 1, 0x61)).toEqual({ leaf: { left: 1, name: "a" } });
    expect(read(0x42, 5, 0x10, 1, 0x1a, 1, 0x62)).toEqual({ leaf: { right: "b" } });
    expect(read(0x52, 4, 0x6a, 2, 5, 6, 0x52, 4, 0x22, 2, 1, 1, 0x52, 2, 0x20, 2)).toEqual({
      self: { sizes: [5, 6], ints: Int32Array.of(1, 1, 2) },
    });
  });

  it("leaves bytes where they are", () => {
    const file = bytes(0x3a, 3, 1, 2, 3);
    const record = decodeMessage(SAMPLE, file);
    expect(record.blob?.buffer).toBe(file.buffer);
    expect(record.blob?.byteOffset).toBe(2);
  });

  it("keeps text that is not UTF-8 apart and whole", () => {
    const record = read(0x5a, 1, 0xff, 0x5a, 1, 0xfe, 0x5a, 3, 0xef, 0xbb, 0xbf);
    expect(record.names).toEqual(["\udcff", "\udcfe", "\ufeff"]);
    expect(write({ ...record })).toEqual([0x5a, 1, 0xff, 0x5a, 1, 0xfe, 0x5a, 3, 0xef, 0xbb, 0xbf]);
  });

  it("freezes what it returns, and writes a changed copy instead of the remembered bytes", () => {
    const record = read(0x42, 2, 0x10, 1, 0x08, 0x81, 0x00);
    expect(Object.isFrozen(record) && Object.isFrozen(record.leaf)).toBe(true);
    expect(write(record)).toEqual([0x42, 2, 0x10, 1, 0x08, 0x81, 0x00]);
    expect(write({ ...record })).toEqual([0x08, 1, 0x42, 2, 0x10, 1]);
    expect(write({ ...record, count: 9 })).toEqual([0x08, 9, 0x42, 2, 0x10, 1]);
  });
});

describe("untouched files", () => {
  it("nested deeper than a reader takes by default are written, if it was told to take them", () => {
    let list: number[] = [];
    for (let i = 0; i < 110; i++) list = [...write({ blob: Uint8Array.from(list) })].map((byte, at) => (at === 0 ? 0x52 : byte));
    expect(failure(() => read(...list)).code).toBe("LIMIT_EXCEEDED");
    expect([...encodeMessage(SAMPLE, decodeMessage(SAMPLE, Uint8Array.from(list), { maxDepth: 200 }))]).toEqual(list);
  });

  it("are not mistaken for their parts once they are merged", () => {
    const record = read(0x42, 3, 0x10, 0x81, 0x00, 0x42, 2, 0x0a, 0);
    expect(write(record)).toEqual([0x42, 3, 0x10, 0x81, 0x00, 0x42, 2, 0x0a, 0]);
    expect(write({ ...record })).toEqual([0x42, 4, 0x0a, 0, 0x10, 1]);
  });

  it.each([
    ["fields out of order", [0x12, 0, 0x08, 1]],
    ["a long varint", [0x08, 0x81, 0x80, 0x00]],
    ["a long tag", [0x88, 0x00, 0x01]],
    ["a long length", [0x12, 0x81, 0x00, 0x61]],
    ["a 10-byte varint with lost bits", [0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]],
    ["a negative int32 in 5 bytes", [0x08, 0xff, 0xff, 0xff, 0xff, 0x0f]],
    ["an unpacked list that is declared packed", [0x20, 1, 0x20, 2]],
    ["a packed list that is declared unpacked", [0x6a, 2, 1, 2]],
    ["a packed list in two blocks", [0x22, 1, 1, 0x22, 1, 2]],
    ["an empty packed block", [0x22, 0]],
    ["a repeated single field", [0x08, 1, 0x08, 2]],
    ["a merged message", [0x42, 2, 0x10, 1, 0x42, 2, 0x10, 2]],
    ["a oneof twice", [0x42, 4, 0x10, 1, 0x1a, 0]],
    ["an unknown field before a known one", [0xa0, 0x38, 1, 0x08, 1]],
    ["a repeated field with another in between", [0x5a, 0, 0x08, 1, 0x5a, 0]],
    ["a NaN with a payload", [0x2d, 1, 0, 0xc0, 0x7f]],
    ["a double NaN with a payload", [0x31, 1, 0, 0, 0, 0, 0, 0xf8, 0x7f]],
    ["a list of NaNs with payloads", [0x75, 1, 0, 0xa0, 0x7f, 0x75, 2, 0, 0xa0, 0xff]],
  ])("come out byte for byte: %s", (_, list) => {
    expect(write(read(...list))).toEqual(list);
    // The same inside a message that is rebuilt around it.
    const inner: Sample = { ...read(0x52, list.length, ...list), count: 7 };
    expect(write(inner)).toEqual([0x08, 7, 0x52, list.length, ...list]);
  });

  it("come out byte for byte, whatever bytes they are, if they are read at all", () => {
    const tags = fc.constantFrom(
      0x08,
      0x12,
      0x18,
      0x22,
      0x20,
      0x2d,
      0x31,
      0x3a,
      0x42,
      0x4a,
      0x52,
      0x5a,
      0x62,
      0x68,
      0x6a,
      0x72,
      0x75,
      0x7a,
      0x7d,
      0x80,
    );
    const soup = fc.array(fc.oneof(tags, fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 255 })), { maxLength: 24 });
    let good = 0;
    fc.assert(
      fc.property(soup, (list) => {
        let record: Sample;
        try {
          record = read(...list);
        } catch (error) {
          return isTesseraError(error);
        }
        good++;
        expect(write(record)).toEqual(list);
        // Without the memory of the file the content is the same, and canonical bytes are stable.
        const canonical = encodeMessage(SAMPLE, structuredClone(record));
        const again = decodeMessage(SAMPLE, canonical);
        expect(encodeMessage(SAMPLE, structuredClone(again))).toEqual(canonical);
        return true;
      }),
      { numRuns: 10_000 },
    );
    expect(good).toBeGreaterThan(500);
  });
});

describe("records", () => {
  it("are the same after writing and reading", () => {
    fc.assert(
      fc.property(recordArbitrary(SAMPLE, 2), (record) => {
        const file = encodeMessage(SAMPLE, record);
        expect(decodeMessage(SAMPLE, file)).toEqual(record);
        expect(encodeMessage(SAMPLE, structuredClone(decodeMessage(SAMPLE, file)))).toEqual(file);
      }),
      { numRuns: 150 },
    );
  });

  it("give the same bytes in chunks, large values by reference", () => {
    fc.assert(
      fc.property(recordArbitrary(SAMPLE, 2), fc.integer({ min: 0, max: 50 }), (record, minShareBytes) => {
        const chunks = encodeMessageChunks(SAMPLE, record, { minShareBytes });
        expect(new Uint8Array(Buffer.concat(chunks))).toEqual(encodeMessage(SAMPLE, record));
      }),
      { numRuns: 60 },
    );
    const blob = new Uint8Array(5000);
    const chunks = encodeMessageChunks(SAMPLE, { count: 1, blob });
    expect(chunks[1]).toBe(blob);
    expect(chunks.map((chunk) => chunk.length)).toEqual([5, 5000]);
  });

  it("are refused when they cannot be written", () => {
    const blob = new Uint8Array(2 ** 28);
    const huge = failure(() => encodeMessage(SAMPLE, { blobs: new Array(8).fill(blob) }));
    expect(huge).toMatchObject({ code: "TOO_LARGE", message: expect.stringContaining("2147483") });
    expect(failure(() => encodeMessageChunks(SAMPLE, { blobs: new Array(8).fill(blob) })).code).toBe("TOO_LARGE");
    for (const big of [1.5, Number.NaN, 2 ** 60, 2n ** 63n, -(2n ** 63n) - 1n])
      expect(failure(() => write({ big })).code).toBe("MALFORMED");
    for (const count of [2 ** 31, -(2 ** 31) - 1, 0.5]) expect(failure(() => write({ count })).code).toBe("MALFORMED");
    for (const text of ["\ud800", "\udc00", "a\udbff"]) expect(failure(() => write({ text })).code).toBe("MALFORMED");
    expect(failure(() => write({ unsigned: -1 })).code).toBe("MALFORMED");
    const knot: { self?: Sample } = {};
    knot.self = knot;
    expect(failure(() => write(knot)).code).toBe("LIMIT_EXCEEDED");
  });

  it("do not compile against a table that disagrees", () => {
    const number = {
      name: { number: 1, type: "int64" },
      left: { number: 2, type: "int64" },
      right: { number: 3, type: "string" },
    } as const;
    // @ts-expect-error the record says string
    const wrongType = message<Leaf>("Leaf", number);
    // @ts-expect-error a field is missing
    const missing = message<Leaf>("Leaf", { name: { number: 1, type: "string" } });
    expect([wrongType.name, missing.name]).toEqual(["Leaf", "Leaf"]);
    const twice = {
      name: { number: 1, type: "string" },
      left: { number: 1, type: "int64" },
      right: { number: 3, type: "string" },
    } as const;
    expect(() => message<Leaf>("Leaf", twice)).toThrow("Leaf.left");
  });
});

describe("damaged and hostile files", () => {
  it.each([
    ["a varint without end", [0x08, 0x80], "TRUNCATED", 1],
    ["a varint of 11 bytes", [0x08, ...new Array(10).fill(0x80), 0x01], "MALFORMED", 1],
    ["a length beyond the file", [0x12, 0x05, 0x61], "TRUNCATED", 1],
    ["a length of 2^64 - 1", [0x12, ...new Array(9).fill(0xff), 0x01], "TRUNCATED", 1],
    ["a length beyond its message", [0x42, 0x02, 0x0a, 0x05, 0x08, 1, 0x08, 1, 0x08, 1], "MALFORMED", 3],
    ["a varint that leaves its message", [0x42, 0x02, 0x10, 0x80, 0x01], "MALFORMED", 3],
    ["a float cut off", [0x2d, 0, 0], "TRUNCATED", 1],
    ["a list of floats cut off", [0x7a, 0x03, 0, 0, 0], "TRUNCATED", 2],
    ["field number 0", [0x08, 0x01, 0x02, 0x00], "MALFORMED", 2],
    ["a field number above 2^29", [0x80, 0x80, 0x80, 0x80, 0x10, 0], "MALFORMED", 0],
    ["wire type 6", [0x0e, 0x00], "MALFORMED", 1],
    ["a group without start", [0x0c], "MALFORMED", 1],
    ["a group without end", [0xa3, 0x38, 0x08, 0x01], "TRUNCATED", 4],
    ["a group ended by another", [0xa3, 0x38, 0xac, 0x38], "MALFORMED", 4],
    ["a packed varint cut off", [0x22, 0x02, 0x01, 0x80, 0x01], "MALFORMED", 3],
  ])("%s", (_, list, code, offset) => {
    expect(failure(() => read(...list))).toMatchObject({ code, offset });
  });

  it.each<[keyof DecodeLimits, number, number[]]>([
    ["maxBytes", 1, [0x08, 0x01]],
    ["maxDepth", 2, [0x52, 4, 0x52, 2, 0x52, 0]],
    ["maxDepth", 2, [0xa3, 0x38, 0xa3, 0x38, 0xa4, 0x38, 0xa4, 0x38]],
    ["maxRecords", 3, [0x4a, 0, 0x4a, 0, 0x4a, 0]],
    ["maxStringBytes", 1, [0x12, 2, 0x61, 0x61]],
    ["maxDecodedBytes", 300, [0x22, 0x01, 0x01]],
    ["maxMerges", 1, [0x42, 0, 0x42, 0, 0x42, 0]],
  ])("the limit %s = %i is kept and named", (name, limit, list) => {
    expect(failure(() => decodeMessage(SAMPLE, bytes(...list), { [name]: limit }))).toMatchObject({
      code: "LIMIT_EXCEEDED",
      message: expect.stringContaining(name),
    });
    expect(decodeMessage(SAMPLE, bytes(...list), { [name]: limit * 10 })).toBeTypeOf("object");
  });

  it("reads names of Object.prototype as plain text and makes plain records", () => {
    const name = new TextEncoder().encode("__proto__");
    const record = read(0x42, name.length + 2, 0x0a, name.length, ...name);
    expect(record.leaf?.name).toBe("__proto__");
    expect(Object.getPrototypeOf(record)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)["name"]).toBeUndefined();
  });
});
