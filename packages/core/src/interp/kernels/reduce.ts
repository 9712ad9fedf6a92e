import { DTYPES, type DType, isFloat } from "../../graph/dtype.ts";
import { attrInt } from "../../graph/node.ts";
import { countOf, type Tensor, toInts } from "../../graph/tensor.ts";
import type { REDUCE } from "../../ops/reduce.ts";
import { normalAxes } from "../../ops/signature.ts";
import { type Bigs, bigRoomFor, bigsOf, finish, isBig, type Numbers, numbersOf, roomFor } from "../elements.ts";
import type { Kernel } from "../kernel.ts";
import { denseStrides, stridedIndices } from "../move.ts";
import { needed } from "./needed.ts";
import { argKernel, cumSum, topK } from "./select.ts";

/** Folds the elements of `x` at `base` + each offset. */
type Fold = (x: Numbers, base: number, offsets: Int32Array) => number;
type BigFold = (x: Bigs, base: number, offsets: Int32Array) => bigint;

function sum(x: Numbers, base: number, offsets: Int32Array): number {
  let total = 0;
  for (let i = 0; i < offsets.length; i++) total += x[base + (offsets[i] as number)] as number;
  return total;
}

function sumOfSquares(x: Numbers, base: number, offsets: Int32Array): number {
  let total = 0;
  for (let i = 0; i < offsets.length; i++) {
    const v = x[base + (offsets[i] as number)] as number;
    total += v * v;
  }
  return total;
}

function sumOfSizes(x: Numbers, base: number, offsets: Int32Array): number {
  let total = 0;
  for (let i = 0; i < offsets.length; i++) total += Math.abs(x[base + (offsets[i] as number)] as number);
  return total;
}

function product(x: Numbers, base: number, offsets: Int32Array): number {
  let total = 1;
  for (let i = 0; i < offsets.length; i++) total *= x[base + (offsets[i] as number)] as number;
  return total;
}

// The low 32 bits of a product of integers, which is what wrapping multiplication leaves.
function intProduct(x: Numbers, base: number, offsets: Int32Array): number {
  let total = 1;
  for (let i = 0; i < offsets.length; i++) total = Math.imul(total, x[base + (offsets[i] as number)] as number);
  return total;
}

// Math.max and Math.min of any NaN are NaN.
function largest(x: Numbers, base: number, offsets: Int32Array): number {
  let top = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < offsets.length; i++) top = Math.max(top, x[base + (offsets[i] as number)] as number);
  return top;
}

function smallest(x: Numbers, base: number, offsets: Int32Array): number {
  let low = Number.POSITIVE_INFINITY;
  for (let i = 0; i < offsets.length; i++) low = Math.min(low, x[base + (offsets[i] as number)] as number);
  return low;
}

// Shifted by the largest element, so that exp does not overflow.
function logSumExp(x: Numbers, base: number, offsets: Int32Array): number {
  const top = largest(x, base, offsets);
  if (!Number.isFinite(top)) return top;
  let total = 0;
  for (let i = 0; i < offsets.length; i++) total += Math.exp((x[base + (offsets[i] as number)] as number) - top);
  return top + Math.log(total);
}

function bigFold(start: bigint, step: (total: bigint, v: bigint) => bigint): BigFold {
  return (x, base, offsets) => {
    let total = start;
    for (let i = 0; i < offsets.length; i++) total = step(total, x[base + (offsets[i] as number)] as bigint);
    return total;
  };
}

function bigExtreme(better: (a: bigint, b: bigint) => boolean): BigFold {
  return (x, base, offsets) => {
    if (offsets.length === 0) {
      // Without an element the worst value of the type stands for the infinity.
      const [low, high] = x instanceof BigUint64Array ? [0n, 2n ** 64n - 1n] : [-(2n ** 63n), 2n ** 63n - 1n];
      return better(1n, 0n) ? low : high;
    }
    let top = x[base + (offsets[0] as number)] as bigint;
    for (let i = 1; i < offsets.length; i++) {
      const v = x[base + (offsets[i] as number)] as bigint;
      if (better(v, top)) top = v;
    }
    return top;
  };
}

interface Forms {
  readonly fold: Fold;
  /** For integers of up to 32 bits, where it differs. */
  readonly int?: Fold;
  /** For 64-bit integers; without it they go through doubles. */
  readonly big?: BigFold;
}

interface Reduction {
  readonly shape: readonly number[];
  /** First element of each output. */
  readonly bases: Int32Array;
  /** Where the elements of one output lie from its first. */
  readonly offsets: Int32Array;
}

function plan(x: Tensor, axes: readonly number[], keep: boolean): Reduction {
  const gone = new Set(axes);
  const strides = denseStrides(x.shape);
  const all = x.shape.map((_, axis) => axis);
  const kept = all.filter((axis) => !gone.has(axis));
  const folded = all.filter((axis) => gone.has(axis));
  const look = (list: readonly number[]) => ({
    shape: list.map((a) => x.shape[a] as number),
    strides: list.map((a) => strides[a] as number),
  });
  return {
    shape: all.flatMap((axis) => (gone.has(axis) ? (keep ? [1] : []) : [x.shape[axis] as number])),
    bases: stridedIndices(look(kept)),
    offsets: stridedIndices(look(folded)),
  };
}

function emptyInteger(dtype: DType, value: number): number {
  if (Number.isFinite(value)) return value;
  const { class: kind, bits } = DTYPES[dtype];
  const top = kind === "uint" ? 2 ** bits - 1 : 2 ** (bits - 1) - 1;
  return value > 0 ? top : kind === "uint" ? 0 : -top - 1;
}

function reduceKernel(forms: Forms): Kernel {
  return (inputs, context) => {
    const x = needed(inputs, 0, context);
    const { node } = context;
    const given = inputs[1] === undefined ? [] : toInts(inputs[1]);
    // With noop_with_empty_axes each element is folded by itself, as onnxruntime does: ReduceSumSquare then gives the squares.
    const all = given.length === 0 && attrInt(node, "noop_with_empty_axes", 0) === 0;
    const axes = all ? x.shape.map((_, axis) => axis) : normalAxes(given, x.shape.length, node);
    const { shape, bases, offsets } = plan(x, axes, attrInt(node, "keepdims", 1) !== 0);
    const count = countOf(shape);
    if (isBig(x.dtype) && forms.big !== undefined) {
      const from = bigsOf(x);
      const out = bigRoomFor(x.dtype, count);
      for (let i = 0; i < count; i++) out[i] = forms.big(from, bases[i] as number, offsets);
      return [finish(x.dtype, shape, out)];
    }
    const whole = !isFloat(x.dtype);
    const fold = whole ? (forms.int ?? forms.fold) : forms.fold;
    const from = isBig(x.dtype) ? Float64Array.from(bigsOf(x), Number) : numbersOf(x);
    const out = isBig(x.dtype) ? new Float64Array(count) : roomFor(x.dtype, count);
    for (let i = 0; i < count; i++) {
      const value = fold(from, bases[i] as number, offsets);
      out[i] = whole ? Math.trunc(emptyInteger(x.dtype, value)) : value;
    }
    return [finish(x.dtype, shape, isBig(x.dtype) ? BigInt64Array.from(out, BigInt) : out)];
  };
}

/** Reference kernels of the reductions. */
export const REDUCE_KERNELS = {
  ArgMax: argKernel((a, b) => a > b),
  ArgMin: argKernel((a, b) => a < b),
  CumSum: cumSum,
  ReduceL1: reduceKernel({ fold: sumOfSizes, big: bigFold(0n, (t, v) => t + (v < 0n ? -v : v)) }),
  ReduceL2: reduceKernel({ fold: (x, base, offsets) => Math.sqrt(sumOfSquares(x, base, offsets)) }),
  ReduceLogSum: reduceKernel({ fold: (x, base, offsets) => Math.log(sum(x, base, offsets)) }),
  ReduceLogSumExp: reduceKernel({ fold: logSumExp }),
  ReduceMax: reduceKernel({ fold: largest, big: bigExtreme((a, b) => a > b) }),
  ReduceMean: reduceKernel({
    fold: (x, base, offsets) => sum(x, base, offsets) / offsets.length,
    big: (x, base, offsets) =>
      offsets.length === 0 ? 0n : bigFold(0n, (t, v) => t + v)(x, base, offsets) / BigInt(offsets.length),
  }),
  ReduceMin: reduceKernel({ fold: smallest, big: bigExtreme((a, b) => a < b) }),
  ReduceProd: reduceKernel({ fold: product, int: intProduct, big: bigFold(1n, (t, v) => BigInt.asIntN(64, t * v)) }),
  ReduceSum: reduceKernel({ fold: sum, big: bigFold(0n, (t, v) => t + v) }),
  ReduceSumSquare: reduceKernel({ fold: sumOfSquares, big: bigFold(0n, (t, v) => t + v * v) }),
  TopK: topK,
} as const satisfies Record<keyof typeof REDUCE, Kernel>;
