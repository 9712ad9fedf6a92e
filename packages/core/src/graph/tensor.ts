import { fail } from "../base/error.ts";
import { byteLength, DTYPES, type DType } from "./dtype.ts";
import { fromBfloat, fromHalf, toBfloat, toHalf } from "./float16.ts";

/**
 * A dense tensor in row-major order. `bytes` holds the elements little-endian, packed as ONNX `raw_data` packs them, and may be an unaligned
 * view into a model file: read it through the view functions below. `strings` is set for dtype "string" only (then `bytes` is empty).
 * Tensors are never written to after they were made; weights are shared by reference.
 */
export interface Tensor {
  readonly dtype: DType;
  /** Sizes by axis, e.g. [N, C, H, W]; [] is a scalar. */
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
  /** UTF-8 or arbitrary bytes of each element. */
  readonly strings?: readonly Uint8Array[];
}

/** Typed arrays by element type; sub-byte and 8-bit float types are seen as packed bytes, 16-bit floats as their bits. */
export interface ViewOf {
  float32: Float32Array;
  float64: Float64Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
  int16: Int16Array;
  uint16: Uint16Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  int32: Int32Array;
  uint32: Uint32Array;
  int64: BigInt64Array;
  uint64: BigUint64Array;
}

/** Element types that have a typed array of their own. */
export type ViewDType = keyof ViewOf;

type Ctor = {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): ViewOf[ViewDType];
};

const VIEWS: { readonly [K in ViewDType]: Ctor } = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
};

/** Number of elements of a shape; 1 for a scalar. */
export function countOf(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

/**
 * The elements as the typed array of `dtype`. Shares memory with the tensor when its bytes are aligned, and is a copy otherwise: never
 * write to it. @throws DTYPE_MISMATCH when the tensor has another element type.
 */
export function view<K extends ViewDType>(tensor: Tensor, dtype: K): ViewOf[K] {
  if (tensor.dtype !== dtype) throw fail("DTYPE_MISMATCH", `Cannot read a ${tensor.dtype} tensor as ${dtype}: the types differ`);
  const ctor = VIEWS[dtype];
  const { bytes } = tensor;
  const length = Math.floor(bytes.byteLength / ctor.BYTES_PER_ELEMENT);
  if (bytes.byteOffset % ctor.BYTES_PER_ELEMENT === 0) return new ctor(bytes.buffer, bytes.byteOffset, length) as ViewOf[K];
  // Not bytes.slice(): what Node's file reader gives is a Buffer, whose slice shares memory.
  const copy = new Uint8Array(bytes);
  return new ctor(copy.buffer, 0, length) as ViewOf[K];
}

/** A tensor around a typed array, without copying. The array must not be written to afterwards. @throws SHAPE_MISMATCH on a wrong length. */
export function tensor<K extends ViewDType>(dtype: K, shape: readonly number[], data: ViewOf[K]): Tensor {
  if (countOf(shape) !== data.length) {
    throw fail(
      "SHAPE_MISMATCH",
      `Cannot make a ${dtype} tensor of shape [${shape}] from ${data.length} elements: it needs ${countOf(shape)}`,
    );
  }
  return { dtype, shape, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

/** `f32[...shape]` from numbers or a Float32Array (which is not copied). */
export function f32(shape: readonly number[], data: Float32Array | readonly number[]): Tensor {
  return tensor("float32", shape, data instanceof Float32Array ? data : Float32Array.from(data));
}

/** `i64[...shape]` from integers. */
export function i64(shape: readonly number[], data: readonly (number | bigint)[]): Tensor {
  return tensor("int64", shape, BigInt64Array.from(data, BigInt));
}

/** A tensor of strings; each becomes its UTF-8 bytes. */
export function stringTensor(shape: readonly number[], data: readonly string[]): Tensor {
  if (countOf(shape) !== data.length)
    throw fail("SHAPE_MISMATCH", `Cannot make a string tensor of shape [${shape}] from ${data.length} elements`);
  const encoder = new TextEncoder();
  return { dtype: "string", shape, bytes: new Uint8Array(0), strings: data.map((s) => encoder.encode(s)) };
}

/**
 * A tensor of any numeric type from numbers, rounded and wrapped as a typed array assignment would; bool from 0 and 1; float16 and bfloat16
 * rounded to nearest even; int4/uint4/int2/uint2 packed. @throws DTYPE_MISMATCH for types without a number form (string, complex, float8).
 */
export function fromNumbers(dtype: DType, shape: readonly number[], values: ArrayLike<number | bigint>): Tensor {
  const count = countOf(shape);
  if (count !== values.length)
    throw fail("SHAPE_MISMATCH", `Cannot make a ${dtype} tensor of shape [${shape}] from ${values.length} elements`);
  const bytes = new Uint8Array(byteLength(dtype, count));
  const { bits } = DTYPES[dtype];
  if (dtype === "int64" || dtype === "uint64") {
    const out = new BigInt64Array(bytes.buffer);
    for (let i = 0; i < count; i++) out[i] = BigInt(values[i] as number | bigint);
  } else if (bits === 4 || bits === 2) {
    if (dtype === "float4e2m1")
      throw fail("DTYPE_MISMATCH", "Cannot make a float4e2m1 tensor from numbers: no number form is defined");
    const perByte = 8 / bits;
    const mask = (1 << bits) - 1;
    for (let i = 0; i < count; i++) {
      const at = Math.floor(i / perByte);
      bytes[at] = (bytes[at] as number) | ((Number(values[i]) & mask) << ((i % perByte) * bits));
    }
  } else if (dtype in VIEWS) {
    const out = new VIEWS[dtype as ViewDType](bytes.buffer, 0, count) as { [index: number]: number };
    const encode = dtype === "float16" ? toHalf : dtype === "bfloat16" ? toBfloat : Number;
    for (let i = 0; i < count; i++) out[i] = encode(Number(values[i]));
  } else {
    throw fail("DTYPE_MISMATCH", `Cannot make a ${dtype} tensor from numbers: no number form is defined`);
  }
  return { dtype, shape, bytes };
}

/**
 * The elements as doubles, whatever the type: 64-bit integers lose precision beyond 2^53, bool gives 0 and 1, 16-bit floats and packed
 * integers are decoded. @throws DTYPE_MISMATCH for string, complex and 8-bit or 4-bit floats.
 */
export function toNumbers(t: Tensor): Float64Array {
  const count = countOf(t.shape);
  const out = new Float64Array(count);
  const { bits, class: kind } = DTYPES[t.dtype];
  if (t.dtype === "int64" || t.dtype === "uint64") {
    const data = view(t, t.dtype as "int64");
    for (let i = 0; i < count; i++) out[i] = Number(data[i]);
  } else if (t.dtype === "float16" || t.dtype === "bfloat16") {
    const data = view(t, t.dtype);
    const decode = t.dtype === "float16" ? fromHalf : fromBfloat;
    for (let i = 0; i < count; i++) out[i] = decode(data[i] as number);
  } else if ((bits === 4 || bits === 2) && kind !== "float") {
    const perByte = 8 / bits;
    const mask = (1 << bits) - 1;
    const half = 1 << (bits - 1);
    for (let i = 0; i < count; i++) {
      const raw = ((t.bytes[Math.floor(i / perByte)] as number) >> ((i % perByte) * bits)) & mask;
      out[i] = kind === "int" && raw >= half ? raw - (mask + 1) : raw;
    }
  } else if (t.dtype in VIEWS) {
    const data = view(t, t.dtype as "float32");
    for (let i = 0; i < count; i++) out[i] = data[i] as number;
  } else {
    throw fail("DTYPE_MISMATCH", `Cannot read a ${t.dtype} tensor as numbers: no number form is defined`);
  }
  return out;
}

/** The integer elements as a plain list, for shapes, axes and pads. Values beyond 2^53 (such as "to the end" marks) are clamped to it. */
export function toInts(t: Tensor): number[] {
  return Array.from(toNumbers(t), (v) => Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, v)));
}

/** Whether two tensors have the same type, shape and bytes. NaNs with the same bits are equal; 0 and -0 are not. */
export function sameTensor(a: Tensor, b: Tensor): boolean {
  if (a === b) return true;
  if (a.dtype !== b.dtype || a.shape.length !== b.shape.length || a.bytes.length !== b.bytes.length) return false;
  if (a.shape.some((size, i) => size !== b.shape[i])) return false;
  if (a.strings || b.strings) {
    if (a.strings?.length !== b.strings?.length) return false;
    return (a.strings ?? []).every((s, i) => {
      const o = b.strings?.[i];
      return o !== undefined && s.length === o.length && s.every((v, k) => v === o[k]);
    });
  }
  return sameBytes(a.bytes, b.bytes);
}

/** Whether two lists of as many bytes are equal; several names for one place in memory are common, and need no look at it. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.buffer === b.buffer && a.byteOffset === b.byteOffset) return true;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The same elements under another shape. @throws SHAPE_MISMATCH when the counts differ. */
export function reshaped(t: Tensor, shape: readonly number[]): Tensor {
  if (countOf(shape) !== countOf(t.shape))
    throw fail("SHAPE_MISMATCH", `Cannot reshape [${t.shape}] to [${shape}]: the element counts differ`);
  return { ...t, shape };
}
