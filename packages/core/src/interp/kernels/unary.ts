import type { DType } from "../../graph/dtype.ts";
import { attrInt } from "../../graph/node.ts";
import type { UNARY } from "../../ops/unary.ts";
import { bigRoomFor, bigsOf, boolTensor, finish, isBig, type Numbers, numbersOf, roomFor, sizeOf } from "../elements.ts";
import type { Kernel } from "../kernel.ts";
import { erf } from "./erf.ts";
import { needed, unsupportedType } from "./needed.ts";

// A loop of its own for float32 keeps its loads and stores of one kind, which the engine turns into straight machine code.
function mapFloat32(x: Float32Array, out: Float32Array, f: (v: number) => number): void {
  for (let i = 0; i < x.length; i++) out[i] = f(x[i] as number);
}

function mapAny(x: Numbers, out: Numbers, f: (v: number) => number): void {
  for (let i = 0; i < x.length; i++) out[i] = f(x[i] as number);
}

/** A kernel that maps each element; `big` computes on 64-bit integers, and without it they are refused. */
export function mapKernel(f: (v: number) => number, big?: (v: bigint) => bigint): Kernel {
  return (inputs, context) => {
    const x = needed(inputs, 0, context);
    if (isBig(x.dtype)) {
      if (big === undefined) throw unsupportedType(x, context);
      const from = bigsOf(x);
      const out = bigRoomFor(x.dtype, from.length);
      for (let i = 0; i < from.length; i++) out[i] = big(from[i] as bigint);
      return [finish(x.dtype, x.shape, out)];
    }
    const from = numbersOf(x);
    const out = roomFor(x.dtype, from.length);
    if (from instanceof Float32Array) mapFloat32(from, out as Float32Array, f);
    else mapAny(from, out, f);
    return [finish(x.dtype, x.shape, out)];
  };
}

/** Rounds to the nearest integer, halves to the even one. */
function roundEven(v: number): number {
  return Math.abs(v - Math.trunc(v)) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v);
}

function signOf(v: number): number {
  return v > 0 ? 1 : v < 0 ? -1 : v === 0 ? 0 : v;
}

const UNSIGNED: ReadonlySet<DType> = new Set(["uint8", "uint16", "uint32", "uint4", "uint2"]);

const bitwiseNot: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  if (isBig(x.dtype)) return mapKernel(Math.abs, (v) => ~v)(inputs, context);
  // ~v of an unsigned type wraps when it is stored.
  return mapKernel(UNSIGNED.has(x.dtype) ? (v) => ~v >>> 0 : (v) => ~v)(inputs, context);
};

function flagKernel(flag: (v: number, positive: boolean, negative: boolean) => boolean): Kernel {
  return (inputs, context) => {
    const x = needed(inputs, 0, context);
    const positive = attrInt(context.node, "detect_positive", 1) !== 0;
    const negative = attrInt(context.node, "detect_negative", 1) !== 0;
    const from = numbersOf(x);
    const out = new Uint8Array(sizeOf(x));
    for (let i = 0; i < out.length; i++) out[i] = flag(from[i] as number, positive, negative) ? 1 : 0;
    return [boolTensor(x.shape, out)];
  };
}

function bigAbs(v: bigint): bigint {
  return v < 0n ? -v : v;
}

/** Reference kernels of the elementwise maps. */
export const UNARY_KERNELS = {
  Abs: mapKernel(Math.abs, bigAbs),
  Acos: mapKernel(Math.acos),
  Acosh: mapKernel(Math.acosh),
  Asin: mapKernel(Math.asin),
  Asinh: mapKernel(Math.asinh),
  Atan: mapKernel(Math.atan),
  Atanh: mapKernel(Math.atanh),
  BitwiseNot: bitwiseNot,
  Ceil: mapKernel(Math.ceil),
  Cos: mapKernel(Math.cos),
  Cosh: mapKernel(Math.cosh),
  Erf: mapKernel(erf),
  Exp: mapKernel(Math.exp),
  Floor: mapKernel(Math.floor),
  Identity: (inputs, context) => [needed(inputs, 0, context)],
  IsInf: flagKernel(
    (v, positive, negative) => (v === Number.POSITIVE_INFINITY && positive) || (v === Number.NEGATIVE_INFINITY && negative),
  ),
  IsNaN: flagKernel(Number.isNaN),
  Log: mapKernel(Math.log),
  Neg: mapKernel(
    (v) => -v,
    (v) => -v,
  ),
  Not: mapKernel((v) => (v === 0 ? 1 : 0)),
  Reciprocal: mapKernel((v) => 1 / v),
  Round: mapKernel(roundEven),
  Sign: mapKernel(signOf, (v) => (v > 0n ? 1n : v < 0n ? -1n : 0n)),
  Sin: mapKernel(Math.sin),
  Sinh: mapKernel(Math.sinh),
  Sqrt: mapKernel(Math.sqrt),
  Tan: mapKernel(Math.tan),
  Tanh: mapKernel(Math.tanh),
} as const satisfies Record<keyof typeof UNARY, Kernel>;
