import type { DType } from "@tessera/core/graph/dtype";
import { BINARY } from "@tessera/core/ops/binary";
import fc from "fast-check";
import { arbBroadcastable, arbShape, arbTensor, type ValueOptions } from "../op-arbitraries.ts";
import { type OpCase, opConformance } from "../op-conformance.ts";

const SPECIAL = [0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
const all: ValueOptions = { special: SPECIAL };
const NUMBERS = [
  "float32",
  "float64",
  "int32",
  "int64",
  "uint32",
  "uint64",
  "int8",
  "uint8",
  "int16",
  "uint16",
] as const satisfies DType[];

interface BinaryOptions {
  readonly values?: (dtype: DType, operand: number) => ValueOptions;
  readonly attributes?: OpCase["attributes"];
}

function plain(dtype: DType): ValueOptions {
  return dtype.startsWith("float") ? all : {};
}

/** Two operands of which each broadcasts to a common shape. The lists hold the types for which onnxruntime's CPU build has a kernel. */
function binary(op: string, dtypes: readonly DType[], options: BinaryOptions = {}): fc.Arbitrary<OpCase> {
  const { values = plain, attributes = {} } = options;
  return fc
    .tuple(fc.constantFrom(...dtypes), arbShape())
    .chain(([dtype, shape]) => fc.tuple(fc.constant(dtype), arbBroadcastable(shape), arbBroadcastable(shape)))
    .chain(([dtype, a, b]) => fc.tuple(arbTensor(dtype, a, values(dtype, 0)), arbTensor(dtype, b, values(dtype, 1))))
    .map(([a, b]) => ({ op, inputs: [a, b], attributes }));
}

function variadic(op: string, dtypes: readonly DType[]): fc.Arbitrary<OpCase> {
  return fc
    .tuple(fc.constantFrom(...dtypes), arbShape({ minSize: 1 }), fc.integer({ min: 1, max: 4 }))
    .chain(([dtype, shape, count]) =>
      fc.tuple(fc.constant(dtype), fc.array(arbBroadcastable(shape), { minLength: count, maxLength: count })),
    )
    .chain(([dtype, shapes]) => fc.tuple(...shapes.map((shape) => arbTensor(dtype, shape, dtype.startsWith("float") ? all : {}))))
    .map((inputs) => ({ op, inputs }));
}

function where(): fc.Arbitrary<OpCase> {
  const dtypes = fc.constantFrom<DType>("float32", "float64", "int32", "int64", "uint8", "string");
  return fc
    .tuple(dtypes, arbShape())
    .chain(([dtype, shape]) =>
      fc.tuple(fc.constant(dtype), arbBroadcastable(shape), arbBroadcastable(shape), arbBroadcastable(shape)),
    )
    .chain(([dtype, c, x, y]) => fc.tuple(arbTensor("bool", c), arbTensor(dtype, x), arbTensor(dtype, y)))
    .map((inputs) => ({ op: "Where", inputs }));
}

// Whole exponents of integers, small enough for 32 bits; broken ones of floats.
function pow(): fc.Arbitrary<OpCase> {
  const pairs = fc.constantFrom<readonly [DType, DType]>(
    ["float32", "float32"],
    ["float64", "float64"],
    ["float32", "int32"],
    ["int32", "int32"],
    ["int64", "int64"],
    ["int32", "float32"],
    ["float32", "int64"],
  );
  return fc
    .tuple(pairs, arbShape())
    .chain(([types, shape]) => fc.tuple(fc.constant(types), arbBroadcastable(shape), arbBroadcastable(shape)))
    .chain(([[base, exponent], a, b]) =>
      fc.tuple(
        arbTensor(base, a, { min: base.startsWith("float") ? 0 : -9, max: 9 }),
        arbTensor(exponent, b, { min: 0, max: 4, whole: !base.startsWith("float") || !exponent.startsWith("float") }),
      ),
    )
    .map((inputs) => ({ op: "Pow", inputs }));
}

// Integer division by zero is undefined and stops onnxruntime's process: divisors start at 1.
function divisors(dtype: DType, operand: number): ValueOptions {
  if (dtype.startsWith("float")) return all;
  if (operand === 0) return dtype.startsWith("u") ? { max: 100 } : { min: -100, max: 100 };
  return { min: 1, max: 9 };
}

function signedDivisors(dtype: DType, operand: number): ValueOptions {
  return operand === 1 && dtype.startsWith("int") ? { min: -9, max: -1 } : divisors(dtype, operand);
}

function shifts(direction: string): fc.Arbitrary<OpCase> {
  return binary("BitShift", ["uint8", "uint32", "uint64"], {
    values: (_, operand) => ({ max: operand === 0 ? 255 : 7 }),
    attributes: { direction },
  });
}

const BOOL = ["bool"] as const satisfies DType[];
const BITS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"] as const satisfies DType[];
const ORDERED = ["float32", "float64", "int32", "int64", "int8", "uint8", "uint64"] as const satisfies DType[];

opConformance("operators with broadcasting", {
  family: BINARY,
  rows: {
    Add: { cases: binary("Add", NUMBERS) },
    And: { cases: binary("And", BOOL) },
    BitShift: { cases: shifts("LEFT") },
    "BitShift to the right": { op: "BitShift", cases: shifts("RIGHT") },
    BitwiseAnd: { cases: binary("BitwiseAnd", BITS) },
    BitwiseOr: { cases: binary("BitwiseOr", BITS) },
    BitwiseXor: { cases: binary("BitwiseXor", BITS) },
    Div: { cases: binary("Div", NUMBERS, { values: divisors }) },
    "Div by negative integers": { op: "Div", cases: binary("Div", ["int32", "int64", "int8"], { values: signedDivisors }) },
    Equal: { cases: binary("Equal", [...ORDERED, "bool", "string"]) },
    Greater: { cases: binary("Greater", ORDERED) },
    GreaterOrEqual: { cases: binary("GreaterOrEqual", ORDERED) },
    Less: { cases: binary("Less", ORDERED) },
    LessOrEqual: { cases: binary("LessOrEqual", ORDERED) },
    Max: { cases: variadic("Max", ["float32", "float64", "int32", "int64", "uint32", "uint64", "int8", "uint8", "float16"]) },
    Mean: { cases: variadic("Mean", ["float32"]), tolerance: { ulps: 4, absolute: 4e-6 } },
    Min: { cases: variadic("Min", ["float32", "float64", "int32", "int64", "uint32", "uint64", "int8", "uint8", "float16"]) },
    Mod: { cases: binary("Mod", ["int32", "int64", "int8", "uint8", "int16", "uint32"], { values: divisors }) },
    "Mod by negative integers": { op: "Mod", cases: binary("Mod", ["int32", "int64", "int8"], { values: signedDivisors }) },
    "Mod as in C": {
      op: "Mod",
      cases: binary("Mod", ["float32", "float64", "int32", "int64"], { values: signedDivisors, attributes: { fmod: 1 } }),
    },
    Mul: { cases: binary("Mul", NUMBERS) },
    "Mul of large integers": {
      op: "Mul",
      cases: binary("Mul", ["int32", "int64", "uint32"], {
        values: (dtype) => ({ min: dtype.startsWith("u") ? 0 : -(2 ** 31), max: 2 ** 31 - 1 }),
      }),
    },
    Or: { cases: binary("Or", BOOL) },
    Pow: { cases: pow(), tolerance: { ulps: 2 } },
    Sub: { cases: binary("Sub", NUMBERS) },
    Sum: { cases: variadic("Sum", ["float32", "float64"]), tolerance: { ulps: 4, absolute: 4e-6 } },
    Where: { cases: where() },
    Xor: { cases: binary("Xor", BOOL) },
  },
});
