import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeUtf8, utf8Size, writeUtf8 } from "./utf8.ts";

function encode(text: string): Uint8Array {
  const bytes = new Uint8Array(utf8Size(text));
  expect(writeUtf8(bytes, text, 0)).toBe(bytes.length);
  return bytes;
}

describe("text", () => {
  it("decodes and encodes like the platform where it is UTF-8", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), (text) => {
        const bytes = new TextEncoder().encode(text);
        expect(decodeUtf8(bytes, 0, bytes.length)).toBe(text);
        expect(encode(text)).toEqual(bytes);
      }),
    );
  });

  it("comes back byte for byte where it is not", () => {
    const telling = fc.constantFrom(
      0x41,
      0x80,
      0xbf,
      0xc0,
      0xc2,
      0xe0,
      0xa0,
      0xed,
      0x9f,
      0xef,
      0xf0,
      0x90,
      0xf4,
      0x8f,
      0xf8,
      0xff,
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 10_000 }), fc.array(telling, { maxLength: 200 }), (noise, list) => {
        for (const bytes of [noise, Uint8Array.from(list)]) expect(encode(decodeUtf8(bytes, 0, bytes.length))).toEqual(bytes);
      }),
      { numRuns: 300 },
    );
  });

  it("decodes to the platform's text exactly where the platform accepts the bytes", () => {
    const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const escaped = /[\udc80-\udcff]/u;
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4), { maxLength: 6 }),
        (list) => {
          const bytes = Uint8Array.from(list);
          const text = decodeUtf8(bytes, 0, bytes.length);
          let expected: string | undefined;
          try {
            expected = strict.decode(bytes);
          } catch {
            expected = undefined;
          }
          if (expected === undefined) expect(text).toMatch(escaped);
          else expect(text).toBe(expected);
        },
      ),
      { numRuns: 5000 },
    );
  });

  it("does not read beyond its end", () => {
    expect(decodeUtf8(Uint8Array.of(0xc3, 0xa9), 0, 1)).toBe("\udcc3");
    const long = new TextEncoder().encode(`${"a".repeat(100)}é`);
    expect(decodeUtf8(long, 0, long.length - 1)).toBe(`${"a".repeat(100)}\udcc3`);
  });
});
