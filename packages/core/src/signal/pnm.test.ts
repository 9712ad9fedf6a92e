import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isTesseraError } from "../base/error.ts";
import { imageOf } from "./image.ts";
import { decodePnm, encodePnm } from "./pnm.ts";

const ascii = (text: string, ...samples: number[]): Uint8Array => Uint8Array.of(...new TextEncoder().encode(text), ...samples);
const invalid = expect.objectContaining({ code: "IMAGE_INVALID" });

const anyImage = fc
  .tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 8 }), fc.constantFrom(1 as const, 3 as const))
  .chain(([w, h, c]) => fc.uint8Array({ minLength: w * h * c, maxLength: w * h * c }).map((data) => imageOf(w, h, c, data)));

describe("PGM and PPM", () => {
  test("reading undoes writing", () => {
    fc.assert(
      fc.property(anyImage, (image) => {
        expect(decodePnm(encodePnm(image))).toEqual(image);
      }),
    );
  });

  test("comments and any white space may stand in the header", () => {
    const image = decodePnm(ascii("P5 # made by hand\n# two lines\n2\t1\r\n255\n", 5, 6));
    expect(image).toEqual(imageOf(2, 1, 1, Uint8Array.of(5, 6)));
  });

  test("the first sample may look like white space or a digit", () => {
    expect([...decodePnm(ascii("P5 2 1 255\n", 0x20, 0x31)).data]).toEqual([0x20, 0x31]);
  });

  test("other maximum values are rescaled, two-byte samples are big-endian", () => {
    expect([...decodePnm(ascii("P5 3 1 15\n", 0, 7, 15)).data]).toEqual([0, 119, 255]);
    expect([...decodePnm(ascii("P5 2 1 65535\n", 0xff, 0xff, 0x80, 0x00)).data]).toEqual([255, 128]);
    expect([...decodePnm(ascii("P5 1 1 10\n", 99)).data]).toEqual([255]);
  });

  test("hostile headers are refused before memory is taken", () => {
    expect(() => decodePnm(ascii("P5 999999999 999999999 255\n", 1))).toThrow(invalid);
    expect(() => decodePnm(ascii("P5 9999999999 1 255\n", 1))).toThrow(invalid);
    expect(() => decodePnm(ascii("P5 20 20 255\n", 1))).toThrow("400 bytes of samples are needed");
    expect(() => decodePnm(ascii("P5 0 20 255\n"))).toThrow(invalid);
    expect(() => decodePnm(ascii("P5 1 1 0\n", 1))).toThrow(invalid);
    expect(() => decodePnm(ascii("P5 1 1 70000\n", 1, 1))).toThrow(invalid);
    expect(() => decodePnm(ascii("P5 1 1 255x", 1))).toThrow(invalid);
    expect(() => decodePnm(ascii("P5 1 -1 255\n", 1))).toThrow(invalid);
    expect(() => decodePnm(ascii("P2 1 1 255\n1"))).toThrow(invalid);
    expect(() => decodePnm(new Uint8Array(0))).toThrow(invalid);
    expect(() => decodePnm(ascii("P5 #"))).toThrow(invalid);
  });

  test("mutated files give a picture or IMAGE_INVALID, nothing else", () => {
    let pictures = 0;
    let refused = 0;
    const mutation = fc.tuple(fc.nat(200), fc.nat(255), fc.constantFrom("set", "cut", "insert"));
    fc.assert(
      fc.property(anyImage, fc.array(mutation, { minLength: 1, maxLength: 6 }), (image, mutations) => {
        let bytes = [...encodePnm(image)];
        for (const [place, value, kind] of mutations) {
          // Half of the damage goes to the header, where it matters.
          const at = value % 2 === 0 ? place % 12 : place % bytes.length;
          if (kind === "set") bytes[at] = value;
          else if (kind === "cut") bytes = bytes.slice(0, at);
          else bytes.splice(at, 0, value);
        }
        try {
          const got = decodePnm(Uint8Array.from(bytes));
          expect(got.data.length).toBe(got.width * got.height * got.channels);
          pictures++;
        } catch (error) {
          expect(isTesseraError(error) && error.code).toBe("IMAGE_INVALID");
          refused++;
        }
      }),
      { numRuns: 3000 },
    );
    expect(Math.min(pictures, refused)).toBeGreaterThan(100);
  });
});
