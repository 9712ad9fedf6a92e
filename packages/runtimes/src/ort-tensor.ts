import { fail } from "@tessera/core/base/error";
import { byteLength, DTYPES, type DType } from "@tessera/core/graph/dtype";
import { countOf, type Tensor } from "@tessera/core/graph/tensor";
import type * as Ort from "onnxruntime-node";

/** What onnxruntime's JavaScript bindings export; onnxruntime-node and onnxruntime-web share it. */
export type OrtModule = Pick<typeof Ort, "InferenceSession" | "Tensor" | "env">;

type OrtData = Ort.Tensor.DataTypeMap[Ort.Tensor.Type];
type Ctor = { readonly BYTES_PER_ELEMENT: number; new (buffer: ArrayBufferLike, byteOffset: number, length: number): OrtData };

/** Element types that the bindings can take as inputs and give as outputs, with the array they want. */
const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  float16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
} as unknown as Partial<Record<DType, Ctor>>;

/**
 * One of our tensors as one of the binding's. Shares memory when the bytes are aligned, copies otherwise.
 * @throws RUNTIME_FAILED for element types without a JavaScript form (4-bit, 8-bit float, bfloat16, complex).
 */
export function toOrtTensor(ort: OrtModule, tensor: Tensor): Ort.Tensor {
  const { dtype, shape, bytes } = tensor;
  if (dtype === "string") {
    const decoder = new TextDecoder();
    return new ort.Tensor(
      "string",
      (tensor.strings ?? []).map((s) => decoder.decode(s)),
      shape,
    );
  }
  const ctor = ARRAYS[dtype];
  if (!ctor)
    throw fail("RUNTIME_FAILED", `Cannot feed a ${dtype} tensor to onnxruntime: its JavaScript binding has no such element type`);
  const count = countOf(shape);
  if (bytes.byteLength !== byteLength(dtype, count)) {
    throw fail(
      "SHAPE_MISMATCH",
      `Cannot feed a ${dtype} tensor of shape [${shape}]: it has ${bytes.byteLength} bytes instead of ${byteLength(dtype, count)}`,
    );
  }
  const aligned = bytes.byteOffset % ctor.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  const data = new ctor(aligned.buffer, aligned.byteOffset, count);
  const made = new ort.Tensor(dtype as Ort.Tensor.Type, data as never, shape);
  // Where the engine has Float16Array (Node 24), the tensor holds one, and the native binding (1.30) takes it for empty: give back the bits.
  if (dtype === "float16" && made.data !== data) (made as unknown as { cpuData: OrtData }).cpuData = data;
  return made;
}

/** An empty tensor of the binding to write an output into; `undefined` for types without a fixed size. */
export function emptyOrtTensor(ort: OrtModule, dtype: DType, shape: readonly number[]): Ort.Tensor | undefined {
  if (dtype === "string" || !ARRAYS[dtype]) return undefined;
  return toOrtTensor(ort, { dtype, shape, bytes: new Uint8Array(byteLength(dtype, countOf(shape))) });
}

/** One of the binding's tensors as ours, sharing its memory. @throws RUNTIME_FAILED on an element type that we do not know. */
export function fromOrtTensor(value: Ort.OnnxValue): Tensor {
  const { type, dims } = value as Ort.Tensor;
  if (!(type in DTYPES))
    throw fail("RUNTIME_FAILED", `Cannot take an output of type ${type}: it is not a tensor of a known element type`);
  const dtype = type as DType;
  const shape = dims.map(Number);
  const data = (value as Ort.Tensor).data;
  if (Array.isArray(data)) {
    const encoder = new TextEncoder();
    return { dtype, shape, bytes: new Uint8Array(0), strings: data.map((s) => encoder.encode(String(s))) };
  }
  const { buffer, byteOffset, byteLength: size } = data as Uint8Array;
  return { dtype, shape, bytes: new Uint8Array(buffer, byteOffset, size) };
}
