import { cardOf } from "@tessera/testkit/cards";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isTesseraError } from "../../base/error.ts";
import { imageOf } from "../../signal/image.ts";
import { faceEmbeddingCard } from "../card.ts";
import { type CropIndex, cropsFromCache, cropTensors, parseCropIndex, printCropIndex } from "./crop-cache.ts";
import { cropsOf } from "./crops.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const index: CropIndex = {
  count: 2,
  shape: [112, 112, 3],
  dtype: "uint8",
  file: "crops.u8",
  paths: ["a.jpg", "b.jpg"],
  subjects: ["A", "B"],
  roles: [],
  digest: "d",
};

describe("the crop cache", () => {
  test("reading an index undoes printing it", () => {
    expect(parseCropIndex(encode(printCropIndex(index)))).toEqual(index);
  });

  test.each([
    ["count", -1],
    ["count", 1.5],
    ["count", 3],
    ["shape", [112, 112]],
    ["shape", [112, 0, 3]],
    ["dtype", "float16"],
    ["file", "../../etc/passwd"],
    ["file", "crops.f32"],
    ["paths", ["a.jpg", 7]],
    ["paths", []],
    ["subjects", ["A"]],
    ["roles", "eval"],
    ["digest", 7],
    ["failures", {}],
    ["failures", [{ index: 2, name: "x", why: "no-face", used: "nothing", message: "" }]],
    ["failures", [{ index: 0, name: "x", why: "tired", used: "nothing", message: "" }]],
    ["failures", [null]],
  ])("%s = %j is refused", (key, value) => {
    expect(() => parseCropIndex(encode(JSON.stringify({ ...index, [key]: value })))).toThrow(
      expect.objectContaining({ code: "DATASET_INVALID", message: expect.stringContaining(key) }),
    );
  });

  test("anything else is refused with DATASET_INVALID", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.jsonValue().map((v) => JSON.stringify(v)),
          fc.string(),
        ),
        (text) => {
          try {
            parseCropIndex(encode(text));
            expect.unreachable();
          } catch (error) {
            expect(isTesseraError(error) && error.code).toBe("DATASET_INVALID");
          }
        },
      ),
    );
  });

  test("crops come back from their bytes; a cut file is refused", () => {
    const bytes = new Uint8Array(2 * 37_632).fill(9);
    const crops = cropsFromCache(index, bytes);
    expect([crops.width, crops.height, crops.count, [...crops.acquired]]).toEqual([112, 112, 2, [1, 1]]);
    expect(() => cropsFromCache(index, bytes.subarray(1))).toThrow(expect.objectContaining({ code: "DATASET_INVALID" }));
    expect(() => cropsFromCache({ ...index, dtype: "float32", file: "crops.f32" }, bytes)).toThrow(
      expect.objectContaining({ code: "DATASET_INVALID" }),
    );
  });

  test("a picture that gave no face stays without one, a stand-in stays a stand-in", () => {
    const failure = { name: "a.jpg", why: "no-face", message: "none" } as const;
    const failures = [
      { ...failure, index: 1, used: "nothing" },
      { ...failure, index: 0, used: "centre-crop" },
    ] as const;
    const read = parseCropIndex(encode(printCropIndex({ ...index, failures })));
    const crops = cropsFromCache(read, new Uint8Array(2 * 37_632));
    expect([...crops.acquired]).toEqual([1, 0]);
    expect(crops.failures).toEqual(failures);
  });

  test("tensors hold only what was acquired, pre-processed by the card", () => {
    const { input } = faceEmbeddingCard(cardOf("mobilefacenet-foamliu-128"));
    const faces = [10, 20, 30].map((level) => imageOf(112, 112, 3, new Uint8Array(37_632).fill(level)));
    const { rows, data } = cropTensors({ ...cropsOf(faces, ["a", "b", "c"]), acquired: Uint8Array.of(1, 0, 1) }, input);
    expect(rows).toEqual([0, 2]);
    expect(data.length).toBe(2 * 37_632);
    expect(data[37_632]).toBe(Math.fround((30 / 255 - 0.485) / 0.229));
    expect(data[37_632 + 12_544]).toBe(Math.fround((30 / 255 - 0.456) / 0.224));
  });
});
