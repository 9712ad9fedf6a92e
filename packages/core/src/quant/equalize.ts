import type { Model } from "../graph/model.ts";
import { attrInt } from "../graph/node.ts";
import { type ChannelPlace, channelPlaces } from "../graph/quantize-channels.ts";
import type { Target } from "../targets/target.ts";

/** Options of {@link equalizingScales}. */
export interface EqualizeOptions {
  /**
   * For readers that mix channels, whose weights pay for it: 1 gives each channel the whole range, 0 leaves it. Measured on a MobileFaceNet
   * (cosine to FP32 on faces that were not calibrated on): 0.9946 without any equalization, 0.9974 with 0, 0.9965 with 0.4, 0.9961 with 0.6.
   */
  readonly strength?: number;
  /** No channel is scaled by more. */
  readonly limit?: number;
  /** Room above the largest magnitude that was seen, as a factor: values beyond it saturate where a Clip stands behind. */
  readonly headroom?: number;
}

/** Defaults of {@link EqualizeOptions}. */
export const EQUALIZE_DEFAULTS = { strength: 0, limit: 32, headroom: 1.5 } as const satisfies EqualizeOptions;

/**
 * Factors that bring the channels of values between convolutions to the same range, so that one scale per tensor serves all of them: cross-layer
 * equalization (after the idea of Nagel et al. 2019) from what calibration saw, and by default only in front of depthwise convolutions, whose
 * weights have a scale for each channel and so lose nothing. For {@link scaleChannels}; values where all factors are 1 are left out.
 *
 * @param largest - largest magnitude seen by channel, for each value to treat, see {@link observeLargest}
 */
export function equalizingScales(
  model: Model,
  largest: ReadonlyMap<string, ArrayLike<number>>,
  options: EqualizeOptions = {},
): ReadonlyMap<string, readonly number[]> {
  const { strength, limit, headroom } = { ...EQUALIZE_DEFAULTS, ...options };
  const scales = new Map<string, readonly number[]>();
  for (const place of channelPlaces(model, { slopes: true })) {
    const seen = largest.get(place.tensor);
    if (seen === undefined || seen.length !== place.channels) continue;
    const whole = place.bound ?? greatest(seen);
    const before = place.before === undefined ? undefined : largest.get(place.before);
    const wholeBefore = before === undefined ? 0 : greatest(before);
    const alone = place.readers.every((r) => attrInt(r, "group", 1) === place.channels);
    const factors = Array.from(seen, (m, c) => {
      // In front of a slope as behind it, no channel may outgrow the one that sets the range.
      const ratio = Math.min(
        ratioOf(whole, m),
        before === undefined ? Number.POSITIVE_INFINITY : ratioOf(wholeBefore, before[c] as number),
      );
      const scale = Math.min(limit, alone ? ratio : ratio ** strength);
      // Under a Clip a scaled channel must still stay below the bound; without one there is nothing to hit.
      return Math.fround(Math.max(1, place.bound === undefined ? scale : Math.min(scale, ratio / headroom)));
    });
    if (factors.some((f) => f !== 1)) scales.set(place.tensor, factors);
  }
  return scales;
}

function greatest(values: ArrayLike<number>): number {
  return Array.from(values).reduce((a, b) => Math.max(a, b), 0);
}

function ratioOf(whole: number, largest: number): number {
  return largest > 0 ? whole / largest : 1;
}

/**
 * The values whose channels may be equalized for a target: those behind PRelu and LeakyRelu where the target has integer kernels for them, which is
 * where the value in front of the slope is quantized by its side.
 */
export function equalizablePlaces(model: Model, target: Target): readonly ChannelPlace[] {
  const rule = Object.hasOwn(target.operators, "PRelu") ? target.operators["PRelu"] : undefined;
  return channelPlaces(model, { slopes: rule?.kind === "integer" });
}
