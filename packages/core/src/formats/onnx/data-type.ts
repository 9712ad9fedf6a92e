/**
 * `TensorProto.DataType` of ONNX 1.20: element types by name. `bits` is the size of one element (0: not of fixed size); elements below 8
 * bits are packed from the low bits of a byte upwards.
 */
export const DATA_TYPES = {
  UNDEFINED: { code: 0, bits: 0 },
  FLOAT: { code: 1, bits: 32 },
  UINT8: { code: 2, bits: 8 },
  INT8: { code: 3, bits: 8 },
  UINT16: { code: 4, bits: 16 },
  INT16: { code: 5, bits: 16 },
  INT32: { code: 6, bits: 32 },
  INT64: { code: 7, bits: 64 },
  STRING: { code: 8, bits: 0 },
  BOOL: { code: 9, bits: 8 },
  FLOAT16: { code: 10, bits: 16 },
  DOUBLE: { code: 11, bits: 64 },
  UINT32: { code: 12, bits: 32 },
  UINT64: { code: 13, bits: 64 },
  COMPLEX64: { code: 14, bits: 64 },
  COMPLEX128: { code: 15, bits: 128 },
  BFLOAT16: { code: 16, bits: 16 },
  FLOAT8E4M3FN: { code: 17, bits: 8 },
  FLOAT8E4M3FNUZ: { code: 18, bits: 8 },
  FLOAT8E5M2: { code: 19, bits: 8 },
  FLOAT8E5M2FNUZ: { code: 20, bits: 8 },
  UINT4: { code: 21, bits: 4 },
  INT4: { code: 22, bits: 4 },
  FLOAT4E2M1: { code: 23, bits: 4 },
  FLOAT8E8M0: { code: 24, bits: 8 },
  UINT2: { code: 25, bits: 2 },
  INT2: { code: 26, bits: 2 },
} as const satisfies Record<string, { readonly code: number; readonly bits: number }>;

/** Name of an ONNX element type. */
export type DataTypeName = keyof typeof DATA_TYPES;

const NAME_OF_CODE: ReadonlyMap<number, DataTypeName> = new Map(
  (Object.keys(DATA_TYPES) as DataTypeName[]).map((name) => [DATA_TYPES[name].code, name]),
);

/** The name of an element type code, or undefined for one that this version does not know. */
export function dataTypeName(code: number): DataTypeName | undefined {
  return NAME_OF_CODE.get(code);
}

/** `AttributeProto.AttributeType`: which field of an attribute holds its value. */
export const ATTRIBUTE_TYPES = {
  UNDEFINED: 0,
  FLOAT: 1,
  INT: 2,
  STRING: 3,
  TENSOR: 4,
  GRAPH: 5,
  FLOATS: 6,
  INTS: 7,
  STRINGS: 8,
  TENSORS: 9,
  GRAPHS: 10,
  SPARSE_TENSOR: 11,
  SPARSE_TENSORS: 12,
  TYPE_PROTO: 13,
  TYPE_PROTOS: 14,
} as const satisfies Record<string, number>;

/** `TensorProto.DataLocation`: where a tensor's data is. */
export const DATA_LOCATIONS = { DEFAULT: 0, EXTERNAL: 1 } as const satisfies Record<string, number>;
