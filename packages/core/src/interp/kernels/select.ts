import { fail } from "../../base/error.ts";
import { attrInt } from "../../graph/node.ts";
import { countOf, type Tensor, tensor, toInts } from "../../graph/tensor.ts";
import { normalAxis } from "../../ops/signature.ts";
import { type Bigs, bigRoomFor, bigsOf, finish, isBig, type Numbers, numbersOf, roomFor } from "../elements.ts";
import type { Kernel } from "../kernel.ts";
import { takeIndexed } from "../move.ts";
import { needed } from "./needed.ts";

/** A tensor seen as [outer, size, inner] around one axis. */
export interface AxisView {
  readonly outer: number;
  readonly size: number;
  readonly inner: number;
}

/** Splits a shape around `axis`. */
export function aroundAxis(shape: readonly number[], axis: number): AxisView {
  return { outer: countOf(shape.slice(0, axis)), size: shape[axis] as number, inner: countOf(shape.slice(axis + 1)) };
}

type Ordered = Numbers | Bigs;

function orderedOf(t: Tensor): Ordered {
  return isBig(t.dtype) ? bigsOf(t) : numbersOf(t);
}

/** ArgMax and ArgMin: the first (or last) place of the element that beats all others along an axis. */
export function argKernel(beats: (a: number | bigint, b: number | bigint) => boolean): Kernel {
  return (inputs, context) => {
    const x = needed(inputs, 0, context);
    const { node } = context;
    const axis = normalAxis(attrInt(node, "axis", 0), x.shape.length, { node });
    const last = attrInt(node, "select_last_index", 0) !== 0;
    const { outer, size, inner } = aroundAxis(x.shape, axis);
    if (size === 0 && outer * inner > 0) {
      throw fail("SHAPE_MISMATCH", `Cannot take ${node.op} along axis ${axis} of [${x.shape}]: it is empty`, {
        at: { node: node.name },
      });
    }
    const from = orderedOf(x);
    const out = new BigInt64Array(outer * inner);
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const start = o * size * inner + i;
        let best = 0;
        let top = from[start] as number | bigint;
        for (let k = 1; k < size; k++) {
          const v = from[start + k * inner] as number | bigint;
          if (beats(v, top) || (last && v === top)) {
            best = k;
            top = v;
          }
        }
        out[o * inner + i] = BigInt(best);
      }
    }
    const keep = attrInt(node, "keepdims", 1) !== 0;
    const shape = x.shape.flatMap((dim, k) => (k === axis ? (keep ? [1] : []) : [dim]));
    return [tensor("int64", shape, out)];
  };
}

function accumulate<T extends number | bigint>(
  from: ArrayLike<T>,
  out: { [index: number]: T },
  options: {
    readonly view: AxisView;
    readonly reverse: boolean;
    readonly exclusive: boolean;
    readonly zero: T;
    readonly add: (a: T, b: T) => T;
  },
): void {
  const { view, reverse, exclusive, zero, add } = options;
  const { outer, size, inner } = view;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      let total = zero;
      for (let k = 0; k < size; k++) {
        const at = (o * size + (reverse ? size - 1 - k : k)) * inner + i;
        const next = add(total, from[at] as T);
        out[at] = exclusive ? total : next;
        total = next;
      }
    }
  }
}

/** CumSum along the axis given by input 1. Sums are kept in doubles and rounded once each. */
export const cumSum: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const { node } = context;
  const axis = normalAxis(toInts(needed(inputs, 1, context))[0] ?? 0, x.shape.length, { node });
  const common = {
    view: aroundAxis(x.shape, axis),
    reverse: attrInt(node, "reverse", 0) !== 0,
    exclusive: attrInt(node, "exclusive", 0) !== 0,
  };
  if (isBig(x.dtype)) {
    const from = bigsOf(x);
    const out = bigRoomFor(x.dtype, from.length);
    accumulate<bigint>(from, out as { [index: number]: bigint }, { ...common, zero: 0n, add: (a, b) => a + b });
    return [finish(x.dtype, x.shape, out)];
  }
  const from = numbersOf(x);
  const out = roomFor(x.dtype, from.length);
  accumulate<number>(from, out, { ...common, zero: 0, add: (a, b) => a + b });
  return [finish(x.dtype, x.shape, out)];
};

/** TopK: the K largest (or smallest) elements along an axis in order, of equal ones the first; and their places. */
export const topK: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const { node } = context;
  const k = toInts(needed(inputs, 1, context))[0] ?? 0;
  const axis = normalAxis(attrInt(node, "axis", -1), x.shape.length, { node });
  // 1 puts the smaller element first, -1 the larger.
  const sign = attrInt(node, "largest", 1) !== 0 ? -1 : 1;
  const { outer, size, inner } = aroundAxis(x.shape, axis);
  if (k < 0 || k > size) {
    throw fail("SHAPE_MISMATCH", `Cannot take the top ${k} along axis ${axis} of [${x.shape}]: there are ${size}`, {
      at: { node: node.name },
    });
  }
  const from = orderedOf(x);
  const indices = new Int32Array(outer * k * inner);
  const places = new BigInt64Array(indices.length);
  const order = new Int32Array(size);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const start = o * size * inner + i;
      for (let n = 0; n < size; n++) order[n] = n;
      order.sort((p, q) => {
        const a = from[start + p * inner] as number;
        const b = from[start + q * inner] as number;
        return a < b ? -sign : a > b ? sign : p - q;
      });
      for (let n = 0; n < k; n++) {
        const at = (o * k + n) * inner + i;
        indices[at] = start + (order[n] as number) * inner;
        places[at] = BigInt(order[n] as number);
      }
    }
  }
  const shape = x.shape.map((dim, i) => (i === axis ? k : dim));
  return [takeIndexed(x, shape, { indices }), tensor("int64", shape, places)];
};
