import type { DType } from "@tessera/core/graph/dtype";
import { i64 } from "@tessera/core/graph/tensor";
import { REDUCE } from "@tessera/core/ops/reduce";
import fc from "fast-check";
import { arbAxes, arbAxis, arbShape, arbTensor, type ValueOptions } from "../op-arbitraries.ts";
import { type OpCase, opConformance } from "../op-conformance.ts";

interface ReduceOptions {
  readonly values?: ValueOptions;
  /** Whether reducing nothing at all has a result. */
  readonly empty?: boolean;
}

/** The lists hold the types for which onnxruntime's CPU build has a kernel. Axes are constants or fed, given or absent. */
function reduction(op: string, dtypes: readonly DType[], options: ReduceOptions = {}): fc.Arbitrary<OpCase> {
  const { values = {}, empty = false } = options;
  return fc
    .tuple(fc.constantFrom(...dtypes), arbShape({ minSize: empty ? 0 : 1 }))
    .chain(([dtype, shape]) =>
      fc.tuple(
        arbTensor(dtype, shape, dtype.startsWith("float") ? values : {}),
        fc.option(arbAxes(shape.length), { nil: undefined }),
        fc.integer({ min: 0, max: 1 }),
        fc.integer({ min: 0, max: 1 }),
        fc.boolean(),
      ),
    )
    .map(([x, drawn, keepdims, noop, stored]) => {
      // onnxruntime 1.30 gives an empty input back unreduced when its axes are negative.
      const axes = x.shape.includes(0) ? drawn?.map((axis) => (axis < 0 ? axis + x.shape.length : axis)) : drawn;
      return {
        op,
        inputs: axes === undefined ? [x] : [x, i64([axes.length], axes)],
        attributes: { keepdims, noop_with_empty_axes: noop },
        constant: stored && axes !== undefined ? [1] : [],
      };
    });
}

function arg(op: string): fc.Arbitrary<OpCase> {
  return fc
    .tuple(fc.constantFrom<DType>("float32", "float64", "int32", "int8", "uint8"), arbShape({ minRank: 1, minSize: 1 }))
    .chain(([dtype, shape]) =>
      fc.tuple(
        arbTensor(dtype, shape, { whole: true }),
        arbAxis(shape.length),
        fc.integer({ min: 0, max: 1 }),
        fc.integer({ min: 0, max: 1 }),
      ),
    )
    .map(([x, axis, keepdims, last]) => ({ op, inputs: [x], attributes: { axis, keepdims, select_last_index: last } }));
}

function cumSum(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(fc.constantFrom<DType>("float32", "float64", "int32", "int64"), arbShape({ minRank: 1 }))
    .chain(([dtype, shape]) =>
      fc.tuple(
        arbTensor(dtype, shape),
        arbAxis(shape.length),
        fc.integer({ min: 0, max: 1 }),
        fc.integer({ min: 0, max: 1 }),
        fc.boolean(),
      ),
    )
    .map(([x, axis, exclusive, reverse, stored]) => ({
      op: "CumSum",
      inputs: [x, i64([], [axis])],
      attributes: { exclusive, reverse },
      constant: stored ? [1] : [],
    }));
}

function topK(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(fc.constantFrom<DType>("float32", "float64", "int64", "int32", "uint8"), arbShape({ minRank: 1, minSize: 1 }))
    .chain(([dtype, shape]) =>
      fc.tuple(
        arbTensor(dtype, shape, { whole: true }),
        arbAxis(shape.length),
        fc.nat(),
        fc.integer({ min: 0, max: 1 }),
        fc.boolean(),
      ),
    )
    .map(([x, axis, draw, largest, stored]) => {
      const size = x.shape.at(axis < 0 ? axis : axis - x.shape.length) as number;
      return {
        op: "TopK",
        inputs: [x, i64([1], [draw % (size + 1)])],
        attributes: { axis, largest },
        constant: stored ? [1] : [],
        outputs: ["y0", "y1"],
      };
    });
}

const positive: ValueOptions = { min: 0.1, max: 10 };
const small: ValueOptions = { min: -2, max: 2 };
// onnxruntime accumulates in single precision.
const single = { relative: 4e-6, absolute: 2e-5 };
const FLOATS = ["float32", "float64"] as const satisfies DType[];
const SUMS = ["float32", "float64", "int32", "int64"] as const satisfies DType[];

opConformance("reductions", {
  family: REDUCE,
  rows: {
    ArgMax: { cases: arg("ArgMax") },
    ArgMin: { cases: arg("ArgMin") },
    CumSum: { cases: cumSum(), tolerance: single },
    ReduceL1: { cases: reduction("ReduceL1", ["float32", "int32"], { empty: true }), tolerance: single },
    ReduceL2: { cases: reduction("ReduceL2", ["float32"], { empty: true }), tolerance: single },
    ReduceLogSum: { cases: reduction("ReduceLogSum", ["float32"], { values: positive }), tolerance: single },
    ReduceLogSumExp: { cases: reduction("ReduceLogSumExp", FLOATS), tolerance: single },
    ReduceMax: { cases: reduction("ReduceMax", ["float32", "float64", "int32", "int64", "int8", "uint8"], { empty: true }) },
    ReduceMean: { cases: reduction("ReduceMean", ["float32", "float64", "int32"]), tolerance: single },
    ReduceMin: { cases: reduction("ReduceMin", ["float32", "float64", "int32", "int64", "int8", "uint8"], { empty: true }) },
    ReduceProd: { cases: reduction("ReduceProd", SUMS, { values: small, empty: true }), tolerance: single },
    ReduceSum: { cases: reduction("ReduceSum", SUMS, { empty: true }), tolerance: single },
    ReduceSumSquare: {
      cases: reduction("ReduceSumSquare", ["float32", "float64", "int32"], { empty: true }),
      tolerance: { relative: 1e-5 },
    },
    TopK: { cases: topK() },
  },
});
