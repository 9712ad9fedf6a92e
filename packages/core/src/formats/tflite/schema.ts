import { type Decoded, type Draft, makeTable, many, oneOf, scalar, vector } from "../flatbuffer/table.ts";
import { BOOLS, BYTES, CODE, INDEX, INT, INTS, TEXT, ULONG } from "./fields.ts";
import { BUILTIN_OPTIONS, BUILTIN_OPTIONS_2 } from "./options.ts";
import { TENSOR } from "./tensor-tables.ts";

/*
 * The TFLite schema, version 3 with its revisions a to d, as tables. Facts from schema.fbs of LiteRT; names in camelCase. Lists keep the
 * difference between absent and empty.
 */

/** Index into a list of debug metadata; -1 is none. */
const DEBUG_INDEX = scalar("int32", -1);

/**
 * An operator that the model uses: a built-in one by code, or CUSTOM with a name. Files before revision a have only the deprecated code,
 * which ends at 127.
 */
export const OPERATOR_CODE = makeTable("OperatorCode", {
  deprecatedBuiltinCode: CODE,
  customCode: TEXT,
  version: scalar("int32", 1),
  builtinCode: INT,
});

/** An operator that the model uses. */
export type OperatorCode = Decoded<typeof OPERATOR_CODE>;

/** A call of an operator. Inputs and outputs are indices of tensors, -1 for an optional input left out. */
export const OPERATOR = makeTable("Operator", {
  opcodeIndex: INDEX,
  inputs: INTS,
  outputs: INTS,
  builtinOptions: oneOf(BUILTIN_OPTIONS),
  customOptions: BYTES,
  customOptionsFormat: CODE,
  mutatingVariableInputs: BOOLS,
  intermediates: INTS,
  largeCustomOptionsOffset: ULONG,
  largeCustomOptionsSize: ULONG,
  builtinOptions2: oneOf(BUILTIN_OPTIONS_2),
  debugMetadataIndex: DEBUG_INDEX,
});

/** A call of an operator. */
export type Operator = Decoded<typeof OPERATOR>;

/** A graph; operators stand in the order in which they run. */
export const SUB_GRAPH = makeTable("SubGraph", {
  tensors: many(() => TENSOR),
  inputs: INTS,
  outputs: INTS,
  operators: many(() => OPERATOR),
  name: TEXT,
  debugMetadataIndex: DEBUG_INDEX,
});

/** A graph. */
export type SubGraph = Decoded<typeof SUB_GRAPH>;

/** Constant data; in a file above 2 GiB it lies behind the flatbuffer, see `resolveOutside`. */
export const BUFFER = makeTable("Buffer", { data: vector("uint8", 16), offset: ULONG, size: ULONG });

/** Constant data of a tensor or of metadata. */
export type ConstantBuffer = Decoded<typeof BUFFER>;

/** A named buffer. */
export const METADATA = makeTable("Metadata", { name: TEXT, buffer: INDEX });

/** The name of an input or output in a signature. */
export const TENSOR_MAP = makeTable("TensorMap", { name: TEXT, tensorIndex: INDEX });

/** A named way to call a subgraph. */
export const SIGNATURE_DEF = makeTable("SignatureDef", {
  inputs: many(() => TENSOR_MAP),
  outputs: many(() => TENSOR_MAP),
  signatureKey: TEXT,
  deprecatedTag: TEXT,
  subgraphIndex: INDEX,
});

/** A file that holds constant data of this model. */
export const EXTERNAL_BUFFER_GROUP = makeTable("ExternalBufferGroup", { name: TEXT });

/** A part of such a file. */
export const EXTERNAL_BUFFER = makeTable("ExternalBuffer", {
  id: INDEX,
  group: INDEX,
  offset: ULONG,
  length: ULONG,
  packing: TEXT,
});

/** A whole file. Subgraph 0 is the model; buffer 0 is empty, so that tensors without data can point to it. */
export const MODEL = makeTable("Model", {
  version: INDEX,
  operatorCodes: many(() => OPERATOR_CODE),
  subgraphs: many(() => SUB_GRAPH),
  description: TEXT,
  buffers: many(() => BUFFER),
  metadataBuffer: INTS,
  metadata: many(() => METADATA),
  signatureDefs: many(() => SIGNATURE_DEF),
  externalBufferGroups: many(() => EXTERNAL_BUFFER_GROUP),
  externalBuffers: many(() => EXTERNAL_BUFFER),
});

/** A whole file, read. */
export type TfliteModel = Decoded<typeof MODEL>;

/** A whole file to be written: numbers and flags may be left out and have their defaults then. */
export type TfliteDraft = Draft<TfliteModel>;
