import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSha256, sha256Hex } from "./sha256.ts";

describe("SHA-256", () => {
  test("gives the digests of FIPS 180-4's examples", () => {
    expect(sha256Hex("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(sha256Hex("")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  });

  test("is Node's for bytes of any length, in one piece and in several", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, cut) => {
        const expected = createHash("sha256").update(bytes).digest("hex");
        expect(sha256Hex(bytes)).toBe(expected);
        const pieces = createSha256();
        pieces.add(bytes.subarray(0, cut));
        pieces.add(bytes.subarray(cut));
        expect(pieces.hex()).toBe(expected);
      }),
    );
  });
});
