import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { samePads } from "./window.ts";

describe("SAME padding", () => {
  it("gives ceil(size / stride) outputs, and the odd element at the end", () => {
    const sizes = fc.record({
      size: fc.integer({ min: 1, max: 40 }),
      kernel: fc.integer({ min: 1, max: 7 }),
      stride: fc.integer({ min: 1, max: 5 }),
      dilation: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(sizes, (window) => {
        const [before, after] = samePads(window);
        const reach = (window.kernel - 1) * window.dilation + 1;
        expect(after - before === 0 || after - before === 1).toBe(true);
        const padded = window.size + before + after;
        if (padded >= reach)
          expect(Math.floor((padded - reach) / window.stride) + 1).toBe(Math.ceil(window.size / window.stride));
        // No more than is needed: the last window would not be there with one element less.
        if (after > 0)
          expect(Math.floor((padded - 1 - reach) / window.stride) + 1).toBeLessThan(Math.ceil(window.size / window.stride));
      }),
    );
  });

  it("is what TensorFlow does for the cases that others get wrong", () => {
    expect(samePads({ size: 112, kernel: 3, stride: 2, dilation: 1 })).toEqual([0, 1]);
    expect(samePads({ size: 49, kernel: 10, stride: 2, dilation: 1 })).toEqual([4, 5]);
    expect(samePads({ size: 5, kernel: 1, stride: 3, dilation: 1 })).toEqual([0, 0]);
  });
});
