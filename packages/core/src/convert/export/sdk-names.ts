import type { Model, Node } from "../../graph/model.ts";
import { attrInt } from "../../graph/node.ts";

/** Software that exports are for. */
export type SdkId = "tensorrt" | "qnn" | "openvino";

/** How an SDK calls itself and the things that a report about it speaks of. */
export interface Sdk {
  readonly id: SdkId;
  readonly name: string;
  /** Its word for a node. */
  readonly layer: string;
  /** What it calls a layer that computes in 8-bit integers, in 16-bit activations, and one that does not. */
  readonly words: { readonly int8: string; readonly int16x8: string; readonly float: string; readonly moved: string };
  /** Its name for an ONNX operator; operators that are not listed have no layer of that kind that we know of. */
  readonly layers: Readonly<Record<string, string>>;
  /** Its name for a convolution that takes each channel by itself, where that is another layer. */
  readonly depthwise?: string;
}

/** Names from the operator list of NVIDIA's ONNX parser and TensorRT's list of layers. */
const TENSORRT: Sdk = {
  id: "tensorrt",
  name: "TensorRT",
  layer: "layer",
  words: {
    int8: "INT8, explicit quantization",
    int16x8: "not supported: no 16-bit activations",
    float: "FP16 or FP32, as the network is typed",
    moved: "Q/DQ pairs are moved past it",
  },
  layers: {
    Conv: "IConvolutionLayer",
    ConvTranspose: "IDeconvolutionLayer",
    Gemm: "IMatrixMultiplyLayer",
    MatMul: "IMatrixMultiplyLayer",
    Add: "IElementWiseLayer (kSUM)",
    Sub: "IElementWiseLayer (kSUB)",
    Mul: "IElementWiseLayer (kPROD)",
    Div: "IElementWiseLayer (kDIV)",
    Relu: "IActivationLayer (kRELU)",
    Clip: "IActivationLayer (kCLIP)",
    LeakyRelu: "IActivationLayer (kLEAKY_RELU)",
    Sigmoid: "IActivationLayer (kSIGMOID)",
    Tanh: "IActivationLayer (kTANH)",
    HardSigmoid: "IActivationLayer (kHARD_SIGMOID)",
    PRelu: "IParametricReLULayer",
    MaxPool: "IPoolingLayer (kMAX)",
    AveragePool: "IPoolingLayer (kAVERAGE)",
    GlobalAveragePool: "IReduceLayer (kAVG)",
    ReduceMean: "IReduceLayer (kAVG)",
    Softmax: "ISoftMaxLayer",
    Concat: "IConcatenationLayer",
    Reshape: "IShuffleLayer",
    Flatten: "IShuffleLayer",
    Transpose: "IShuffleLayer",
    Squeeze: "IShuffleLayer",
    Unsqueeze: "IShuffleLayer",
    Slice: "ISliceLayer",
    Split: "ISliceLayer",
    Pad: "ISliceLayer",
    Resize: "IResizeLayer",
    Gather: "IGatherLayer",
    BatchNormalization: "IScaleLayer",
    Sqrt: "IUnaryLayer (kSQRT)",
  },
};

/** Names from the operator definitions of Qualcomm AI Engine Direct (QNN). */
const QNN: Sdk = {
  id: "qnn",
  name: "Qualcomm AI Engine Direct (QNN) on HTP",
  layer: "operation",
  words: {
    int8: "UFIXED_POINT_8 activations on HTP",
    int16x8: "UFIXED_POINT_16 activations on HTP",
    float: "no fixed-point form: FLOAT_16 on HTPs that have it, else another backend",
    moved: "keeps the encoding of its input",
  },
  depthwise: "DepthWiseConv2d",
  layers: {
    Conv: "Conv2d",
    ConvTranspose: "TransposeConv2d",
    Gemm: "FullyConnected",
    MatMul: "MatMul",
    Add: "ElementWiseAdd",
    Sub: "ElementWiseSubtract",
    Mul: "ElementWiseMultiply",
    Div: "ElementWiseDivide",
    Max: "ElementWiseMaximum",
    Min: "ElementWiseMinimum",
    Relu: "Relu",
    Clip: "ReluMinMax",
    PRelu: "Prelu",
    LeakyRelu: "Prelu",
    HardSwish: "HardSwish",
    Sigmoid: "Sigmoid",
    Tanh: "Tanh",
    Softmax: "Softmax",
    MaxPool: "PoolMax2d",
    AveragePool: "PoolAvg2d",
    GlobalAveragePool: "PoolAvg2d",
    ReduceMean: "ReduceMean",
    ReduceMax: "ReduceMax",
    LpNormalization: "L2Norm",
    Concat: "Concat",
    Reshape: "Reshape",
    Flatten: "Reshape",
    Squeeze: "Reshape",
    Unsqueeze: "Reshape",
    Transpose: "Transpose",
    Slice: "StridedSlice",
    Split: "Split",
    Pad: "Pad",
    Resize: "Resize",
    Gather: "Gather",
    Tile: "Tile",
    Expand: "ElementWiseMultiply",
    DepthToSpace: "DepthToSpace",
    SpaceToDepth: "SpaceToDepth",
    BatchNormalization: "Batchnorm",
    Identity: "Convert",
    LSTM: "Lstm",
    GRU: "Gru",
    Sqrt: "ElementWiseSquareRoot",
  },
};

/** Names from OpenVINO's operation sets. */
const OPENVINO: Sdk = {
  id: "openvino",
  name: "OpenVINO",
  layer: "operation",
  words: {
    int8: "FakeQuantize, then u8 by low-precision transformations",
    int16x8: "not supported: no 16-bit activations",
    float: "f32 (bf16 where the processor has it)",
    moved: "dequantization is moved past it",
  },
  depthwise: "GroupConvolution",
  layers: {
    Conv: "Convolution",
    ConvTranspose: "ConvolutionBackpropData",
    Gemm: "MatMul",
    MatMul: "MatMul",
    Add: "Add",
    Sub: "Subtract",
    Mul: "Multiply",
    Div: "Divide",
    Max: "Maximum",
    Min: "Minimum",
    Relu: "Relu",
    Clip: "Clamp",
    PRelu: "PRelu",
    LeakyRelu: "PRelu",
    HardSwish: "HSwish",
    HardSigmoid: "HardSigmoid",
    Sigmoid: "Sigmoid",
    Tanh: "Tanh",
    Softmax: "SoftMax",
    MaxPool: "MaxPool",
    AveragePool: "AvgPool",
    GlobalAveragePool: "ReduceMean",
    ReduceMean: "ReduceMean",
    ReduceL2: "ReduceL2",
    LpNormalization: "NormalizeL2",
    Concat: "Concat",
    Reshape: "Reshape",
    Flatten: "Reshape",
    Squeeze: "Squeeze",
    Unsqueeze: "Unsqueeze",
    Transpose: "Transpose",
    Slice: "StridedSlice",
    Split: "VariadicSplit",
    Pad: "Pad",
    Resize: "Interpolate",
    Gather: "Gather",
    Tile: "Tile",
    DepthToSpace: "DepthToSpace",
    SpaceToDepth: "SpaceToDepth",
    LSTM: "LSTMSequence",
    GRU: "GRUSequence",
    Sqrt: "Sqrt",
  },
};

/** Every SDK by id. */
export const SDKS: Readonly<Record<SdkId, Sdk>> = { tensorrt: TENSORRT, qnn: QNN, openvino: OPENVINO };

/** What an SDK calls a node; `undefined` where its lists have nothing of that kind. */
export function layerName(node: Node, { sdk, model }: { readonly sdk: Sdk; readonly model: Model }): string | undefined {
  if (node.domain !== "" || !Object.hasOwn(sdk.layers, node.op)) return undefined;
  if (node.op === "Conv" && sdk.depthwise !== undefined) {
    const outputs = model.graph.constants.get(node.inputs[1] ?? "")?.shape[0];
    const group = attrInt(node, "group", 1);
    if (group > 1 && outputs === group) return sdk.depthwise;
  }
  return sdk.layers[node.op];
}
