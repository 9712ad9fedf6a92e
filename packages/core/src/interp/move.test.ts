import { describe, expect, test } from "vitest";
import type { DType } from "../graph/dtype.ts";
import { fromNumbers, stringTensor, type Tensor, toNumbers } from "../graph/tensor.ts";
import { joined, takeIndexed, takeMapped, takeStrided } from "./move.ts";

const DTYPES = ["float32", "float64", "float16", "int8", "bool", "int64", "int4", "uint2"] as const satisfies DType[];

function numbered(dtype: DType): Tensor {
  const top = dtype === "bool" ? 2 : dtype === "uint2" ? 4 : 8;
  return fromNumbers(
    dtype,
    [2, 3],
    [0, 1, 2, 3, 4, 5].map((v) => v % top),
  );
}

function list(t: Tensor): number[] {
  return Array.from(toNumbers(t));
}

describe("moving elements", () => {
  test.each(DTYPES)("works for %s: transpose, reverse, repeat, fill and join", (dtype) => {
    const t = numbered(dtype);
    const v = list(t) as [number, number, number, number, number, number];
    expect(list(takeStrided(t, { shape: [3, 2], strides: [1, 3] }))).toEqual([v[0], v[3], v[1], v[4], v[2], v[5]]);
    expect(list(takeStrided(t, { shape: [6], strides: [-1], offset: 5 }))).toEqual([...v].reverse());
    expect(list(takeMapped(t, [Int32Array.of(1, 1), Int32Array.of(-1, 2)]))).toEqual([0, v[5], 0, v[5]]);
    const one = fromNumbers(dtype, [1], [1]);
    expect(list(takeIndexed(t, [3], { indices: Int32Array.of(-1, 4, -1), fill: one }))).toEqual([1, v[4], 1]);
    expect(joined([t, t], 1)).toMatchObject({ dtype, shape: [2, 6] });
    expect(list(joined([t, t], 1))).toEqual([v[0], v[1], v[2], v[0], v[1], v[2], v[3], v[4], v[5], v[3], v[4], v[5]]);
  });
  test("works for strings and for tensors that lie unaligned in a file", () => {
    const words = stringTensor([3], ["a", "b", "c"]);
    expect(takeIndexed(words, [2], { indices: Int32Array.of(2, -1) }).strings?.map((s) => new TextDecoder().decode(s))).toEqual([
      "c",
      "",
    ]);
    const aligned = fromNumbers("int64", [3], [1, -2, 3]);
    const shifted = new Uint8Array(25);
    shifted.set(aligned.bytes, 1);
    const t: Tensor = { dtype: "int64", shape: [3], bytes: shifted.subarray(1) };
    expect(list(takeIndexed(t, [3], { indices: Int32Array.of(2, 1, 0) }))).toEqual([3, -2, 1]);
  });
});
