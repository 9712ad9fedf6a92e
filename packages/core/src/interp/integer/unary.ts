import { logisticOf, tanhOf } from "./fixed-point.ts";
import { multiply, roundingShift } from "./multiplier.ts";
import type { Clamp, UnaryFunction, UnaryStep } from "./program.ts";
import type { Integers } from "./rescale.ts";
import { wideLogistic, wideTanh } from "./wide-sigmoid.ts";

/** Integer bits of the argument of logistic and tanh. */
export const ARGUMENT_BITS = 4;

/** The function of x = q - inputZero, as an integer that the output's zero point is to be added to. */
export function applyUnary(f: Exclude<UnaryFunction, { readonly kind: "table" }>, x: number, clamp: Clamp): number {
  switch (f.kind) {
    case "requantize":
    case "relu":
      return multiply(x, f.multiplier, f.rounding);
    case "leakyRelu":
      return multiply(x, x >= 0 ? f.positive : f.negative, f.rounding);
    case "byteScaled":
      return Math.floor((x * (x >= 0 ? f.positive : f.negative) + 128) / 256);
    case "logistic":
      if (x <= -f.radius || x >= f.radius) return x < 0 ? 0 : clamp[1] - clamp[0];
      return roundingShift(logisticOf(multiply(x, f.multiplier, "double"), ARGUMENT_BITS), 23);
    case "tanh":
      if (x <= -f.radius || x >= f.radius) return x < 0 ? -128 : 127;
      return roundingShift(tanhOf(multiply(x, f.multiplier, "double"), ARGUMENT_BITS), 24);
    case "hardSwish":
      return hardSwish(x, f);
    case "wideLogistic":
      return wideLogistic(x, f.multiplier, f.shift);
    case "wideTanh":
      return wideTanh(x, f.multiplier, f.shift);
  }
}

function saturate16(x: number): number {
  return x > 32767 ? 32767 : x < -32768 ? -32768 : x;
}

/** (a * b + 2^14) / 2^15 towards minus infinity at ties: the rounding doubling high multiply of 16 bits. */
function highMultiply16(a: number, b: number): number {
  if (a === -32768 && b === -32768) return 32767;
  const product = a * b;
  return Math.trunc((product + (product >= 0 ? 16384 : 1 - 16384)) / 32768);
}

/** x * relu6(x + 3) / 6 in 16 bits: x at 128 times the input's scale, once at the output's scale and once as a factor of 15 fraction bits. */
function hardSwish(x: number, f: Extract<UnaryFunction, { readonly kind: "hardSwish" }>): number {
  const fine = (x * 128) | 0;
  const atOutput = highMultiply16(fine, f.output.value);
  let factor = fine;
  if (f.relu.shift > 0) factor = saturate16(factor * 2 ** (f.relu.shift - 1));
  factor = highMultiply16(factor, f.relu.value);
  if (f.relu.shift > 0) factor = saturate16(factor * 2);
  if (f.relu.shift < 0) factor = roundingShift(factor, -f.relu.shift);
  factor = (factor + 32768) >> 1;
  // Without rounding here.
  const product = Math.trunc((factor * atOutput) / 32768);
  return f.output.shift > 0 ? saturate16(product * 2 ** f.output.shift) : roundingShift(product, -f.output.shift);
}

/** Runs a function of each value, by its table where there is one. */
export function runUnary(step: UnaryStep, input: Integers, out: Integers): void {
  const [low, high] = step.clamp;
  const { table, inputZero, outputZero } = step;
  if (table !== undefined) {
    const first = input instanceof Int8Array ? -128 : 0;
    for (let i = 0; i < out.length; i++) out[i] = table[(input[i] as number) - first] as number;
    return;
  }
  const f = step.function;
  if (f.kind === "table") return;
  for (let i = 0; i < out.length; i++) {
    const q = applyUnary(f, (input[i] as number) - inputZero, step.clamp) + outputZero;
    out[i] = q < low ? low : q > high ? high : q;
  }
}
