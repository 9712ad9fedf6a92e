import { isTesseraError } from "@tessera/core/base/error";
import { byteLength, type DType } from "@tessera/core/graph/dtype";
import { countOf, toNumbers } from "@tessera/core/graph/tensor";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseNpy } from "./npy.ts";

/** The bytes of a file as numpy.lib.format writes them: magic, version, length of the header, header padded to 64, data. */
function npy(header: string, data: Uint8Array, major = 1): Uint8Array {
  const start = major === 1 ? 10 : 12;
  const padded = `${header}${" ".repeat((64 - ((start + header.length + 1) % 64)) % 64)}\n`;
  const head = new Uint8Array(start + padded.length);
  head.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, major, 0]);
  const view = new DataView(head.buffer);
  if (major === 1) view.setUint16(8, padded.length, true);
  else view.setUint32(8, padded.length, true);
  head.set(new TextEncoder().encode(padded), start);
  return new Uint8Array([...head, ...data]);
}

const dict = (descr: string, shape: string, fortran = "False"): string =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`;

const coded = (code: string) => expect.objectContaining({ code });

describe("numpy arrays", () => {
  test("the bytes that numpy.save(f, numpy.array([[1.5, -2]], 'f4')) gives are read", () => {
    // By the format: version 1.0, a header of 118 bytes, so that the numbers begin at 128.
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }".padEnd(117, " ");
    const text = `\x93NUMPY\x01\x00\x76\x00${header}\n\x00\x00\xc0\x3f\x00\x00\x00\xc0`;
    const tensor = parseNpy(Uint8Array.from(text, (c) => c.charCodeAt(0)));
    expect([tensor.dtype, tensor.shape, [...toNumbers(tensor)]]).toEqual(["float32", [1, 2], [1.5, -2]]);
  });

  test("every type, rank and version comes back as it was", () => {
    const types: readonly (readonly [string, DType])[] = [
      ["<f4", "float32"],
      ["<f8", "float64"],
      ["<f2", "float16"],
      ["|i1", "int8"],
      ["|u1", "uint8"],
      ["<i8", "int64"],
      ["|b1", "bool"],
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...types),
        fc.array(fc.nat(4), { maxLength: 4 }),
        fc.constantFrom(1, 2, 3),
        ([descr, dtype], shape, major) => {
          const data = Uint8Array.from({ length: byteLength(dtype, countOf(shape)) }, (_, i) => (i * 7) % 2);
          const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
          const tensor = parseNpy(npy(dict(descr, tuple), data, major));
          expect(tensor.dtype).toBe(dtype);
          expect(tensor.shape).toEqual(shape);
          expect([...tensor.bytes]).toEqual([...data]);
        },
      ),
    );
  });

  test("what is not taken is refused with its reason", () => {
    expect(() => parseNpy(npy(dict(">f4", "(1,)"), new Uint8Array(4)))).toThrow(coded("DTYPE_MISMATCH"));
    expect(() => parseNpy(npy(dict("|O", "(1,)"), new Uint8Array(4)))).toThrow(coded("DTYPE_MISMATCH"));
    expect(() => parseNpy(npy(dict("<f4", "(1, 2)", "True"), new Uint8Array(8)))).toThrow(coded("DTYPE_MISMATCH"));
    expect(() => parseNpy(npy(dict("<f4", "(3,)"), new Uint8Array(8)))).toThrow(coded("MALFORMED"));
    expect(() => parseNpy(npy(dict("<f4", "(99999999999999999999,)"), new Uint8Array(8)))).toThrow(coded("MALFORMED"));
    expect(() => parseNpy(npy(dict("<f4", `(${"1, ".repeat(65)})`), new Uint8Array(4)))).toThrow(coded("LIMIT_EXCEEDED"));
    expect(() => parseNpy(npy(dict("<f4", "(1,)").padEnd(20_000), new Uint8Array(4)))).toThrow(coded("LIMIT_EXCEEDED"));
    expect(() => parseNpy(new Uint8Array(5))).toThrow(coded("MALFORMED"));
  });

  test("damaged files give an array that fits its bytes or a coded error, never anything else", () => {
    const whole = npy(dict("<f4", "(2, 3)"), new Uint8Array(24));
    let refused = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.nat(whole.length),
        (edits, cut) => {
          const bytes = whole.slice(0, cut % 2 === 0 ? cut : whole.length);
          for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
          try {
            const tensor = parseNpy(bytes);
            expect(tensor.bytes.length).toBe(byteLength(tensor.dtype, countOf(tensor.shape)));
          } catch (error) {
            expect(isTesseraError(error)).toBe(true);
            refused++;
          }
        },
      ),
      { numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(200);
  });
});
