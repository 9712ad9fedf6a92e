import {
  ABSORBED,
  EQUAL,
  EQUAL_ALL,
  INTEGER,
  inFloat,
  MOVERS,
  NORMS_IN_FLOAT,
  recurrentInFloat,
  SPACE_MOVERS,
  THROUGH,
  WEIGHTED,
} from "./operator-rules.ts";
import type { OperatorRule, Target } from "./target.ts";

const NO_TRANSFORMATION = "OpenVINO's low-precision transformations do not carry integers through it";

/** By OpenVINO's list of low-precision transformations: what computes in integers, and what a dequantization is moved past. */
const OPERATORS: Readonly<Record<string, OperatorRule>> = {
  ...WEIGHTED,
  Add: INTEGER,
  Mul: INTEGER,
  AveragePool: INTEGER,
  GlobalAveragePool: INTEGER,
  ReduceMean: { kind: "integer", over: "first" },
  // Slopes stay in float: the activation is computed behind the sums of the convolution, before they are rounded.
  PRelu: { kind: "integer", over: "first" },
  LeakyRelu: INTEGER,
  Concat: EQUAL_ALL,
  MaxPool: THROUGH,
  Resize: THROUGH,
  Pad: EQUAL,
  ...MOVERS,
  ...SPACE_MOVERS,
  Relu: ABSORBED,
  Clip: ABSORBED,
  ...inFloat(NO_TRANSFORMATION, "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Softmax", "Div"),
  Sub: { kind: "float", why: `${NO_TRANSFORMATION}, but for constants` },
  ...NORMS_IN_FLOAT,
  LSTM: recurrentInFloat("LSTM"),
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
      says: "PRelu is computed within the convolution's kernel only while no Q/DQ pair stands between the two: 2 layout changes in the whole network so, 68 otherwise",
      verified: "measured here",
      source: "OpenVINO 2026.4 from pip on an x64 processor, its executed graph; bench/peers",
    },
  ],
  floatRewrites: [],
  notes: [
    "The tool itself does not run OpenVINO: accuracy is that of the same integers computed by ONNX Runtime, and times are not those of the device. Files were held against OpenVINO 2026.4 itself by bench/peers.",
    "Without VNNI weights use 7 bits, as on ONNX Runtime.",
  ],
};
