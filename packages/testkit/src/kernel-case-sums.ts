import type { DeviceIsa } from "@tessera/core/codegen/c/isa";
import { scratchBytes } from "@tessera/core/codegen/c/scratch";
import { FLAG_RELU, FLAG_SHIFT_MID, FLAG_SUM_30BIT, FLAG_WEIGHTS_127 } from "@tessera/core/codegen/c/sums";
import type { DeviceConv, DeviceDepthwise } from "@tessera/core/codegen/device/program";
import { multiply, type Rounding } from "@tessera/core/interp/integer/multiplier";
import type { MadeCase } from "./kernel-case-code.ts";
import { type Dice, placed } from "./kernel-dice.ts";
import type { CasePart } from "./kernel-driver.ts";

interface Terms {
  readonly outputs: number;
  /** Sum of products, without the bias, of place p and output o. */
  readonly sum: (p: number, o: number) => number;
  readonly places: number;
  /** Flags that hold besides. */
  readonly also: number;
}

/** Bias, multipliers, shifts, zero point, clamp and the flags that hold; and the outputs. */
function sums(
  dice: Dice,
  { outputs, sum, places, also }: Terms,
  rule: Rounding,
): { readonly parts: CasePart[]; readonly wanted: Int8Array } {
  const [least, most] = dice.of([6, 12], [1, 22], [0, 31], [-30, 31], [-3, 4], [0, 2]) as [number, number];
  const big = dice.of(0, 0, 1, 2);
  const shift = Int8Array.from({ length: outputs }, () => dice.pick(least, most));
  const mult = Int32Array.from({ length: outputs }, () => (dice.pick(0, 20) === 0 ? 0 : dice.multiplier()));
  const bias = Int32Array.from({ length: outputs }, () =>
    big === 1
      ? dice.of(2 ** 31 - 1, -(2 ** 31), dice.pick(-(2 ** 31), 2 ** 31 - 1))
      : big === 2
        ? dice.pick(-90, 90)
        : dice.pick(-9000, 9000),
  );
  const zero = dice.of(-128, 127, 0, dice.pick(-128, 127));
  let clamp = dice.clamp();
  const relu = dice.pick(0, 2) === 0;
  if (relu) clamp = [zero, Math.max(zero, clamp[1])];
  let small = shift.every((s) => s >= 0);
  const wanted = new Int8Array(places * outputs);
  for (let p = 0; p < places; p++)
    for (let o = 0; o < outputs; o++) {
      const whole = (sum(p, o) + (bias[o] as number)) | 0;
      if (Math.abs(whole) >= 2 ** 30) small = false;
      wanted[p * outputs + o] = placed(
        multiply(whole, { value: mult[o] as number, shift: -(shift[o] as number) }, rule),
        zero,
        clamp,
      );
    }
  const middle = shift.every((s) => s >= 1 && s <= 22);
  const flags =
    dice.pick(0, 3) === 0 ? 0 : (small ? FLAG_SUM_30BIT : 0) | (relu ? FLAG_RELU : 0) | (middle ? FLAG_SHIFT_MID : 0) | also;
  return { parts: [bias, mult, shift, zero, ...clamp, flags], wanted };
}

/** Pixels by outputs. */
export function pointwiseCase(dice: Dice, rule: Rounding): MadeCase {
  const [pixels, depth, outputs] = [dice.pick(1, 13), dice.of(dice.pick(1, 70), dice.pick(1, 33), 16, 32, 64), dice.pick(1, 19)];
  const pitch = (depth + 3) & ~3;
  const x = dice.bytes(pixels * depth);
  const w = dice.bytes(outputs * pitch).map((v, i) => (i % pitch < depth ? v : 0));
  const sum = (p: number, o: number) => {
    let s = 0;
    for (let d = 0; d < depth; d++) s += (x[p * depth + d] as number) * (w[o * pitch + d] as number);
    return s;
  };
  const made = sums(dice, { outputs, sum, places: pixels, also: 0 }, rule);
  return { name: "pointwise", parts: [pixels, depth, outputs, x, w, ...made.parts], wanted: made.wanted };
}

/** As much of a step as tells how much scratch its kernel takes. */
function windowStep(of: {
  readonly name: "conv" | "depthwise";
  readonly channels: number;
  readonly outputs: number;
  readonly kernel: readonly [number, number];
  readonly stride: number;
  readonly dilation: number;
  readonly columns: number;
  readonly ow: number;
}): DeviceConv | DeviceDepthwise {
  const { kernel, channels, outputs } = of;
  const step = {
    node: "n",
    inputs: ["x"],
    output: "y",
    height: kernel[0],
    width: of.columns,
    channels,
    outHeight: 1,
    outWidth: of.ow,
    outChannels: outputs,
    kernel,
    // A single row has more than one below it, so that no window of 1 by 1 counts as pointwise.
    strides: [2, of.stride],
    dilations: [1, of.dilation],
    pads: [0, 0],
    bias: new Int32Array(outputs),
    inputZero: 0,
    outputZero: 0,
    rescale: { rule: "double", multipliers: new Int32Array(1), shifts: new Int32Array(1) },
    clamp: [-128, 127],
    weights: new Int8Array(0),
  } as const;
  return of.name === "conv" ? { kind: "conv", group: 1, ...step } : { kind: "depthwise", ...step };
}

/** One output row of a convolution or of one of each channel. */
export function windowCase(
  dice: Dice,
  rule: Rounding,
  { name, isa }: { readonly name: "conv" | "depthwise"; readonly isa: DeviceIsa },
): MadeCase {
  const isConv = name === "conv";
  const wide = dice.pick(0, 1) === 1;
  const channels = dice.of(dice.pick(1, 9), dice.pick(1, 20), 4, 8);
  const [kh, kw] = dice.of([3, 3], [3, 3], [5, 5], [7, 7], [dice.pick(1, 9), dice.pick(1, 9)]) as [number, number];
  const stride = dice.pick(1, 3);
  const dilation = dice.of(1, 1, 2);
  const ow = isConv ? dice.pick(1, 9) : wide ? dice.pick(8, 40) : dice.pick(1, 14);
  const outputs = isConv ? dice.pick(1, 9) : channels * dice.of(1, 1, 1, dice.pick(1, 3));
  const times = isConv ? 0 : outputs / channels;
  const pitch = isConv ? (kh * kw * channels + 3) & ~3 : outputs;
  const columns = (ow - 1) * stride + (kw - 1) * dilation + 1;
  const x = dice.bytes(kh * columns * channels);
  const least = dice.of(-128, -127, -127);
  // Products at their largest, two of which leave 16 bits.
  if (dice.pick(0, 11) === 0) x.fill(-128);
  const isLargest = x.every((v) => v === -128);
  const drawn = dice.bytes(isConv ? outputs * pitch : kh * kw * outputs).map((v) => (isLargest ? least : Math.max(v, least)));
  const w = isConv ? drawn.map((v, i) => (i % pitch < kh * kw * channels ? v : 0)) : drawn;
  const sum = (p: number, o: number) => {
    let s = 0;
    for (let ky = 0; ky < kh; ky++)
      for (let kx = 0; kx < kw; kx++) {
        const at = (ky * columns + p * stride + kx * dilation) * channels;
        if (isConv)
          for (let c = 0; c < channels; c++)
            s += (x[at + c] as number) * (w[o * pitch + (ky * kw + kx) * channels + c] as number);
        else s += (x[at + Math.floor(o / times)] as number) * (w[(ky * kw + kx) * outputs + o] as number);
      }
    return s;
  };
  const also = !isConv && w.every((v) => v > -128) ? FLAG_WEIGHTS_127 : 0;
  const made = sums(dice, { outputs, sum, places: ow, also }, rule);
  const work = scratchBytes(windowStep({ name, channels, outputs, kernel: [kh, kw], stride, dilation, columns, ow }), isa);
  return { name, parts: [channels, outputs, kh, kw, stride, dilation, ow, work, x, w, ...made.parts], wanted: made.wanted };
}
