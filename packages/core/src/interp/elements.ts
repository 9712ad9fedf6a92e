import { DTYPES, type DType } from "../graph/dtype.ts";
import { toBfloat, toHalf } from "../graph/float16.ts";
import { countOf, fromNumbers, type Tensor, tensor, toNumbers, type ViewDType, view } from "../graph/tensor.ts";

/** Elements a kernel computes with as numbers. */
export type Numbers = Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array;

/** Elements of 64-bit integers, which stay exact. */
export type Bigs = BigInt64Array | BigUint64Array;

/** Whether elements of the type are computed with as bigints. */
export function isBig(dtype: DType): dtype is "int64" | "uint64" {
  return dtype === "int64" || dtype === "uint64";
}

/**
 * The elements as numbers, sharing memory where the type has its own typed array; 16-bit floats and packed integers are decoded to doubles.
 * Never write to it. @throws DTYPE_MISMATCH for strings, complex and 8-bit floats.
 */
export function numbersOf(t: Tensor): Numbers {
  switch (t.dtype) {
    case "float32":
    case "float64":
    case "int8":
    case "uint8":
    case "bool":
    case "int16":
    case "uint16":
    case "int32":
    case "uint32":
      return view(t, t.dtype) as Numbers;
    default:
      return toNumbers(t);
  }
}

/** The elements of an int64 or uint64 tensor. Never write to it. */
export function bigsOf(t: Tensor): Bigs {
  return t.dtype === "uint64" ? view(t, "uint64") : view(t, "int64");
}

/** Room for `count` results of a type, to be given to {@link finish}. Storing rounds or wraps as the type does, except for 16-bit floats. */
export function roomFor(dtype: DType, count: number): Numbers {
  switch (dtype) {
    case "float32":
      return new Float32Array(count);
    case "int8":
      return new Int8Array(count);
    case "uint8":
    case "bool":
      return new Uint8Array(count);
    case "int16":
      return new Int16Array(count);
    case "uint16":
      return new Uint16Array(count);
    case "int32":
      return new Int32Array(count);
    case "uint32":
      return new Uint32Array(count);
    default:
      return new Float64Array(count);
  }
}

/** Room for `count` 64-bit integers. */
export function bigRoomFor(dtype: "int64" | "uint64", count: number): Bigs {
  return dtype === "uint64" ? new BigUint64Array(count) : new BigInt64Array(count);
}

/** A tensor from what {@link roomFor} or {@link bigRoomFor} gave, rounding doubles to the 16-bit and packed types now. */
export function finish(dtype: DType, shape: readonly number[], data: Numbers | Bigs): Tensor {
  if (dtype === "float16" || dtype === "bfloat16") {
    const encode = dtype === "float16" ? toHalf : toBfloat;
    const out = new Uint16Array(data.length);
    for (let i = 0; i < out.length; i++) out[i] = encode(data[i] as number);
    return tensor(dtype, shape, out);
  }
  if (DTYPES[dtype].bits < 8) return fromNumbers(dtype, shape, data);
  return tensor(dtype as ViewDType, shape, data as Float32Array);
}

/** A bool tensor of one value. */
export function boolTensor(shape: readonly number[], data: Uint8Array): Tensor {
  return tensor("bool", shape, data);
}

/** Number of elements of a tensor. */
export function sizeOf(t: Tensor): number {
  return countOf(t.shape);
}
