import type { DType } from "@tessera/core/graph/dtype";
import { f32, fromNumbers, type Tensor } from "@tessera/core/graph/tensor";
import { integerRange } from "@tessera/core/interp/kernels/quantized";
import { QUANTIZE } from "@tessera/core/ops/quantize";
import fc from "fast-check";
import { arbShape, seededTensor } from "../op-arbitraries.ts";
import { type OpCase, opConformance } from "../op-conformance.ts";

interface Choice {
  readonly shape: readonly number[];
  readonly axis: number;
  readonly block: number;
  readonly how: "tensor" | "axis" | "blocks";
  readonly zero: boolean;
  readonly dtype: DType;
  readonly seed: number;
}

function choice(dtypes: readonly DType[]): fc.Arbitrary<Choice> {
  return arbShape({ minRank: 1, minSize: 1, maxSize: 6 }).chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      axis: fc.integer({ min: -shape.length, max: shape.length - 1 }),
      block: fc.integer({ min: 1, max: 4 }),
      how: fc.constantFrom("tensor", "axis", "blocks"),
      zero: fc.boolean(),
      dtype: fc.constantFrom(...dtypes),
      seed: fc.nat(),
    }),
  );
}

/** Scale and zero point of the right shapes; without a zero point the type must be said otherwise, so quantizing always has one or is uint8. */
function encoding(c: Choice): {
  readonly scale: Tensor;
  readonly zero: Tensor;
  readonly attributes: Readonly<Record<string, number>>;
} {
  const front = c.axis < 0 ? c.axis + c.shape.length : c.axis;
  const size = c.shape[front] as number;
  const blocks = c.shape.map((s, i) => (i === front ? Math.ceil(s / c.block) : s));
  // A single block is refused by onnxruntime.
  const how = c.how === "blocks" && blocks.every((s) => s === 1) ? "tensor" : c.how;
  const shape = { tensor: [], axis: [size], blocks }[how];
  const [low, high] = c.dtype === "int32" ? [0, 0] : integerRange(c.dtype);
  return {
    scale: seededTensor("float32", shape, { seed: c.seed, min: 0.01, max: 0.3 }),
    zero: seededTensor(c.dtype, shape, { seed: c.seed + 1, min: low, max: high }),
    attributes: how === "tensor" ? {} : how === "axis" ? { axis: c.axis } : { axis: c.axis, block_size: c.block },
  };
}

function quantizeCase(c: Choice): OpCase {
  const { scale, zero, attributes } = encoding(c);
  const x = seededTensor("float32", c.shape, { seed: c.seed + 2, min: -40, max: 40, special: [0, 1e6, -1e6, 0.5, 1.5] });
  return {
    op: "QuantizeLinear",
    inputs: c.zero || c.dtype !== "uint8" ? [x, scale, zero] : [x, scale],
    constant: [1, 2],
    attributes,
  };
}

function dequantizeCase(c: Choice): OpCase {
  const { scale, zero, attributes } = encoding(c);
  const [low, high] = c.dtype === "int32" ? [-1e6, 1e6] : integerRange(c.dtype);
  const x = seededTensor(c.dtype, c.shape, { seed: c.seed + 2, min: low, max: high });
  // The JavaScript binding of onnxruntime has no 4-bit types: such tensors can only stand in the model.
  const constant = c.seed % 2 === 0 || c.dtype.endsWith("int4") ? [0, 1, 2] : [1, 2];
  return { op: "DequantizeLinear", inputs: c.zero ? [x, scale, zero] : [x, scale], constant, attributes };
}

/** Halves by a scale of one: every second element is a tie. */
const ties: fc.Arbitrary<OpCase> = fc.constantFrom<DType>("uint8", "int8").map((dtype) => {
  const values = Array.from({ length: 41 }, (_, i) => (i - 20) / 2);
  return {
    op: "QuantizeLinear",
    inputs: [f32([41], values), f32([], [1]), fromNumbers(dtype, [], [dtype === "uint8" ? 100 : 3])],
    constant: [1, 2],
  };
});

const dynamic: fc.Arbitrary<OpCase> = fc
  .tuple(arbShape({ minSize: 1 }), fc.nat(), fc.constantFrom([-10, 10], [0, 5], [-7, -2], [2, 3]))
  .map(([shape, seed, [min, max]]) => ({
    op: "DynamicQuantizeLinear",
    inputs: [seededTensor("float32", shape, { seed, min: min as number, max: max as number })],
    outputs: ["y0", "y1", "y2"],
  }));

// A 4-bit *output* makes the binding allocate without end and takes the process down: quantizing to int4 is checked beside the kernel instead.
opConformance("quantization", {
  family: QUANTIZE,
  rows: {
    DequantizeLinear: {
      cases: choice(["uint8", "int8", "uint16", "int16", "int32", "int4", "uint4"]).map(dequantizeCase),
      tolerance: { ulps: 1 },
      runs: 120,
    },
    DynamicQuantizeLinear: { cases: dynamic, tolerance: { ulps: 0 }, runs: 60 },
    QuantizeLinear: { cases: choice(["uint8", "int8", "uint16", "int16"]).map(quantizeCase), runs: 150 },
    "QuantizeLinear of ties": { op: "QuantizeLinear", cases: ties, runs: 2 },
  },
});
