import type { DType } from "../../graph/dtype.ts";
import type { Node } from "../../graph/model.ts";
import type { Tensor } from "../../graph/tensor.ts";
import type { BorderRounding } from "./border.ts";
import type { Multiplier, Rounding } from "./multiplier.ts";
import type { ProfileName } from "./profile.ts";

/** A value of the program: an activation, in the layout of the Model (NCHW for images). Without a scale it is not quantized. */
export interface IntegerValue {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** float32; real = (q - zeroPoint) * scale. */
  readonly scale?: number;
  readonly zeroPoint?: number;
}

/**
 * How sums come to the output, one entry for all channels or one for each:
 * - double, single: Q31 multiplier and shift, see multiplyTwice and multiplyOnce;
 * - wide: the same numbers, used as multiplyWide does (sums of 64 bits);
 * - float: round_half_even(fround(fround(sum) * scale)).
 * Then the output's zero point is added and the clamp applied.
 */
export type Rescale =
  | { readonly rule: Rounding | "wide"; readonly multipliers: Int32Array; readonly shifts: Int32Array }
  | { readonly rule: "float"; readonly scales: Float32Array };

/** Lowest and highest integer of an output: those of its type, or those of the activation fused with the operator. */
export type Clamp = readonly [number, number];

interface StepBase {
  /** Name of the node that it computes. */
  readonly node: string;
  /** Names of the values it reads: activations, or constants of the program. */
  readonly inputs: readonly string[];
  readonly output: string;
}

/** Sizes of a sliding window over NCHW; 1-D operators have a height of 1. */
export interface WindowSizes {
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly outChannels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** Rows above, columns to the left; what is missing behind follows from the sizes. */
  readonly pads: readonly [number, number];
}

/** Convolution; kind "depthwise" when each group has one input channel. Padding stands for the input's zero point. */
export interface ConvStep extends StepBase, WindowSizes {
  readonly kind: "conv" | "depthwise";
  readonly group: number;
  /** [outChannels, channels / group, kernel height, kernel width], zero point 0. */
  readonly weights: Int8Array;
  /** Sums start with it: int32, or int64 with int16 activations. */
  readonly bias: Int32Array | BigInt64Array | undefined;
  readonly inputZero: number;
  readonly outputZero: number;
  readonly rescale: Rescale;
  readonly clamp: Clamp;
}

/** [rows, depth] x [outputs, depth]^T. */
export interface FullyConnectedStep extends StepBase {
  readonly kind: "fullyConnected";
  readonly rows: number;
  readonly depth: number;
  readonly outputs: number;
  /** [outputs, depth]. */
  readonly weights: Int8Array;
  readonly weightsZero: number;
  readonly bias: Int32Array | BigInt64Array | undefined;
  readonly inputZero: number;
  readonly outputZero: number;
  readonly rescale: Rescale;
  readonly clamp: Clamp;
}

/** a + b or a - b with broadcasting: each operand shifted left, multiplied; their sum multiplied. */
export interface AddStep extends StepBase {
  readonly kind: "add";
  /** Take the second operand from the first. */
  readonly subtract: boolean;
  readonly leftShift: number;
  readonly zeros: readonly [number, number];
  readonly multipliers: readonly [Multiplier, Multiplier];
  readonly outputMultiplier: Multiplier;
  readonly rounding: Rounding;
  readonly outputZero: number;
  readonly clamp: Clamp;
}

/** (a - za) * (b - zb), rescaled, with broadcasting. */
export interface MulStep extends StepBase {
  readonly kind: "mul";
  readonly zeros: readonly [number, number];
  readonly rescale: Rescale;
  readonly outputZero: number;
  readonly clamp: Clamp;
}

/** x where x >= 0, slope * x elsewhere, slopes by broadcasting: one multiplier for each side. */
export interface PreluStep extends StepBase {
  readonly kind: "prelu";
  readonly zeros: readonly [number, number];
  readonly positive: Multiplier;
  readonly negative: Multiplier;
  readonly rounding: Rounding;
  readonly outputZero: number;
  readonly clamp: Clamp;
}

/** The larger or smaller of two operands of the same encoding. */
export interface ExtremumStep extends StepBase {
  readonly kind: "maximum" | "minimum";
}

/** Largest value of each window; padding never wins. */
export interface MaxPoolStep extends StepBase, WindowSizes {
  readonly kind: "maxPool";
  readonly clamp: Clamp;
}

/** Sum of the window's values inside the picture divided by their number (`countPadding`: by the whole window), half away from zero. */
export interface AveragePoolStep extends StepBase, WindowSizes {
  readonly kind: "averagePool";
  readonly countPadding: boolean;
  readonly inputZero: number;
  readonly clamp: Clamp;
}

/** Sum over axes less the zero points, rescaled with the division by their number inside. Also sums alone. */
export interface MeanStep extends StepBase {
  readonly kind: "mean";
  /** Shape of the input, and which of its axes are summed. */
  readonly sizes: readonly number[];
  readonly axes: readonly number[];
  /** How many values each sum has. */
  readonly count: number;
  readonly inputZero: number;
  readonly outputZero: number;
  readonly rescale: Rescale;
  readonly clamp: Clamp;
}

/** A function of one integer. Kinds and what they hold: see unary.ts. */
export type UnaryFunction =
  | { readonly kind: "requantize"; readonly multiplier: Multiplier; readonly rounding: Rounding }
  | { readonly kind: "relu"; readonly multiplier: Multiplier; readonly rounding: Rounding }
  | { readonly kind: "leakyRelu"; readonly positive: Multiplier; readonly negative: Multiplier; readonly rounding: Rounding }
  /** floor((x * multiplier + 128) / 256), a multiplier for each side of zero. */
  | { readonly kind: "byteScaled"; readonly positive: number; readonly negative: number }
  | {
      readonly kind: "logistic" | "tanh";
      /** To four integer bits. */
      readonly multiplier: Multiplier;
      /** From here on the function has reached its end. */
      readonly radius: number;
    }
  | {
      readonly kind: "hardSwish";
      /** 16-bit multipliers (Q15) and exponents. */
      readonly output: Multiplier;
      readonly relu: Multiplier;
    }
  /** 16 bits: linear between entries of a table, see wide-sigmoid.ts. */
  | { readonly kind: "wideLogistic" | "wideTanh"; readonly multiplier: number; readonly shift: number }
  /** Only the table of the step says what it is. */
  | { readonly kind: "table"; readonly of: string };

/** A function of each value by itself. */
export interface UnaryStep extends StepBase {
  readonly kind: "unary";
  readonly function: UnaryFunction;
  readonly inputZero: number;
  readonly outputZero: number;
  readonly clamp: Clamp;
  /** For 8-bit inputs: the output for each input, from the lowest integer on. */
  readonly table?: Int16Array;
}

/** Softmax over the last of [rows, depth] in fixed point: exponentials of five integer bits, sums of twelve. */
export interface SoftmaxStep extends StepBase {
  readonly kind: "softmax";
  /** Sizes as [outer, depth, inner]. */
  readonly sizes: readonly [number, number, number];
  readonly multiplier: Multiplier;
  /** Differences from the largest value below this count as exp = 0. */
  readonly least: number;
}

/** x / |x| over an axis, in 1/128. */
export interface L2NormalizationStep extends StepBase {
  readonly kind: "l2Normalization";
  readonly sizes: readonly [number, number, number];
  readonly inputZero: number;
  readonly rounding: Rounding;
}

/**
 * Bilinear resizing of the last two axes. Positions have 10 fraction bits and weights 20 in all, rounded half away from zero; with `fine`, positions are
 * float32, weights have 11 bits in each direction, and ties go up.
 */
export interface ResizeStep extends StepBase {
  readonly kind: "resizeBilinear";
  readonly fine: boolean;
  readonly planes: number;
  readonly height: number;
  readonly width: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly alignCorners: boolean;
  readonly halfPixel: boolean;
}

/** Integers moved, chosen or joined as they are: the float operator's kernel works on any type. */
export interface MoveStep {
  readonly kind: "move";
  readonly node: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly operator: Node;
}

/** An operator in float between integers: inputs to float, the float kernel, outputs to integers where they have an encoding. */
export interface FloatStep {
  readonly kind: "float";
  readonly node: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly operator: Node;
  /** How outputs become integers. */
  readonly rounding: BorderRounding;
}

/** Float to integers or back where the encoding of a value begins or ends. */
export interface BorderStep extends StepBase {
  readonly kind: "quantize" | "dequantize";
  readonly rounding: BorderRounding;
}

/** One gate of the LSTM: its part of the weights with the multipliers to Q3.12. */
export interface LstmGate {
  /** [hidden, input]. */
  readonly weights: Int8Array;
  readonly bias: Int32Array;
  readonly multiplier: Multiplier;
  /** [hidden, hidden]. */
  readonly recurrent: Int8Array;
  readonly recurrentMultiplier: Multiplier;
}

/** Unidirectional LSTM over [time, batch, input], int8 with an int16 cell state of scale 2^cellExponent; state starts at zero. */
export interface LstmStep extends StepBase {
  readonly kind: "lstm";
  readonly batchFirst: boolean;
  readonly time: number;
  readonly batch: number;
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly inputZero: number;
  readonly hiddenZero: number;
  readonly gates: { readonly input: LstmGate; readonly forget: LstmGate; readonly cell: LstmGate; readonly output: LstmGate };
  readonly cellExponent: number;
  /** 0: none. */
  readonly cellClip: number;
  readonly forgetCell: Multiplier;
  readonly inputCell: Multiplier;
  readonly hidden: Multiplier;
  readonly rounding: Rounding;
  /** Further outputs of the node, "" where nobody asks: last hidden state, last cell state. */
  readonly states: readonly [string, string];
}

/** One operation of an integer program. */
export type IntegerStep =
  | ConvStep
  | FullyConnectedStep
  | AddStep
  | MulStep
  | PreluStep
  | ExtremumStep
  | MaxPoolStep
  | AveragePoolStep
  | MeanStep
  | UnaryStep
  | SoftmaxStep
  | L2NormalizationStep
  | ResizeStep
  | MoveStep
  | FloatStep
  | BorderStep
  | LstmStep;

/** A network in integers: plain data, all numbers worked out, steps in order. */
export interface IntegerProgram {
  readonly kind: "integer-program";
  readonly profile: ProfileName;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Every activation, by name. */
  readonly values: ReadonlyMap<string, IntegerValue>;
  /** Constants that steps read by name, in integers where they are quantized. Weights and biases stand in their steps. */
  readonly constants: ReadonlyMap<string, Tensor>;
  readonly steps: readonly IntegerStep[];
}

/** The name under which a program keeps the floats of a value that it has in integers too. */
export function floatsOf(name: string): string {
  return `${name} in floats`;
}
