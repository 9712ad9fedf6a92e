import { fail } from "@tessera/core/base/error";
import { TENSOR_TYPES, type TensorTypeName } from "@tessera/core/formats/tflite/enums";
import { readTflite } from "@tessera/core/formats/tflite/read";
import type { TfliteModel } from "@tessera/core/formats/tflite/schema";
import type { Tensor as TensorRecord } from "@tessera/core/formats/tflite/tensor-tables";
import { type Dim, UNKNOWN_DIM } from "@tessera/core/graph/dim";
import { byteLength, type DType } from "@tessera/core/graph/dtype";
import { tensorType, type ValueInfo } from "@tessera/core/graph/model";
import type { Encoding } from "@tessera/core/graph/plan";
import { countOf, type Tensor } from "@tessera/core/graph/tensor";

/** Element types of inputs and outputs that cross as bytes, low byte first on both sides. */
const IO_TYPES: Partial<Record<TensorTypeName, DType>> = {
  FLOAT32: "float32",
  FLOAT16: "float16",
  FLOAT64: "float64",
  INT8: "int8",
  UINT8: "uint8",
  INT16: "int16",
  UINT16: "uint16",
  INT32: "int32",
  UINT32: "uint32",
  INT64: "int64",
  UINT64: "uint64",
  BOOL: "bool",
};

const BY_CODE: ReadonlyMap<number, DType> = new Map(
  Object.entries(IO_TYPES).map(([name, dtype]) => [TENSOR_TYPES[name as TensorTypeName], dtype]),
);

/** One input or output of subgraph 0. */
export interface TfliteValue extends ValueInfo {
  readonly dtype: DType;
  /** As declared: the size that the model comes up with. */
  readonly shape: readonly number[];
  /** By axis: whether the signature leaves the size open. */
  readonly open: readonly boolean[];
  /** Index of the tensor in subgraph 0. */
  readonly tensor: number;
}

/** Inputs and outputs of subgraph 0, named after their tensors, in the order of the graph. */
export interface TfliteIo {
  readonly records: TfliteModel;
  readonly inputs: readonly TfliteValue[];
  readonly outputs: readonly TfliteValue[];
  readonly encodings: ReadonlyMap<string, Encoding>;
}

function encodingOf(dtype: DType, { quantization }: TensorRecord): Encoding | undefined {
  const { scale, zeroPoint, quantizedDimension } = quantization ?? {};
  if (!scale?.length || quantization?.details !== undefined) return undefined;
  if (dtype !== "int8" && dtype !== "uint8" && dtype !== "int16" && dtype !== "int32") return undefined;
  return {
    dtype,
    scale: [...scale],
    zeroPoint: Array.from(scale, (_, i) => Number(zeroPoint?.[i] ?? 0)),
    ...(scale.length > 1 ? { axis: quantizedDimension ?? 0 } : {}),
    reason: "written in the file",
  };
}

function ioValue(record: TensorRecord | undefined, tensor: number, side: "input" | "output"): TfliteValue {
  if (record === undefined)
    throw fail("MALFORMED", `Cannot run the model: it has no tensor ${tensor}, which it names as input or output`);
  const name = record.name ?? "";
  const dtype = BY_CODE.get(record.type ?? 0);
  if (dtype === undefined) {
    const type = Object.entries(TENSOR_TYPES).find(([, code]) => code === record.type)?.[0] ?? `type ${record.type}`;
    throw fail(
      "RUNTIME_FAILED",
      `Cannot load a model: input or output ${name} has elements of ${type}, which cannot be passed in or out`,
      {
        at: { tensor: name },
      },
    );
  }
  const shape = [...(record.shape ?? [])];
  const open = shape.map((size, axis) => size < 0 || (record.shapeSignature?.[axis] ?? size) < 0);
  return {
    name,
    dtype,
    shape: shape.map((size) => (size < 0 ? 1 : size)),
    open,
    tensor,
    type: tensorType(
      dtype,
      // What a file declares of an open size other than the batch is a dummy where the output comes out of the graph.
      shape.map((size, axis): Dim => (size < 0 || (side === "output" && axis > 0 && open[axis]) ? UNKNOWN_DIM : size)),
    ),
  };
}

/**
 * What a TFLite file takes and gives. Names are those of the tensors, also where a signature has others.
 * @throws TRUNCATED, MALFORMED, LIMIT_EXCEEDED, UNSUPPORTED_FORMAT; RUNTIME_FAILED for element types without a form here (strings, resources, 4 bits)
 */
export function tfliteIo(bytes: Uint8Array): TfliteIo {
  const records = readTflite(bytes);
  const [graph] = records.subgraphs ?? [];
  if (graph === undefined) throw fail("MALFORMED", "Cannot load a model: the file has no subgraph");
  const inputs = Array.from(graph.inputs ?? [], (i) => ioValue(graph.tensors?.[i], i, "input"));
  const outputs = Array.from(graph.outputs ?? [], (i) => ioValue(graph.tensors?.[i], i, "output"));
  const encodings = new Map<string, Encoding>();
  for (const { name, dtype, tensor } of [...inputs, ...outputs]) {
    const encoding = encodingOf(dtype, graph.tensors?.[tensor] as TensorRecord);
    if (encoding) encodings.set(name, encoding);
  }
  return { records, inputs, outputs, encodings };
}

/** Checks a feed against what the model takes. @throws RUNTIME_FAILED for another type or shape, SHAPE_MISMATCH for a wrong number of bytes */
export function checkFeed(value: TfliteValue, { dtype, shape, bytes }: Tensor): void {
  const at = { tensor: value.name };
  if (dtype !== value.dtype)
    throw fail("RUNTIME_FAILED", `Cannot feed ${value.name}: it takes ${value.dtype}, not ${dtype}`, { at });
  if (shape.length !== value.shape.length || value.shape.some((size, i) => !value.open[i] && size !== shape[i])) {
    throw fail("RUNTIME_FAILED", `Cannot feed ${value.name}: it takes the shape [${value.shape}], not [${shape}]`, { at });
  }
  const wanted = byteLength(dtype, countOf(shape));
  if (bytes.byteLength !== wanted) {
    throw fail(
      "SHAPE_MISMATCH",
      `Cannot feed ${value.name}: a ${dtype} tensor of shape [${shape}] has ${wanted} bytes, not ${bytes.byteLength}`,
      { at },
    );
  }
}
