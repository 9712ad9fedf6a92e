import type { Int64, MessageRecord } from "../protobuf/table.ts";

/*
 * The messages of an ONNX file as plain records, named as in the ONNX schema with fields in camelCase. A field that is absent in the file
 * is absent here (an empty repeated field counts as absent); codes of enums are numbers, see data-type.ts. `schema.ts` holds the numbers.
 */

/** A key and a value: metadata, quantization parameters, external data. */
export interface StringStringEntryProto extends MessageRecord {
  readonly key?: string;
  readonly value?: string;
}

/** A whole file. */
export interface ModelProto extends MessageRecord {
  readonly irVersion?: Int64;
  readonly opsetImport?: readonly OperatorSetIdProto[];
  readonly producerName?: string;
  readonly producerVersion?: string;
  readonly domain?: string;
  readonly modelVersion?: Int64;
  readonly docString?: string;
  readonly graph?: GraphProto;
  readonly metadataProps?: readonly StringStringEntryProto[];
  readonly trainingInfo?: readonly TrainingInfoProto[];
  readonly functions?: readonly FunctionProto[];
  readonly configuration?: readonly DeviceConfigurationProto[];
}

/** An operator set that a model or function relies on; an absent or empty domain is `ai.onnx`. */
export interface OperatorSetIdProto extends MessageRecord {
  readonly domain?: string;
  readonly version?: Int64;
}

/** A graph: nodes in topological order, inputs, outputs and constant tensors. */
export interface GraphProto extends MessageRecord {
  readonly node?: readonly NodeProto[];
  readonly name?: string;
  readonly initializer?: readonly TensorProto[];
  readonly sparseInitializer?: readonly SparseTensorProto[];
  readonly docString?: string;
  readonly input?: readonly ValueInfoProto[];
  readonly output?: readonly ValueInfoProto[];
  readonly valueInfo?: readonly ValueInfoProto[];
  readonly quantizationAnnotation?: readonly TensorAnnotation[];
  readonly metadataProps?: readonly StringStringEntryProto[];
}

/** One operator call; an empty input name is an optional input left out. */
export interface NodeProto extends MessageRecord {
  readonly input?: readonly string[];
  readonly output?: readonly string[];
  readonly name?: string;
  readonly opType?: string;
  readonly domain?: string;
  readonly overload?: string;
  readonly attribute?: readonly AttributeProto[];
  readonly docString?: string;
  readonly metadataProps?: readonly StringStringEntryProto[];
  readonly deviceConfigurations?: readonly NodeDeviceConfigurationProto[];
}

/** A named attribute; `type` (see ATTRIBUTE_TYPES) says which of the value fields counts. Strings are bytes, as in the schema. */
export interface AttributeProto extends MessageRecord {
  readonly name?: string;
  readonly refAttrName?: string;
  readonly docString?: string;
  readonly type?: number;
  readonly f?: number;
  readonly i?: Int64;
  readonly s?: Uint8Array;
  readonly t?: TensorProto;
  readonly g?: GraphProto;
  readonly sparseTensor?: SparseTensorProto;
  readonly tp?: TypeProto;
  readonly floats?: Float32Array;
  readonly ints?: readonly Int64[];
  readonly strings?: readonly Uint8Array[];
  readonly tensors?: readonly TensorProto[];
  readonly graphs?: readonly GraphProto[];
  readonly sparseTensors?: readonly SparseTensorProto[];
  readonly typeProtos?: readonly TypeProto[];
}

/** A tensor. Its elements are in `rawData` (little-endian, a view of the file, not aligned), in one typed field, or in another file. */
export interface TensorProto extends MessageRecord {
  readonly dims?: readonly Int64[];
  readonly dataType?: number;
  readonly segment?: TensorSegment;
  readonly floatData?: Float32Array;
  readonly int32Data?: Int32Array;
  readonly stringData?: readonly Uint8Array[];
  readonly int64Data?: BigInt64Array;
  readonly name?: string;
  readonly docString?: string;
  readonly rawData?: Uint8Array;
  readonly externalData?: readonly StringStringEntryProto[];
  readonly dataLocation?: number;
  readonly doubleData?: Float64Array;
  readonly uint64Data?: BigUint64Array;
  readonly metadataProps?: readonly StringStringEntryProto[];
}

/** The part `[begin, end)` of a tensor that was split over several messages. */
export interface TensorSegment extends MessageRecord {
  readonly begin?: Int64;
  readonly end?: Int64;
}

/** A sparse tensor: values `[NNZ]` and indices `[NNZ]` (linear) or `[NNZ, rank]`. */
export interface SparseTensorProto extends MessageRecord {
  readonly values?: TensorProto;
  readonly indices?: TensorProto;
  readonly dims?: readonly Int64[];
}

/** Names of the tensors that hold the quantization parameters of a tensor. */
export interface TensorAnnotation extends MessageRecord {
  readonly tensorName?: string;
  readonly quantParameterTensorNames?: readonly StringStringEntryProto[];
}

/** Name and type of a value. */
export interface ValueInfoProto extends MessageRecord {
  readonly name?: string;
  readonly type?: TypeProto;
  readonly docString?: string;
  readonly metadataProps?: readonly StringStringEntryProto[];
}

/** A type: at most one of the `...Type` fields is there. */
export interface TypeProto extends MessageRecord {
  readonly tensorType?: TensorTypeProto;
  readonly sequenceType?: SequenceTypeProto;
  readonly mapType?: MapTypeProto;
  readonly denotation?: string;
  readonly opaqueType?: OpaqueTypeProto;
  readonly sparseTensorType?: SparseTensorTypeProto;
  readonly optionalType?: OptionalTypeProto;
}

/** A dense tensor; an absent shape is an unknown rank. */
export interface TensorTypeProto extends MessageRecord {
  readonly elemType?: number;
  readonly shape?: TensorShapeProto;
}

/** A sparse tensor. */
export interface SparseTensorTypeProto extends MessageRecord {
  readonly elemType?: number;
  readonly shape?: TensorShapeProto;
}

/** A sequence of values of one type. */
export interface SequenceTypeProto extends MessageRecord {
  readonly elemType?: TypeProto;
}

/** A map; the key is an integer or string element type. */
export interface MapTypeProto extends MessageRecord {
  readonly keyType?: number;
  readonly valueType?: TypeProto;
}

/** A value or nothing. */
export interface OptionalTypeProto extends MessageRecord {
  readonly elemType?: TypeProto;
}

/** A type that only its domain understands. */
export interface OpaqueTypeProto extends MessageRecord {
  readonly domain?: string;
  readonly name?: string;
}

/** A shape; no `dim` is a scalar. */
export interface TensorShapeProto extends MessageRecord {
  readonly dim?: readonly TensorDimension[];
}

/** A size or a symbol; neither is an unknown size. */
export interface TensorDimension extends MessageRecord {
  readonly dimValue?: Int64;
  readonly dimParam?: string;
  readonly denotation?: string;
}

/** A function of the model's own: an operator with its body. */
export interface FunctionProto extends MessageRecord {
  readonly name?: string;
  readonly input?: readonly string[];
  readonly output?: readonly string[];
  readonly attribute?: readonly string[];
  readonly attributeProto?: readonly AttributeProto[];
  readonly node?: readonly NodeProto[];
  readonly docString?: string;
  readonly opsetImport?: readonly OperatorSetIdProto[];
  readonly domain?: string;
  readonly overload?: string;
  readonly valueInfo?: readonly ValueInfoProto[];
  readonly metadataProps?: readonly StringStringEntryProto[];
}

/** How to start and to take one step of a training. */
export interface TrainingInfoProto extends MessageRecord {
  readonly initialization?: GraphProto;
  readonly algorithm?: GraphProto;
  readonly initializationBinding?: readonly StringStringEntryProto[];
  readonly updateBinding?: readonly StringStringEntryProto[];
}

/** A set of devices that a model is laid out for (IR 11). */
export interface DeviceConfigurationProto extends MessageRecord {
  readonly name?: string;
  readonly numDevices?: number;
  readonly device?: readonly string[];
}

/** How a node is spread over a device configuration. */
export interface NodeDeviceConfigurationProto extends MessageRecord {
  readonly configurationId?: string;
  readonly shardingSpec?: readonly ShardingSpecProto[];
  readonly pipelineStage?: number;
}

/** How one tensor is split over devices. */
export interface ShardingSpecProto extends MessageRecord {
  readonly tensorName?: string;
  readonly device?: readonly Int64[];
  readonly indexToDeviceGroupMap?: readonly IntIntListEntryProto[];
  readonly shardedDim?: readonly ShardedDimProto[];
}

/** A split axis. */
export interface ShardedDimProto extends MessageRecord {
  readonly axis?: Int64;
  readonly simpleSharding?: readonly SimpleShardedDimProto[];
}

/** A size (number or symbol) split into equal parts. */
export interface SimpleShardedDimProto extends MessageRecord {
  readonly dimValue?: Int64;
  readonly dimParam?: string;
  readonly numShards?: Int64;
}

/** A number and a list of numbers. */
export interface IntIntListEntryProto extends MessageRecord {
  readonly key?: Int64;
  readonly value?: readonly Int64[];
}
