import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { countOf } from "../../../graph/tensor.ts";
import { inOrder, memoryKey, type Order } from "./order.ts";
import { followGroups, groupAxes } from "./regroup.ts";

/** Cuts a list of sizes into a shape by multiplying neighbours together. */
function merged(factors: readonly number[], joins: readonly boolean[]): number[] {
  const shape: number[] = [];
  factors.forEach((factor, i) => {
    if (i > 0 && joins[i]) shape[shape.length - 1] = (shape.at(-1) as number) * factor;
    else shape.push(factor);
  });
  return shape;
}

const arbPair = fc
  .record({
    factors: fc.array(fc.constantFrom(1, 2, 3, 2, 5), { minLength: 2, maxLength: 5 }),
    left: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
    right: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
  })
  .map(({ factors, left, right }) => [merged(factors, left), merged(factors, right)] as const);

/** Canonical index of each element in memory, when a value of this shape stands in an order. */
function memory(shape: readonly number[], order: Order): number[] {
  const sizes = inOrder(shape, order);
  const steps = shape.map((_, axis) => countOf(shape.slice(axis + 1)));
  return Array.from({ length: countOf(shape) }, (_, at) => {
    let rest = at;
    let index = 0;
    for (let i = sizes.length - 1; i >= 0; i--) {
      const size = sizes[i] as number;
      index += (rest % size) * (steps[order[i] as number] as number);
      rest = Math.floor(rest / size);
    }
    return index;
  });
}

describe("a reshape in another order", () => {
  test("leaves every element where it lies in memory", () => {
    let followed = 0;
    fc.assert(
      fc.property(
        arbPair.chain(([from, to]) =>
          fc.tuple(fc.constant(from), fc.constant(to), fc.shuffledSubarray([...from.keys()], { minLength: from.length })),
        ),
        ([from, to, order]) => {
          const groups = groupAxes(from, to);
          if (groups === undefined) throw new Error(`no groups for [${from}] and [${to}]`);
          const other = followGroups(groups, order, { from: "input", rank: to.length });
          if (other === undefined) return;
          followed++;
          expect(memory(to, other)).toEqual(memory(from, order));
          const back = followGroups(groups, other, { from: "output", rank: from.length });
          expect(back && memoryKey(back, from)).toBe(memoryKey(order, from));
        },
      ),
      { numRuns: 500, seed: 1 },
    );
    expect(followed).toBeGreaterThan(150);
  });

  test("keeps channels apart from the pixels it merges", () => {
    const groups = groupAxes([1, 6, 4, 5], [1, 6, 20]);
    expect(groups && followGroups(groups, [0, 2, 3, 1], { from: "input", rank: 3 })).toEqual([0, 2, 1]);
    expect(groups && followGroups(groups, [0, 3, 2, 1], { from: "input", rank: 3 })).toBeUndefined();
  });
});
