import { expOfNegative, inverseSqrt, reciprocal } from "./fixed-point.ts";
import { highMultiply, multiply, roundingShift } from "./multiplier.ts";
import type { L2NormalizationStep, SoftmaxStep } from "./program.ts";
import type { Integers } from "./rescale.ts";

/** Integer bits of the exponent and of the sum of exponentials. */
const EXPONENT_BITS = 5;
const SUM_BITS = 12;

/** Softmax of integers; the output's grid is fixed: 1/256 with zero point -128 (int8), 1/256 and 0 (uint8), 1/65536 and -32768 (int16). */
export function runSoftmax(step: SoftmaxStep, input: Integers, out: Integers): void {
  const [outer, depth, inner] = step.sizes;
  const bits = out.BYTES_PER_ELEMENT * 8;
  const signed = out instanceof Int8Array || out instanceof Int16Array;
  const low = signed ? -(2 ** (bits - 1)) : 0;
  const high = low + 2 ** bits - 1;
  const { value, shift } = step.multiplier;
  // One exponential for each difference that can be.
  const known = new Map<number, number>();
  const expOf = (difference: number): number => {
    let e = known.get(difference);
    if (e === undefined) {
      e = expOfNegative(highMultiply((difference * 2 ** shift) | 0, value), EXPONENT_BITS);
      known.set(difference, e);
    }
    return e;
  };
  for (let row = 0; row < outer * inner; row++) {
    const start = Math.floor(row / inner) * depth * inner + (row % inner);
    const end = start + depth * inner;
    let most = Number.NEGATIVE_INFINITY;
    for (let i = start; i < end; i += inner) most = Math.max(most, input[i] as number);
    let sum = 0;
    for (let i = start; i < end; i += inner) {
      const difference = (input[i] as number) - most;
      if (difference >= step.least) sum = (sum + roundingShift(expOf(difference), SUM_BITS)) | 0;
    }
    const { scale, over } = reciprocal(sum, SUM_BITS);
    for (let i = start; i < end; i += inner) {
      const difference = (input[i] as number) - most;
      let q = low;
      // From 512 equal values on the kernels would shift by more than 31 bits, and stop; there each share rounds to nothing.
      if (difference >= step.least && over <= bits)
        q = roundingShift(highMultiply(scale, expOf(difference)), over + 31 - bits) + low;
      out[i] = q < low ? low : q > high ? high : q;
    }
  }
}

/** Bits of the output's scale, 1/128. */
const UNIT_SHIFT = 7;

/** x / |x| with the integer square root; the length of a zero vector counts as 1. */
export function runL2Normalization(step: L2NormalizationStep, input: Integers, out: Integers): void {
  const [outer, depth, inner] = step.sizes;
  const signed = out instanceof Int8Array;
  for (let row = 0; row < outer * inner; row++) {
    const start = Math.floor(row / inner) * depth * inner + (row % inner);
    const end = start + depth * inner;
    let sum = 0;
    for (let i = start; i < end; i += inner) sum += ((input[i] as number) - step.inputZero) ** 2;
    const { value, shift } = inverseSqrt(sum | 0);
    const by = { value, shift: shift + UNIT_SHIFT };
    for (let i = start; i < end; i += inner) {
      const q = multiply((input[i] as number) - step.inputZero, by, step.rounding) + (signed ? 0 : 128);
      out[i] = signed ? Math.max(-128, Math.min(127, q)) : Math.max(0, Math.min(255, q));
    }
  }
}
