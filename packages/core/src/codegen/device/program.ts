import type { DType } from "../../graph/dtype.ts";
import type { Rounding } from "../../interp/integer/multiplier.ts";
import type { ProfileName } from "../../interp/integer/profile.ts";
import type {
  AddStep,
  AveragePoolStep,
  Clamp,
  ExtremumStep,
  L2NormalizationStep,
  LstmStep,
  MaxPoolStep,
  MulStep,
  PreluStep,
  ResizeStep,
  SoftmaxStep,
  WindowSizes,
} from "../../interp/integer/program.ts";

/** Integer types that lie in a device's memory. */
export type DeviceDType = "int8" | "uint8" | "int16" | "int32";

/** How the model has an input or output of the device: model axis `order[i]` is the i-th outermost in memory. */
export interface DeviceLayout {
  /** uint8 lies as int8 less 128. */
  readonly dtype: DType;
  /** With the batch. */
  readonly shape: readonly number[];
  readonly order: readonly number[];
}

/** A value in the device's memory: an activation. Elements lie densely, the last axis fastest; pictures are [height, width, channels],
 * sequences that windows slide over pictures of width 1. */
export interface DeviceValue {
  readonly name: string;
  readonly dtype: DeviceDType;
  /** Sizes in storage order, without the batch, which is 1. */
  readonly shape: readonly number[];
  readonly bytes: number;
  /** float32; real = (q - zeroPoint) * scale. */
  readonly scale: number;
  readonly zeroPoint: number;
  /** Of inputs and outputs: how the model has it. */
  readonly model?: DeviceLayout;
}

/** A constant that steps read by name, such as slopes or the operand of an Add; lies in flash. */
export interface DeviceConstant {
  readonly name: string;
  readonly dtype: DeviceDType;
  readonly shape: readonly number[];
  readonly data: Int8Array | Uint8Array | Int16Array | Int32Array;
}

/** How int32 sums come to the output: one multiplier for all channels, or one for each. See Rescale of the integer program. */
export interface DeviceRescale {
  readonly rule: Rounding;
  /** Q31, [1] or [channels]. */
  readonly multipliers: Int32Array;
  /** Binary exponents, as long; positive shifts left before the multiplication. */
  readonly shifts: Int32Array;
}

interface StepBase {
  /** Name of the model's node. */
  readonly node: string;
  readonly inputs: readonly string[];
  readonly output: string;
}

/** A window that slides over [height, width, channels]. */
export type DeviceWindow = Omit<WindowSizes, "batch">;

interface Summing {
  /** Sums start with it; one for each output channel. Not yet folded with the input's zero point. */
  readonly bias: Int32Array;
  readonly inputZero: number;
  readonly outputZero: number;
  readonly rescale: DeviceRescale;
  readonly clamp: Clamp;
}

/** Convolution. A pointwise one has a kernel of [1, 1], strides of 1 and no padding. */
export interface DeviceConv extends StepBase, DeviceWindow, Summing {
  readonly kind: "conv";
  readonly group: number;
  /** [outChannels, kernel height, kernel width, channels / group]. */
  readonly weights: Int8Array;
}

/** Convolution of each channel by itself; outChannels is a multiple m of channels, output channel o reads channel floor(o / m). */
export interface DeviceDepthwise extends StepBase, DeviceWindow, Summing {
  readonly kind: "depthwise";
  /** [kernel height, kernel width, outChannels]. */
  readonly weights: Int8Array;
}

/** [rows, depth] x [outputs, depth]^T. */
export interface DeviceFullyConnected extends StepBase, Summing {
  readonly kind: "fullyConnected";
  readonly rows: number;
  readonly depth: number;
  readonly outputs: number;
  readonly weights: Int8Array;
  readonly weightsZero: number;
}

/** Sizes of an output, and the steps in elements by which each operand moves along each of its axes: 0 where it is broadcast. Axes that move together are joined. */
export interface DeviceBroadcast {
  readonly sizes: readonly number[];
  readonly strides: readonly [readonly number[], readonly number[]];
}

/** a + b or a - b: each operand shifted left, multiplied; their sum multiplied. */
export type DeviceAdd = AddStep & DeviceBroadcast;

/** (a - za) * (b - zb), rescaled. */
export type DeviceMul = Omit<MulStep, "rescale"> & DeviceBroadcast & { readonly rescale: DeviceRescale };

/** x where x >= 0, slope * x elsewhere. */
export type DevicePrelu = PreluStep & DeviceBroadcast;

/** The larger or smaller of two operands of one encoding. */
export type DeviceExtremum = ExtremumStep & DeviceBroadcast;

/** Largest value of each window; padding never wins. */
export type DeviceMaxPool = Omit<MaxPoolStep, "batch">;

/** Sum of the window's values inside the picture divided by their number (`countPadding`: by the whole window), half away from zero. */
export type DeviceAveragePool = Omit<AveragePoolStep, "batch">;

/** Sums over some axes, less the zero points, rescaled with the division inside. */
export interface DeviceMean extends StepBase {
  readonly kind: "mean";
  /** Sizes in storage order, axes that go together joined; `reduced[i]` tells whether axis i is summed. */
  readonly sizes: readonly number[];
  readonly reduced: readonly boolean[];
  readonly count: number;
  readonly inputZero: number;
  readonly outputZero: number;
  readonly rescale: DeviceRescale;
  readonly clamp: Clamp;
}

/** A function of each 8-bit integer by itself: table[q - lowest integer of the input type]. */
export interface DeviceTable extends StepBase {
  readonly kind: "table";
  readonly count: number;
  /** 256 outputs. Steps with equal tables share the object. */
  readonly table: Int8Array;
  /** What it stands for, such as "logistic" or "leakyRelu". */
  readonly of: string;
}

/** Softmax over the middle of [outer, depth, inner]; see SoftmaxStep of the integer program. */
export type DeviceSoftmax = SoftmaxStep;

/** x / |x| over the middle of [outer, depth, inner], in 1/128. */
export type DeviceL2Normalization = L2NormalizationStep;

/** Bilinear resizing of [height, width, channels]; positions with 10 fraction bits, see ResizeStep of the integer program. */
export type DeviceResize = Omit<ResizeStep, "fine" | "planes"> & { readonly channels: number };

/** Elements moved: for each index of `sizes`, output[outputOffset + index . outputStrides] = input[inputOffset + index . inputStrides]. Input may be a constant. */
export interface DeviceCopy extends StepBase {
  readonly kind: "copy";
  readonly sizes: readonly number[];
  readonly elementBytes: 1 | 2 | 4;
  readonly inputOffset: number;
  readonly inputStrides: readonly number[];
  readonly outputOffset: number;
  readonly outputStrides: readonly number[];
}

/** Writes one integer everywhere: what a Pad that no convolution took in begins with. */
export interface DeviceFill extends StepBase {
  readonly kind: "fill";
  readonly count: number;
  readonly value: number;
}

/** output[i * inner + j] = input[indices[i] * inner + j], repeated for each of `outer` blocks: Gather by constants, nearest resizing of one axis. */
export interface DeviceGather extends StepBase {
  readonly kind: "gather";
  readonly outer: number;
  /** Entries of the gathered axis in the input. */
  readonly depth: number;
  readonly inner: number;
  readonly elementBytes: 1 | 2 | 4;
  readonly indices: Int32Array;
}

/** LSTM over [time, input]; the batch is 1. Gates as in the integer program. `states`: names of the last hidden and cell state, "" where nobody asks. */
export interface DeviceLstm extends StepBase {
  readonly kind: "lstm";
  readonly lstm: LstmStep;
  readonly states: readonly [string, string];
}

/** One call of a kernel. Several steps may write parts of one output (the copies of a Concat, a fill and the copy of a Pad). */
export type DeviceStep =
  | DeviceConv
  | DeviceDepthwise
  | DeviceFullyConnected
  | DeviceAdd
  | DeviceMul
  | DevicePrelu
  | DeviceExtremum
  | DeviceMaxPool
  | DeviceAveragePool
  | DeviceMean
  | DeviceTable
  | DeviceSoftmax
  | DeviceL2Normalization
  | DeviceResize
  | DeviceCopy
  | DeviceFill
  | DeviceGather
  | DeviceLstm;

/**
 * A network as a device computes it: integers only, storage order and literal sizes, all numbers worked out. Reshapes and transposes that move nothing
 * are gone: a value may stand for another one (`views`).
 */
export interface DeviceProgram {
  readonly kind: "device-program";
  readonly profile: ProfileName;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly values: ReadonlyMap<string, DeviceValue>;
  /** A value that is the same memory as another one in another shape: name -> whose. Never a chain. */
  readonly views: ReadonlyMap<string, string>;
  readonly constants: ReadonlyMap<string, DeviceConstant>;
  readonly steps: readonly DeviceStep[];
}
