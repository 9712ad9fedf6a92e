import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { TensorProto } from "../../formats/onnx/records.ts";
import { DTYPES, type DType } from "../../graph/dtype.ts";
import { fromNumbers, toNumbers } from "../../graph/tensor.ts";
import { readTensor } from "./read-tensor.ts";

const read = (proto: TensorProto) => readTensor(proto, undefined);
const typed = (dtype: DType, count: number, data: Partial<TensorProto>): TensorProto => ({
  name: "t",
  dims: [count],
  dataType: DTYPES[dtype].onnx,
  ...data,
});

/** What a typed field of each element type holds for the values. */
const FIELDS: readonly (readonly [DType, readonly number[], (v: readonly number[]) => Partial<TensorProto>])[] = [
  ["float32", [1.5, -2], (v) => ({ floatData: Float32Array.from(v) })],
  ["float64", [1.1, -2], (v) => ({ doubleData: Float64Array.from(v) })],
  ["int8", [-128, 127, -1], (v) => ({ int32Data: Int32Array.from(v) })],
  ["uint8", [0, 255], (v) => ({ int32Data: Int32Array.from(v) })],
  ["int16", [-32768, 5], (v) => ({ int32Data: Int32Array.from(v) })],
  ["uint16", [65535, 5], (v) => ({ int32Data: Int32Array.from(v) })],
  ["int32", [-1, 2 ** 31 - 1], (v) => ({ int32Data: Int32Array.from(v) })],
  ["bool", [1, 0, 1], (v) => ({ int32Data: Int32Array.from(v) })],
  ["int64", [-7, 2 ** 40], (v) => ({ int64Data: BigInt64Array.from(v, BigInt) })],
  ["uint64", [7, 2 ** 40], (v) => ({ uint64Data: BigUint64Array.from(v, BigInt) })],
  ["uint32", [7, 2 ** 32 - 1], (v) => ({ uint64Data: BigUint64Array.from(v, BigInt) })],
];

describe("a tensor record", () => {
  for (const [dtype, values, field] of FIELDS) {
    test(`gives ${dtype} from its typed field as from raw data`, () => {
      const tensor = read(typed(dtype, values.length, field(values)));
      expect([...toNumbers(tensor)]).toEqual(values);
      expect(tensor.bytes).toEqual(fromNumbers(dtype, [values.length], values).bytes);
      expect(read(typed(dtype, values.length, { rawData: tensor.bytes })).bytes).toBe(tensor.bytes);
    });
  }

  test("gives 16-bit floats from their bits", () => {
    expect([...toNumbers(read(typed("float16", 2, { int32Data: Int32Array.of(0x3c00, 0xc000) })))]).toEqual([1, -2]);
    expect([...toNumbers(read(typed("bfloat16", 2, { int32Data: Int32Array.of(0x3f80, 0xc000) })))]).toEqual([1, -2]);
  });

  test("gives 4-bit integers from packed bytes, two to an item, the last one padded", () => {
    expect([...toNumbers(read(typed("int4", 3, { int32Data: Int32Array.of(0xf1, 0x07) })))]).toEqual([1, -1, 7]);
    expect([...toNumbers(read(typed("uint4", 2, { rawData: Uint8Array.of(0xf1) })))]).toEqual([1, 15]);
  });

  test("gives complex numbers as pairs", () => {
    expect(read(typed("complex64", 1, { floatData: Float32Array.of(1, 2) })).bytes.length).toBe(8);
    expect(read(typed("complex128", 1, { doubleData: Float64Array.of(1, 2) })).bytes.length).toBe(16);
  });

  test("gives strings as their bytes", () => {
    const strings = [Uint8Array.of(0xff), Uint8Array.of()];
    expect(read(typed("string", 2, { stringData: strings })).strings).toEqual(strings);
  });

  test("without elements needs no data", () => {
    expect(read({ dims: [0, 3], dataType: 1 })).toMatchObject({ shape: [0, 3], dtype: "float32" });
  });

  test("is refused when its data does not have the size its shape says", () => {
    const wrong: readonly TensorProto[] = [
      typed("float32", 2, { rawData: new Uint8Array(7) }),
      typed("float32", 2, { floatData: new Float32Array(3) }),
      typed("float32", 2, {}),
      typed("int4", 5, { int32Data: new Int32Array(2) }),
      typed("string", 2, { stringData: [] }),
      { dims: [-1], dataType: 1, rawData: new Uint8Array(4) },
      { dims: [2 ** 31, 2 ** 31], dataType: 1 },
      { dims: [2 ** 40, 2 ** 40, 0], dataType: 1 },
      { dims: [2n ** 62n], dataType: 1 },
      typed("float32", 1, { rawData: new Uint8Array(4), segment: { begin: 0, end: 1 } }),
    ];
    for (const proto of wrong) expect(() => read(proto)).toThrow(expect.objectContaining({ code: "MALFORMED" }));
  });

  test("is refused when nobody knows its element type", () => {
    for (const dataType of [0, 99, -1])
      expect(() => read({ dims: [1], dataType })).toThrow(expect.objectContaining({ code: "DTYPE_MISMATCH" }));
  });

  test("takes its bytes from another file, as a view of it, and only from inside it", () => {
    const file = new Uint8Array(64);
    const entries = (offset: number, length: number) => [
      { key: "location", value: "w.bin" },
      { key: "offset", value: String(offset) },
      { key: "length", value: String(length) },
    ];
    const external = (offset: number, length: number): TensorProto => ({
      name: "t",
      dims: [2],
      dataType: 1,
      dataLocation: 1,
      externalData: entries(offset, length),
    });
    const tensor = readTensor(external(16, 8), (location) => (location === "w.bin" ? file : undefined));
    expect(tensor.bytes.buffer).toBe(file.buffer);
    expect(tensor.bytes.byteOffset).toBe(16);
    expect(() => readTensor(external(60, 8), () => file)).toThrow(expect.objectContaining({ code: "EXTERNAL_DATA" }));
    expect(() => readTensor(external(0, 12), () => file)).toThrow(expect.objectContaining({ code: "MALFORMED" }));
    expect(() => readTensor(external(0, 8), undefined)).toThrow(expect.objectContaining({ code: "EXTERNAL_DATA" }));
  });

  test("never becomes a tensor whose bytes do not fit its shape", () => {
    const dims = fc.array(fc.oneof(fc.integer({ min: -2, max: 5 }), fc.constantFrom(2 ** 53 - 1, 2n ** 63n - 1n)), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(dims, fc.integer({ min: 0, max: 27 }), fc.uint8Array({ maxLength: 40 }), (d, dataType, rawData) => {
        try {
          const tensor = read({ dims: d, dataType, rawData });
          if (tensor.dtype !== "string")
            expect(tensor.bytes.length * 8).toBeGreaterThanOrEqual(
              tensor.shape.reduce((a, b) => a * b, 1) * DTYPES[tensor.dtype].bits,
            );
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/MALFORMED|DTYPE_MISMATCH/) });
        }
      }),
    );
  });
});
