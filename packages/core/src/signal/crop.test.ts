import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { crop } from "./crop.ts";
import { imageOf } from "./image.ts";

describe("crop", () => {
  test("takes what lies inside and fills what lies outside", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -6, max: 6 }),
        fc.integer({ min: -6, max: 6 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 8 }),
        (x, y, width, height) => {
          const image = imageOf(
            4,
            3,
            3,
            Uint8Array.from({ length: 36 }, (_, i) => i + 1),
          );
          const cut = crop(image, { x, y, width, height }, 200);
          for (let row = 0; row < height; row++) {
            for (let column = 0; column < width; column++) {
              const [sx, sy] = [x + column, y + row];
              const inside = sx >= 0 && sy >= 0 && sx < 4 && sy < 3;
              for (let c = 0; c < 3; c++) {
                expect(cut.data[(row * width + column) * 3 + c]).toBe(inside ? (sy * 4 + sx) * 3 + c + 1 : 200);
              }
            }
          }
        },
      ),
    );
  });

  test("refuses halves of pixels and empty rectangles", () => {
    const image = imageOf(1, 1, 1, Uint8Array.of(1));
    expect(() => crop(image, { x: 0.5, y: 0, width: 1, height: 1 })).toThrow(expect.objectContaining({ code: "IMAGE_INVALID" }));
    expect(() => crop(image, { x: 0, y: 0, width: 0, height: 1 })).toThrow(expect.objectContaining({ code: "IMAGE_INVALID" }));
  });
});
