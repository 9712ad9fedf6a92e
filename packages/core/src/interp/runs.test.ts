import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planRuns } from "./runs.ts";

// Offsets of every element, counted by hand.
function naive(shape: readonly number[], strides: readonly number[], first: number): number[] {
  let places = [first];
  shape.forEach((size, axis) => {
    places = places.flatMap((at) => Array.from({ length: size }, (_, k) => at + k * (strides[axis] as number)));
  });
  return places;
}

describe("runs", () => {
  test("visit every element of every input in row-major order", () => {
    const axis = fc.record({
      size: fc.integer({ min: 0, max: 4 }),
      a: fc.integer({ min: -9, max: 9 }),
      b: fc.constantFrom(0, 1, 4, 16),
    });
    const property = fc.property(fc.array(axis, { maxLength: 5 }), fc.integer({ min: 0, max: 99 }), (axes, first) => {
      const shape = axes.map((x) => x.size);
      const lists = [axes.map((x) => x.a), axes.map((x) => x.b)];
      const runs = planRuns(shape, lists, [first, 0]);
      lists.forEach((strides, k) => {
        const visited: number[] = [];
        for (let r = 0; r < runs.count; r++)
          for (let i = 0; i < runs.length; i++) visited.push((runs.starts[k]?.[r] as number) + i * (runs.steps[k] as number));
        expect(visited).toEqual(naive(shape, strides, k === 0 ? first : 0));
      });
    });
    fc.assert(property, { numRuns: 500 });
  });
  test("merge neighbouring axes, so that dense tensors and channel-wise operands have long runs", () => {
    expect(planRuns([2, 3, 4, 5], [[60, 20, 5, 1]])).toMatchObject({ count: 1, length: 120 });
    const perChannel = planRuns(
      [2, 3, 4, 5],
      [
        [60, 20, 5, 1],
        [0, 1, 0, 0],
      ],
    );
    expect(perChannel).toMatchObject({ count: 6, length: 20, steps: [1, 0] });
  });
});
