import { fail } from "../../base/error.ts";
import type { QuantDType } from "../../graph/plan.ts";
import { LEVELS, roundHalfEven } from "../../graph/quantize.ts";
import { fromNumbers, type Tensor, toNumbers } from "../../graph/tensor.ts";
import type { Profile } from "./profile.ts";
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

/**
 * How a float becomes an integer: fround(x / scale) rounded half away from zero or half to even, or fround(x * fround(1 / scale)) rounded half to
 * even.
 */
export type BorderRounding = "away" | "even" | "inverse";

/** The rounding of a profile at its border. */
export function borderRounding(profile: Profile): BorderRounding {
  const { border } = profile.rules;
  return border === "even" || border === "inverse" ? border : "away";
}

/** Integers of a float tensor: rounded, plus the zero point, saturated. NaN becomes the zero point. */
export function toIntegers(tensor: Tensor, value: IntegerValue, rounding: BorderRounding): Tensor {
  const { scale, zeroPoint } = gridOf(value);
  const [low, high] = LEVELS[value.dtype as QuantDType];
  const values = toNumbers(tensor);
  const round = rounding === "away" ? roundAway : roundHalfEven;
  const inverse = Math.fround(1 / scale);
  for (let i = 0; i < values.length; i++) {
    const x = values[i] as number;
    const q = round(Math.fround(rounding === "inverse" ? x * inverse : x / scale)) + zeroPoint;
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
