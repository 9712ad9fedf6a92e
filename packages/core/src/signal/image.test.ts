import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkImageSize, imageOf, swapRedBlue, toGrey, toRgb } from "./image.ts";

const pixels = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }))
  .chain(([w, h]) => fc.uint8Array({ minLength: w * h * 3, maxLength: w * h * 3 }).map((data) => imageOf(w, h, 3, data)));

describe("pictures", () => {
  test("a picture must have as many samples as its sizes say", () => {
    expect(() => imageOf(2, 2, 3, new Uint8Array(11))).toThrow(expect.objectContaining({ code: "IMAGE_INVALID" }));
    expect(() => imageOf(0, 2, 3, new Uint8Array(0))).toThrow(expect.objectContaining({ code: "IMAGE_INVALID" }));
    expect(() => imageOf(1.5, 2, 1, new Uint8Array(3))).toThrow(expect.objectContaining({ code: "IMAGE_INVALID" }));
  });

  test("a size is checked before memory is taken", () => {
    expect(() => checkImageSize(100_000, 100_000, { maxPixels: 1000 })).toThrow("maxPixels");
    expect(() => checkImageSize(0, 10, { maxPixels: 1000 })).toThrow("no pixels");
    expect(() => checkImageSize(Number.NaN, 10, { maxPixels: 1000 })).toThrow("no pixels");
    checkImageSize(10, 100, { maxPixels: 1000 });
  });

  test("exchanging red and blue twice changes nothing, once moves the ends", () => {
    fc.assert(
      fc.property(pixels, (image) => {
        expect(swapRedBlue(swapRedBlue(image))).toEqual(image);
      }),
    );
    expect([...swapRedBlue(imageOf(2, 1, 3, Uint8Array.of(1, 2, 3, 4, 5, 6))).data]).toEqual([3, 2, 1, 6, 5, 4]);
  });

  test("grey to colour and back is the identity, and luma weighs green most", () => {
    const grey = imageOf(3, 1, 1, Uint8Array.of(0, 77, 255));
    expect(toGrey(toRgb(grey))).toEqual(grey);
    expect([...toGrey(imageOf(3, 1, 3, Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255))).data]).toEqual([76, 150, 29]);
  });
});
