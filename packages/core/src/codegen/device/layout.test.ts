import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Layout, orderOf, placesOf, plainLayout, refine, regroup, sameLayout, sizeOf } from "./layout.ts";

const shapes = fc.array(fc.constantFrom(1, 2, 3, 4, 6), { minLength: 1, maxLength: 4 });
const ordered = shapes.chain((shape) =>
  fc
    .shuffledSubarray(
      shape.map((_, i) => i),
      { minLength: shape.length },
    )
    .map((order) => ({ shape, order })),
);

/** Shapes with as many elements. */
function shapesOf(count: number): fc.Arbitrary<number[]> {
  return fc.infiniteStream(fc.constantFrom(2, 3, 4, 6)).map((stream) => {
    const shape: number[] = [];
    let left = count;
    for (const size of stream) {
      if (left === 1 || shape.length === 3) break;
      if (left % size === 0) {
        shape.push(size);
        left /= size;
      } else if (![2, 3].some((n) => left % n === 0)) break;
    }
    return [...shape, left];
  });
}

describe("layouts", () => {
  it("give every element a place of its own, and their order back", () => {
    fc.assert(
      fc.property(ordered, ({ shape, order }) => {
        const layout = plainLayout(shape, order);
        expect([...placesOf(layout)].sort((a, b) => a - b)).toEqual(Array.from({ length: sizeOf(shape) }, (_, i) => i));
        const found = orderOf(layout, order) as number[];
        expect(sameLayout(plainLayout(shape, found), layout)).toBe(true);
        expect([...found].sort()).toEqual([...order].sort());
      }),
    );
  });

  it("keep every element where it is under another shape, or say that they cannot", () => {
    let made = 0;
    fc.assert(
      fc.property(
        ordered.chain((plain) => shapesOf(sizeOf(plain.shape)).map((shape) => ({ ...plain, to: shape }))),
        ({ shape, order, to }) => {
          const layout = plainLayout(shape, order);
          const other = regroup(layout, to);
          if (other === undefined) return;
          made++;
          expect(other.map((factors) => factors.reduce((n, f) => n * f.size, 1))).toEqual(to);
          expect([...placesOf(other)]).toEqual([...placesOf(layout)]);
        },
      ),
    );
    expect(made).toBeGreaterThan(30);
  });

  it("know that flattening a picture with its channels last has no order of axes", () => {
    const flat = regroup(plainLayout([1, 4, 3, 2], [0, 2, 3, 1]), [1, 24]) as Layout;
    expect(flat).toEqual([
      [],
      [
        { size: 4, stride: 1 },
        { size: 6, stride: 4 },
      ],
    ]);
    expect(orderOf(flat)).toBeUndefined();
    expect(orderOf(plainLayout([1, 1, 5, 1], [0, 1, 2, 3]), [0, 2, 3, 1])).toEqual([0, 2, 3, 1]);
  });

  it("refuse to split a size that does not divide", () => {
    expect(regroup(plainLayout([4, 3], [1, 0]), [3, 4])).toBeUndefined();
    expect(
      refine([
        [{ size: 6, stride: 1 }],
        [
          { size: 2, stride: 9 },
          { size: 3, stride: 1 },
        ],
      ]),
    ).toEqual([
      { size: 2, strides: [3, 9] },
      { size: 3, strides: [1, 1] },
    ]);
    expect(
      refine([
        [{ size: 4, stride: 1 }],
        [
          { size: 2, stride: 9 },
          { size: 3, stride: 1 },
        ],
      ]),
    ).toBeUndefined();
    expect(refine([[{ size: 4, stride: 1 }], []])).toEqual([{ size: 4, strides: [1, 0] }]);
  });
});
