import { dataTypeName } from "../../formats/onnx/data-type.ts";
import type { TensorDimension, TypeProto, ValueInfoProto } from "../../formats/onnx/records.ts";
import { type Dim, UNKNOWN_DIM } from "../../graph/dim.ts";
import { DTYPES, dtypeFromOnnx } from "../../graph/dtype.ts";
import type { ValueInfo, ValueType } from "../../graph/model.ts";
import type { OnnxRemarks } from "./carried.ts";

function readDim(dim: TensorDimension): Dim {
  if (dim.dimValue !== undefined) {
    const size = Number(dim.dimValue);
    // Exporters write -1 for "unknown" although the format has its own way to say so.
    return size >= 0 && Number.isSafeInteger(size) ? size : UNKNOWN_DIM;
  }
  return dim.dimParam === undefined || dim.dimParam === "" ? UNKNOWN_DIM : dim.dimParam;
}

/** The type of a record: sequences, maps, unknown element types and the like are carried as they are. */
export function readType(proto: TypeProto | undefined): ValueType {
  const tensor = proto?.tensorType;
  const code = tensor?.elemType ?? 0;
  if (tensor === undefined || code === 0 || dataTypeName(code) === undefined) return { kind: "opaque", record: proto };
  return {
    kind: "tensor",
    dtype: dtypeFromOnnx(code),
    shape: tensor.shape === undefined ? undefined : (tensor.shape.dim ?? []).map(readDim),
  };
}

function writeDim(dim: Dim): TensorDimension {
  if (typeof dim === "number") return { dimValue: dim };
  return dim === UNKNOWN_DIM ? {} : { dimParam: dim };
}

/** The record of a type; `undefined` when nothing is known. */
export function writeType(type: ValueType): TypeProto | undefined {
  if (type.kind === "opaque") return type.record as TypeProto | undefined;
  const elemType = DTYPES[type.dtype].onnx;
  return { tensorType: { elemType, ...(type.shape === undefined ? {} : { shape: { dim: type.shape.map(writeDim) } }) } };
}

/** A named value without what is carried beside it. */
export function readValueInfo(proto: ValueInfoProto): ValueInfo {
  const doc = proto.docString;
  return { name: proto.name ?? "", type: readType(proto.type), ...(doc === undefined || doc === "" ? {} : { doc }) };
}

/** What a value's record says besides name, type and documentation. */
export function remarksOn(proto: ValueInfoProto): OnnxRemarks | undefined {
  const { metadataProps, unknown } = proto;
  const denotation = proto.type?.tensorType === undefined ? undefined : proto.type.denotation;
  if (metadataProps === undefined && unknown === undefined && denotation === undefined) return undefined;
  return {
    ...(metadataProps === undefined ? {} : { metadataProps }),
    ...(denotation === undefined ? {} : { denotation }),
    ...(unknown === undefined ? {} : { unknown }),
  };
}

/** The record of a named value with what was carried. */
export function writeValueInfo(value: ValueInfo, remarks: OnnxRemarks | undefined): ValueInfoProto {
  const type = writeType(value.type);
  const denotation = remarks?.denotation;
  return {
    name: value.name,
    ...(type === undefined ? {} : { type: denotation === undefined ? type : { ...type, denotation } }),
    ...(value.doc === undefined ? {} : { docString: value.doc }),
    ...(remarks?.metadataProps === undefined ? {} : { metadataProps: remarks.metadataProps }),
    ...(remarks?.unknown === undefined ? {} : { unknown: remarks.unknown }),
  };
}
