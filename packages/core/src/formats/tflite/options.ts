import { type Decoded, makeUnion } from "../flatbuffer/table.ts";
import { BASIC_OPTIONS } from "./options-basic.ts";
import { NN_OPTIONS } from "./options-nn.ts";
import { STABLEHLO_OPTIONS } from "./options-stablehlo.ts";

/* biome-ignore format: the order is that of the codes, from 1 on */
const NAMES = [
  /*   1 */ "Conv2DOptions", "DepthwiseConv2DOptions", "ConcatEmbeddingsOptions", "LSHProjectionOptions", "Pool2DOptions",
  /*   6 */ "SVDFOptions", "RNNOptions", "FullyConnectedOptions", "SoftmaxOptions", "ConcatenationOptions",
  /*  11 */ "AddOptions", "L2NormOptions", "LocalResponseNormalizationOptions", "LSTMOptions", "ResizeBilinearOptions",
  /*  16 */ "CallOptions", "ReshapeOptions", "SkipGramOptions", "SpaceToDepthOptions", "EmbeddingLookupSparseOptions",
  /*  21 */ "MulOptions", "PadOptions", "GatherOptions", "BatchToSpaceNDOptions", "SpaceToBatchNDOptions",
  /*  26 */ "TransposeOptions", "ReducerOptions", "SubOptions", "DivOptions", "SqueezeOptions",
  /*  31 */ "SequenceRNNOptions", "StridedSliceOptions", "ExpOptions", "TopKV2Options", "SplitOptions",
  /*  36 */ "LogSoftmaxOptions", "CastOptions", "DequantizeOptions", "MaximumMinimumOptions", "ArgMaxOptions",
  /*  41 */ "LessOptions", "NegOptions", "PadV2Options", "GreaterOptions", "GreaterEqualOptions",
  /*  46 */ "LessEqualOptions", "SelectOptions", "SliceOptions", "TransposeConvOptions", "SparseToDenseOptions",
  /*  51 */ "TileOptions", "ExpandDimsOptions", "EqualOptions", "NotEqualOptions", "ShapeOptions",
  /*  56 */ "PowOptions", "ArgMinOptions", "FakeQuantOptions", "PackOptions", "LogicalOrOptions",
  /*  61 */ "OneHotOptions", "LogicalAndOptions", "LogicalNotOptions", "UnpackOptions", "FloorDivOptions",
  /*  66 */ "SquareOptions", "ZerosLikeOptions", "FillOptions", "BidirectionalSequenceLSTMOptions", "BidirectionalSequenceRNNOptions",
  /*  71 */ "UnidirectionalSequenceLSTMOptions", "FloorModOptions", "RangeOptions", "ResizeNearestNeighborOptions", "LeakyReluOptions",
  /*  76 */ "SquaredDifferenceOptions", "MirrorPadOptions", "AbsOptions", "SplitVOptions", "UniqueOptions",
  /*  81 */ "ReverseV2Options", "AddNOptions", "GatherNdOptions", "CosOptions", "WhereOptions",
  /*  86 */ "RankOptions", "ReverseSequenceOptions", "MatrixDiagOptions", "QuantizeOptions", "MatrixSetDiagOptions",
  /*  91 */ "HardSwishOptions", "IfOptions", "WhileOptions", "DepthToSpaceOptions", "NonMaxSuppressionV4Options",
  /*  96 */ "NonMaxSuppressionV5Options", "ScatterNdOptions", "SelectV2Options", "DensifyOptions", "SegmentSumOptions",
  /* 101 */ "BatchMatMulOptions", "CumsumOptions", "CallOnceOptions", "BroadcastToOptions", "Rfft2dOptions",
  /* 106 */ "Conv3DOptions", "HashtableOptions", "HashtableFindOptions", "HashtableImportOptions", "HashtableSizeOptions",
  /* 111 */ "VarHandleOptions", "ReadVariableOptions", "AssignVariableOptions", "RandomOptions", "BucketizeOptions",
  /* 116 */ "GeluOptions", "DynamicUpdateSliceOptions", "UnsortedSegmentProdOptions", "UnsortedSegmentMaxOptions", "UnsortedSegmentMinOptions",
  /* 121 */ "UnsortedSegmentSumOptions", "ATan2Options", "SignOptions", "BitcastOptions", "BitwiseXorOptions",
  /* 126 */ "RightShiftOptions",
] as const;

/* biome-ignore format: the order is that of the codes, from 1 on */
const NAMES_2 = [
  /*   1 */ "StablehloConcatenateOptions", "StablehloBroadcastInDimOptions", "StablehloSliceOptions", "StablehloConvolutionOptions",
  /*   5 */ "StablehloCustomCallOptions", "StablehloReduceOptions", "StablehloScatterOptions", "StablehloCompareOptions",
  /*   9 */ "StablehloDynamicSliceOptions", "StablehloPadOptions", "StablehloIotaOptions", "StablehloDotGeneralOptions",
  /*  13 */ "StablehloReduceWindowOptions", "StablehloSortOptions", "StablehloWhileOptions", "StablehloGatherOptions",
  /*  17 */ "StablehloTransposeOptions", "DilateOptions", "StablehloRngBitGeneratorOptions", "ReduceWindowOptions",
  /*  21 */ "StableHLOCompositeOptions", "StablehloShiftLeftOptions", "StablehloCaseOptions",
] as const;

/** Options of the built-in operators. Members without fields are there to be told apart. */
export const BUILTIN_OPTIONS = makeUnion("BuiltinOptions", NAMES, { ...NN_OPTIONS, ...BASIC_OPTIONS });

/** Options of the operators that came after the first union was full. */
export const BUILTIN_OPTIONS_2 = makeUnion("BuiltinOptions2", NAMES_2, STABLEHLO_OPTIONS);

/** Options of a built-in operator; `kind` is the name of the table. */
export type BuiltinOptions = Decoded<typeof BUILTIN_OPTIONS>;

/** Options of one of the latest operators; `kind` is the name of the table. */
export type BuiltinOptions2 = Decoded<typeof BUILTIN_OPTIONS_2>;

/** The options table with the given name. */
export type OptionsOf<K extends (BuiltinOptions | BuiltinOptions2)["kind"]> = Extract<
  BuiltinOptions | BuiltinOptions2,
  { readonly kind: K }
>;
