import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countOf, fromNumbers, toNumbers } from "../../../graph/tensor.ts";
import { channelsFirst, channelsLast, permuted } from "./permute.ts";

const cases = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 }).chain((shape) =>
  fc.tuple(
    fc.constant(shape),
    fc.shuffledSubarray(
      shape.map((_, i) => i),
      { minLength: shape.length },
    ),
    fc.constantFrom("float32", "int8", "int64", "int16" as const),
  ),
);

describe("permuted", () => {
  it("puts every element where its index says, whatever its width", () => {
    fc.assert(
      fc.property(cases, ([shape, perm, dtype]) => {
        const tensor = fromNumbers(
          dtype as "float32",
          shape,
          Array.from({ length: countOf(shape) }, (_, i) => i % 100),
        );
        const turned = permuted(tensor, perm);
        expect(turned.shape).toEqual(perm.map((axis) => shape[axis]));
        const [from, to] = [toNumbers(tensor), toNumbers(turned)];
        for (let i = 0; i < to.length; i++) {
          let rest = i;
          const index = new Array<number>(shape.length).fill(0);
          for (let axis = shape.length - 1; axis >= 0; axis--) {
            const size = turned.shape[axis] as number;
            index[perm[axis] as number] = rest % size;
            rest = Math.floor(rest / size);
          }
          const at = shape.reduce((sum, size, axis) => sum * size + (index[axis] as number), 0);
          expect(to[i]).toBe(from[at]);
        }
      }),
    );
  });

  it("reads views that are not aligned", () => {
    const bytes = new Uint8Array(1 + 24);
    bytes.set(new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer), 1);
    const turned = permuted({ dtype: "float32", shape: [2, 3], bytes: bytes.subarray(1) }, [1, 0]);
    expect([...toNumbers(turned)]).toEqual([1, 4, 2, 5, 3, 6]);
  });

  it("channels go to axis 1 and back", () => {
    expect([channelsFirst(4), channelsLast(4)]).toEqual([
      [0, 3, 1, 2],
      [0, 2, 3, 1],
    ]);
    expect(channelsFirst(3).map((axis) => channelsLast(3)[axis])).toEqual([0, 1, 2]);
  });
});
