import fc from "fast-check";
import { expect, test } from "vitest";
import { makeNode, type NodeOptions } from "../graph/node.ts";
import { readWindow, windowPads, windowPositions } from "./spatial.ts";

function windowOf(
  kernel: readonly number[],
  attributes: NonNullable<NodeOptions["attributes"]> = {},
): ReturnType<typeof readWindow> {
  return readWindow(makeNode("Conv", { inputs: ["x"], outputs: ["y"] }, { attributes }), kernel);
}

test("a symbolic size stays an expression, and its own name where the window keeps it", () => {
  expect(windowPositions(windowOf([3], { pads: [1, 1] }), "W", 0)).toBe("W");
  expect(windowPositions(windowOf([3]), "W", 0)).toBe("W - 2");
  expect(windowPositions(windowOf([1], { strides: [2] }), "W", 0)).toBe("floor((W - 1) / 2) + 1");
  expect(windowPositions(windowOf([2], { strides: [2] }), "?", 0)).toBe("?");
});

test("counted positions are the windows that begin inside the padded input", () => {
  const small = fc.integer({ min: 0, max: 4 });
  const sizes = fc.record({
    size: fc.integer({ min: 1, max: 12 }),
    kernel: fc.integer({ min: 1, max: 4 }),
    stride: fc.integer({ min: 1, max: 4 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    begin: small,
    end: small,
    ceil: fc.boolean(),
  });
  fc.assert(
    fc.property(sizes, ({ size, kernel, stride, dilation, begin, end, ceil }) => {
      const extent = (kernel - 1) * dilation + 1;
      // Wider padding would hold windows of nothing but padding, which runtimes refuse.
      fc.pre(size + begin + end >= extent && end < extent && begin < extent);
      const window = windowOf([kernel], {
        strides: [stride],
        dilations: [dilation],
        pads: [begin, end],
        ceil_mode: ceil ? 1 : 0,
      });
      let count = 0;
      for (let at = -begin; ; at += stride) {
        const fits = at + extent <= size + end;
        // Rounding up adds the one window that sticks out behind, unless it begins in the end padding.
        const sticksOut = ceil && at < size && at - stride + extent < size + end;
        if (!fits && !sticksOut) break;
        if (ceil && at >= size) break;
        count++;
      }
      expect(windowPositions(window, size, 0)).toBe(count);
    }),
    { seed: 5, numRuns: 500 },
  );
});

test("SAME splits odd padding towards the end or the beginning", () => {
  expect(windowPads(windowOf([2], { auto_pad: "SAME_UPPER" }), 5, 0)).toEqual([0, 1]);
  expect(windowPads(windowOf([2], { auto_pad: "SAME_LOWER" }), 5, 0)).toEqual([1, 0]);
  expect(windowPads(windowOf([1], { auto_pad: "SAME_UPPER", strides: [3] }), 6, 0)).toEqual([0, 0]);
});

test("refuses lists of the wrong length, and words that are no padding", () => {
  expect(() => windowOf([3, 3], { strides: [1] })).toThrow(expect.objectContaining({ code: "ATTRIBUTE_INVALID" }));
  expect(() => windowOf([3], { strides: [0] })).toThrow(expect.objectContaining({ code: "ATTRIBUTE_INVALID" }));
  expect(() => windowOf([3], { auto_pad: "SOME" })).toThrow(expect.objectContaining({ code: "ATTRIBUTE_INVALID" }));
});
