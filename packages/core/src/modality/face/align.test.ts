import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { imageOf } from "../../signal/image.ts";
import { type Affine, mapPoint, type Point } from "../../signal/warp.ts";
import { ARCFACE_112, alignFace, arcfaceTemplate, similarity, templateOf } from "./align.ts";

const number = (low: number, high: number): fc.Arbitrary<number> => fc.double({ min: low, max: high, noNaN: true });
const anySimilarity: fc.Arbitrary<Affine> = fc
  .tuple(number(0.1, 8), number(-Math.PI, Math.PI), number(-300, 300), number(-300, 300))
  .map(([s, t, x, y]): Affine => [s * Math.cos(t), -s * Math.sin(t), x, s * Math.sin(t), s * Math.cos(t), y]);

function squaredError(map: Affine, from: readonly Point[], to: readonly Point[]): number {
  return from.reduce((sum, p, i) => {
    const q = mapPoint(map, p);
    const r = to[i] as Point;
    return sum + (q.x - r.x) ** 2 + (q.y - r.y) ** 2;
  }, 0);
}

describe("similarity", () => {
  test("recovers a known transform exactly", () => {
    fc.assert(
      fc.property(anySimilarity, (map) => {
        const found = similarity(
          ARCFACE_112,
          ARCFACE_112.map((p) => mapPoint(map, p)),
        );
        for (const [i, value] of map.entries()) expect(found[i]).toBeCloseTo(value, 8);
      }),
    );
  });

  test("golden: eyes level, twice as far apart, become the template's, halved and shifted", () => {
    const found = similarity(
      [
        { x: 10, y: 20 },
        { x: 30, y: 20 },
      ],
      [
        { x: 0, y: 0 },
        { x: 0, y: 10 },
      ],
    );
    // A quarter turn at half size: x' = -y / 2 + 10, y' = x / 2 - 5.
    for (const [i, value] of [0, -0.5, 10, 0.5, 0, -5].entries()) expect(found[i]).toBeCloseTo(value, 12);
  });

  test("no other similarity is nearer in least squares", () => {
    const point = fc.record({ x: number(0, 100), y: number(0, 100) });
    const nudge = fc.tuple(number(-0.2, 0.2), number(-0.2, 0.2), number(-5, 5), number(-5, 5));
    fc.assert(
      fc.property(fc.array(point, { minLength: 5, maxLength: 5 }), nudge, (to, [da, db, dx, dy]) => {
        const [a, , c, b, , f] = similarity(ARCFACE_112, to);
        const other: Affine = [a + da, -(b + db), c + dx, b + db, a + da, f + dy];
        const best = squaredError([a, -b, c, b, a, f], ARCFACE_112, to);
        expect(best).toBeLessThanOrEqual(squaredError(other, ARCFACE_112, to) * (1 + 1e-9) + 1e-9);
      }),
    );
  });

  test("a mirrored face is not mirrored back", () => {
    const mirrored = ARCFACE_112.map((p) => ({ x: 112 - p.x, y: p.y }));
    const [a, b, , d, e] = similarity(mirrored, ARCFACE_112);
    expect(a * e - b * d).toBeGreaterThan(0);
  });

  test("coinciding or missing points are refused", () => {
    const one = { x: 3, y: 3 };
    const refused = expect.objectContaining({ code: "IMAGE_INVALID" });
    expect(() => similarity([one, one], [one, one])).toThrow(refused);
    expect(() => similarity(ARCFACE_112, ARCFACE_112.slice(1))).toThrow(refused);
    expect(() => similarity([one], [one])).toThrow(refused);
    expect(() => similarity([{ x: Number.NaN, y: 0 }, one], [one, one])).toThrow(refused);
  });
});

describe("alignment", () => {
  test("a face drawn on the template with shifted landmarks comes back by that shift", () => {
    const data = new Uint8Array(140 * 140 * 3);
    for (let i = 0; i < data.length; i++) data[i] = (i * 7919) % 251;
    const image = imageOf(140, 140, 3, data);
    const landmarks = ARCFACE_112.map((p) => ({ x: p.x + 9, y: p.y + 14 }));
    const face = alignFace(image, landmarks, { template: ARCFACE_112, width: 112, height: 112 });
    for (const [x, y] of [
      [0, 0],
      [111, 0],
      [40, 77],
      [111, 111],
    ] as const) {
      for (let c = 0; c < 3; c++) {
        const got = face.data[(y * 112 + x) * 3 + c] as number;
        expect(Math.abs(got - (data[((y + 14) * 140 + x + 9) * 3 + c] as number))).toBeLessThanOrEqual(1);
      }
    }
  });

  test("the template scales with the input, a card may bring its own points", () => {
    expect(arcfaceTemplate(224)[0]).toEqual({ x: 76.5892, y: 103.3926 });
    expect(templateOf({ kind: "align", template: "arcface-112" }, 112)).toEqual(ARCFACE_112);
    expect(templateOf({ kind: "align", points: [{ x: 1, y: 2 }] }, 112)).toEqual([{ x: 1, y: 2 }]);
    expect(() => templateOf({ kind: "fit" }, 112)).toThrow(expect.objectContaining({ code: "CARD_INVALID" }));
  });
});
