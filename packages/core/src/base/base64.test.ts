import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromBase64, toBase64 } from "./base64.ts";

describe("base64", () => {
  test("says bytes as Node's own encoder does, and brings them back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
        expect([...fromBase64(toBase64(bytes))]).toEqual([...bytes]);
      }),
    );
  });

  test("takes more bytes than a call has room for arguments", () => {
    const bytes = Uint8Array.from({ length: 300_001 }, (_, i) => i * 7);
    expect(Buffer.from(fromBase64(toBase64(bytes))).equals(Buffer.from(bytes))).toBe(true);
  });

  test("is refused with other characters in it", () => {
    expect(() => fromBase64("§§")).toThrowError(expect.objectContaining({ code: "MALFORMED" }));
  });
});
