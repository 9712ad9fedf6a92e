import { fail } from "../../base/error.ts";
import { attrInt, attrString } from "../../graph/node.ts";
import { countOf, reshaped, type Tensor, tensor, toInts } from "../../graph/tensor.ts";
import type { INDEXING } from "../../ops/indexing.ts";
import { normalAxis } from "../../ops/signature.ts";
import { bigsOf, finish, isBig, numbersOf } from "../elements.ts";
import type { Kernel, KernelContext } from "../kernel.ts";
import { denseStrides, everyPosition, joined, takeIndexed, takeMapped } from "../move.ts";
import { needed } from "./needed.ts";
import { aroundAxis } from "./select.ts";

// A place that may be negative, checked against the size: reading outside would give another tensor's element.
function place(index: number, size: number, context: KernelContext): number {
  const at = index < 0 ? index + size : index;
  if (!(at >= 0 && at < size)) {
    throw fail("SHAPE_MISMATCH", `Cannot run ${context.node.op}: index ${index} is outside a size of ${size}`, {
      at: { node: context.node.name },
    });
  }
  return at;
}

const gather: Kernel = (inputs, context) => {
  const data = needed(inputs, 0, context);
  const indices = needed(inputs, 1, context);
  const axis = normalAxis(attrInt(context.node, "axis", 0), data.shape.length, { node: context.node });
  const size = data.shape[axis] as number;
  const chosen = Int32Array.from(toInts(indices), (at) => place(at, size, context));
  const taken = takeMapped(
    data,
    data.shape.map((dim, i) => (i === axis ? chosen : everyPosition(dim))),
  );
  return [reshaped(taken, [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)])];
};

// Elements of `data` that the elements of an index tensor of the same rank name along an axis.
function elementPlaces(data: Tensor, indices: Tensor, context: KernelContext): Int32Array {
  const axis = normalAxis(attrInt(context.node, "axis", 0), data.shape.length, { node: context.node });
  const strides = denseStrides(data.shape);
  const own = denseStrides(indices.shape);
  const size = data.shape[axis] as number;
  return Int32Array.from(toInts(indices), (at, i) => {
    let flat = place(at, size, context) * (strides[axis] as number);
    for (let k = 0, rest = i; k < own.length; k++) {
      const coordinate = Math.floor(rest / (own[k] as number));
      rest -= coordinate * (own[k] as number);
      if (k !== axis) flat += coordinate * (strides[k] as number);
    }
    return flat;
  });
}

const gatherElements: Kernel = (inputs, context) => {
  const data = needed(inputs, 0, context);
  const indices = needed(inputs, 1, context);
  return [takeIndexed(data, indices.shape, { indices: elementPlaces(data, indices, context) })];
};

// First element of the slice that each index tuple names, and the size of a slice.
function tuplePlaces(
  data: Tensor,
  indices: Tensor,
  options: { readonly batch: number; readonly context: KernelContext },
): { starts: Int32Array; size: number } {
  const { batch, context } = options;
  const depth = indices.shape[indices.shape.length - 1] as number;
  const strides = denseStrides(data.shape);
  const values = toInts(indices);
  const count = countOf(indices.shape.slice(0, -1));
  const perBatch = countOf(indices.shape.slice(batch, -1));
  const batchSize = countOf(data.shape.slice(batch));
  const starts = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    let at = Math.floor(i / perBatch) * batchSize;
    for (let k = 0; k < depth; k++) {
      at += place(values[i * depth + k] as number, data.shape[batch + k] as number, context) * (strides[batch + k] as number);
    }
    starts[i] = at;
  }
  return { starts, size: countOf(data.shape.slice(batch + depth)) };
}

function spread(starts: Int32Array, size: number): Int32Array {
  const out = new Int32Array(starts.length * size);
  for (let i = 0; i < starts.length; i++) for (let k = 0; k < size; k++) out[i * size + k] = (starts[i] as number) + k;
  return out;
}

const gatherNd: Kernel = (inputs, context) => {
  const data = needed(inputs, 0, context);
  const indices = needed(inputs, 1, context);
  const batch = attrInt(context.node, "batch_dims", 0);
  const depth = indices.shape[indices.shape.length - 1] as number;
  const { starts, size } = tuplePlaces(data, indices, { batch, context });
  const shape = [...indices.shape.slice(0, -1), ...data.shape.slice(batch + depth)];
  return [takeIndexed(data, shape, { indices: spread(starts, size) })];
};

function larger<T extends number | bigint>(a: T, b: T): T {
  if (a > b) return a;
  return b;
}

function smaller<T extends number | bigint>(a: T, b: T): T {
  if (a < b) return a;
  return b;
}

function combiner<T extends number | bigint>(reduction: string): (a: T, b: T) => T {
  switch (reduction) {
    case "add":
      return (a, b) => ((a as number) + (b as number)) as T;
    case "mul":
      return (a, b) => ((a as number) * (b as number)) as T;
    case "max":
      return larger;
    default:
      return smaller;
  }
}

// Writes update i to element places[i], in order; later writes to the same place win or are combined.
function scattered(
  data: Tensor,
  updates: Tensor,
  options: { readonly places: Int32Array; readonly context: KernelContext },
): Tensor {
  const { places, context } = options;
  const reduction = attrString(context.node, "reduction", "none");
  if (reduction === "none") {
    const count = countOf(data.shape);
    const indices = everyPosition(count);
    places.forEach((at, i) => {
      indices[at] = count + i;
    });
    const both = joined([reshaped(data, [count]), reshaped(updates, [places.length])], 0);
    return takeIndexed(both, data.shape, { indices });
  }
  if (isBig(data.dtype)) {
    const out = bigsOf(data).slice();
    const from = bigsOf(updates);
    const combine = combiner<bigint>(reduction);
    places.forEach((at, i) => {
      out[at] = combine(out[at] as bigint, from[i] as bigint);
    });
    return finish(data.dtype, data.shape, out);
  }
  const out = numbersOf(data).slice();
  const from = numbersOf(updates);
  const combine = combiner<number>(reduction);
  places.forEach((at, i) => {
    out[at] = combine(out[at] as number, from[i] as number);
  });
  return finish(data.dtype, data.shape, out);
}

const scatterElements: Kernel = (inputs, context) => {
  const data = needed(inputs, 0, context);
  const indices = needed(inputs, 1, context);
  return [scattered(data, needed(inputs, 2, context), { places: elementPlaces(data, indices, context), context })];
};

const scatterNd: Kernel = (inputs, context) => {
  const data = needed(inputs, 0, context);
  const { starts, size } = tuplePlaces(data, needed(inputs, 1, context), { batch: 0, context });
  return [scattered(data, needed(inputs, 2, context), { places: spread(starts, size), context })];
};

const nonZero: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const values = isBig(x.dtype) ? Float64Array.from(bigsOf(x), Number) : numbersOf(x);
  const strides = denseStrides(x.shape);
  const found: number[] = [];
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) found.push(i);
  const out = new BigInt64Array(x.shape.length * found.length);
  x.shape.forEach((size, axis) => {
    found.forEach((at, i) => {
      out[axis * found.length + i] = BigInt(Math.floor(at / (strides[axis] as number)) % size);
    });
  });
  return [tensor("int64", [x.shape.length, found.length], out)];
};

const oneHot: Kernel = (inputs, context) => {
  const indices = needed(inputs, 0, context);
  const depth = toInts(needed(inputs, 1, context))[0] ?? 0;
  const values = needed(inputs, 2, context);
  const axis = normalAxis(attrInt(context.node, "axis", -1), indices.shape.length + 1, { node: context.node });
  const shape = [...indices.shape.slice(0, axis), depth, ...indices.shape.slice(axis)];
  const { outer, inner } = aroundAxis(shape, axis);
  const from = toInts(indices);
  const places = new Int32Array(countOf(shape));
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const index = Math.trunc(from[o * inner + i] as number);
      const hot = index < 0 ? index + depth : index;
      if (hot >= 0 && hot < depth) places[(o * depth + hot) * inner + i] = 1;
    }
  }
  return [takeIndexed(values, shape, { indices: places })];
};

/** Reference kernels of the operators that go by index. */
export const INDEXING_KERNELS = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherNd,
  NonZero: nonZero,
  OneHot: oneHot,
  ScatterElements: scatterElements,
  ScatterND: scatterNd,
} as const satisfies Record<keyof typeof INDEXING, Kernel>;
