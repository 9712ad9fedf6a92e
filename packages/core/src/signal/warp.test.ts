import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Image, imageOf } from "./image.ts";
import { type Affine, compose, IDENTITY, invert, mapPoint, warpAffine } from "./warp.ts";

const number = (span: number): fc.Arbitrary<number> => fc.double({ min: -span, max: span, noNaN: true });
const anyMap: fc.Arbitrary<Affine> = fc
  .tuple(number(3), number(3), number(50), number(3), number(3), number(50))
  .filter(([a, b, , d, e]) => Math.abs(a * e - b * d) > 0.05);

const ramp = imageOf(
  5,
  4,
  3,
  Uint8Array.from({ length: 60 }, (_, i) => (i * 37) % 256),
);

/** The definition: every target pixel looked up on its own, every tap tested. */
function warpByDefinition(image: Image, map: Affine, width: number, height: number, border: number): number[] {
  const back = invert(map);
  const out: number[] = [];
  const tap = (x: number, y: number, c: number): number =>
    x < 0 || y < 0 || x >= image.width || y >= image.height
      ? border
      : (image.data[(y * image.width + x) * image.channels + c] as number);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const s = mapPoint(back, { x, y });
      const [x0, y0] = [Math.floor(s.x), Math.floor(s.y)];
      const [fx, fy] = [s.x - x0, s.y - y0];
      for (let c = 0; c < image.channels; c++) {
        out.push(
          tap(x0, y0, c) * (1 - fx) * (1 - fy) +
            tap(x0 + 1, y0, c) * fx * (1 - fy) +
            tap(x0, y0 + 1, c) * (1 - fx) * fy +
            tap(x0 + 1, y0 + 1, c) * fx * fy,
        );
      }
    }
  }
  return out;
}

describe("affine maps", () => {
  test("the inverse undoes the map, and composing does one after the other", () => {
    fc.assert(
      fc.property(anyMap, anyMap, number(100), number(100), (m, n, x, y) => {
        const back = mapPoint(invert(m), mapPoint(m, { x, y }));
        expect(back.x).toBeCloseTo(x, 6);
        expect(back.y).toBeCloseTo(y, 6);
        const both = mapPoint(compose(m, n), { x, y });
        const apart = mapPoint(m, mapPoint(n, { x, y }));
        expect(both.x).toBeCloseTo(apart.x, 6);
        expect(both.y).toBeCloseTo(apart.y, 6);
      }),
    );
  });

  test("a map onto a line has no inverse", () => {
    expect(() => invert([1, 2, 0, 2, 4, 0])).toThrow(expect.objectContaining({ code: "IMAGE_INVALID" }));
    expect(() => invert([Number.NaN, 0, 0, 0, 1, 0])).toThrow(expect.objectContaining({ code: "IMAGE_INVALID" }));
  });
});

describe("warpAffine", () => {
  test("the identity gives the same picture", () => {
    expect(warpAffine(ramp, IDENTITY, { width: 5, height: 4 })).toEqual(ramp);
  });

  test("equals its definition for any map, edges and border included", () => {
    fc.assert(
      fc.property(anyMap, fc.nat(255), (map, border) => {
        const expected = warpByDefinition(ramp, map, 7, 6, border);
        const got = warpAffine(ramp, map, { width: 7, height: 6, border });
        for (const [i, value] of expected.entries())
          expect(Math.abs((got.data[i] as number) - value)).toBeLessThanOrEqual(0.5 + 1e-9);
      }),
      { numRuns: 300 },
    );
  });

  test("a shift by whole pixels moves samples and fills with the border", () => {
    const line = imageOf(3, 1, 1, Uint8Array.of(10, 20, 30));
    expect([...warpAffine(line, [1, 0, 1, 0, 1, 0], { width: 4, height: 1, border: 9 }).data]).toEqual([9, 10, 20, 30]);
  });

  test("half a pixel beyond the edge mixes with the border, as BORDER_CONSTANT does", () => {
    const line = imageOf(2, 1, 1, Uint8Array.of(100, 100));
    expect([...warpAffine(line, [1, 0, 0.5, 0, 1, 0], { width: 3, height: 1 }).data]).toEqual([50, 100, 50]);
  });

  test("a quarter turn lands where a quarter turn lands", () => {
    // x' = 1 - y, y' = x turns [[1, 2], [3, 4]] clockwise into [[3, 1], [4, 2]].
    const square = imageOf(2, 2, 1, Uint8Array.of(1, 2, 3, 4));
    expect([...warpAffine(square, [0, -1, 1, 1, 0, 0], { width: 2, height: 2 }).data]).toEqual([3, 1, 4, 2]);
  });
});
