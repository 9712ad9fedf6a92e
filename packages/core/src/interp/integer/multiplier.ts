import { fail } from "../../base/error.ts";

/** A positive real number as `value * 2^(shift - 31)`, `value` in [2^30, 2^31): what integer kernels multiply by. 0 is 0 and 0. */
export interface Multiplier {
  /** Q31: 31 fraction bits. */
  readonly value: number;
  /** Binary exponent; positive shifts to the left. */
  readonly shift: number;
}

/** How a sum is brought to the scale of the output, see {@link multiply}. */
export type Rounding = "double" | "single";

/**
 * The nearest {@link Multiplier} of a real number: mantissa and exponent as frexp gives them, the mantissa rounded to 31 bits. A number below
 * 2^-32 is 0; one of 2^30 and above is capped at the largest multiplier. Source of the rule: how TensorFlow Lite prepares multipliers.
 *
 * @throws PLAN_INVALID for a negative or not finite number
 */
export function quantizeMultiplier(real: number): Multiplier {
  if (!(real >= 0) || real === Number.POSITIVE_INFINITY)
    throw fail("PLAN_INVALID", `Cannot use ${real} as the ratio of two scales: it must be a finite number, not negative`);
  if (real === 0) return { value: 0, shift: 0 };
  const { mantissa, exponent } = splitFloat(real);
  let value = Math.round(mantissa * 2 ** 31);
  let shift = exponent;
  if (value === 2 ** 31) {
    value = 2 ** 30;
    shift++;
  }
  if (shift < -31) return { value: 0, shift: 0 };
  if (shift > 30) return { value: 2 ** 31 - 1, shift: 30 };
  return { value, shift };
}

/** x = mantissa * 2^exponent with the mantissa in [0.5, 1). */
function splitFloat(x: number): { readonly mantissa: number; readonly exponent: number } {
  // The logarithm may be off by one at powers of two.
  let exponent = Math.floor(Math.log2(x)) + 1;
  let mantissa = x * 2 ** -exponent;
  while (mantissa >= 1) {
    mantissa /= 2;
    exponent++;
  }
  while (mantissa < 0.5) {
    mantissa *= 2;
    exponent--;
  }
  return { mantissa, exponent };
}

/**
 * floor((a * b + 2^30) / 2^31) saturated to int32, for any two int32: the high half of the doubled product, rounded half up. The product does not
 * fit a double, so `b` is taken in two parts.
 */
export function highMultiply(a: number, b: number): number {
  if (a === -2147483648 && b === -2147483648) return 2147483647;
  const high = b >> 15;
  const low = b & 0x7fff;
  return Math.floor((a * high + Math.floor((a * low + 1073741824) / 32768)) / 65536);
}

/** a / 2^exponent rounded half away from zero; `exponent` in 0 to 31. */
export function roundingShift(a: number, exponent: number): number {
  if (exponent === 0) return a;
  const mask = ((1 << exponent) - 1) | 0;
  const threshold = (mask >> 1) + (a < 0 ? 1 : 0);
  return (a >> exponent) + ((a & mask) > threshold ? 1 : 0);
}

/** Multiplies an int32 by {@link Multiplier} with two roundings: the high half of the product, then the shift to the right. */
export function multiplyTwice(x: number, value: number, shift: number): number {
  return shift > 0 ? highMultiply((x << shift) | 0, value) : roundingShift(highMultiply(x, value), -shift);
}

/** The same with one rounding, half up, of the exact product. `value` is positive. */
export function multiplyOnce(x: number, value: number, shift: number): number {
  // x * value * 2^(shift - 31), value in two parts as above: floor(x * value / 2^15) loses only bits that a later floor drops anyway.
  const high = value >> 15;
  const low = value & 0x7fff;
  const down = 31 - shift;
  const half = down > 0 ? 2 ** (down - 1) : 0;
  if (down < 15) return bigProduct(x, value, down);
  return (
    Math.floor((x * high + Math.floor((x * low + (half % 32768)) / 32768) + Math.floor(half / 32768)) / 2 ** (down - 15)) | 0
  );
}

/** The same for multipliers of 2^16 and more, which no network has but tests do. */
function bigProduct(x: number, value: number, down: number): number {
  const product = BigInt(x) * BigInt(value);
  const half = down > 0 ? 1n << BigInt(down - 1) : 0n;
  return Number(BigInt.asIntN(32, (product + half) >> BigInt(down)));
}

/** Multiplies by a {@link Multiplier} under the rounding of a profile. */
export function multiply(x: number, by: Multiplier, rounding: Rounding): number {
  return rounding === "double" ? multiplyTwice(x, by.value, by.shift) : multiplyOnce(x, by.value, by.shift);
}

/** The 16 bits of a multiplier that sums of 64 bits are multiplied by: rounded half up, at most 2^15 - 1. */
export function shortMultiplier(value: number): number {
  return value < 0x7fff0000 ? (value + 0x8000) >> 16 : 0x7fff;
}

/**
 * Multiplies a sum of up to 48 bits by the short form of a multiplier: floor(x * m16 / 2^(15 - shift) + 1/2). This is what the kernels with 64-bit
 * sums do (int16 activations, int64 bias).
 */
export function multiplyWide(x: number, value: number, shift: number): number {
  const short = shortMultiplier(value);
  const down = 15 - shift;
  const product = x * short;
  // What does not fit 32 bits wraps around, as in the kernels.
  if (Math.abs(product) < 2 ** 52 && down < 50) return Math.floor((product + 2 ** (down - 1)) / 2 ** down) | 0;
  return Number(BigInt.asIntN(32, (BigInt(x) * BigInt(short) + (1n << BigInt(down - 1))) >> BigInt(down)));
}
