import { roundHalfEven } from "../../graph/quantize.ts";
import { multiplyOnce, multiplyTwice, multiplyWide } from "./multiplier.ts";
import type { Clamp, Rescale } from "./program.ts";

/** Typed arrays that hold integers. */
export type Integers = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array;

/** Sums of up to 32 bits, or of up to 52 in doubles. */
export type Sums = Int32Array | Float64Array;

/** Where a run of sums goes. */
export interface RescaleTarget {
  readonly out: Integers;
  /** Index of the first. */
  readonly at: number;
  /** Distance between two. */
  readonly stride: number;
}

/** Brings the first `count` sums, all of one channel, to the scale of the output, adds its zero point, clamps and stores them. */
export function rescaleRun(
  sums: Sums,
  count: number,
  how: {
    readonly rescale: Rescale;
    readonly channel: number;
    readonly outputZero: number;
    readonly clamp: Clamp;
    readonly target: RescaleTarget;
  },
): void {
  const { rescale, outputZero } = how;
  const [low, high] = how.clamp;
  const { out, at, stride } = how.target;
  if (rescale.rule === "float") {
    const scale = rescale.scales[rescale.scales.length === 1 ? 0 : how.channel] as number;
    for (let i = 0; i < count; i++) {
      const q = roundHalfEven(Math.fround(Math.fround(sums[i] as number) * scale)) + outputZero;
      out[at + i * stride] = q < low ? low : q > high ? high : q;
    }
    return;
  }
  const c = rescale.multipliers.length === 1 ? 0 : how.channel;
  const value = rescale.multipliers[c] as number;
  const shift = rescale.shifts[c] as number;
  const multiply = rescale.rule === "double" ? multiplyTwice : rescale.rule === "single" ? multiplyOnce : multiplyWide;
  for (let i = 0; i < count; i++) {
    const q = multiply(sums[i] as number, value, shift) + outputZero;
    out[at + i * stride] = q < low ? low : q > high ? high : q;
  }
}

/** Integers less their zero point, so that loops need not subtract. */
export function centred(data: Integers, zero: number): Int32Array {
  const out = new Int32Array(data.length);
  for (let i = 0; i < out.length; i++) out[i] = (data[i] as number) - zero;
  return out;
}

/** Room for sums: doubles where 32 bits could overflow. */
export function sumsFor(wide: boolean, count: number): Sums {
  return wide ? new Float64Array(count) : new Int32Array(count);
}
