import type { DType } from "../graph/dtype.ts";
import { countOf, fromNumbers, type Tensor, tensor, toNumbers, view } from "../graph/tensor.ts";

/** Elements of a tensor as floating-point numbers. */
export type Reals = Float32Array | Float64Array;

/** The elements of any numeric tensor: float32 and float64 without copying (never write to it), everything else decoded into doubles. */
export function reals(t: Tensor): Reals {
  if (t.dtype === "float32") return view(t, "float32");
  if (t.dtype === "float64") return view(t, "float64");
  return toNumbers(t);
}

/** A zeroed array to compute a tensor of element type `dtype` in: float32 rounds on each store, other types are rounded once by {@link fromReals}. */
export function realsFor(dtype: DType, shape: readonly number[]): Reals {
  const count = countOf(shape);
  return dtype === "float32" ? new Float32Array(count) : new Float64Array(count);
}

/** A tensor of element type `dtype` from computed elements; float32 and float64 arrays of the right type are not copied. */
export function fromReals(dtype: DType, shape: readonly number[], data: Reals): Tensor {
  if (dtype === "float32" && data instanceof Float32Array) return tensor("float32", shape, data);
  if (dtype === "float64" && data instanceof Float64Array) return tensor("float64", shape, data);
  return fromNumbers(dtype, shape, data);
}
