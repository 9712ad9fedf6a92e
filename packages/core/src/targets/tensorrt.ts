import { ABSORBED, EQUAL_ALL, INTEGER, inFloat, MOVERS, NORMS_IN_FLOAT, THROUGH, WEIGHTED } from "./operator-rules.ts";
import type { OperatorRule, Target } from "./target.ts";

const POINTWISE = "TensorRT fuses it into the layer before it in float; a Q/DQ pair on either side would break that fusion";

/** Layers that TensorRT computes in int8 when Q/DQ pairs stand before them, and those past which it moves a pair. */
const OPERATORS: Readonly<Record<string, OperatorRule>> = {
  ...WEIGHTED,
  // Both sides of a residual sum: only then the convolution before it takes the sum in.
  Add: INTEGER,
  Mul: INTEGER,
  AveragePool: INTEGER,
  GlobalAveragePool: INTEGER,
  Concat: EQUAL_ALL,
  MaxPool: THROUGH,
  Resize: THROUGH,
  ...MOVERS,
  Relu: ABSORBED,
  Clip: ABSORBED,
  PRelu: {
    kind: "float",
    why: "TensorRT takes no PRelu into the convolution before it: the int8 chain breaks here (reported as NVIDIA/TensorRT#2162)",
  },
  ...inFloat(POINTWISE, "LeakyRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Sub", "Div"),
  Softmax: { kind: "float", why: "TensorRT's Softmax has no int8 form" },
  ReduceMean: { kind: "float", why: "TensorRT's Reduce has no int8 form" },
  Pad: { kind: "float", why: "that TensorRT moves Q/DQ past Pad is not documented" },
  ...NORMS_IN_FLOAT,
  LSTM: { kind: "float", why: "TensorRT's recurrent layers have no explicit int8 form" },
};

/** NVIDIA Jetson by TensorRT's explicit quantization: symmetric int8 in Q/DQ pairs, biases in float. */
export const JETSON_NANO: Target = {
  id: "jetson-nano",
  says: "NVIDIA Jetson Nano and Orin Nano by TensorRT: explicit Q/DQ, symmetric int8, weights per channel",
  runtime: "ort-node",
  here: "simulated",
  format: "onnx",
  activations: { dtype: "int8", symmetric: true },
  weights: {
    dtype: "int8",
    perChannelAxis: { Conv: 0, ConvTranspose: 1, Gemm: "columns" },
    reducedRange: "never",
    floatBias: true,
  },
  operators: OPERATORS,
  absorbs: {
    operators: ["Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Mul"],
    bounds: [
      [0, Number.POSITIVE_INFINITY],
      [0, 6],
    ],
  },
  integerKernels: {},
  fusions: [
    { from: ["Conv", "Relu"], says: "one int8 layer, when no Q/DQ stands between" },
    { from: ["Conv", "Clip"], says: "one int8 layer, when no Q/DQ stands between; for clips at 6 this is not confirmed" },
    { from: ["Conv", "Add"], says: "one int8 layer, when the other side of the sum has its own Q/DQ pair" },
  ],
  fallback: { dtype: "float16", says: "the same GPU, in float16 or float32 as the network is typed; conversions stand between" },
  budget: { memoryBytes: 2 * (1 << 30), says: "half of a 4 GB module, which processor and GPU share" },
  facts: [
    {
      says: "Zero points are 0, activations [-128, 127] with one scale, weights [-127, 127] with a scale per output channel, rounding to even",
      verified: "read",
      source: "TensorRT documentation: working with quantized types, explicit quantization",
    },
    {
      says: "A pair on the residual input lets convolution and sum become one layer",
      verified: "read",
      source: "NVIDIA's TensorFlow quantization toolkit: custom Q/DQ cases for residual networks",
    },
    {
      says: "Biases stay in float: older parsers refuse a DequantizeLinear of int32",
      verified: "unverified",
      source: "reports of users; a float bias is accepted by all versions",
    },
    {
      says: "The first Jetson Nano (Maxwell, compute capability 5.3) has no int8 instructions: its last TensorRT builds float16 or float32 engines only. Orin Nano (Ampere, 8.7) has int8 tensor cores",
      verified: "unverified",
      source: "TensorRT 8.2 support matrix, from memory: the page was not within reach",
    },
  ],
  floatRewrites: [],
  notes: [
    "Nothing of TensorRT runs here: accuracy is that of the same integers computed by ONNX Runtime, and times are not those of the device.",
    "The first Jetson Nano (Maxwell) has no int8 instructions; ship float16 there, and this file to an Orin Nano.",
    "PRelu stands in float between two conversions: fold it into Relu before training where int8 speed matters.",
  ],
};
