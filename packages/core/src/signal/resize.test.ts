import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Image, imageOf } from "./image.ts";
import { resize } from "./resize.ts";

/** The definition, sample by sample: clamp the half-pixel position, mix four neighbours. */
function bilinearByDefinition(image: Image, width: number, height: number): number[] {
  const out: number[] = [];
  const axis = (i: number, from: number, to: number): [number, number, number] => {
    const at = Math.min(from - 1, Math.max(0, ((i + 0.5) * from) / to - 0.5));
    const low = Math.floor(at);
    return [low, Math.min(from - 1, low + 1), at - low];
  };
  const get = (x: number, y: number, c: number): number => image.data[(y * image.width + x) * image.channels + c] as number;
  for (let y = 0; y < height; y++) {
    const [y0, y1, fy] = axis(y, image.height, height);
    for (let x = 0; x < width; x++) {
      const [x0, x1, fx] = axis(x, image.width, width);
      for (let c = 0; c < image.channels; c++) {
        const top = get(x0, y0, c) * (1 - fx) + get(x1, y0, c) * fx;
        const bottom = get(x0, y1, c) * (1 - fx) + get(x1, y1, c) * fx;
        out.push(top * (1 - fy) + bottom * fy);
      }
    }
  }
  return out;
}

const sizes = fc.integer({ min: 1, max: 9 });
const anyImage = fc
  .tuple(sizes, sizes, fc.constantFrom(1 as const, 3 as const))
  .chain(([w, h, c]) => fc.uint8Array({ minLength: w * h * c, maxLength: w * h * c }).map((data) => imageOf(w, h, c, data)));

describe("resize", () => {
  test("bilinear equals its definition, sample by sample, rounded", () => {
    fc.assert(
      fc.property(anyImage, sizes, sizes, (image, width, height) => {
        const expected = bilinearByDefinition(image, width, height);
        const got = resize(image, { width, height });
        expect([got.width, got.height, got.channels]).toEqual([width, height, image.channels]);
        // Weights are float32: at an exact half the last bit may round either way.
        for (const [i, value] of expected.entries())
          expect(Math.abs((got.data[i] as number) - value)).toBeLessThanOrEqual(0.5001);
      }),
      { numRuns: 300 },
    );
  });

  test("a gradient grows as OpenCV's INTER_LINEAR grows it", () => {
    // Two samples 0 and 100 to four: positions -0.25, 0.25, 0.75, 1.25, so 0, 25, 75, 100.
    expect([...resize(imageOf(2, 1, 1, Uint8Array.of(0, 100)), { width: 4, height: 1 }).data]).toEqual([0, 25, 75, 100]);
  });

  test("bilinear shrinking takes two taps, area shrinking the mean of all that is covered", () => {
    const line = imageOf(4, 1, 1, Uint8Array.of(10, 20, 30, 200));
    expect([...resize(line, { width: 1, height: 1 }).data]).toEqual([25]);
    expect([...resize(line, { width: 1, height: 1 }, { filter: "area" }).data]).toEqual([65]);
    // Five to two: 1, 2 and half of 3; half of 3, 4 and 5.
    const five = imageOf(5, 1, 1, Uint8Array.of(10, 20, 30, 40, 50));
    expect([...resize(five, { width: 2, height: 1 }, { filter: "area" }).data]).toEqual([18, 42]);
  });

  test("area shrinking by a whole factor keeps the mean, and a flat picture stays flat under both filters", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 36, maxLength: 36 }), fc.nat(255), sizes, sizes, (data, level, width, height) => {
        const half = resize(imageOf(6, 6, 1, data), { width: 3, height: 3 }, { filter: "area" });
        const mean = (values: Uint8Array): number => values.reduce((a, b) => a + b, 0) / values.length;
        expect(Math.abs(mean(half.data) - mean(data))).toBeLessThanOrEqual(0.5);
        for (const filter of ["bilinear", "area"] as const) {
          const flat = resize(imageOf(7, 5, 1, new Uint8Array(35).fill(level)), { width, height }, { filter });
          expect(new Set(flat.data)).toEqual(new Set([level]));
        }
      }),
    );
  });

  test("the same size is the same picture; a size of zero is refused", () => {
    const image = imageOf(2, 2, 1, Uint8Array.of(1, 2, 3, 4));
    expect(resize(image, { width: 2, height: 2 })).toBe(image);
    expect(() => resize(image, { width: 0, height: 2 })).toThrow(expect.objectContaining({ code: "IMAGE_INVALID" }));
  });
});
