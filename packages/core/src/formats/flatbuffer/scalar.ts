/** A 64-bit integer: a number while it is a safe integer, a bigint beyond. */
export type Int64 = number | bigint;

/** Scalar types of the FlatBuffers schema language, by size instead of by their C names. */
export type ScalarType =
  | "bool"
  | "int8"
  | "uint8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "float32"
  | "float64";

/** What one scalar is in a record. */
export type ScalarValue<T extends ScalarType> = T extends "bool" ? boolean : T extends "int64" | "uint64" ? Int64 : number;

/** The arrays that hold vectors of scalars. A vector of `bool` is bytes as well: 0 is false, anything else true. */
export const SCALAR_ARRAYS = {
  bool: Uint8Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
} as const satisfies Record<ScalarType, unknown>;

/** The array that holds a vector of a scalar type, over any memory. */
export type ScalarArray<T extends ScalarType> = {
  bool: Uint8Array;
  int8: Int8Array;
  uint8: Uint8Array;
  int16: Int16Array;
  uint16: Uint16Array;
  int32: Int32Array;
  uint32: Uint32Array;
  int64: BigInt64Array;
  uint64: BigUint64Array;
  float32: Float32Array;
  float64: Float64Array;
}[T];

/** Size of a scalar in the file, which is also its alignment. */
export function scalarSize(type: ScalarType): number {
  return SCALAR_ARRAYS[type].BYTES_PER_ELEMENT;
}

/** Reads one scalar; `at` and the bytes after it must be inside the view. */
export function readScalar(view: DataView, type: ScalarType, at: number): boolean | Int64 {
  switch (type) {
    case "bool":
      return view.getUint8(at) !== 0;
    case "int8":
      return view.getInt8(at);
    case "uint8":
      return view.getUint8(at);
    case "int16":
      return view.getInt16(at, true);
    case "uint16":
      return view.getUint16(at, true);
    case "int32":
      return view.getInt32(at, true);
    case "uint32":
      return view.getUint32(at, true);
    case "int64":
      return narrow(view.getBigInt64(at, true));
    case "uint64":
      return narrow(view.getBigUint64(at, true));
    case "float32":
      return view.getFloat32(at, true);
    case "float64":
      return view.getFloat64(at, true);
  }
}

function narrow(value: bigint): Int64 {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Writes one scalar that {@link fitsScalar}. */
export function writeScalar(
  view: DataView,
  spot: { readonly type: ScalarType; readonly at: number },
  value: boolean | Int64,
): void {
  const { type, at } = spot;
  switch (type) {
    case "bool":
    case "uint8":
      view.setUint8(at, Number(value));
      return;
    case "int8":
      view.setInt8(at, Number(value));
      return;
    case "int16":
      view.setInt16(at, Number(value), true);
      return;
    case "uint16":
      view.setUint16(at, Number(value), true);
      return;
    case "int32":
      view.setInt32(at, Number(value), true);
      return;
    case "uint32":
      view.setUint32(at, Number(value), true);
      return;
    case "int64":
      view.setBigInt64(at, BigInt(value), true);
      return;
    case "uint64":
      view.setBigUint64(at, BigInt(value), true);
      return;
    // Any NaN may be written for a NaN; the usual one is fixed so that the same record gives the same bytes everywhere.
    case "float32":
      if (Number.isNaN(value)) view.setUint32(at, 0x7fc00000, true);
      else view.setFloat32(at, Number(value), true);
      return;
    case "float64":
      if (Number.isNaN(value)) view.setBigUint64(at, 0x7ff8000000000000n, true);
      else view.setFloat64(at, Number(value), true);
      return;
  }
}

const INTEGER_BITS = { int8: 7, uint8: 8, int16: 15, uint16: 16, int32: 31, uint32: 32, int64: 63, uint64: 64 } as const;

/** Whether the type can hold the value without changing it (rounding to single precision apart). */
export function fitsScalar(type: ScalarType, value: unknown): boolean {
  if (type === "bool") return typeof value === "boolean";
  if (type === "float32" || type === "float64") return typeof value === "number";
  const whole = typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value));
  if (!whole) return false;
  const top = 2n ** BigInt(INTEGER_BITS[type]);
  const wide = BigInt(value);
  return wide < top && wide >= (type.startsWith("u") ? 0n : -top);
}
