import { fail } from "../../base/error.ts";
import { dataTypeName } from "../../formats/onnx/data-type.ts";
import { type ExternalDataResolver, hasExternalData, resolveExternalData } from "../../formats/onnx/external-data.ts";
import type { TensorProto } from "../../formats/onnx/records.ts";
import { byteLength, DTYPES, type DType, dtypeFromOnnx } from "../../graph/dtype.ts";
import type { Tensor } from "../../graph/tensor.ts";

type NumberArray = Float32Array | Float64Array | Int32Array | BigInt64Array | BigUint64Array;

function broken(proto: TensorProto, why: string): Error {
  return fail("MALFORMED", `Cannot use a tensor: ${why}`, { at: { tensor: proto.name ?? "" } });
}

/** Sizes of a tensor record as plain numbers. @throws MALFORMED when one is negative or their product is no safe integer */
export function readDims(proto: Pick<TensorProto, "dims" | "name">): {
  readonly shape: readonly number[];
  readonly count: number;
} {
  const shape = (proto.dims ?? []).map(Number);
  let count = 1;
  for (const size of shape) {
    if (size < 0) throw broken(proto, `its shape [${shape}] has a negative size`);
    // A later zero must not hide an overflow: shapes are multiplied in any order later on.
    count = size === 0 || count === 0 ? 0 : count * size;
    if (!Number.isSafeInteger(size) || !Number.isSafeInteger(count)) throw broken(proto, `its shape [${shape}] is too large`);
  }
  return { shape, count };
}

/** The typed field that holds elements of a type when there is no raw data. */
function typedField(dtype: DType): "floatData" | "int32Data" | "int64Data" | "doubleData" | "uint64Data" {
  switch (dtype) {
    case "float32":
    case "complex64":
      return "floatData";
    case "float64":
    case "complex128":
      return "doubleData";
    case "int64":
      return "int64Data";
    case "uint32":
    case "uint64":
      return "uint64Data";
    default:
      return "int32Data";
  }
}

function bytesOf(array: NumberArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Elements that a typed field keeps wider than the type, cut to its width: one list item is one element, or one byte of packed ones. */
function narrowed(data: NumberArray, bytesPerItem: number): Uint8Array {
  if (bytesPerItem === data.BYTES_PER_ELEMENT) return bytesOf(data);
  const from = bytesOf(data);
  const width = data.BYTES_PER_ELEMENT;
  const to = new Uint8Array(data.length * bytesPerItem);
  // Little-endian: the low bytes come first.
  for (let i = 0; i < data.length; i++)
    for (let b = 0; b < bytesPerItem; b++) to[i * bytesPerItem + b] = from[i * width + b] as number;
  return to;
}

/**
 * The tensor of a record. Raw and external data stay views of the file; typed fields are repacked to the type's own width.
 *
 * @throws MALFORMED when shape, type and data do not fit each other; DTYPE_MISMATCH for an unknown element type; EXTERNAL_DATA when data in
 *   another file cannot be had
 */
export function readTensor(proto: TensorProto, resolve: ExternalDataResolver | undefined): Tensor {
  const code = proto.dataType ?? 0;
  if (dataTypeName(code) === undefined || code === 0) {
    throw fail("DTYPE_MISMATCH", `Cannot use a tensor: element type ${code} is not known`, { at: { tensor: proto.name ?? "" } });
  }
  const dtype = dtypeFromOnnx(code);
  if (proto.segment !== undefined) throw broken(proto, "it is cut into segments, which no tool reads");
  const { shape, count } = readDims(proto);
  if (dtype === "string") {
    const strings = proto.stringData ?? [];
    if (strings.length !== count) throw broken(proto, `its shape [${shape}] needs ${count} strings and it has ${strings.length}`);
    return { dtype, shape, bytes: new Uint8Array(0), strings };
  }
  const needed = byteLength(dtype, count);
  const checked = (bytes: Uint8Array, where: string): Tensor => {
    if (bytes.length !== needed)
      throw broken(proto, `${dtype}[${shape}] needs ${needed} bytes and its ${where} has ${bytes.length}`);
    return { dtype, shape, bytes };
  };
  if (hasExternalData(proto)) return checked(resolveExternalData(proto, resolve ?? (() => undefined)), "external data");
  if (proto.rawData !== undefined) return checked(proto.rawData, "raw data");
  const field = typedField(dtype);
  const data = proto[field];
  if (data === undefined) return checked(new Uint8Array(0), "data");
  const { bits } = DTYPES[dtype];
  const bytesPerItem = dtype === "complex64" ? 4 : dtype === "complex128" ? 8 : Math.max(1, bits / 8);
  if (data.length * bytesPerItem !== needed) {
    throw broken(proto, `${dtype}[${shape}] needs ${needed / bytesPerItem} items and its ${field} has ${data.length}`);
  }
  return checked(narrowed(data, bytesPerItem), field);
}
