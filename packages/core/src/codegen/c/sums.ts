import { fail } from "../../base/error.ts";
import { multiply } from "../../interp/integer/multiplier.ts";
import type { DeviceConv, DeviceDepthwise, DeviceFullyConnected, DeviceRescale, DeviceStep } from "../device/program.ts";
import { alignUp } from "../memory-plan.ts";

/** Every sum with its bias is below 2^30 in size, and no shift is to the left. */
export const FLAG_SUM_30BIT = 1;
/** The lowest output is the zero point. */
export const FLAG_RELU = 2;
/** Every shift is 1 to 22 to the right, so that rounding and zero point fit one addend before the shift. */
export const FLAG_SHIFT_MID = 4;
/** Of a depthwise row: ts_depthwise_begin went before. */
export const FLAG_BEGUN = 8;
/** Of depthwise steps: no weight is -128, so that two products fit 16 bits. */
export const FLAG_WEIGHTS_127 = 16;

/** Constants of a step that sums, as the kernels want them. */
export interface SumConstants {
  /** Rows of weights `pitch` bytes apart; depthwise weights as they are. */
  readonly weights: Int8Array;
  readonly pitch: number;
  /** With the input's zero point folded in, wrapped to int32. */
  readonly bias: Int32Array;
  readonly multipliers: Int32Array;
  /** To the right; negative to the left. */
  readonly shifts: Int8Array;
  /** What is proven for every input: see the flags. */
  readonly flags: number;
}

/** Rows of weights lie in pairs, see {@link pairRows}. */
export const FLAG_PAIRS = 32;

/** A step that multiplies activations by weights and sums. */
export type SummingStep = DeviceConv | DeviceDepthwise | DeviceFullyConnected;

/**
 * Packs the constants of a step for its kernel and proves what the kernel may rely on. The bound of a sum takes every input as the worst of
 * -128 to 127, so it holds whatever is fed; the sum is that of TensorFlow Lite, bias + sum((x - zero) * w), in another order.
 */
export function packSums(step: SummingStep): SumConstants {
  const known = PACKED.get(step) ?? pack(step);
  PACKED.set(step, known);
  return known;
}

/** What was packed once is asked for by several parts of the emitter. */
const PACKED = new WeakMap<SummingStep, SumConstants>();

function pack(step: SummingStep): SumConstants {
  const outputs = step.kind === "fullyConnected" ? step.outputs : step.outChannels;
  const depth = step.weights.length / outputs;
  const isDepthwise = step.kind === "depthwise";
  const weightsZero = step.kind === "fullyConnected" ? step.weightsZero : 0;
  const pitch = isDepthwise ? outputs : alignUp(depth, 4);
  const weights = isDepthwise ? step.weights : new Int8Array(outputs * pitch);
  const bias = new Int32Array(outputs);
  const { multipliers, shifts } = spread(step.rescale, outputs, step.node);
  let isSmall = true;
  for (let o = 0; o < outputs; o++) {
    let sum = 0;
    let low = 0;
    let high = 0;
    for (let i = 0; i < depth; i++) {
      const w = step.weights[isDepthwise ? i * outputs + o : o * depth + i] as number;
      if (!isDepthwise) weights[o * pitch + i] = w;
      const real = w - weightsZero;
      sum += real;
      low += real > 0 ? -128 * real : 127 * real;
      high += real > 0 ? 127 * real : -128 * real;
    }
    const folded = (step.bias[o] as number) - step.inputZero * sum;
    bias[o] = folded | 0;
    if (low === 0 && high === 0) {
      const always = alwaysGiven(step, { sum: bias[o] as number, channel: o });
      bias[o] = always * 2 ** (CONSTANT_SHIFT + 1);
      multipliers[o] = 2 ** 30;
      shifts[o] = CONSTANT_SHIFT;
    } else if (folded + low <= -(2 ** 30) || folded + high >= 2 ** 30) isSmall = false;
  }
  const isRight = shifts.every((shift) => shift >= 0);
  const isMid = shifts.every((shift) => shift >= 1 && shift <= 22);
  const flags =
    (isSmall && isRight ? FLAG_SUM_30BIT : 0) |
    (step.clamp[0] === step.outputZero ? FLAG_RELU : 0) |
    (isMid ? FLAG_SHIFT_MID : 0) |
    (isDepthwise && weights.every((w) => w > -128) ? FLAG_WEIGHTS_127 : 0);
  return { weights, pitch, bias, multipliers, shifts, flags };
}

/**
 * The same with the rows of weights in pairs, four weights of the one and four of the other in turn, which saves the fast form for DSP instructions two
 * loads of five; unchanged where that form does not serve. Other forms read pairs slowly, so only code for such processors is written with them.
 */
export function pairRows(step: SummingStep, packed: SumConstants): SumConstants {
  const { weights, pitch, flags } = packed;
  const needed = FLAG_SUM_30BIT | FLAG_SHIFT_MID;
  const outputs = packed.bias.length;
  const isMatrix =
    step.kind === "fullyConnected"
      ? step.weightsZero === 0 && step.rows > 1
      : step.kind === "conv" && step.group === 1 && step.outHeight * step.outWidth > 1;
  const isOpen = step.clamp[0] === -128 && step.clamp[1] === 127;
  if (!isMatrix || !isOpen || outputs % 2 !== 0 || (flags & needed) !== needed) return packed;
  const paired = weights.map((_, i) => {
    const word = (i % (2 * pitch)) >> 2;
    const row = 2 * Math.floor(i / (2 * pitch)) + (word & 1);
    return weights[row * pitch + (word >> 1) * 4 + (i & 3)] as number;
  });
  return { ...packed, weights: paired, flags: flags | FLAG_PAIRS };
}

/** Shift of channels without weights. */
const CONSTANT_SHIFT = 8;

/**
 * What a channel without weights always gives, less the zero point. Such channels often have multipliers from a scale of next to nothing, and biases
 * as large as can be; r * 2^9 with a multiplier of 1/2 and a shift of 8 gives the same r, without a rounding on the way, and spoils no proof.
 */
function alwaysGiven(step: SummingStep, { sum, channel }: { readonly sum: number; readonly channel: number }): number {
  const { rule, multipliers, shifts } = step.rescale;
  const at = multipliers.length === 1 ? 0 : channel;
  const by = { value: multipliers[at] as number, shift: shifts[at] as number };
  const q = multiply(sum, by, rule) + step.outputZero;
  return Math.min(step.clamp[1], Math.max(step.clamp[0], q)) - step.outputZero;
}

/** One multiplier and one shift to the right for each output. */
function spread(
  rescale: DeviceRescale,
  outputs: number,
  node: string,
): { readonly multipliers: Int32Array; readonly shifts: Int8Array } {
  const { multipliers, shifts } = rescale;
  const isOne = multipliers.length === 1;
  if (!isOne && multipliers.length !== outputs)
    throw fail("GRAPH_INVALID", `Cannot write C: ${multipliers.length} multipliers for ${outputs} outputs`, { at: { node } });
  return {
    multipliers: Int32Array.from({ length: outputs }, (_, o) => multipliers[isOne ? 0 : o] as number),
    shifts: Int8Array.from({ length: outputs }, (_, o) => -(shifts[isOne ? 0 : o] as number)),
  };
}

/** Multiplications by weights of a step; 0 for steps that have none. */
export function macsOf(step: DeviceStep): number {
  switch (step.kind) {
    case "fullyConnected":
      return step.rows * step.depth * step.outputs;
    case "conv":
    case "depthwise":
      return step.outHeight * step.outWidth * step.weights.length;
    case "lstm":
      return 4 * step.lstm.time * step.lstm.hiddenSize * (step.lstm.inputSize + step.lstm.hiddenSize);
    default:
      return 0;
  }
}
