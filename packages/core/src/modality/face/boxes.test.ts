import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Face, overlap, suppress } from "./boxes.ts";

const box = (x: number, y: number, width: number, height: number, score = 0.5): Face => ({ x, y, width, height, score });
const anyFace = fc
  .tuple(
    fc.integer({ min: 0, max: 40 }),
    fc.integer({ min: 0, max: 40 }),
    fc.integer({ min: 1, max: 30 }),
    fc.integer({ min: 1, max: 30 }),
    fc.integer({ min: 0, max: 20 }),
  )
  .map(([x, y, w, h, s]) => box(x, y, w, h, s / 20));

describe("overlap", () => {
  test("is shared over joint area", () => {
    expect(overlap(box(0, 0, 10, 10), box(0, 0, 10, 10))).toBe(1);
    expect(overlap(box(0, 0, 10, 10), box(5, 0, 10, 10))).toBeCloseTo(1 / 3, 12);
    expect(overlap(box(0, 0, 10, 10), box(2, 2, 5, 5))).toBe(0.25);
    expect(overlap(box(0, 0, 10, 10), box(10, 0, 10, 10))).toBe(0);
  });

  test("is symmetric and counts shared pixels", () => {
    fc.assert(
      fc.property(anyFace, anyFace, (a, b) => {
        let shared = 0;
        for (let x = 0; x < 70; x++) {
          for (let y = 0; y < 70; y++) {
            const inside = (f: Face): boolean => x >= f.x && x < f.x + f.width && y >= f.y && y < f.y + f.height;
            if (inside(a) && inside(b)) shared++;
          }
        }
        expect(overlap(a, b)).toBeCloseTo(shared / (a.width * a.height + b.width * b.height - shared), 12);
        expect(overlap(b, a)).toBe(overlap(a, b));
      }),
      { numRuns: 50 },
    );
  });
});

describe("suppress", () => {
  test("of two overlapping boxes the better stays, a distant one is untouched", () => {
    const best = box(0, 0, 10, 10, 0.9);
    const worse = box(1, 1, 10, 10, 0.8);
    const far = box(50, 50, 10, 10, 0.1);
    expect(suppress([far, worse, best])).toEqual([best, far]);
  });

  test("what stays does not overlap, what goes overlaps something better, and doing it twice changes nothing", () => {
    fc.assert(
      fc.property(fc.array(anyFace, { maxLength: 25 }), fc.constantFrom(0.1, 0.3, 0.7), (faces, maxOverlap) => {
        const kept = suppress(faces, { maxOverlap });
        for (const [i, a] of kept.entries())
          for (const b of kept.slice(i + 1)) expect(overlap(a, b)).toBeLessThanOrEqual(maxOverlap);
        for (const face of faces) {
          if (!kept.includes(face)) expect(kept.some((k) => overlap(k, face) > maxOverlap && k.score >= face.score)).toBe(true);
        }
        expect(suppress(kept, { maxOverlap })).toEqual(kept);
        expect(kept.map((f) => f.score)).toEqual(kept.map((f) => f.score).sort((a, b) => b - a));
      }),
    );
  });

  test("a detector gone wild costs no more than the limit", () => {
    const many = Array.from({ length: 5000 }, (_, i) => box(i * 20, 0, 10, 10, 0.5));
    expect(suppress(many, { maxCandidates: 100 })).toHaveLength(100);
  });

  test("landmarks are the median of the boxes that show the same face, and of no others", () => {
    const at = (face: Face, x: number): Face => ({ ...face, landmarks: [{ x, y: 2 * x }] });
    const same = [at(box(0, 0, 100, 100, 0.9), 40), at(box(1, 0, 100, 100, 0.8), 31), at(box(0, 1, 100, 100, 0.7), 30)];
    const elsewhere = [at(box(0, 0, 60, 100, 0.6), 99), at(box(300, 0, 100, 100, 0.65), 330)];
    const kept = suppress([...same, ...elsewhere]);
    expect(kept.map((f) => f.landmarks)).toEqual([[{ x: 31, y: 62 }], [{ x: 330, y: 660 }]]);
    expect([kept[0]?.x, kept[0]?.score]).toEqual([0, 0.9]);
    expect(suppress(same.slice(0, 2))[0]?.landmarks).toEqual([{ x: 35.5, y: 71 }]);
    expect(suppress(same, { voteOverlap: 2 })[0]?.landmarks).toEqual([{ x: 40, y: 80 }]);
  });
});
