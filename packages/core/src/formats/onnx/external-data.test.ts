import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DATA_LOCATIONS } from "./data-type.ts";
import { externalDataEntries, hasExternalData, parseExternalData, resolveExternalData } from "./external-data.ts";
import type { TensorProto } from "./records.ts";

const tensor = (entries: Record<string, string>): TensorProto => ({
  name: "w",
  dataLocation: DATA_LOCATIONS.EXTERNAL,
  externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
});
const refused = expect.objectContaining({ code: "EXTERNAL_DATA", at: { tensor: "w" } });

describe("external data", () => {
  it("is found by file, offset and length", () => {
    const file = Uint8Array.from({ length: 32 }, (_, i) => i);
    const place = tensor({ location: "./data//weights.bin", offset: "8", length: "4", checksum: "ab" });
    expect(hasExternalData(place)).toBe(true);
    expect(hasExternalData({ name: "w" })).toBe(false);
    expect(parseExternalData(place)).toEqual({ location: "data/weights.bin", offset: 8, length: 4, checksum: "ab" });
    const data = resolveExternalData(place, (location) => (location === "data/weights.bin" ? file : undefined));
    expect([...data]).toEqual([8, 9, 10, 11]);
    expect(data.buffer).toBe(file.buffer);
    expect(resolveExternalData(tensor({ location: "a" }), () => file)).toHaveLength(32);
    expect(resolveExternalData(tensor({ location: "a", offset: "32" }), () => file)).toHaveLength(0);
  });

  it("is written as it is read", () => {
    const data = { location: "a/b.bin", offset: 2 ** 40, length: 16, checksum: "00" };
    expect(parseExternalData({ externalData: externalDataEntries(data) })).toEqual(data);
    expect(parseExternalData({ externalData: externalDataEntries({ location: "x", offset: 0 }) })).toEqual({
      location: "x",
      offset: 0,
    });
  });

  it.each([
    "",
    ".",
    "./",
    "/etc/passwd",
    "//server/share",
    "..",
    "../secret",
    "a/../../secret",
    "a/..",
    ".. /secret",
    "... ",
    "..\\secret",
    "a\\b",
    "C:secret",
    "c:/secret",
    "./C:",
    ".//https://x",
    "a\0b",
    "a\nb",
    "a\udcff",
    "https://example.org/w",
  ])("is refused at %j", (location) => {
    expect(() => parseExternalData(tensor({ location }))).toThrow(refused);
  });

  it("is refused with a path longer than any system takes", () => {
    expect(() => parseExternalData(tensor({ location: "x".repeat(4097) }))).toThrow(refused);
  });

  it.each(["weights.bin", "a/b/c.data", "model.onnx.data", "..data", "onnx::MatMul_12", "größe.bin", "a b/c d"])(
    "is accepted at %j",
    (location) => {
      expect(parseExternalData(tensor({ location })).location).toBe(location);
    },
  );

  it("never resolves to a path with a way out", () => {
    const piece = fc.constantFrom("..", ".", "/", "\\", "a", "C:", " ", "...", "\0", "//", "~", "%2e%2e");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        let location: string;
        try {
          ({ location } = parseExternalData(tensor({ location: pieces.join("") })));
        } catch (error) {
          expect(error).toEqual(refused);
          return;
        }
        expect(
          new URL(location.split("/").map(encodeURIComponent).join("/"), "file:///models/here/").pathname.startsWith(
            "/models/here/",
          ),
        ).toBe(true);
        expect(location).not.toMatch(/^[/\\]|^[A-Za-z]:|\\|(^|\/)[. ]+(\/|$)/);
      }),
      { numRuns: 2000 },
    );
  });

  it.each(["-1", "1.5", "0x10", "", " 1", "1e3", "99999999999999999999", "9007199254740993"])(
    "is refused with the offset %j",
    (offset) => {
      expect(() => parseExternalData(tensor({ location: "a", offset }))).toThrow(refused);
    },
  );

  it("is refused outside of its file, without a file, and with a key twice", () => {
    const file = new Uint8Array(16);
    expect(() => resolveExternalData(tensor({ location: "a", offset: "8", length: "9" }), () => file)).toThrow(refused);
    expect(() => resolveExternalData(tensor({ location: "a", offset: "17" }), () => file)).toThrow(refused);
    expect(() => resolveExternalData(tensor({ location: "a" }), () => undefined)).toThrow(refused);
    expect(() => parseExternalData(tensor({ offset: "0" }))).toThrow(refused);
    const twice = [
      { key: "location", value: "a" },
      { key: "location", value: "b" },
    ];
    expect(() => parseExternalData({ name: "w", externalData: twice })).toThrow(refused);
  });
});
