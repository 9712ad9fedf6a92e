import type { OpRow } from "./row.ts";
import { mapRow, noCost, params, sameAsInput, sameShapeAs } from "./signature.ts";

/** Operators that map each element by itself, without weights. */
export const UNARY = {
  Abs: mapRow(6),
  Acos: mapRow(7),
  Acosh: mapRow(9),
  Asin: mapRow(7),
  Asinh: mapRow(9),
  Atan: mapRow(7),
  Atanh: mapRow(9),
  BitwiseNot: mapRow(18),
  Ceil: mapRow(6),
  Cos: mapRow(7),
  Cosh: mapRow(9),
  Erf: mapRow(9),
  Exp: mapRow(6),
  Floor: mapRow(6),
  Identity: { since: 1, inputs: params("input"), outputs: params("output"), attributes: {}, infer: sameAsInput, cost: noCost },
  IsInf: mapRow(10, {
    attributes: { detect_negative: { kind: "int", fallback: 1 }, detect_positive: { kind: "int", fallback: 1 } },
    infer: sameShapeAs("bool"),
  }),
  IsNaN: mapRow(9, { infer: sameShapeAs("bool") }),
  Log: mapRow(6),
  Neg: mapRow(6),
  Not: mapRow(1),
  Reciprocal: mapRow(6),
  Round: mapRow(11),
  Sign: mapRow(9),
  Sin: mapRow(7),
  Sinh: mapRow(9),
  Sqrt: mapRow(6),
  Tan: mapRow(7),
  Tanh: mapRow(6),
} as const satisfies Record<string, OpRow>;
