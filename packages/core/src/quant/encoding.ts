import { fail } from "../base/error.ts";
import type { Encoding, QuantDType } from "../graph/plan.ts";
import { LEVELS } from "../graph/quantize.ts";
import { countOf, type Tensor, toNumbers } from "../graph/tensor.ts";
import type { ValueRange } from "./range.ts";

/** Scales below this are raised to it: a constant tensor of zeros still needs a scale, and subnormal scales are slow or refused. */
export const SMALLEST_SCALE = 2 ** -100;

/**
 * The encoding of an activation with one scale: asymmetric covers [min, max] with zero exactly on a level; symmetric has its zero point in the
 * middle of the type. The scale is computed in double and stored as float32, as quantizers and kernels agree to do.
 */
export function activationEncoding(
  range: ValueRange,
  options: { readonly dtype: QuantDType; readonly symmetric: boolean; readonly reason: string },
): Encoding {
  const [low, high] = LEVELS[options.dtype];
  if (options.symmetric) {
    const bound = Math.max(-range.min, range.max);
    const half = (high - low - 1) / 2;
    return {
      dtype: options.dtype,
      scale: [safeScale(bound / half)],
      zeroPoint: [low < 0 ? 0 : (high + 1) / 2],
      reason: options.reason,
    };
  }
  const scale = safeScale((range.max - range.min) / (high - low));
  const zeroPoint = Math.max(low, Math.min(high, Math.round(low - range.min / scale)));
  return { dtype: options.dtype, scale: [scale], zeroPoint: [zeroPoint], reason: options.reason };
}

function safeScale(scale: number): number {
  return Math.fround(Math.max(scale, SMALLEST_SCALE));
}

/** Options of {@link weightEncoding}. */
export interface WeightEncodingOptions {
  readonly dtype: Extract<QuantDType, "int8" | "int4" | "int16">;
  /** Axis of per-channel scales; one scale for all when absent. */
  readonly axis?: number;
  /** Largest integer magnitude: 127 normally, 64 where sums saturate. */
  readonly limit?: number;
  /** Scales may not be below these (per channel), so that the 32-bit bias fits. */
  readonly atLeast?: readonly number[];
  readonly reason: string;
}

/** The symmetric encoding of a weight tensor: zero point 0, integers in [-limit, limit], a scale per channel of `axis`. */
export function weightEncoding(weight: Tensor, options: WeightEncodingOptions): Encoding {
  const limit = options.limit ?? LEVELS[options.dtype][1];
  const { axis } = options;
  const channels = axis === undefined ? 1 : (weight.shape[axis] ?? 0);
  const largest = new Float64Array(channels);
  const values = toNumbers(weight);
  const inner = axis === undefined ? values.length : countOf(weight.shape.slice(axis + 1));
  for (let i = 0; i < values.length; i++) {
    const c = axis === undefined ? 0 : Math.floor(i / inner) % channels;
    const magnitude = Math.abs(values[i] as number);
    if (!Number.isFinite(magnitude))
      throw fail("PLAN_INVALID", "Cannot quantize a weight tensor: NaN or infinity among its values");
    if (magnitude > (largest[c] as number)) largest[c] = magnitude;
  }
  const scale = Array.from(largest, (m, c) => Math.fround(Math.max(safeScale(m / limit), options.atLeast?.[c] ?? 0)));
  return {
    dtype: options.dtype,
    scale,
    zeroPoint: scale.map(() => 0),
    ...(axis === undefined ? {} : { axis }),
    range: [-limit, limit],
    reason: options.reason,
  };
}
