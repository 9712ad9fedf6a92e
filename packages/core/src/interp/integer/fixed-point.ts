import { highMultiply, type Multiplier, roundingShift } from "./multiplier.ts";

/*
 * Functions on fixed-point numbers of 32 bits, raw: `bits` integer bits, a sign, and 31 - `bits` fraction bits. Products go through highMultiply, so a
 * product of numbers with a and b integer bits has a + b. The methods (exponential by parts with a polynomial of degree 4 around -1/8, reciprocal by
 * three Newton steps) and constants are those of gemmlowp's fixed-point header, which TensorFlow Lite for Microcontrollers computes with.
 */

const MAX = 2147483647;
const MIN = -2147483648;

/** Saturates to int32. */
function saturate(x: number): number {
  return x > MAX ? MAX : x < MIN ? MIN : x;
}

/** exp(-2^e) for e = -2 to 4, in Q31. */
const EXP_OF_POWERS = [1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242] as const;
/** exp(-1/8) in Q31. */
const EXP_MINUS_EIGHTH = 1895147668;
/** 1/3 in Q31. */
const THIRD = 715827883;

/** exp(a) in Q31 for a in [-1/4, 0), a in Q31. */
function expOfQuarter(a: number): number {
  const x = a + 2 ** 28;
  const x2 = highMultiply(x, x);
  const x3 = highMultiply(x2, x);
  const x4 = highMultiply(x2, x2);
  const tail = roundingShift(highMultiply(roundingShift(x4, 2) + x3, THIRD) + x2, 1);
  return (EXP_MINUS_EIGHTH + highMultiply(EXP_MINUS_EIGHTH, (x + tail) | 0)) | 0;
}

/** exp(a) in Q31 for a <= 0 with `bits` integer bits, at most 5. */
export function expOfNegative(a: number, bits: number): number {
  if (a === 0) return MAX;
  const fraction = 31 - bits;
  const quarter = 2 ** (fraction - 2);
  const rest = (a & (quarter - 1)) - quarter;
  let result = expOfQuarter(saturate(rest * 2 ** bits));
  const remainder = (rest - a) | 0;
  for (let e = -2; e < bits; e++) {
    if ((remainder & (2 ** (fraction + e))) !== 0) result = highMultiply(result, EXP_OF_POWERS[e + 2] as number);
  }
  return result;
}

/** (a + b) / 2 rounded half away from zero. */
function halfSum(a: number, b: number): number {
  const sum = a + b;
  return Math.trunc((sum + (sum >= 0 ? 1 : -1)) / 2);
}

/** 48/17 and -32/17 with two integer bits: the line from which the iteration for 1/d starts. */
const START = 1515870810;
const SLOPE = -1010580540;

/** 2 / (1 + a) with two integer bits, for a in [0, 1) in Q31. */
function reciprocalOfOnePlus(a: number): number {
  const half = halfSum(a, MAX);
  let x = (START + highMultiply(half, SLOPE)) | 0;
  for (let i = 0; i < 3; i++) {
    const error = (2 ** 29 - highMultiply(half, x)) | 0;
    x = (x + saturate(highMultiply(x, error) * 4)) | 0;
  }
  return x;
}

/** 1 / (1 + a) in Q31 for a in [0, 1) in Q31. */
export function inverseOfOnePlus(a: number): number {
  return saturate(reciprocalOfOnePlus(a) * 2);
}

/** (1 - a) / (1 + a) in Q31. */
function oneMinusOverOnePlus(a: number): number {
  return saturate(((reciprocalOfOnePlus(a) - 2 ** 29) | 0) * 4);
}

/** 1 / (1 + exp(-a)) in Q31, a with `bits` integer bits. */
export function logisticOf(a: number, bits: number): number {
  if (a === 0) return 2 ** 30;
  const positive = inverseOfOnePlus(expOfNegative(a > 0 ? -a | 0 : a, bits));
  return a > 0 ? positive : (MAX - positive) | 0;
}

/** tanh(a) in Q31, a with `bits` integer bits. */
export function tanhOf(a: number, bits: number): number {
  if (a === 0) return 0;
  // Twice the argument: the same raw number with one more integer bit.
  const size = oneMinusOverOnePlus(expOfNegative(a > 0 ? -a | 0 : a, bits + 1));
  return a > 0 ? size : -size | 0;
}

/** 1 / x in Q31 times a power of two, for a positive x with `bits` integer bits; the result is to be shifted right by `over` more. */
export function reciprocal(x: number, bits: number): { readonly scale: number; readonly over: number } {
  const headroom = Math.clz32(x);
  const scaled = ((x << headroom) - 2 ** 31) | 0;
  return { scale: inverseOfOnePlus(scaled), over: bits - headroom };
}

/** 1 / sqrt(2) in Q31. */
const SQRT_HALF = 1518500250;

/** 1 / sqrt(x) for an integer x >= 0 as a {@link Multiplier}; 0 is taken as 1. Five Newton steps from 1. */
export function inverseSqrt(x: number): Multiplier {
  if (x <= 1) return { value: MAX, shift: 0 };
  let input = x;
  let down = 11;
  while (input >= 2 ** 29) {
    input = Math.trunc(input / 4);
    down++;
  }
  const pairs = Math.floor((Math.clz32(input) - 1) / 2) - 1;
  down -= pairs;
  input *= 4 ** pairs;
  // All with three integer bits: 1 is 2^28.
  const number = input >> 1;
  const half = roundingShift(number, 1);
  const threeHalves = 2 ** 28 + 2 ** 27;
  let y = 2 ** 28;
  for (let i = 0; i < 5; i++) {
    const cube = saturate(highMultiply(highMultiply(y, y), y) * 64);
    y = saturate(((highMultiply(threeHalves, y) - highMultiply(half, cube)) | 0) * 8);
  }
  let value = highMultiply(y, SQRT_HALF);
  if (down < 0) {
    value = (value << -down) | 0;
    down = 0;
  }
  return { value, shift: -down === 0 ? 0 : -down };
}
