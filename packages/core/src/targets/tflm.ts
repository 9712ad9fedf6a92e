import { INT8_OPERATORS, LITERT } from "./litert.ts";
import type { OperatorRule, Target } from "./target.ts";

const REFERENCE =
  "CMSIS-NN has no kernel for it: TensorFlow Lite for Microcontrollers' own portable one, several times slower, computes it";

const OPERATORS: Readonly<Record<string, OperatorRule>> = {
  ...INT8_OPERATORS,
  // Its resolver has SELECT_V2 for int8; Tile is not among its operators.
  Tile: { kind: "float", why: "TensorFlow Lite for Microcontrollers has no TILE" },
};

/** Cortex-M by TensorFlow Lite for Microcontrollers, with CMSIS-NN kernels where there are some. */
export const CORTEX_M: Target = {
  id: "cortex-m",
  says: "Cortex-M by TensorFlow Lite for Microcontrollers and CMSIS-NN: int8, all in one arena",
  runtime: "litert",
  here: "simulated",
  format: "tflite",
  activations: { dtype: "int8", symmetric: false },
  weights: { dtype: "int8", perChannelAxis: { Conv: 0, ConvTranspose: 1 }, reducedRange: "never" },
  operators: OPERATORS,
  ...(LITERT.wide === undefined ? {} : { wide: LITERT.wide }),
  ...(LITERT.absorbs === undefined ? {} : { absorbs: LITERT.absorbs }),
  quantizesInputs: true,
  normAsConv: true,
  requantize: "Identity",
  integerKernels: LITERT.integerKernels,
  slowKernels: {
    PRelu: `${REFERENCE}; train with Relu or Relu6 for microcontrollers`,
    LeakyRelu: REFERENCE,
    HardSwish: REFERENCE,
    Sigmoid: REFERENCE,
    Tanh: REFERENCE,
    LpNormalization: REFERENCE,
    ReduceMean: REFERENCE,
    GlobalAveragePool: REFERENCE,
    Sub: REFERENCE,
    Concat: REFERENCE,
    Resize: REFERENCE,
    Where: REFERENCE,
  },
  fusions: LITERT.fusions ?? [],
  fallback: {
    dtype: "float32",
    says: "portable float kernels on the same core: without a floating-point unit tens of times slower",
  },
  budget: {
    storageBytes: 2 * (1 << 20),
    memoryBytes: 512 * 1024,
    says: "a part of the Cortex-M7 or M55 class: 2 MB of flash, 512 KB of memory",
  },
  facts: [
    {
      says: "CMSIS-NN has int8 kernels for CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, FULLY_CONNECTED, BATCH_MATMUL, ADD, MUL, MAXIMUM, MINIMUM, both pools, SOFTMAX, PAD, TRANSPOSE, LSTM and SVDF; ADD and MUL fall back when they broadcast",
      verified: "read",
      source: "the kernels of tensorflow/tflite-micro under micro/kernels/cmsis_nn",
    },
    {
      says: "What its reference kernels compute, to the bit",
      verified: "measured here",
      source: "profile tflm-double of the integer interpreter, against recordings of TensorFlow Lite for Microcontrollers",
    },
    {
      says: "Fully connected layers with a scale per channel",
      verified: "unverified",
      source: "newer versions take them; one scale for all works in every version",
    },
  ],
  floatRewrites: [],
  notes: [
    "Accuracy is LiteRT's on this machine; TensorFlow Lite for Microcontrollers rounds twice where LiteRT rounds once, so that values differ by one here and there. Times are not those of the device.",
    "PRELU has no CMSIS-NN kernel: nets with Relu or Relu6 are several times faster on these parts.",
  ],
};
