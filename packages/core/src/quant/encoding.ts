import { fail } from "../base/error.ts";
import type { Encoding, QuantDType } from "../graph/plan.ts";
import { LEVELS, roundHalfEven } from "../graph/quantize.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { ValueRange } from "./range.ts";
import { bestScale, channelMagnitudes, channelView } from "./weight-scale.ts";

/**
 * Scales below this are raised to it: a constant tensor of zeros still needs a scale, and the product of two scales (that of a bias) must stay a
 * normal float32.
 */
export const SMALLEST_SCALE = 2 ** -60;

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
  // Rounded as kernels round, so that the lower end of the range becomes the lowest integer exactly.
  const below = roundHalfEven(Math.fround(Math.fround(range.min) / scale));
  const zeroPoint = Math.max(low, Math.min(high, low - below));
  return { dtype: options.dtype, scale: [scale], zeroPoint: [zeroPoint], reason: options.reason };
}

function safeScale(scale: number): number {
  return Math.fround(Math.max(scale, SMALLEST_SCALE));
}

/** How the scale of a weight channel is found: its largest magnitude, or the grid with the least squared error. */
export type WeightMethod = "max" | "mse";

/** Options of {@link weightEncoding}. */
export interface WeightEncodingOptions {
  readonly dtype: Extract<QuantDType, "int8" | "int4" | "int16">;
  readonly method?: WeightMethod;
  /** Axis of per-channel scales; one scale for all when absent. */
  readonly axis?: number;
  /** Largest integer magnitude: 127 normally, 64 where sums saturate. */
  readonly limit?: number;
  /** Scales may not be below these (per channel), so that the 32-bit bias fits. */
  readonly atLeast?: readonly number[];
  readonly reason: string;
}

/**
 * The symmetric encoding of a weight tensor: zero point 0, integers in [-limit, limit], a scale per channel of `axis`.
 *
 * @throws PLAN_INVALID for NaN or infinity among the weights, or an axis that the tensor does not have
 */
export function weightEncoding(weight: Tensor, options: WeightEncodingOptions): Encoding {
  const limit = options.limit ?? LEVELS[options.dtype][1];
  const { axis, method = "max" } = options;
  const magnitudes = channelMagnitudes(weight, axis);
  if (magnitudes.some(Number.isNaN))
    throw fail("PLAN_INVALID", "Cannot quantize a weight tensor: NaN or infinity among its values");
  const channels = method === "max" ? undefined : channelView(weight, axis);
  const scale = Array.from(magnitudes, (largest, c) => {
    const floor = Math.max(safeScale(largest / limit / 2), raised(options.atLeast?.[c] ?? 0));
    const whole = Math.max(safeScale(largest / limit), raised(options.atLeast?.[c] ?? 0));
    return channels === undefined || largest === 0 ? whole : bestScale(channels.of(c), { limit, whole, floor });
  });
  return {
    dtype: options.dtype,
    scale,
    zeroPoint: scale.map(() => 0),
    ...(axis === undefined ? {} : { axis }),
    range: [-limit, limit],
    reason: options.reason,
  };
}

/** The float32 that is not below a number. */
function raised(value: number): number {
  const rounded = Math.fround(value);
  return rounded >= value ? rounded : Math.fround(rounded * (1 + 2 ** -23));
}
