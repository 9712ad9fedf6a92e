import { fail } from "../../base/error.ts";
import type { Rounding } from "./multiplier.ts";

/** What a rule is looked up for: a kind of step, or the border between float and integers. */
export type RuleKind =
  | "conv"
  | "depthwise"
  | "fullyConnected"
  | "add"
  | "mul"
  | "prelu"
  | "leakyRelu"
  | "relu"
  | "requantize"
  | "mean"
  | "averagePool"
  | "logistic"
  | "tanh"
  | "hardSwish"
  | "elu"
  | "softmax"
  | "logSoftmax"
  | "l2Normalization"
  | "resizeBilinear"
  | "lstm"
  | "border";

/**
 * How results come to the scale of the output.
 * - double, single: by a Q31 multiplier with two roundings or one.
 * - float: the sum as float32 times a float32 factor, rounded half to even, as XNNPACK and ONNX Runtime do.
 * - real: operands to float, the float operator, quantized again with rounding half to even.
 * - fixed: functions in fixed point, see fixed-point.ts.
 * - table: one entry for each integer, from the float function.
 * - xnn: the operator's own integer formula in XNNPACK.
 * - away, even, inverse: how a float becomes an integer at the border, see BorderRounding.
 */
export type Rule = Rounding | "float" | "real" | "fixed" | "table" | "xnn" | "away" | "even" | "inverse";

/** A named set of rounding rules: which rule each kind of step follows. */
export interface Profile {
  /** Software whose results it equals. */
  readonly says: string;
  readonly rules: Readonly<Record<RuleKind, Rule>>;
}

const TFLM: Readonly<Record<RuleKind, Rule>> = {
  conv: "double",
  depthwise: "double",
  fullyConnected: "double",
  add: "double",
  mul: "double",
  prelu: "double",
  leakyRelu: "double",
  relu: "double",
  requantize: "double",
  mean: "double",
  averagePool: "double",
  logistic: "fixed",
  tanh: "fixed",
  hardSwish: "fixed",
  elu: "table",
  softmax: "fixed",
  logSoftmax: "real",
  l2Normalization: "double",
  resizeBilinear: "double",
  lstm: "double",
  border: "away",
};

/** Every profile by name. */
export const PROFILES = {
  "tflm-double": {
    says: "reference kernels of TensorFlow Lite for Microcontrollers as they are built by default",
    rules: TFLM,
  },
  single: {
    says: "the same kernels built with single rounding",
    rules: {
      ...TFLM,
      conv: "single",
      depthwise: "single",
      fullyConnected: "single",
      add: "single",
      mul: "single",
      prelu: "single",
      leakyRelu: "single",
      relu: "single",
      requantize: "single",
      mean: "single",
      l2Normalization: "single",
      lstm: "single",
    },
  },
  xnnpack: {
    says: "LiteRT on a processor: XNNPACK's 8-bit kernels, and the reference kernels where it has none",
    rules: {
      ...TFLM,
      conv: "float",
      depthwise: "float",
      fullyConnected: "float",
      mul: "float",
      mean: "float",
      leakyRelu: "xnn",
      requantize: "xnn",
      resizeBilinear: "xnn",
      border: "inverse",
    },
  },
  "ort-float": {
    says: "integer sums brought to scale in float32 and rounded half to even; every other operator in float between integers",
    rules: {
      conv: "float",
      depthwise: "float",
      fullyConnected: "float",
      add: "real",
      mul: "real",
      prelu: "real",
      leakyRelu: "real",
      relu: "real",
      requantize: "real",
      mean: "real",
      averagePool: "real",
      logistic: "real",
      tanh: "real",
      hardSwish: "real",
      elu: "real",
      softmax: "real",
      logSoftmax: "real",
      l2Normalization: "real",
      resizeBilinear: "real",
      lstm: "real",
      border: "even",
    },
  },
} as const satisfies Record<string, Profile>;

/** Name of a profile. */
export type ProfileName = keyof typeof PROFILES;

/** The profile of a name. @throws PLAN_INVALID for a name that is not in the table */
export function profileOf(name: ProfileName): Profile {
  if (!Object.hasOwn(PROFILES, name))
    throw fail("PLAN_INVALID", `Cannot use the rounding profile "${name}": there are ${Object.keys(PROFILES).join(", ")}`);
  return PROFILES[name];
}
