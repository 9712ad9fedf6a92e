import { fail } from "../base/error.ts";

/**
 * Element types with the ONNX TensorProto code, the size of one element in bits, and the range class. 4- and 2-bit types are packed, low
 * bits first, as ONNX packs them.
 */
export const DTYPES = {
  float32: { onnx: 1, bits: 32, class: "float" },
  uint8: { onnx: 2, bits: 8, class: "uint" },
  int8: { onnx: 3, bits: 8, class: "int" },
  uint16: { onnx: 4, bits: 16, class: "uint" },
  int16: { onnx: 5, bits: 16, class: "int" },
  int32: { onnx: 6, bits: 32, class: "int" },
  int64: { onnx: 7, bits: 64, class: "int" },
  string: { onnx: 8, bits: 0, class: "string" },
  bool: { onnx: 9, bits: 8, class: "bool" },
  float16: { onnx: 10, bits: 16, class: "float" },
  float64: { onnx: 11, bits: 64, class: "float" },
  uint32: { onnx: 12, bits: 32, class: "uint" },
  uint64: { onnx: 13, bits: 64, class: "uint" },
  complex64: { onnx: 14, bits: 64, class: "complex" },
  complex128: { onnx: 15, bits: 128, class: "complex" },
  bfloat16: { onnx: 16, bits: 16, class: "float" },
  float8e4m3fn: { onnx: 17, bits: 8, class: "float" },
  float8e4m3fnuz: { onnx: 18, bits: 8, class: "float" },
  float8e5m2: { onnx: 19, bits: 8, class: "float" },
  float8e5m2fnuz: { onnx: 20, bits: 8, class: "float" },
  uint4: { onnx: 21, bits: 4, class: "uint" },
  int4: { onnx: 22, bits: 4, class: "int" },
  float4e2m1: { onnx: 23, bits: 4, class: "float" },
  float8e8m0: { onnx: 24, bits: 8, class: "float" },
  uint2: { onnx: 25, bits: 2, class: "uint" },
  int2: { onnx: 26, bits: 2, class: "int" },
} as const satisfies Record<string, { readonly onnx: number; readonly bits: number; readonly class: string }>;

/** Name of an element type. */
export type DType = keyof typeof DTYPES;

const BY_ONNX_CODE: ReadonlyMap<number, DType> = new Map(
  (Object.keys(DTYPES) as DType[]).map((name) => [DTYPES[name].onnx, name] as const),
);

/** The element type of an ONNX `TensorProto.DataType` code. @throws DTYPE_MISMATCH for a code that is not in the table. */
export function dtypeFromOnnx(code: number): DType {
  const dtype = BY_ONNX_CODE.get(code);
  if (dtype === undefined) throw fail("DTYPE_MISMATCH", `Cannot use element type code ${code}: ONNX defines none`);
  return dtype;
}

/** Whether values of the type are real floating-point numbers. */
export function isFloat(dtype: DType): boolean {
  return DTYPES[dtype].class === "float";
}

/** Whether values of the type are signed or unsigned integers (bool is not). */
export function isInteger(dtype: DType): boolean {
  return DTYPES[dtype].class === "int" || DTYPES[dtype].class === "uint";
}

/** Bytes that `count` elements take, packed types rounded up to a whole byte. Strings have no fixed size and give 0. */
export function byteLength(dtype: DType, count: number): number {
  return Math.ceil((DTYPES[dtype].bits * count) / 8);
}
