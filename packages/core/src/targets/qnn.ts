import {
  ABSORBED,
  EQUAL,
  EQUAL_ALL,
  INTEGER,
  MOVERS,
  NORM_IN_FLOAT,
  REPEATERS,
  recurrentInFloat,
  SPACE_MOVERS,
  WEIGHTED,
} from "./operator-rules.ts";
import type { IntegerScheme, OperatorRule, Target } from "./target.ts";

/** Operators that ONNX Runtime's QNN provider gives to the HTP in integers, when Q/DQ pairs stand around them. */
const OPERATORS: Readonly<Record<string, OperatorRule>> = {
  ...WEIGHTED,
  Add: INTEGER,
  Sub: INTEGER,
  Mul: INTEGER,
  Div: INTEGER,
  PRelu: { kind: "integer", weight: 1 },
  LeakyRelu: INTEGER,
  HardSwish: INTEGER,
  AveragePool: INTEGER,
  GlobalAveragePool: INTEGER,
  ReduceMean: { kind: "integer", over: "first" },
  Sigmoid: { kind: "integer", fixedOutput: { scale: 1 / 256, zeroPoint: 0 } },
  Softmax: { kind: "integer", fixedOutput: { scale: 1 / 256, zeroPoint: 0 } },
  Tanh: { kind: "integer", fixedOutput: { scale: 1 / 128, zeroPoint: 128 } },
  LpNormalization: { kind: "integer", floatAtOutput: NORM_IN_FLOAT },
  Concat: EQUAL_ALL,
  Max: EQUAL_ALL,
  Min: EQUAL_ALL,
  MaxPool: EQUAL,
  Pad: EQUAL,
  Resize: EQUAL,
  ...MOVERS,
  ...REPEATERS,
  ...SPACE_MOVERS,
  Relu: ABSORBED,
  Clip: ABSORBED,
  ReduceL2: { kind: "float", why: "the HTP has no ReduceL2: with the Div behind it, it is one LpNormalization (p = 2)" },
  HardSigmoid: { kind: "float", why: "alone it has no integer form in the provider's documents" },
  LSTM: recurrentInFloat("LSTM"),
  GRU: recurrentInFloat("GRU"),
};

const WIDE: IntegerScheme = {
  precision: "int16x8",
  activations: { dtype: "uint16", symmetric: false },
  bias: "int32",
  operators: {
    ...OPERATORS,
    Sigmoid: { kind: "integer", fixedOutput: { scale: 1 / 65536, zeroPoint: 0 } },
    Softmax: { kind: "integer", fixedOutput: { scale: 1 / 65536, zeroPoint: 0 } },
    Tanh: { kind: "integer", fixedOutput: { scale: 1 / 32768, zeroPoint: 32768 } },
  },
};

/** Qualcomm Snapdragon's tensor processor (HTP) by QNN, as ONNX Runtime's QNN provider or the QNN converters feed it. */
export const SNAPDRAGON_HTP: Target = {
  id: "snapdragon-htp",
  says: "Qualcomm Snapdragon HTP by QNN: uint8 or uint16 activations, int8 weights, per channel for convolutions only",
  runtime: "ort-node",
  here: "simulated",
  format: "onnx",
  activations: { dtype: "uint8", symmetric: false },
  weights: { dtype: "int8", perChannelAxis: { Conv: 0, ConvTranspose: 1 }, reducedRange: "never" },
  leastRange: 1e-4,
  operators: OPERATORS,
  wide: WIDE,
  quantizesInputs: true,
  normAsConv: true,
  requantize: "Identity",
  integerKernels: {},
  fusions: [
    { from: ["Conv", "Relu"], says: "the bound is the end of the grid" },
    { from: ["ReduceL2", "Div"], says: "LpNormalization with p = 2, if the model says so" },
  ],
  fallback: {
    dtype: "float32",
    says: "what the provider does not take runs on the Arm cores, with a copy each way; newer HTPs also compute float16",
  },
  facts: [
    {
      says: "uint8 or uint16 activations; scales per channel for Conv (axis 0) and ConvTranspose (axis 1) alone, symmetric; MatMul has one scale; least real range 1e-4",
      verified: "read",
      source: "ONNX Runtime's QNN quantization configuration and documentation of the QNN provider",
    },
    {
      says: "16-bit outputs: Sigmoid at 1/65536 zero point 0, Tanh at 1/32768 zero point 32768",
      verified: "read",
      source: "ONNX Runtime's QNN quantization configuration",
    },
    {
      says: "Softmax at 16 bits on the grid of Sigmoid; 8-bit outputs as in TFLite",
      verified: "unverified",
      source: "by analogy: both ranges are [0, 1]",
    },
  ],
  floatRewrites: [],
  notes: [
    "No HTP is here: accuracy is that of the same integers computed by ONNX Runtime, and times are not those of the device. Qualcomm's own HTP library for x64 (in onnxruntime-qnn 2.7) takes and runs the files in bench/peers.",
    "All shapes must be static before the model is handed over.",
    "16-bit activations (--scheme int16x8) cost the HTP about twice the time of 8-bit ones by its maker's figures, and keep nearly all accuracy; not measured here.",
  ],
};
