import { scalar } from "../flatbuffer/table.ts";
import { BOOL, CODE, FLOAT, INT, INTS } from "./fields.ts";

/** Dilation factors are 1 unless said otherwise. */
const FACTOR = scalar("int32", 1);

/**
 * Fields of the options of layers: convolutions, pools, products, recurrent cells, normalisations, resizing. `padding` is one of PADDINGS,
 * `fusedActivationFunction` one of ACTIVATIONS, `quantizedBiasType` one of TENSOR_TYPES.
 */
export const NN_OPTIONS = {
  Conv2DOptions: {
    padding: CODE,
    strideW: INT,
    strideH: INT,
    fusedActivationFunction: CODE,
    dilationWFactor: FACTOR,
    dilationHFactor: FACTOR,
    quantizedBiasType: CODE,
  },
  DepthwiseConv2DOptions: {
    padding: CODE,
    strideW: INT,
    strideH: INT,
    depthMultiplier: INT,
    fusedActivationFunction: CODE,
    dilationWFactor: FACTOR,
    dilationHFactor: FACTOR,
  },
  Conv3DOptions: {
    padding: CODE,
    strideD: INT,
    strideW: INT,
    strideH: INT,
    fusedActivationFunction: CODE,
    dilationDFactor: FACTOR,
    dilationWFactor: FACTOR,
    dilationHFactor: FACTOR,
  },
  TransposeConvOptions: {
    padding: CODE,
    strideW: INT,
    strideH: INT,
    fusedActivationFunction: CODE,
    quantizedBiasType: CODE,
  },
  Pool2DOptions: {
    padding: CODE,
    strideW: INT,
    strideH: INT,
    filterWidth: INT,
    filterHeight: INT,
    fusedActivationFunction: CODE,
  },
  FullyConnectedOptions: {
    fusedActivationFunction: CODE,
    weightsFormat: CODE,
    keepNumDims: BOOL,
    asymmetricQuantizeInputs: BOOL,
    quantizedBiasType: CODE,
  },
  BatchMatMulOptions: { adjX: BOOL, adjY: BOOL, asymmetricQuantizeInputs: BOOL },
  SoftmaxOptions: { beta: FLOAT },
  L2NormOptions: { fusedActivationFunction: CODE },
  LocalResponseNormalizationOptions: { radius: INT, bias: FLOAT, alpha: FLOAT, beta: FLOAT },
  LeakyReluOptions: { alpha: FLOAT },
  GeluOptions: { approximate: BOOL },
  LSTMOptions: {
    fusedActivationFunction: CODE,
    cellClip: FLOAT,
    projClip: FLOAT,
    kernelType: CODE,
    asymmetricQuantizeInputs: BOOL,
  },
  UnidirectionalSequenceLSTMOptions: {
    fusedActivationFunction: CODE,
    cellClip: FLOAT,
    projClip: FLOAT,
    timeMajor: BOOL,
    asymmetricQuantizeInputs: BOOL,
    diagonalRecurrentTensors: BOOL,
  },
  BidirectionalSequenceLSTMOptions: {
    fusedActivationFunction: CODE,
    cellClip: FLOAT,
    projClip: FLOAT,
    mergeOutputs: BOOL,
    timeMajor: scalar("bool", true),
    asymmetricQuantizeInputs: BOOL,
  },
  RNNOptions: { fusedActivationFunction: CODE, asymmetricQuantizeInputs: BOOL },
  SequenceRNNOptions: { timeMajor: BOOL, fusedActivationFunction: CODE, asymmetricQuantizeInputs: BOOL },
  BidirectionalSequenceRNNOptions: {
    timeMajor: BOOL,
    fusedActivationFunction: CODE,
    mergeOutputs: BOOL,
    asymmetricQuantizeInputs: BOOL,
  },
  SVDFOptions: { rank: INT, fusedActivationFunction: CODE, asymmetricQuantizeInputs: BOOL },
  // The sizes of RESIZE_BILINEAR are deprecated: they come from an input.
  ResizeBilinearOptions: { newHeight: INT, newWidth: INT, alignCorners: BOOL, halfPixelCenters: BOOL },
  ResizeNearestNeighborOptions: { alignCorners: BOOL, halfPixelCenters: BOOL },
  ConcatEmbeddingsOptions: { numChannels: INT, numColumnsPerChannel: INTS, embeddingDimPerChannel: INTS },
  LSHProjectionOptions: { type: CODE },
  SkipGramOptions: { ngramSize: INT, maxSkipSize: INT, includeAllNgrams: BOOL },
  EmbeddingLookupSparseOptions: { combiner: CODE },
  FakeQuantOptions: { min: FLOAT, max: FLOAT, numBits: INT, narrowRange: BOOL },
} as const;
