import { f32, fromNumbers, i64, stringTensor } from "@tessera/core/graph/tensor";
import { describe, expect, test } from "vitest";
import { describeTensor, difference } from "./compare-tensors.ts";

describe("comparing tensors", () => {
  test("counts units in the last place of the element type", () => {
    const next = 1 + 2 ** -23;
    expect(difference(f32([1], [1]), f32([1], [next]))).toBe(`element 0 is 1 and ${next}`);
    expect(difference(f32([1], [1]), f32([1], [next]), { ulps: 1 })).toBeUndefined();
    expect(difference(f32([1], [1]), f32([1], [1 + 2 ** -21]), { ulps: 1 })).toBeDefined();
    expect(
      difference(fromNumbers("float16", [1], [1]), fromNumbers("float16", [1], [1 + 2 ** -10]), { ulps: 1 }),
    ).toBeUndefined();
  });
  test("a bound never lets NaN or infinity pass for a number", () => {
    const loose = { absolute: 1e30, relative: 1 };
    expect(difference(f32([1], [Number.NaN]), f32([1], [0]), loose)).toBeDefined();
    expect(difference(f32([1], [Number.POSITIVE_INFINITY]), f32([1], [1e38]), loose)).toBeDefined();
    expect(difference(f32([1], [Number.NaN]), f32([1], [Number.NaN]))).toBeUndefined();
  });
  test("integers, strings, types and shapes must be equal whatever the bound", () => {
    expect(difference(i64([1], [1]), i64([1], [2]), { absolute: 9 })).toBe("the elements differ");
    expect(difference(stringTensor([1], ["a"]), stringTensor([1], ["b"]))).toBe("the elements differ");
    expect(difference(f32([2], [1, 1]), f32([1, 2], [1, 1]))).toBe("the shapes are [2] and [1,2]");
    expect(difference(f32([1], [1]), i64([1], [1]))).toBe("the element types are float32 and int64");
  });
  test("describes tensors in a line", () => {
    expect(describeTensor(f32([2], [1.5, -0]))).toBe("float32[2] 1.5, -0");
    expect(describeTensor(stringTensor([1], ["a"]))).toBe('string[1] "a"');
  });
});
