import { fail } from "../base/error.ts";
import { roundHalfEven } from "../graph/quantize.ts";
import { countOf, type Tensor, toNumbers } from "../graph/tensor.ts";

/** A tensor's values by index of an axis. */
export interface ChannelView {
  readonly count: number;
  /** The values of one channel, in order. */
  readonly of: (channel: number) => Float64Array;
}

/** Looks at a tensor channel by channel; one channel with everything when `axis` is absent. @throws PLAN_INVALID for an axis it does not have */
export function channelView(tensor: Tensor, axis: number | undefined): ChannelView {
  const values = toNumbers(tensor);
  if (axis === undefined) return { count: 1, of: () => Float64Array.from(values) };
  const count = tensor.shape[axis];
  if (count === undefined)
    throw fail("PLAN_INVALID", `Cannot quantize a tensor of shape [${tensor.shape}] along axis ${axis}: it has no such axis`);
  const inner = countOf(tensor.shape.slice(axis + 1));
  const outer = countOf(tensor.shape.slice(0, axis));
  return {
    count,
    of: (channel) => {
      const result = new Float64Array(outer * inner);
      for (let o = 0; o < outer; o++)
        for (let i = 0; i < inner; i++) result[o * inner + i] = values[(o * count + channel) * inner + i] as number;
      return result;
    },
  };
}

/** Largest magnitudes by axis, for as long as a tensor lives: the steps of an unrolled layer all ask for those of one. */
const magnitudes = new WeakMap<Tensor, Map<number | undefined, Float64Array>>();

/** The largest magnitude of each channel, as {@link channelView} sees them; NaN where a value is not finite. @throws PLAN_INVALID as there */
export function channelMagnitudes(tensor: Tensor, axis: number | undefined): Float64Array {
  const known = magnitudes.get(tensor) ?? new Map<number | undefined, Float64Array>();
  const found = known.get(axis);
  if (found !== undefined) return found;
  const { count, of } = channelView(tensor, axis);
  const largest = new Float64Array(count);
  for (let c = 0; c < count; c++) {
    let most = 0;
    for (const v of of(c)) most = Number.isFinite(v) ? Math.max(most, Math.abs(v)) : Number.NaN;
    largest[c] = most;
  }
  magnitudes.set(tensor, known.set(axis, largest));
  return largest;
}

/** Scales tried between the floor and the whole range. */
const TRIED = 128;

/**
 * The scale with the least squared error over some weights, among {@link TRIED} evenly spaced between `floor` and `whole` (the scale that clips
 * nothing), which wins ties.
 */
export function bestScale(
  values: Float64Array,
  { limit, whole, floor }: { readonly limit: number; readonly whole: number; readonly floor: number },
): number {
  let best = whole;
  let least = errorAt(values, whole, limit);
  for (let i = 1; i <= TRIED; i++) {
    const scale = Math.fround(whole + ((floor - whole) * i) / TRIED);
    if (!(scale >= floor)) break;
    const error = errorAt(values, scale, limit);
    if (error < least) {
      least = error;
      best = scale;
    }
  }
  return best;
}

function errorAt(values: Float64Array, scale: number, limit: number): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const v = values[i] as number;
    const q = Math.max(-limit, Math.min(limit, roundHalfEven(Math.fround(v / scale))));
    const d = v - q * scale;
    sum += d * d;
  }
  return sum;
}
