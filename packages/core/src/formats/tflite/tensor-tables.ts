import { type Decoded, makeTable, makeUnion, many, one, oneOf, scalar, vector } from "../flatbuffer/table.ts";
import { BOOL, CODE, FLOATS, INDEX, INT, INTS, LONGS, TEXT } from "./fields.ts";

/** Ways to quantize that go beyond scales and zero points along one axis. */
const QUANTIZATION_DETAILS = makeUnion(
  "QuantizationDetails",
  ["CustomQuantization", "BlockwiseQuantization", "MultiAxisQuantization"],
  {
    CustomQuantization: { custom: vector("uint8", 16) },
    // Scales and zero points are tensors of the subgraph; a zero point of -1 means all zero.
    BlockwiseQuantization: { scales: INT, zeroPoints: INT, blockSize: INT },
    MultiAxisQuantization: { scales: INT, zeroPoints: INT, blockSize: INT, quantizedDimensions: INTS },
  },
);

/** real = scale * (q - zeroPoint), one pair for the tensor or one for each index of `quantizedDimension`; `details` override them. */
export const QUANTIZATION_PARAMETERS = makeTable("QuantizationParameters", {
  min: FLOATS,
  max: FLOATS,
  scale: FLOATS,
  zeroPoint: LONGS,
  details: oneOf(QUANTIZATION_DETAILS),
  quantizedDimension: INT,
});

/** Quantization of a tensor. */
export type QuantizationParameters = Decoded<typeof QUANTIZATION_PARAMETERS>;

/** Indices of a sparse dimension, as wide as they need to be. */
const SPARSE_INDEX_VECTOR = makeUnion("SparseIndexVector", ["Int32Vector", "Uint16Vector", "Uint8Vector"], {
  Int32Vector: { values: INTS },
  Uint16Vector: { values: vector("uint16", 4) },
  Uint8Vector: { values: vector("uint8", 4) },
});

/** One dimension: its size where dense, row pointers and indices where sparse. */
export const DIMENSION_METADATA = makeTable("DimensionMetadata", {
  format: CODE,
  denseSize: INT,
  arraySegments: oneOf(SPARSE_INDEX_VECTOR),
  arrayIndices: oneOf(SPARSE_INDEX_VECTOR),
});

/** How a sparse constant is stored: order of traversal, blocks, and each dimension in that order. */
export const SPARSITY_PARAMETERS = makeTable("SparsityParameters", {
  traversalOrder: INTS,
  blockMap: INTS,
  dimMetadata: many(() => DIMENSION_METADATA),
});

/** Sparse storage of a tensor. */
export type SparsityParameters = Decoded<typeof SPARSITY_PARAMETERS>;

/** What a VARIANT tensor holds. */
export const VARIANT_SUB_TYPE = makeTable("VariantSubType", { shape: INTS, type: CODE, hasRank: BOOL });

/**
 * A tensor. `shape` is NHWC by custom; `type` is one of TENSOR_TYPES; `buffer` 0 means no constant data; `shapeSignature` has -1 where a
 * size is not fixed; an empty shape is a scalar, or of unknown rank unless `hasRank`.
 */
export const TENSOR = makeTable("Tensor", {
  shape: INTS,
  type: CODE,
  buffer: INDEX,
  name: TEXT,
  quantization: one(() => QUANTIZATION_PARAMETERS),
  isVariable: BOOL,
  sparsity: one(() => SPARSITY_PARAMETERS),
  shapeSignature: INTS,
  hasRank: BOOL,
  variantTensors: many(() => VARIANT_SUB_TYPE),
  // Schema 3d: constant data in another file; 0 means none.
  externalBuffer: scalar("uint32"),
});

/** A tensor of a subgraph. */
export type Tensor = Decoded<typeof TENSOR>;
