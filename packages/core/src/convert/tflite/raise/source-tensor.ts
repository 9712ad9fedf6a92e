import { fail } from "../../../base/error.ts";
import { enumName, TENSOR_TYPES, type TensorTypeName } from "../../../formats/tflite/enums.ts";
import type { SubGraph, TfliteModel } from "../../../formats/tflite/schema.ts";
import type { Tensor as TensorRecord } from "../../../formats/tflite/tensor-tables.ts";
import { DTYPES, type DType } from "../../../graph/dtype.ts";
import type { Encoding, QuantDType } from "../../../graph/plan.ts";
import { countOf, type Tensor, view } from "../../../graph/tensor.ts";
import { densify } from "./sparse.ts";

/** Element types that have a form in the canonical graph. Strings, resources, variants and complex numbers have none. */
const DTYPE_OF: Readonly<Partial<Record<TensorTypeName, DType>>> = {
  FLOAT32: "float32",
  FLOAT16: "float16",
  INT32: "int32",
  UINT8: "uint8",
  INT64: "int64",
  BOOL: "bool",
  INT16: "int16",
  INT8: "int8",
  FLOAT64: "float64",
  UINT64: "uint64",
  UINT32: "uint32",
  UINT16: "uint16",
  INT4: "int4",
  BFLOAT16: "bfloat16",
  INT2: "int2",
  UINT4: "uint4",
};

/** Integer types that stand for real numbers when they have a scale. An int32 stands for itself unless it is a bias. */
const QUANTIZED: ReadonlySet<DType> = new Set<DType>(["int8", "uint8", "int16", "uint16", "int4", "uint4"]);

/** Most axes of a tensor: kernels stop at 8, and work on shapes grows with their square. */
export const MAX_RANK = 32;

/** A tensor of the file, its facts checked. */
export interface SourceTensor {
  readonly index: number;
  /** Name in the file; may be empty, or that of another tensor too. */
  readonly name: string;
  /** Element type in the file. */
  readonly dtype: DType;
  /** As declared. Believed of inputs and constants only. */
  readonly shape: readonly number[];
  /** Scales and zero points as they stand, `axis` counted in the file's order; `undefined` where there are none. */
  readonly encoding: Encoding | undefined;
  /** Whether its integers stand for real numbers, so that it is a float32 value in the canonical graph. */
  readonly isQuantized: boolean;
  readonly isVariable: boolean;
  /** Axes along which the file allows other sizes than the declared ones. */
  readonly openAxes: readonly number[];
  /** Constant data in the file's element type, sparse storage undone. */
  readonly data: Tensor | undefined;
}

/** The tensors of one subgraph, read when they are first asked for. */
export interface SourceTensors {
  readonly count: number;
  /** @throws GRAPH_INVALID for an index that is not in the list, MALFORMED, DTYPE_MISMATCH, EXTERNAL_DATA for a tensor that cannot be used */
  get(index: number): SourceTensor;
}

/** The tensors of a subgraph. `made` holds the indices that operators or the caller give values to: those are never constants. */
export function sourceTensors(model: TfliteModel, graph: SubGraph, made: ReadonlySet<number>): SourceTensors {
  const records = graph.tensors ?? [];
  const known = new Map<number, SourceTensor>();
  return {
    count: records.length,
    get(index) {
      const found = known.get(index);
      if (found !== undefined) return found;
      const record = records[index];
      if (record === undefined)
        throw fail("GRAPH_INVALID", `Cannot find tensor ${index}: the subgraph has ${records.length} of them`);
      const read = readTensor(model, record, { index, isMade: made.has(index) });
      known.set(index, read);
      return read;
    },
  };
}

function readTensor(
  model: TfliteModel,
  record: TensorRecord,
  at: { readonly index: number; readonly isMade: boolean },
): SourceTensor {
  const name = record.name ?? "";
  const where = { at: { tensor: name === "" ? `#${at.index}` : name } };
  const typeName = enumName(TENSOR_TYPES, record.type);
  const dtype = typeName === undefined ? undefined : DTYPE_OF[typeName];
  if (dtype === undefined) {
    throw fail(
      "DTYPE_MISMATCH",
      `Cannot raise tensor ${where.at.tensor}: element type ${typeName ?? record.type} has no form in the canonical graph`,
      where,
    );
  }
  const shape = Array.from(record.shape ?? []);
  if (shape.length > MAX_RANK)
    throw fail(
      "LIMIT_EXCEEDED",
      `Cannot use tensor ${where.at.tensor}: it has ${shape.length} axes, more than ${MAX_RANK}`,
      where,
    );
  if (shape.some((size) => size < 0))
    throw fail("MALFORMED", `Cannot use tensor ${where.at.tensor}: its shape is [${shape}]`, where);
  const encoding = readEncoding(record, { dtype, shape, where });
  return {
    index: at.index,
    name,
    dtype,
    shape,
    encoding,
    isQuantized: encoding !== undefined && QUANTIZED.has(dtype),
    isVariable: record.isVariable,
    openAxes: Array.from(record.shapeSignature ?? []).flatMap((size, axis) => (size === -1 ? [axis] : [])),
    data: at.isMade ? undefined : readData(model, record, { dtype, shape, where }),
  };
}

interface Facts {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly where: { readonly at: { readonly tensor: string } };
}

function readEncoding(record: TensorRecord, { dtype, shape, where }: Facts): Encoding | undefined {
  const { quantization } = record;
  const { class: kind } = DTYPES[dtype];
  if (quantization === undefined || (kind !== "int" && kind !== "uint")) return undefined;
  const bad = (why: string): Error => fail("MALFORMED", `Cannot use the quantization of ${where.at.tensor}: ${why}`, where);
  if (quantization.details !== undefined && quantization.details.kind !== "CustomQuantization") {
    throw fail(
      "UNSUPPORTED_OP",
      `Cannot raise ${where.at.tensor}: it is quantized in blocks (${quantization.details.kind})`,
      where,
    );
  }
  const scale = Array.from(quantization.scale ?? []);
  // Some converters write a zero, or a zero for each channel, where nothing is quantized.
  if (scale.length === 0 || (!QUANTIZED.has(dtype) && scale.every((s) => s === 0))) return undefined;
  const worst = scale.find((s) => !(s > 0 && Number.isFinite(s)));
  if (worst !== undefined) throw bad(`a scale is ${worst}`);
  const zeroPoints = Array.from(quantization.zeroPoint ?? [], Number);
  const axis = quantization.quantizedDimension;
  if (scale.length > 1 && shape[axis] !== scale.length) throw bad(`${scale.length} scales along axis ${axis} of [${shape}]`);
  if (zeroPoints.length > 1 && zeroPoints.length !== scale.length)
    throw bad(`${zeroPoints.length} zero points for ${scale.length} scales`);
  const zeroPoint = scale.map((_, i) => zeroPoints[zeroPoints.length === 1 ? 0 : i] ?? 0);
  const { bits } = DTYPES[dtype];
  const low = kind === "uint" ? 0 : -(2 ** (bits - 1));
  const high = low + 2 ** bits - 1;
  const outside = zeroPoint.find((z) => z < low || z > high);
  if (outside !== undefined) throw bad(`zero point ${outside} is no ${dtype}`);
  return { dtype: dtype as QuantDType, scale, zeroPoint, ...(scale.length > 1 ? { axis } : {}), reason: "as in the file" };
}

function readData(model: TfliteModel, record: TensorRecord, facts: Facts): Tensor | undefined {
  const { dtype, shape, where } = facts;
  if (record.externalBuffer !== 0) {
    throw fail("EXTERNAL_DATA", `Cannot read ${where.at.tensor}: its data lies in another file`, where);
  }
  const buffer = model.buffers?.[record.buffer];
  if (buffer === undefined && record.buffer !== 0)
    throw fail("GRAPH_INVALID", `Cannot read ${where.at.tensor}: there is no buffer ${record.buffer}`, where);
  const bytes = buffer?.data ?? new Uint8Array(0);
  if (record.sparsity !== undefined && bytes.length > 0)
    return densify(record.sparsity, { dtype, shape, bytes, name: where.at.tensor });
  const count = countOf(shape);
  const needed = Math.ceil((DTYPES[dtype].bits * count) / 8);
  if (bytes.length === 0) return count === 0 ? { dtype, shape, bytes } : undefined;
  if (bytes.length !== needed)
    throw fail(
      "MALFORMED",
      `Cannot read ${where.at.tensor}: ${dtype}[${shape}] takes ${needed} bytes, and there are ${bytes.length}`,
      where,
    );
  return { dtype, shape, bytes };
}

/** Integers of a tensor with an encoding, or of an int32 or int64 tensor, as a plain array that shares memory where it can. */
export function integersOf(tensor: Tensor): ArrayLike<number | bigint> {
  switch (tensor.dtype) {
    case "int8":
    case "uint8":
    case "int16":
    case "uint16":
    case "int32":
    case "int64":
      return view(tensor, tensor.dtype);
    default: {
      const { bits, class: kind } = DTYPES[tensor.dtype];
      const perByte = 8 / bits;
      const mask = (1 << bits) - 1;
      const half = kind === "int" ? 1 << (bits - 1) : mask + 1;
      const out = new Int8Array(countOf(tensor.shape));
      for (let i = 0; i < out.length; i++) {
        const raw = ((tensor.bytes[Math.floor(i / perByte)] as number) >> ((i % perByte) * bits)) & mask;
        out[i] = raw >= half ? raw - mask - 1 : raw;
      }
      return out;
    }
  }
}
