import { type DType, isFloat } from "../../graph/dtype.ts";
import { attrInt, attrString } from "../../graph/node.ts";
import { countOf, type Tensor, tensor, view } from "../../graph/tensor.ts";
import type { BINARY } from "../../ops/binary.ts";
import { broadcastShapes, broadcastStrides } from "../../ops/broadcast.ts";
import { bigRoomFor, bigsOf, finish, isBig, type Numbers, numbersOf, roomFor } from "../elements.ts";
import type { Kernel, KernelContext } from "../kernel.ts";
import { stridedIndices } from "../move.ts";
import {
  addFloat32,
  compareFloat32,
  loopBigs,
  loopFloat32,
  loopNumbers,
  mulFloat32,
  type Operands,
  type Pair,
} from "../pair-loops.ts";
import { planRuns, type Runs } from "../runs.ts";
import { needed, unsupportedType } from "./needed.ts";
import { where } from "./where.ts";

type BigPair = (a: bigint, b: bigint) => bigint;

function outputShape(tensors: readonly Tensor[]): readonly number[] {
  return broadcastShapes(tensors.map((t) => t.shape)) as readonly number[];
}

function pairRuns(a: Tensor, b: Tensor, shape: readonly number[]): Runs {
  return planRuns(shape, [broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape)]);
}

function combine(
  a: Tensor,
  b: Tensor,
  how: { readonly f: Pair; readonly big?: BigPair | undefined; readonly context: KernelContext },
): Tensor {
  const shape = outputShape([a, b]);
  const runs = pairRuns(a, b, shape);
  const count = countOf(shape);
  if (isBig(a.dtype)) {
    if (how.big === undefined) throw unsupportedType(a, how.context);
    const out = bigRoomFor(a.dtype, count);
    loopBigs({ a: bigsOf(a), b: bigsOf(b), out: out as { [index: number]: bigint } }, runs, how.big);
    return finish(a.dtype, shape, out);
  }
  const out = roomFor(a.dtype, count);
  const from = { a: numbersOf(a), b: numbersOf(b), out };
  if (a.dtype === "float32") {
    const floats = from as Operands<Float32Array, Float32Array>;
    if (how.f === plus) addFloat32(floats, runs);
    else if (how.f === times) mulFloat32(floats, runs);
    else loopFloat32(floats, runs, how.f);
  } else loopNumbers(from, runs, how.f);
  return finish(a.dtype, shape, out);
}

function plus(a: number, b: number): number {
  return a + b;
}

function times(a: number, b: number): number {
  return a * b;
}

interface Forms {
  readonly float: Pair;
  /** For integers of up to 32 bits, where it differs. */
  readonly int?: Pair;
  readonly big?: BigPair;
}

function arithmetic(forms: Forms): Kernel {
  return (inputs, context) => {
    const a = needed(inputs, 0, context);
    const b = needed(inputs, 1, context);
    const f = isFloat(a.dtype) ? forms.float : (forms.int ?? forms.float);
    return [combine(a, b, { f, big: forms.big, context })];
  };
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && a.length === b.length && a.every((v, i) => v === b[i]);
}

function comparison(f: Pair, big: (a: bigint, b: bigint) => number): Kernel {
  return (inputs, context) => {
    const a = needed(inputs, 0, context);
    const b = needed(inputs, 1, context);
    const shape = outputShape([a, b]);
    const runs = pairRuns(a, b, shape);
    const out = new Uint8Array(countOf(shape));
    if (a.strings !== undefined && b.strings !== undefined) {
      if (context.node.op !== "Equal") throw unsupportedType(a, context);
      const places = [a, b].map((t) => stridedIndices({ shape, strides: broadcastStrides(t.shape, shape) })) as [
        Int32Array,
        Int32Array,
      ];
      for (let i = 0; i < out.length; i++) {
        out[i] = sameBytes(a.strings[places[0][i] as number], b.strings[places[1][i] as number]) ? 1 : 0;
      }
    } else if (isBig(a.dtype)) loopBigs({ a: bigsOf(a), b: bigsOf(b), out }, runs, big);
    else if (a.dtype === "float32") compareFloat32({ a: view(a, "float32"), b: view(b, "float32"), out }, runs, f);
    else loopNumbers({ a: numbersOf(a), b: numbersOf(b), out }, runs, f);
    return [tensor("bool", shape, out)];
  };
}

// The largest or smallest; NaN wins, as in onnxruntime.
function folded(forms: Forms): Kernel {
  return (inputs, context) => {
    let result = needed(inputs, 0, context);
    for (let i = 1; i < inputs.length; i++) {
      const f = isFloat(result.dtype) ? forms.float : (forms.int ?? forms.float);
      result = combine(result, needed(inputs, i, context), { f, big: forms.big, context });
    }
    return [result];
  };
}

// A sum of many terms is kept in doubles to the end, so that it is rounded once.
function summed(scale: (count: number) => number): Kernel {
  return (inputs, context) => {
    const tensors = inputs.map((_, i) => needed(inputs, i, context));
    const { dtype } = needed(inputs, 0, context);
    const shape = outputShape(tensors);
    const total = new Float64Array(countOf(shape));
    for (const t of tensors) {
      const runs = planRuns(shape, [broadcastStrides(t.shape, shape)]);
      const [starts] = runs.starts as [Int32Array];
      const [step] = runs.steps as [number];
      const from = numbersOf(t);
      for (let r = 0, o = 0; r < runs.count; r++) {
        let i = starts[r] as number;
        for (let n = 0; n < runs.length; n++, i += step, o++) total[o] = (total[o] as number) + (from[i] as number);
      }
    }
    const divisor = scale(tensors.length);
    const out = roomFor(dtype, total.length);
    for (let i = 0; i < out.length; i++) out[i] = (total[i] as number) / divisor;
    return [finish(dtype, shape, out)];
  };
}

function floorMod(a: number, b: number): number {
  const rest = a % b;
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
}

// Division and remainder by integer zero are undefined in ONNX (a trap in onnxruntime); here they give 0.
const mod: Kernel = (inputs, context) => {
  const c = attrInt(context.node, "fmod", 0) !== 0;
  return arithmetic({
    float: (a, b) => (c ? a % b : floorMod(a, b)),
    int: (a, b) => (b === 0 ? 0 : c ? a % b : floorMod(a, b)),
    big: (a, b) => {
      if (b === 0n) return 0n;
      const rest = a % b;
      return !c && rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest;
    },
  })(inputs, context);
};

function bigPower(base: bigint, exponent: bigint): bigint {
  if (exponent >= 0n) return base ** exponent;
  return base === 1n ? 1n : base === -1n ? (exponent % 2n === 0n ? 1n : -1n) : 0n;
}

const pow: Kernel = (inputs, context) => {
  const base = needed(inputs, 0, context);
  const exponent = needed(inputs, 1, context);
  if (isBig(base.dtype) && isBig(exponent.dtype)) return [combine(base, exponent, { f: Math.pow, big: bigPower, context })];
  const shape = outputShape([base, exponent]);
  const asNumbers = (t: Tensor): Numbers => (isBig(t.dtype) ? Float64Array.from(bigsOf(t), Number) : numbersOf(t));
  const out = isBig(base.dtype) ? new Float64Array(countOf(shape)) : roomFor(base.dtype, countOf(shape));
  loopNumbers({ a: asNumbers(base), b: asNumbers(exponent), out }, pairRuns(base, exponent, shape), Math.pow);
  if (!isBig(base.dtype)) return [finish(base.dtype, shape, out)];
  const exact = bigRoomFor(base.dtype, out.length);
  for (let i = 0; i < out.length; i++) exact[i] = BigInt(Number.isFinite(out[i]) ? Math.trunc(out[i] as number) : 0);
  return [finish(base.dtype, shape, exact)];
};

const WIDTH: { readonly [K in DType]?: number } = { uint8: 8, uint16: 16, uint32: 32 };

const bitShift: Kernel = (inputs, context) => {
  const left = attrString(context.node, "direction") === "LEFT";
  const width = WIDTH[needed(inputs, 0, context).dtype] ?? 64;
  return arithmetic({
    float: (a, b) => (b >= width ? 0 : left ? (a << b) >>> 0 : a >>> b),
    big: (a, b) => (b >= 64n ? 0n : left ? BigInt.asUintN(64, a << b) : a >> b),
  })(inputs, context);
};

function larger(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

function smaller(a: bigint, b: bigint): bigint {
  if (a < b) return a;
  return b;
}

function flag(value: boolean): number {
  return value ? 1 : 0;
}

/** Reference kernels of the broadcasting operators. */
export const BINARY_KERNELS = {
  Add: arithmetic({ float: plus, big: (a, b) => a + b }),
  And: arithmetic({ float: (a, b) => a & b }),
  BitShift: bitShift,
  BitwiseAnd: arithmetic({ float: (a, b) => a & b, big: (a, b) => a & b }),
  BitwiseOr: arithmetic({ float: (a, b) => a | b, big: (a, b) => a | b }),
  BitwiseXor: arithmetic({ float: (a, b) => a ^ b, big: (a, b) => a ^ b }),
  Div: arithmetic({
    float: (a, b) => a / b,
    int: (a, b) => (b === 0 ? 0 : Math.trunc(a / b)),
    big: (a, b) => (b === 0n ? 0n : a / b),
  }),
  Equal: comparison(
    (a, b) => flag(a === b),
    (a, b) => flag(a === b),
  ),
  Greater: comparison(
    (a, b) => flag(a > b),
    (a, b) => flag(a > b),
  ),
  GreaterOrEqual: comparison(
    (a, b) => flag(a >= b),
    (a, b) => flag(a >= b),
  ),
  Less: comparison(
    (a, b) => flag(a < b),
    (a, b) => flag(a < b),
  ),
  LessOrEqual: comparison(
    (a, b) => flag(a <= b),
    (a, b) => flag(a <= b),
  ),
  Max: folded({ float: Math.max, big: larger }),
  Mean: summed((count) => count),
  Min: folded({ float: Math.min, big: smaller }),
  Mod: mod,
  // Products of 32-bit integers do not fit a double; imul keeps the low half, which is the wrapped result.
  Mul: arithmetic({ float: times, int: Math.imul, big: (a, b) => a * b }),
  Or: arithmetic({ float: (a, b) => a | b }),
  Pow: pow,
  Sub: arithmetic({ float: (a, b) => a - b, big: (a, b) => a - b }),
  Sum: summed(() => 1),
  Where: where,
  Xor: arithmetic({ float: (a, b) => a ^ b }),
} as const satisfies Record<keyof typeof BINARY, Kernel>;
