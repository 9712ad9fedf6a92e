import type { DType } from "@tessera/core/graph/dtype";
import { UNARY } from "@tessera/core/ops/unary";
import fc from "fast-check";
import { arbShape, arbTensor, type ValueOptions } from "../op-arbitraries.ts";
import { type OpCase, opConformance } from "../op-conformance.ts";

const SPECIAL = [0, -0, 0.5, -0.5, 1.5, 2.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

/** The lists hold the types for which onnxruntime's CPU build has a kernel. */
function unary(op: string, dtypes: readonly DType[], values: ValueOptions = {}): fc.Arbitrary<OpCase> {
  return fc
    .tuple(fc.constantFrom(...dtypes), arbShape())
    .chain(([dtype, shape]) => arbTensor(dtype, shape, dtype.startsWith("float") ? values : {}))
    .map((x) => ({ op, inputs: [x] }));
}

const all: ValueOptions = { special: SPECIAL };
const unit: ValueOptions = { min: -1.2, max: 1.2, special: SPECIAL };
// onnxruntime computes these with polynomials of single precision.
const few = { ulps: 4, absolute: 1e-7 };

opConformance("elementwise maps", {
  family: UNARY,
  rows: {
    Abs: {
      cases: unary("Abs", ["float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"], all),
    },
    Acos: { cases: unary("Acos", ["float32"], unit), tolerance: few },
    Acosh: { cases: unary("Acosh", ["float32"], all), tolerance: few },
    Asin: { cases: unary("Asin", ["float32"], unit), tolerance: few },
    Asinh: { cases: unary("Asinh", ["float32"], all), tolerance: few },
    Atan: { cases: unary("Atan", ["float32"], all), tolerance: few },
    Atanh: { cases: unary("Atanh", ["float32"], unit), tolerance: few },
    BitwiseNot: { cases: unary("BitwiseNot", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]) },
    Ceil: { cases: unary("Ceil", ["float32", "float64"], all) },
    Cos: { cases: unary("Cos", ["float32", "float64"], all), tolerance: few },
    Cosh: { cases: unary("Cosh", ["float32"], all), tolerance: few },
    Erf: { cases: unary("Erf", ["float32"], { min: -4, max: 4, special: SPECIAL }), tolerance: few },
    Exp: { cases: unary("Exp", ["float32", "float64"], all), tolerance: few },
    Floor: { cases: unary("Floor", ["float32", "float64"], all) },
    Identity: { cases: unary("Identity", ["float32", "float16", "int64", "uint8", "bool", "string"], all) },
    IsInf: {
      cases: fc
        .tuple(
          arbShape(),
          fc.constantFrom<DType>("float32", "float64"),
          fc.integer({ min: 0, max: 1 }),
          fc.integer({ min: 0, max: 1 }),
        )
        .chain(([shape, dtype, negative, positive]) =>
          arbTensor(dtype, shape, all).map((x) => ({
            op: "IsInf",
            inputs: [x],
            attributes: { detect_negative: negative, detect_positive: positive },
          })),
        ),
    },
    IsNaN: { cases: unary("IsNaN", ["float32", "float64", "float16"], all) },
    Log: { cases: unary("Log", ["float32", "float64"], all), tolerance: few },
    Neg: { cases: unary("Neg", ["float32", "float64", "int8", "int32", "int64"], all) },
    Not: { cases: unary("Not", ["bool"]) },
    Reciprocal: { cases: unary("Reciprocal", ["float32", "float64"], all) },
    Round: {
      cases: unary("Round", ["float32", "float64", "float16"], { min: -3, max: 3, special: [...SPECIAL, -1.5, -2.5, 3.5] }),
    },
    Sign: { cases: unary("Sign", ["float32", "float64", "int8", "uint8", "int16", "int32", "int64", "uint64"], all) },
    Sin: { cases: unary("Sin", ["float32", "float64"], all), tolerance: few },
    Sinh: { cases: unary("Sinh", ["float32"], all), tolerance: few },
    Sqrt: { cases: unary("Sqrt", ["float32", "float64"], all) },
    Tan: { cases: unary("Tan", ["float32"], all), tolerance: few },
    Tanh: { cases: unary("Tanh", ["float32", "float64"], all), tolerance: few },
  },
});
