import { scalar, vector } from "../flatbuffer/table.ts";
import { BOOL, BOOLS, BYTES, CODE, INT, INTS, LONG, LONGS, TEXT } from "./fields.ts";

/** One of STABLEHLO_COMPARISON_DIRECTIONS or STABLEHLO_COMPARISON_TYPES. */
const WIDE_CODE = scalar("uint32");
/** Of STABLEHLO_PRECISIONS, one for each operand. */
const PRECISIONS = vector("uint32");

/** Fields of the options of the second union: StableHLO operators and the latest built-in ones. */
export const STABLEHLO_OPTIONS = {
  StablehloConcatenateOptions: { dimension: LONG },
  StablehloBroadcastInDimOptions: { broadcastDimensions: LONGS },
  StablehloSliceOptions: { startIndices: LONGS, limitIndices: LONGS, strides: LONGS },
  StablehloConvolutionOptions: {
    windowStrides: LONGS,
    padding: LONGS,
    lhsDilation: LONGS,
    rhsDilation: LONGS,
    windowReversal: BOOLS,
    inputBatchDimension: LONG,
    inputFeatureDimension: LONG,
    inputSpatialDimensions: LONGS,
    kernelInputFeatureDimension: LONG,
    kernelOutputFeatureDimension: LONG,
    kernelSpatialDimensions: LONGS,
    outputBatchDimension: LONG,
    outputFeatureDimension: LONG,
    outputSpatialDimensions: LONGS,
    featureGroupCount: LONG,
    batchGroupCount: LONG,
    precisionConfig: PRECISIONS,
  },
  StablehloCustomCallOptions: {
    callTargetName: TEXT,
    hasSideEffect: BOOL,
    backendConfig: TEXT,
    apiVersion: INT,
    calledComputations: INTS,
    customAttributes: BYTES,
  },
  StablehloReduceOptions: { dimensions: LONGS, bodySubgraphIndex: INT },
  StablehloScatterOptions: {
    indicesAreSorted: BOOL,
    updateWindowDims: LONGS,
    insertedWindowDims: LONGS,
    scatterDimsToOperandDims: LONGS,
    indexVectorDim: LONG,
    uniqueIndices: BOOL,
    updateComputationSubgraphIndex: INT,
  },
  StablehloCompareOptions: { comparisonDirection: WIDE_CODE, compareType: WIDE_CODE },
  StablehloDynamicSliceOptions: { sliceSizes: LONGS },
  StablehloPadOptions: { edgePaddingLow: LONGS, edgePaddingHigh: LONGS, interiorPadding: LONGS },
  StablehloIotaOptions: { iotaDimension: LONG },
  StablehloDotGeneralOptions: {
    lhsBatchingDimensions: LONGS,
    rhsBatchingDimensions: LONGS,
    lhsContractingDimensions: LONGS,
    rhsContractingDimensions: LONGS,
    precisionConfig: PRECISIONS,
  },
  StablehloReduceWindowOptions: {
    windowDimensions: LONGS,
    windowStrides: LONGS,
    baseDilations: LONGS,
    windowDilations: LONGS,
    padding: LONGS,
    bodySubgraphIndex: INT,
  },
  StablehloSortOptions: { dimension: LONG, isStable: BOOL, comparatorSubgraphIndex: INT },
  StablehloWhileOptions: { condSubgraphIndex: INT, bodySubgraphIndex: INT },
  StablehloGatherOptions: {
    offsetDims: LONGS,
    collapsedSliceDims: LONGS,
    startIndexMap: LONGS,
    indexVectorDim: LONG,
    sliceSizes: LONGS,
    indicesAreSorted: BOOL,
  },
  StablehloTransposeOptions: { permutation: LONGS },
  StablehloRngBitGeneratorOptions: { algorithm: CODE },
  ReduceWindowOptions: { reduceFunction: INT },
  StableHLOCompositeOptions: {
    name: TEXT,
    decompositionSubgraphIndex: INT,
    compositeAttributes: BYTES,
    compositeAttributesFormat: CODE,
    version: INT,
  },
  StablehloCaseOptions: { branchSubgraphIndices: INTS },
} as const;
