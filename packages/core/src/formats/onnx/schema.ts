import { type MessageTable, message } from "../protobuf/table.ts";
import type * as Onnx from "./records.ts";

/*
 * The ONNX schema (IR 13, ONNX 1.20) as tables: field numbers and types. Facts from onnx.proto; `opaqueType` is only in the ML variant.
 * Only the typed data of tensors is declared packed there.
 */

/** `StringStringEntryProto`. */
export const STRING_STRING_ENTRY: MessageTable<Onnx.StringStringEntryProto> = message<Onnx.StringStringEntryProto>(
  "StringStringEntryProto",
  {
    key: { number: 1, type: "string" },
    value: { number: 2, type: "string" },
  },
);

/** `OperatorSetIdProto`. */
export const OPERATOR_SET_ID: MessageTable<Onnx.OperatorSetIdProto> = message<Onnx.OperatorSetIdProto>("OperatorSetIdProto", {
  domain: { number: 1, type: "string" },
  version: { number: 2, type: "int64" },
});

/** `ModelProto`: the table of a whole file. */
export const MODEL: MessageTable<Onnx.ModelProto> = message<Onnx.ModelProto>("ModelProto", {
  irVersion: { number: 1, type: "int64" },
  producerName: { number: 2, type: "string" },
  producerVersion: { number: 3, type: "string" },
  domain: { number: 4, type: "string" },
  modelVersion: { number: 5, type: "int64" },
  docString: { number: 6, type: "string" },
  graph: { number: 7, type: "message", message: () => GRAPH },
  opsetImport: { number: 8, type: "message", list: "array", message: () => OPERATOR_SET_ID },
  metadataProps: { number: 14, type: "message", list: "array", message: () => STRING_STRING_ENTRY },
  trainingInfo: { number: 20, type: "message", list: "array", message: () => TRAINING_INFO },
  functions: { number: 25, type: "message", list: "array", message: () => FUNCTION },
  configuration: { number: 26, type: "message", list: "array", message: () => DEVICE_CONFIGURATION },
});

/** `GraphProto`. */
export const GRAPH: MessageTable<Onnx.GraphProto> = message<Onnx.GraphProto>("GraphProto", {
  node: { number: 1, type: "message", list: "array", message: () => NODE },
  name: { number: 2, type: "string" },
  initializer: { number: 5, type: "message", list: "array", message: () => TENSOR },
  docString: { number: 10, type: "string" },
  input: { number: 11, type: "message", list: "array", message: () => VALUE_INFO },
  output: { number: 12, type: "message", list: "array", message: () => VALUE_INFO },
  valueInfo: { number: 13, type: "message", list: "array", message: () => VALUE_INFO },
  quantizationAnnotation: { number: 14, type: "message", list: "array", message: () => TENSOR_ANNOTATION },
  sparseInitializer: { number: 15, type: "message", list: "array", message: () => SPARSE_TENSOR },
  metadataProps: { number: 16, type: "message", list: "array", message: () => STRING_STRING_ENTRY },
});

/** `NodeProto`. */
export const NODE: MessageTable<Onnx.NodeProto> = message<Onnx.NodeProto>("NodeProto", {
  input: { number: 1, type: "string", list: "array" },
  output: { number: 2, type: "string", list: "array" },
  name: { number: 3, type: "string" },
  opType: { number: 4, type: "string" },
  attribute: { number: 5, type: "message", list: "array", message: () => ATTRIBUTE },
  docString: { number: 6, type: "string" },
  domain: { number: 7, type: "string" },
  overload: { number: 8, type: "string" },
  metadataProps: { number: 9, type: "message", list: "array", message: () => STRING_STRING_ENTRY },
  deviceConfigurations: { number: 10, type: "message", list: "array", message: () => NODE_DEVICE_CONFIGURATION },
});

/** `AttributeProto`. */
export const ATTRIBUTE: MessageTable<Onnx.AttributeProto> = message<Onnx.AttributeProto>("AttributeProto", {
  name: { number: 1, type: "string" },
  f: { number: 2, type: "float" },
  i: { number: 3, type: "int64" },
  s: { number: 4, type: "bytes" },
  t: { number: 5, type: "message", message: () => TENSOR },
  g: { number: 6, type: "message", message: () => GRAPH },
  floats: { number: 7, type: "float", list: "typed" },
  ints: { number: 8, type: "int64", list: "array" },
  strings: { number: 9, type: "bytes", list: "array" },
  tensors: { number: 10, type: "message", list: "array", message: () => TENSOR },
  graphs: { number: 11, type: "message", list: "array", message: () => GRAPH },
  docString: { number: 13, type: "string" },
  tp: { number: 14, type: "message", message: () => TYPE },
  typeProtos: { number: 15, type: "message", list: "array", message: () => TYPE },
  type: { number: 20, type: "int32" },
  refAttrName: { number: 21, type: "string" },
  sparseTensor: { number: 22, type: "message", message: () => SPARSE_TENSOR },
  sparseTensors: { number: 23, type: "message", list: "array", message: () => SPARSE_TENSOR },
});

/** `TensorProto`. */
export const TENSOR: MessageTable<Onnx.TensorProto> = message<Onnx.TensorProto>("TensorProto", {
  dims: { number: 1, type: "int64", list: "array" },
  dataType: { number: 2, type: "int32" },
  segment: { number: 3, type: "message", message: () => TENSOR_SEGMENT },
  floatData: { number: 4, type: "float", list: "typed", packed: true },
  int32Data: { number: 5, type: "int32", list: "typed", packed: true },
  stringData: { number: 6, type: "bytes", list: "array" },
  int64Data: { number: 7, type: "int64", list: "typed", packed: true },
  name: { number: 8, type: "string" },
  rawData: { number: 9, type: "bytes" },
  doubleData: { number: 10, type: "double", list: "typed", packed: true },
  uint64Data: { number: 11, type: "uint64", list: "typed", packed: true },
  docString: { number: 12, type: "string" },
  externalData: { number: 13, type: "message", list: "array", message: () => STRING_STRING_ENTRY },
  dataLocation: { number: 14, type: "int32" },
  metadataProps: { number: 16, type: "message", list: "array", message: () => STRING_STRING_ENTRY },
});

/** `TensorProto.Segment`. */
export const TENSOR_SEGMENT: MessageTable<Onnx.TensorSegment> = message<Onnx.TensorSegment>("TensorProto.Segment", {
  begin: { number: 1, type: "int64" },
  end: { number: 2, type: "int64" },
});

/** `SparseTensorProto`. */
export const SPARSE_TENSOR: MessageTable<Onnx.SparseTensorProto> = message<Onnx.SparseTensorProto>("SparseTensorProto", {
  values: { number: 1, type: "message", message: () => TENSOR },
  indices: { number: 2, type: "message", message: () => TENSOR },
  dims: { number: 3, type: "int64", list: "array" },
});

/** `TensorAnnotation`. */
export const TENSOR_ANNOTATION: MessageTable<Onnx.TensorAnnotation> = message<Onnx.TensorAnnotation>("TensorAnnotation", {
  tensorName: { number: 1, type: "string" },
  quantParameterTensorNames: { number: 2, type: "message", list: "array", message: () => STRING_STRING_ENTRY },
});

/** `ValueInfoProto`. */
export const VALUE_INFO: MessageTable<Onnx.ValueInfoProto> = message<Onnx.ValueInfoProto>("ValueInfoProto", {
  name: { number: 1, type: "string" },
  type: { number: 2, type: "message", message: () => TYPE },
  docString: { number: 3, type: "string" },
  metadataProps: { number: 4, type: "message", list: "array", message: () => STRING_STRING_ENTRY },
});

/** `TypeProto`. */
export const TYPE: MessageTable<Onnx.TypeProto> = message<Onnx.TypeProto>("TypeProto", {
  tensorType: { number: 1, type: "message", message: () => TENSOR_TYPE, oneof: "value" },
  sequenceType: { number: 4, type: "message", message: () => SEQUENCE_TYPE, oneof: "value" },
  mapType: { number: 5, type: "message", message: () => MAP_TYPE, oneof: "value" },
  denotation: { number: 6, type: "string" },
  opaqueType: { number: 7, type: "message", message: () => OPAQUE_TYPE, oneof: "value" },
  sparseTensorType: { number: 8, type: "message", message: () => SPARSE_TENSOR_TYPE, oneof: "value" },
  optionalType: { number: 9, type: "message", message: () => OPTIONAL_TYPE, oneof: "value" },
});

/** `TypeProto.Tensor`. */
export const TENSOR_TYPE: MessageTable<Onnx.TensorTypeProto> = message<Onnx.TensorTypeProto>("TypeProto.Tensor", {
  elemType: { number: 1, type: "int32" },
  shape: { number: 2, type: "message", message: () => TENSOR_SHAPE },
});

/** `TypeProto.SparseTensor`. */
export const SPARSE_TENSOR_TYPE: MessageTable<Onnx.SparseTensorTypeProto> = message<Onnx.SparseTensorTypeProto>(
  "TypeProto.SparseTensor",
  {
    elemType: { number: 1, type: "int32" },
    shape: { number: 2, type: "message", message: () => TENSOR_SHAPE },
  },
);

/** `TypeProto.Sequence`. */
export const SEQUENCE_TYPE: MessageTable<Onnx.SequenceTypeProto> = message<Onnx.SequenceTypeProto>("TypeProto.Sequence", {
  elemType: { number: 1, type: "message", message: () => TYPE },
});

/** `TypeProto.Map`. */
export const MAP_TYPE: MessageTable<Onnx.MapTypeProto> = message<Onnx.MapTypeProto>("TypeProto.Map", {
  keyType: { number: 1, type: "int32" },
  valueType: { number: 2, type: "message", message: () => TYPE },
});

/** `TypeProto.Optional`. */
export const OPTIONAL_TYPE: MessageTable<Onnx.OptionalTypeProto> = message<Onnx.OptionalTypeProto>("TypeProto.Optional", {
  elemType: { number: 1, type: "message", message: () => TYPE },
});

/** `TypeProto.Opaque`. */
export const OPAQUE_TYPE: MessageTable<Onnx.OpaqueTypeProto> = message<Onnx.OpaqueTypeProto>("TypeProto.Opaque", {
  domain: { number: 1, type: "string" },
  name: { number: 2, type: "string" },
});

/** `TensorShapeProto`. */
export const TENSOR_SHAPE: MessageTable<Onnx.TensorShapeProto> = message<Onnx.TensorShapeProto>("TensorShapeProto", {
  dim: { number: 1, type: "message", list: "array", message: () => TENSOR_DIMENSION },
});

/** `TensorShapeProto.Dimension`. */
export const TENSOR_DIMENSION: MessageTable<Onnx.TensorDimension> = message<Onnx.TensorDimension>("TensorShapeProto.Dimension", {
  dimValue: { number: 1, type: "int64", oneof: "value" },
  dimParam: { number: 2, type: "string", oneof: "value" },
  denotation: { number: 3, type: "string" },
});

/** `FunctionProto`. */
export const FUNCTION: MessageTable<Onnx.FunctionProto> = message<Onnx.FunctionProto>("FunctionProto", {
  name: { number: 1, type: "string" },
  input: { number: 4, type: "string", list: "array" },
  output: { number: 5, type: "string", list: "array" },
  attribute: { number: 6, type: "string", list: "array" },
  node: { number: 7, type: "message", list: "array", message: () => NODE },
  docString: { number: 8, type: "string" },
  opsetImport: { number: 9, type: "message", list: "array", message: () => OPERATOR_SET_ID },
  domain: { number: 10, type: "string" },
  attributeProto: { number: 11, type: "message", list: "array", message: () => ATTRIBUTE },
  valueInfo: { number: 12, type: "message", list: "array", message: () => VALUE_INFO },
  overload: { number: 13, type: "string" },
  metadataProps: { number: 14, type: "message", list: "array", message: () => STRING_STRING_ENTRY },
});

/** `TrainingInfoProto`. */
export const TRAINING_INFO: MessageTable<Onnx.TrainingInfoProto> = message<Onnx.TrainingInfoProto>("TrainingInfoProto", {
  initialization: { number: 1, type: "message", message: () => GRAPH },
  algorithm: { number: 2, type: "message", message: () => GRAPH },
  initializationBinding: { number: 3, type: "message", list: "array", message: () => STRING_STRING_ENTRY },
  updateBinding: { number: 4, type: "message", list: "array", message: () => STRING_STRING_ENTRY },
});

/** `DeviceConfigurationProto`. */
export const DEVICE_CONFIGURATION: MessageTable<Onnx.DeviceConfigurationProto> = message<Onnx.DeviceConfigurationProto>(
  "DeviceConfigurationProto",
  {
    name: { number: 1, type: "string" },
    numDevices: { number: 2, type: "int32" },
    device: { number: 3, type: "string", list: "array" },
  },
);

/** `NodeDeviceConfigurationProto`. */
export const NODE_DEVICE_CONFIGURATION: MessageTable<Onnx.NodeDeviceConfigurationProto> =
  message<Onnx.NodeDeviceConfigurationProto>("NodeDeviceConfigurationProto", {
    configurationId: { number: 1, type: "string" },
    shardingSpec: { number: 2, type: "message", list: "array", message: () => SHARDING_SPEC },
    pipelineStage: { number: 3, type: "int32" },
  });

/** `ShardingSpecProto`. */
export const SHARDING_SPEC: MessageTable<Onnx.ShardingSpecProto> = message<Onnx.ShardingSpecProto>("ShardingSpecProto", {
  tensorName: { number: 1, type: "string" },
  device: { number: 2, type: "int64", list: "array" },
  indexToDeviceGroupMap: { number: 3, type: "message", list: "array", message: () => INT_INT_LIST_ENTRY },
  shardedDim: { number: 4, type: "message", list: "array", message: () => SHARDED_DIM },
});

/** `ShardedDimProto`. */
export const SHARDED_DIM: MessageTable<Onnx.ShardedDimProto> = message<Onnx.ShardedDimProto>("ShardedDimProto", {
  axis: { number: 1, type: "int64" },
  simpleSharding: { number: 2, type: "message", list: "array", message: () => SIMPLE_SHARDED_DIM },
});

/** `SimpleShardedDimProto`. */
export const SIMPLE_SHARDED_DIM: MessageTable<Onnx.SimpleShardedDimProto> = message<Onnx.SimpleShardedDimProto>(
  "SimpleShardedDimProto",
  {
    dimValue: { number: 1, type: "int64", oneof: "dim" },
    dimParam: { number: 2, type: "string", oneof: "dim" },
    numShards: { number: 3, type: "int64" },
  },
);

/** `IntIntListEntryProto`. */
export const INT_INT_LIST_ENTRY: MessageTable<Onnx.IntIntListEntryProto> = message<Onnx.IntIntListEntryProto>(
  "IntIntListEntryProto",
  {
    key: { number: 1, type: "int64" },
    value: { number: 2, type: "int64", list: "array" },
  },
);
