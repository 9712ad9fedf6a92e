import { fail } from "../../base/error.ts";
import type { QuantDType } from "../../graph/plan.ts";
import { LEVELS, roundHalfEven } from "../../graph/quantize.ts";
import { fromNumbers, type Tensor, toNumbers } from "../../graph/tensor.ts";
import type { IntegerValue } from "./program.ts";

/** Half away from zero. */
export function roundAway(x: number): number {
  return x < 0 ? -Math.round(-x) : Math.round(x);
}

/** The scale and zero point of a value. @throws PLAN_INVALID when it is not quantized */
export function gridOf(value: IntegerValue): { readonly scale: number; readonly zeroPoint: number } {
  const { scale, zeroPoint } = value;
  if (scale === undefined || zeroPoint === undefined)
    throw fail("PLAN_INVALID", `Cannot use "${value.name}" as integers: it has no encoding`, { at: { tensor: value.name } });
  return { scale, zeroPoint };
}

/** Integers of a float tensor: fround(x / scale) rounded, plus the zero point, saturated. NaN becomes the zero point. */
export function toIntegers(tensor: Tensor, value: IntegerValue, rounding: "away" | "even"): Tensor {
  const { scale, zeroPoint } = gridOf(value);
  const [low, high] = LEVELS[value.dtype as QuantDType];
  const values = toNumbers(tensor);
  const round = rounding === "away" ? roundAway : roundHalfEven;
  for (let i = 0; i < values.length; i++) {
    const q = round(Math.fround((values[i] as number) / scale)) + zeroPoint;
    values[i] = q < low ? low : q > high ? high : Number.isNaN(q) ? zeroPoint : q;
  }
  return fromNumbers(value.dtype, tensor.shape, values);
}

/** Floats of an integer tensor: fround(scale * (q - zeroPoint)). */
export function toFloats(tensor: Tensor, value: IntegerValue): Tensor {
  const { scale, zeroPoint } = gridOf(value);
  const values = toNumbers(tensor);
  for (let i = 0; i < values.length; i++) values[i] = scale * ((values[i] as number) - zeroPoint);
  return fromNumbers("float32", tensor.shape, values);
}
