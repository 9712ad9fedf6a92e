import { expect, test } from "vitest";
import { makeNode } from "../../graph/node.ts";
import { f32, fromNumbers, toNumbers } from "../../graph/tensor.ts";
import type { KernelContext } from "../kernel.ts";
import { QUANTIZE_KERNELS } from "./quantize.ts";
import { roundHalfEven } from "./quantized.ts";

function context(op: string, attributes: Readonly<Record<string, number>> = {}): KernelContext {
  return { node: makeNode(op, { inputs: ["x"], outputs: ["y"] }, { attributes }), outputCount: 1, runGraph: () => [] };
}

// onnxruntime's JavaScript binding has no 4-bit tensors, so these are worked out by hand.
test("quantizes to int4: ties to even, saturated to -8..7, packed low half first", () => {
  const [q] = QUANTIZE_KERNELS.QuantizeLinear(
    [f32([5], [-100, -1.5, 0.5, 3.5, 100]), f32([], [1]), fromNumbers("int4", [], [0])],
    context("QuantizeLinear"),
  );
  expect(q?.dtype).toBe("int4");
  expect(q && Array.from(toNumbers(q))).toEqual([-8, -2, 0, 4, 7]);
  expect(q && Array.from(q.bytes)).toEqual([0xe8, 0x40, 0x07]);
});

test("quantizes to the type named by output_dtype when there is no zero point", () => {
  const [q] = QUANTIZE_KERNELS.QuantizeLinear(
    [f32([2], [-3, 20]), f32([], [1])],
    context("QuantizeLinear", { output_dtype: 21 }),
  );
  expect(q?.dtype).toBe("uint4");
  expect(q && Array.from(toNumbers(q))).toEqual([0, 15]);
});

test("a constant zero input has scale 1, as runtimes have it", () => {
  const outputs = QUANTIZE_KERNELS.DynamicQuantizeLinear([f32([2], [0, 0])], context("DynamicQuantizeLinear"));
  expect(outputs.map((t) => t && Array.from(toNumbers(t)))).toEqual([[0, 0], [1], [0]]);
});

test("refuses 8-bit floats with a reason", () => {
  const x = { dtype: "float8e4m3fn" as const, shape: [1], bytes: new Uint8Array(1) };
  expect(() => QUANTIZE_KERNELS.DequantizeLinear([x, f32([], [1])], context("DequantizeLinear"))).toThrow(
    expect.objectContaining({ code: "UNSUPPORTED_OP" }),
  );
});

test("rounds halves to even on both sides of zero", () => {
  expect([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4999, -3.2].map(roundHalfEven)).toEqual([-2, -2, 0, 0, 2, 2, 2, -3]);
});
