import type { OperatorRule, Target } from "./target.ts";

const INTEGER: OperatorRule = { kind: "integer" };
const THROUGH: OperatorRule = { kind: "through" };

const NO_TRANSFORMATION = "OpenVINO's low-precision transformations do not carry integers through it";

/** By OpenVINO's list of low-precision transformations: what computes in integers, and what a dequantization is moved past. */
const OPERATORS: Readonly<Record<string, OperatorRule>> = {
  Conv: { kind: "integer", weight: 1, bias: 2 },
  ConvTranspose: { kind: "integer", weight: 1, bias: 2 },
  Gemm: { kind: "integer", weight: 1, bias: 2 },
  MatMul: { kind: "integer", weight: 1 },
  Add: INTEGER,
  Mul: INTEGER,
  AveragePool: INTEGER,
  GlobalAveragePool: INTEGER,
  ReduceMean: { kind: "integer", over: "first" },
  // Slopes stay in float: the activation is computed behind the sums of the convolution, before they are rounded.
  PRelu: { kind: "integer", over: "first" },
  LeakyRelu: INTEGER,
  Concat: { kind: "equal", over: "all" },
  MaxPool: THROUGH,
  Resize: THROUGH,
  Pad: { kind: "equal", over: "first" },
  Reshape: THROUGH,
  Flatten: THROUGH,
  Transpose: THROUGH,
  Squeeze: THROUGH,
  Unsqueeze: THROUGH,
  Slice: THROUGH,
  Gather: THROUGH,
  Split: THROUGH,
  DepthToSpace: THROUGH,
  SpaceToDepth: THROUGH,
  Relu: { kind: "absorbed" },
  Clip: { kind: "absorbed" },
  Sigmoid: { kind: "float", why: NO_TRANSFORMATION },
  HardSigmoid: { kind: "float", why: NO_TRANSFORMATION },
  HardSwish: { kind: "float", why: NO_TRANSFORMATION },
  Tanh: { kind: "float", why: NO_TRANSFORMATION },
  Softmax: { kind: "float", why: NO_TRANSFORMATION },
  Div: { kind: "float", why: NO_TRANSFORMATION },
  Sub: { kind: "float", why: `${NO_TRANSFORMATION}, but for constants` },
  LpNormalization: { kind: "float", why: "a unit-length vector in 8 bits loses cosine: the norm is taken in float" },
  ReduceL2: { kind: "float", why: "a unit-length vector in 8 bits loses cosine: the norm is taken in float" },
  LSTM: { kind: "float", why: "an integer LSTM needs scales of its inner states, which calibration does not see" },
};

/** Intel processors by OpenVINO, which turns Q/DQ pairs into FakeQuantize when it reads the file. */
export const INTEL_OPENVINO: Target = {
  id: "intel-openvino",
  says: "Intel processors by OpenVINO: QDQ read as FakeQuantize, uint8 activations, int8 weights per channel",
  runtime: "ort-node",
  here: "simulated",
  format: "onnx",
  activations: { dtype: "uint8", symmetric: false },
  weights: {
    dtype: "int8",
    perChannelAxis: { Conv: 0, ConvTranspose: 1, Gemm: "columns", MatMul: "columns" },
    reducedRange: "without-vnni",
    floatBias: true,
  },
  operators: OPERATORS,
  normAsConv: true,
  integerKernels: {},
  fusions: [
    { from: ["Conv", "Relu"], says: "computed behind the sums, before they are rounded" },
    { from: ["Conv", "PRelu"], says: "computed behind the sums, before they are rounded" },
    { from: ["Conv", "Add"], says: "the sum is added while the result is stored" },
  ],
  fallback: { dtype: "float32", says: "the same processor; bfloat16 where it has it" },
  facts: [
    {
      says: "Q/DQ pairs become FakeQuantize with 256 levels (255 for narrow weights), and dequantizations are moved past the operators listed",
      verified: "read",
      source: "OpenVINO documentation: low precision transformations, FakeQuantize",
    },
    {
      says: "There is a transformation for PRelu",
      verified: "read",
      source: "OpenVINO documentation: PReluTransformation",
    },
    {
      says: "That PRelu is then computed within the convolution's kernel on every processor",
      verified: "unverified",
      source: "oneDNN's post-operations; OpenVINO does not run here",
    },
  ],
  floatRewrites: [],
  notes: [
    "Nothing of OpenVINO runs here: accuracy is that of the same integers computed by ONNX Runtime, and times are not those of the device.",
    "Without VNNI weights use 7 bits, as on ONNX Runtime.",
  ],
};
