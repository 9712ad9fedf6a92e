import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dimAdd, dimFloorDiv, dimMul } from "./dim.ts";
import { fromBfloat, fromHalf, toBfloat, toHalf } from "./float16.ts";
import { f32, fromNumbers, sameTensor, toNumbers, view } from "./tensor.ts";

describe("tensors", () => {
  it("reads an unaligned slice of a file like an aligned one", () => {
    const file = new Uint8Array(1 + 8);
    file.set(new Uint8Array(Float32Array.of(1.5, -2).buffer), 1);
    const t = { dtype: "float32", shape: [2], bytes: file.subarray(1) } as const;
    expect([...view(t, "float32")]).toEqual([1.5, -2]);
    expect(sameTensor(t, f32([2], [1.5, -2]))).toBe(true);
  });

  it("reads an unaligned slice of a Buffer, whose own slice does not copy", () => {
    const file = Buffer.from([9, 0, 0, 192, 63, 0, 0, 0, 192]);
    expect([...view({ dtype: "float32", shape: [2], bytes: file.subarray(1) }, "float32")]).toEqual([1.5, -2]);
  });

  it("packs and unpacks integers of every width, negative ones too", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("int4", "int2", "int8", "int16", "int32", "int64"),
        fc.array(fc.integer({ min: -2, max: 1 })),
        (dtype, values) => {
          expect([...toNumbers(fromNumbers(dtype, [values.length], values))]).toEqual(values);
        },
      ),
    );
  });

  it("refuses a length that does not fit the shape", () => {
    expect(() => f32([2, 2], [1])).toThrow(/needs 4/);
  });
});

describe("16-bit floats", () => {
  it("decode and encode every finite binary16 and bfloat16 value to itself", () => {
    const wrong = Array.from({ length: 65536 }, (_, bits) => bits).filter(
      (bits) =>
        (!Number.isNaN(fromHalf(bits)) && toHalf(fromHalf(bits)) !== bits) ||
        (!Number.isNaN(fromBfloat(bits)) && toBfloat(fromBfloat(bits)) !== bits),
    );
    expect(wrong).toEqual([]);
  });

  it("round to the nearest of the two neighbours, ties to even", () => {
    expect(fromHalf(toHalf(1 + 2 ** -11))).toBe(1);
    expect(fromHalf(toHalf(1 + 3 * 2 ** -11))).toBe(1 + 2 ** -9);
    expect(fromHalf(toHalf(65519))).toBe(65504);
    expect(fromHalf(toHalf(65520))).toBe(Number.POSITIVE_INFINITY);
    fc.assert(
      fc.property(fc.float({ min: -65000, max: 65000, noNaN: true }), (x) => {
        const bits = toHalf(x);
        const error = Math.abs(fromHalf(bits) - x);
        for (const near of [bits - 1, bits + 1]) {
          const other = fromHalf(near & 0xffff);
          if (Number.isFinite(other) && (near & 0x7fff) < 0x7c00) expect(error).toBeLessThanOrEqual(Math.abs(other - x));
        }
      }),
    );
  });
});

describe("symbolic sizes", () => {
  it("fold what can be folded and stay readable", () => {
    expect(dimMul(2, "N")).toBe("2*N");
    expect(dimMul("2*N", 3)).toBe("6*N");
    expect(dimAdd(dimAdd("N", 2), -2)).toBe("N");
    expect(dimFloorDiv("4*N", 2)).toBe("2*N");
    expect(dimFloorDiv(dimMul("N", "M"), "N")).toBe("M");
    expect(dimFloorDiv(dimAdd("H", -1), 2)).toBe("floor((H - 1) / 2)");
    expect(dimMul("?", 2)).toBe("?");
  });
});
