import { ABSORBED, INTEGER, MOVERS, NORMS_IN_FLOAT, noIntegerKernel, REPEATERS, THROUGH, WEIGHTED } from "./operator-rules.ts";
import type { OperatorRule, Target } from "./target.ts";

const CPU = "ONNX Runtime's CPU provider";

/**
 * ONNX Runtime's CPU provider: which operators of a QDQ graph become integer kernels. Read from its QDQ selectors and checked against its own
 * optimised graph in the tests of packages/runtimes.
 */
const ORT_OPERATORS: Readonly<Record<string, OperatorRule>> = {
  ...WEIGHTED,
  Add: INTEGER,
  Mul: INTEGER,
  AveragePool: INTEGER,
  GlobalAveragePool: INTEGER,
  LeakyRelu: INTEGER,
  Sigmoid: INTEGER,
  Concat: INTEGER,
  Where: INTEGER,
  Softmax: { kind: "integer", fixedOutput: { scale: 1 / 256, zeroPoint: 0 } },
  MaxPool: THROUGH,
  ...MOVERS,
  ...REPEATERS,
  Resize: {
    kind: "through",
    when: {
      attribute: "mode",
      is: "nearest",
      fallback: "nearest",
      otherwise: "ONNX Runtime's CPU provider carries integers through Resize only when it takes the nearest value",
    },
  },
  Relu: ABSORBED,
  Clip: ABSORBED,
  Sub: { kind: "float", why: "ONNX Runtime's CPU provider does not fuse Sub with its Q/DQ pairs" },
  Div: { kind: "float", why: "ONNX Runtime's CPU provider does not fuse Div with its Q/DQ pairs" },
  ...noIntegerKernel(CPU, "PRelu", "HardSwish", "HardSigmoid", "Tanh", "ReduceMean", "ConvTranspose"),
  Pad: { kind: "float", why: "ONNX Runtime's CPU provider does not carry integers through Pad" },
  ...NORMS_IN_FLOAT,
};

const ORT_INTEGER_KERNELS: Readonly<Record<string, readonly string[]>> = {
  Conv: ["QLinearConv", "ConvInteger"],
  Gemm: ["QGemm"],
  MatMul: ["QLinearMatMul", "MatMulIntegerToFloat", "MatMulInteger", "DynamicQuantizeMatMul", "MatMulNBits"],
  Add: ["QLinearAdd"],
  Mul: ["QLinearMul"],
  AveragePool: ["QLinearAveragePool"],
  GlobalAveragePool: ["QLinearGlobalAveragePool"],
  LeakyRelu: ["QLinearLeakyRelu"],
  Sigmoid: ["QLinearSigmoid"],
  Concat: ["QLinearConcat"],
  Softmax: ["QLinearSoftmax"],
  Where: ["QLinearWhere"],
};

const PRELU_SPLIT = {
  pass: "split-prelu",
  why: "ONNX Runtime's PRelu kernel with a slope per channel is slow on x64; s*x + (1-s)*relu(x) is the same function at about three times its speed",
};

const PAD_CHANNELS = {
  pass: "pad-channels",
  why: "ONNX Runtime on x64 computes depthwise Convs in its blocked layout only for multiples of 16 channels; others fall back to a kernel that is up to ten times slower, with reorders around it",
};

const PER_CHANNEL = { Conv: 0 } as const;

/** ONNX Runtime on an x64 processor: uint8 activations, int8 weights per output channel. */
export const ORT_X64: Target = {
  id: "ort-x64",
  says: "ONNX Runtime CPU on x64: uint8 activations, int8 weights per channel",
  runtime: "ort-node",
  here: "device",
  format: "onnx",
  activations: { dtype: "uint8", symmetric: false },
  weights: { dtype: "int8", perChannelAxis: PER_CHANNEL, reducedRange: "without-vnni" },
  operators: ORT_OPERATORS,
  integerKernels: ORT_INTEGER_KERNELS,
  fusions: [
    { from: ["Conv", "Relu"], says: "in float, FusedConv; in integers the bound is the end of the grid" },
    { from: ["Conv", "Clip"], says: "in float, FusedConv; in integers the bounds are the ends of the grid" },
    { from: ["Conv", "LeakyRelu"], says: "in float only, FusedConv" },
    { from: ["Conv", "Add"], says: "in float, one of the NCHWc kernels adds while it stores" },
  ],
  fallback: { dtype: "float32", says: "the same processor, between DequantizeLinear and QuantizeLinear" },
  facts: [
    {
      says: "Which operators become integer kernels",
      verified: "measured here",
      source: "ONNX Runtime's own optimised graph, in the tests of packages/runtimes and bench/predictor.ts",
    },
  ],
  floatRewrites: [PAD_CHANNELS, PRELU_SPLIT],
  notes: [
    "Signed 8-bit activations are not fused on x64: with them the same network runs slower than in float.",
    "Without VNNI the 16-bit intermediate of u8*s8 saturates: weights use 7 bits there.",
  ],
};

/** ONNX Runtime on an x64 processor without VNNI: 7-bit weights, because 16-bit sums of u8*s8 pairs saturate. */
export const ORT_X64_NOVNNI: Target = {
  ...ORT_X64,
  id: "ort-x64-novnni",
  says: "ONNX Runtime CPU on x64 without VNNI: uint8 activations, 7-bit weights per channel",
  here: "same runtime",
  weights: { dtype: "int8", perChannelAxis: PER_CHANNEL, reducedRange: "always" },
  notes: [
    "Signed 8-bit activations are not fused on x64: with them the same network runs slower than in float.",
    "Weights use 7 bits wherever the file is made, so that sums of two products fit into 16 bits.",
    "Without VNNI a product of bytes takes three instructions instead of one: INT8 gains less over FP32 than on processors that have it; times of a processor with VNNI do not carry over.",
  ],
};

/** ONNX Runtime on 64-bit Arm: int8 activations and weights. */
export const ORT_ARM: Target = {
  ...ORT_X64,
  id: "ort-arm",
  says: "ONNX Runtime CPU on 64-bit Arm: int8 activations, int8 weights per channel",
  here: "same runtime",
  activations: { dtype: "int8", symmetric: false },
  weights: { dtype: "int8", perChannelAxis: PER_CHANNEL, reducedRange: "never" },
  facts: [
    {
      says: "Signed activations become integer kernels here, and on x64 do not",
      verified: "read",
      source: "ONNX Runtime's QDQ selectors: int8 is allowed on Arm",
    },
  ],
  floatRewrites: [],
  notes: ["Times measured on another kind of processor say nothing about this target: measure on the device."],
};

/** ONNX Runtime Web (WebAssembly, SIMD). */
export const ORT_WEB: Target = {
  ...ORT_X64,
  id: "ort-web",
  says: "ONNX Runtime Web (WebAssembly): uint8 activations, int8 weights per channel",
  runtime: "ort-web",
  weights: { dtype: "int8", perChannelAxis: PER_CHANNEL, reducedRange: "never" },
  floatRewrites: [],
  notes: ["Measured: INT8 is slower than FP32 on WebAssembly; it pays in download size only."],
};
