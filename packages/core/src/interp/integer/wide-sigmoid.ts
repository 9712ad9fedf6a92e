/*
 * Logistic and tanh of 16-bit integers: linear between 256 points at steps of 1/24, in 16 fraction bits, which serves tanh too because
 * tanh(x) = 2 logistic(2x) - 1. The input times `multiplier` and shifted right by `shift` has the scale 1 / (3 * 2^12), so that one step of the table is
 * 2^9 (logistic) or 2^8 (tanh). This is how the 16-bit kernels of TensorFlow Lite work.
 */

/**
 * The points: the logistic function plus step^2 |f''| / 16, which puts half of the error of the chords above the curve and half below. Found by
 * feeding a runtime with the left end of each step; the last point, where the function counts as 1, is the largest number of 16 bits.
 */
export const SIGMOID_POINTS = Uint16Array.from({ length: 256 }, (_, i) => {
  if (i === 255) return 65535;
  const f = 1 / (1 + Math.exp(-i / 24));
  const bend = f * (1 - f) * (2 * f - 1);
  return Math.round(65536 * (f + bend / (16 * 24 * 24)));
});

function argument(x: number, multiplier: number, shift: number): number {
  const half = shift > 0 ? 2 ** (shift - 1) : 0;
  return (Math.imul(x, multiplier) + half) >> shift;
}

/** 1 / (1 + exp(-x)) with 15 fraction bits. */
export function wideLogistic(x: number, multiplier: number, shift: number): number {
  const a = argument(x, multiplier, shift);
  const size = Math.abs(a);
  const at = size >>> 9;
  let sum = 0x7fff * 1024;
  if (at < 255) {
    const left = SIGMOID_POINTS[at] as number;
    sum = left * 512 + (size & 511) * ((SIGMOID_POINTS[at + 1] as number) - left);
  }
  const rounded = a >= 0 ? sum + 512 : 2 ** 25 - sum + 512 - 1;
  return Math.floor(rounded / 1024);
}

/** tanh(x) with 15 fraction bits. */
export function wideTanh(x: number, multiplier: number, shift: number): number {
  const a = argument(x, multiplier, shift);
  const size = Math.abs(a);
  const at = size >>> 8;
  let sum = 0xffff * 256;
  if (at < 255) {
    const left = SIGMOID_POINTS[at] as number;
    sum = left * 256 + (size & 255) * ((SIGMOID_POINTS[at + 1] as number) - left);
  }
  const rounded = a >= 0 ? sum - 2 ** 23 + 128 : -sum + 2 ** 23 + 128 - 1;
  return rounded >> 8;
}
