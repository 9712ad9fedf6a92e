import {
  ABSORBED,
  EQUAL,
  EQUAL_ALL,
  INTEGER,
  inFloat,
  MOVERS,
  NORM_IN_FLOAT,
  REPEATERS,
  recurrentInFloat,
  SPACE_MOVERS,
  THROUGH,
  WEIGHTED,
} from "./operator-rules.ts";
import type { IntegerScheme, OperatorRule, Target } from "./target.ts";

/** Vanishes where it can, and has a kernel of its own where not. */
const ABSORBED_OR_ALONE: OperatorRule = { kind: "absorbed", alone: true };

/**
 * TFLite's int8 kernels by the ONNX operators that are lowered to them: per-tensor activations with any zero point. Which kernels want one scale and
 * zero point on inputs and output, and which fix their output's, is from the LiteRT quantization specification; LEAKY_RELU, PRELU and HARD_SWISH,
 * which it leaves out, are in the kernels. GlobalAveragePool and ReduceMean are MEAN, whose output has a scale of its own.
 */
export const INT8_OPERATORS: Readonly<Record<string, OperatorRule>> = {
  ...WEIGHTED,
  // The slopes have one scale, as a tensor; kernels take them with 8 bits in either scheme.
  PRelu: { kind: "integer", weight: 1 },
  LeakyRelu: INTEGER,
  HardSwish: INTEGER,
  Add: INTEGER,
  Sub: INTEGER,
  Mul: INTEGER,
  ReduceMean: { kind: "integer", over: "first" },
  GlobalAveragePool: INTEGER,
  Sigmoid: { kind: "integer", fixedOutput: { scale: 1 / 256, zeroPoint: 0 } },
  Softmax: { kind: "integer", fixedOutput: { scale: 1 / 256, zeroPoint: 0 } },
  Tanh: { kind: "integer", fixedOutput: { scale: 1 / 128, zeroPoint: 128 } },
  LpNormalization: { kind: "integer", fixedOutput: { scale: 1 / 128, zeroPoint: 128 }, floatAtOutput: NORM_IN_FLOAT },
  Concat: EQUAL_ALL,
  Max: EQUAL_ALL,
  Min: EQUAL_ALL,
  Where: EQUAL_ALL,
  MaxPool: EQUAL,
  AveragePool: EQUAL,
  Pad: EQUAL,
  Resize: EQUAL,
  ...MOVERS,
  ...REPEATERS,
  ...SPACE_MOVERS,
  Dropout: THROUGH,
  // One that prepareForIntegers put in is QUANTIZE between two grids instead.
  Identity: THROUGH,
  Relu: ABSORBED_OR_ALONE,
  Clip: ABSORBED_OR_ALONE,
  HardSigmoid: { kind: "float", why: "TFLite has no HARD_SIGMOID operator" },
  Div: { kind: "float", why: "TFLite's DIV has no int8 kernel" },
  ReduceL2: { kind: "float", why: NORM_IN_FLOAT },
  LSTM: recurrentInFloat("LSTM"),
  GRU: { kind: "float", why: "TFLite has no GRU operator with integer kernels" },
};

function noInt16(operator: string): OperatorRule {
  return { kind: "float", why: `TFLite's ${operator} has no int16 kernel` };
}

/** Kernels with int16 activations (zero point 0 everywhere), int8 weights and int64 biases. */
const INT16_OPERATORS: Readonly<Record<string, OperatorRule>> = {
  ...INT8_OPERATORS,
  Sigmoid: { kind: "integer", fixedOutput: { scale: 1 / 32768, zeroPoint: 0 } },
  Softmax: { kind: "integer", fixedOutput: { scale: 1 / 32768, zeroPoint: 0 } },
  Tanh: { kind: "integer", fixedOutput: { scale: 1 / 32768, zeroPoint: 0 } },
  LpNormalization: noInt16("L2_NORMALIZATION"),
  HardSwish: noInt16("HARD_SWISH"),
  PRelu: noInt16("PRELU"),
  // LiteRT runs these two all the same, and answers something else.
  SpaceToDepth: noInt16("SPACE_TO_DEPTH"),
  DepthToSpace: noInt16("DEPTH_TO_SPACE"),
};

const WIDE: IntegerScheme = {
  precision: "int16x8",
  activations: { dtype: "int16", symmetric: true },
  bias: "int64",
  operators: INT16_OPERATORS,
};

/** Operators of the file that count as integer, by the ONNX operator they stand for. */
const INTEGER_KERNELS: Readonly<Record<string, readonly string[]>> = {
  Conv: ["CONV_2D", "DEPTHWISE_CONV_2D"],
  ConvTranspose: ["TRANSPOSE_CONV"],
  Gemm: ["FULLY_CONNECTED"],
  MatMul: ["FULLY_CONNECTED", "BATCH_MATMUL"],
  PRelu: ["PRELU"],
  LeakyRelu: ["LEAKY_RELU"],
  HardSwish: ["HARD_SWISH"],
  Add: ["ADD"],
  Sub: ["SUB"],
  Mul: ["MUL"],
  ReduceMean: ["MEAN"],
  GlobalAveragePool: ["MEAN"],
  AveragePool: ["AVERAGE_POOL_2D"],
  MaxPool: ["MAX_POOL_2D"],
  Sigmoid: ["LOGISTIC"],
  Softmax: ["SOFTMAX"],
  Tanh: ["TANH"],
  Concat: ["CONCATENATION"],
  Max: ["MAXIMUM"],
  Min: ["MINIMUM"],
  Where: ["SELECT_V2"],
  Resize: ["RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"],
};

/** Measured by its profile, an operator at a time, on the TensorFlow Lite of 2023 inside tfjs-tflite; see the tests of packages/testkit. */
const NOT_IN_XNNPACK = "XNNPACK (measured on TensorFlow Lite of 2023) leaves its int8 form to TensorFlow Lite's own kernel";

const SLOW_KERNELS: Readonly<Record<string, string>> = {
  PRelu: `${NOT_IN_XNNPACK}; it takes PRELU in float only`,
  HardSwish: NOT_IN_XNNPACK,
  Softmax: NOT_IN_XNNPACK,
  Tanh: NOT_IN_XNNPACK,
  LpNormalization: NOT_IN_XNNPACK,
  ConvTranspose: NOT_IN_XNNPACK,
  Gemm: `${NOT_IN_XNNPACK} when its weights have a scale per channel; newer ones take it`,
  MatMul: `${NOT_IN_XNNPACK} when its weights have a scale per channel, and between two computed matrices`,
  AveragePool: NOT_IN_XNNPACK,
  Max: NOT_IN_XNNPACK,
  Min: NOT_IN_XNNPACK,
  Where: NOT_IN_XNNPACK,
  Relu: `${NOT_IN_XNNPACK} where it does not vanish into the operator before it`,
  Clip: `${NOT_IN_XNNPACK} where it does not vanish into the operator before it`,
};

const NOTES: readonly string[] = [
  "Weights of fully connected layers have a scale per channel: LiteRT and the TensorFlow Lite of 2023 both compute it right, XNNPACK of 2023 does not accelerate it.",
  "With 16-bit activations nothing is accelerated: every operator runs in TensorFlow Lite's own kernels.",
  "A final normalisation to unit length stays in float: 8 bits at a step of 1/128 lose cosine.",
];

/** What holds wherever int8 files of TFLite are run: by LiteRT, by a vendor's delegate, or by TensorFlow Lite for Microcontrollers. */
export const INT8_FILES = {
  runtime: "litert",
  format: "tflite",
  activations: { dtype: "int8", symmetric: false },
  absorbs: {
    operators: ["Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Sub", "Mul"],
    bounds: [
      [0, Number.POSITIVE_INFINITY],
      [0, 6],
      [-1, 1],
      [0, 1],
    ],
  },
  quantizesInputs: true,
  normAsConv: true,
  requantize: "Identity",
  integerKernels: INTEGER_KERNELS,
  fusions: [
    { from: ["Conv", "Relu"], says: "the operator's own activation, in float and in integers" },
    {
      from: ["Conv", "Clip"],
      says: "as its own activation at [0, 6], [-1, 1] and [0, 1]; at other bounds as the end of the grid",
    },
    { from: ["Add", "Relu"], says: "the operator's own activation; so for Sub, Mul and fully connected layers" },
  ],
  floatRewrites: [],
} as const satisfies Partial<Target>;

/** LiteRT (TensorFlow Lite) with the XNNPACK delegate, on this machine. */
export const LITERT: Target = {
  ...INT8_FILES,
  id: "litert",
  says: "LiteRT (TensorFlow Lite) with XNNPACK: int8 activations, int8 weights per channel",
  here: "device",
  weights: {
    dtype: "int8",
    perChannelAxis: { Conv: 0, ConvTranspose: 1, Gemm: "columns", MatMul: "columns" },
    reducedRange: "never",
  },
  operators: INT8_OPERATORS,
  wide: WIDE,
  slowKernels: SLOW_KERNELS,
  fallback: { dtype: "float32", says: "the same processor, between DEQUANTIZE and QUANTIZE" },
  facts: [
    {
      says: "Kernels with an int8 form, and their fixed grids",
      verified: "measured here",
      source: "LiteRT quantization specification; every row run on LiteRT and tfjs-tflite in packages/testkit",
    },
  ],
  notes: NOTES,
};

const NO_XNNPACK_KERNEL = "XNNPACK has a float kernel for it and no int8 one";

/** Operators that XNNPACK computes in float and not in int8: where only accelerated kernels are wanted, they stay in float. */
const XNNPACK_OPERATORS: Readonly<Record<string, OperatorRule>> = {
  ...INT8_OPERATORS,
  ...inFloat(NO_XNNPACK_KERNEL, "PRelu", "HardSwish", "Softmax", "Tanh", "AveragePool", "Max", "Min"),
  Relu: ABSORBED,
  Clip: ABSORBED,
};

/** LiteRT held to kernels that XNNPACK accelerates: what it lacks in int8 stays in float between a DEQUANTIZE and a QUANTIZE. */
export const LITERT_XNNPACK: Target = {
  ...LITERT,
  id: "litert-xnnpack",
  says: "LiteRT held to XNNPACK's kernels: int8 where it has int8 kernels, its float kernels elsewhere",
  operators: XNNPACK_OPERATORS,
  slowKernels: Object.fromEntries(Object.entries(SLOW_KERNELS).filter(([op]) => XNNPACK_OPERATORS[op]?.kind !== "float")),
  notes: [
    "PRELU, HARD_SWISH, SOFTMAX and their like are computed in float, because XNNPACK has them in float only; each of them costs a DEQUANTIZE and a QUANTIZE.",
    ...NOTES.slice(1),
  ],
};

/** Raspberry Pi 4: LiteRT with XNNPACK on four Cortex-A72 cores. */
export const RPI4: Target = {
  ...LITERT,
  id: "rpi4",
  here: "same runtime",
  says: "Raspberry Pi 4: LiteRT with XNNPACK on Cortex-A72, int8 activations, int8 weights per channel",
  budget: { memoryBytes: 1 << 30, says: "the board with 1 GB; others have more" },
  notes: [
    ...NOTES,
    "Accuracy is measured on LiteRT here; its kernels for Arm were not run, and may differ from these in a last bit or two.",
    "Times on the board are not known: what runs here is LiteRT in WebAssembly. Cortex-A72 has no dot-product instructions, so its int8 kernels gain less over float than those of newer cores.",
    "Which operators XNNPACK accelerates was measured on x64; the delegate decides by type and shape, alike on all processors.",
  ],
};
