/** The noise of every layer in every sample, relative to its signal: rows are samples. */
export interface SampleNoise {
  /** Per sample, per layer: sum of squared errors over sum of squares of the reference. */
  readonly rows: readonly Float64Array[];
}

/** The first layer in which a sample fares clearly worse than the others do. */
export interface FirstWrong {
  /** Position among the layers. */
  readonly layer: number;
  /** Its noise over the median of all samples' there. */
  readonly times: number;
}

/** How many times the usual noise of a layer counts as going wrong: 3 dB. Of thousands of values in a layer, that is no accident. */
const WRONG_TIMES = 2;

/**
 * Where a sample first goes wrong: the first layer, in the order that they run, whose noise is at least double what it is in the median
 * sample, and stays well above it in the layer that follows, so that one tiny layer does not count. Undefined when no layer stands out: then
 * errors that are small everywhere add up.
 */
export function firstWrong(noise: SampleNoise, sample: number): FirstWrong | undefined {
  const mine = noise.rows[sample];
  if (mine === undefined || noise.rows.length < 3) return undefined;
  const times = Array.from(mine, (value, layer) => {
    const usual = median(noise.rows.map((row) => row[layer] as number));
    return usual > 0 ? value / usual : value > 0 ? Number.POSITIVE_INFINITY : 0;
  });
  const layer = times.findIndex((t, i) => t >= WRONG_TIMES && Number.isFinite(t) && (times[i + 1] ?? t) >= 0.75 * WRONG_TIMES);
  return layer < 0 ? undefined : { layer, times: times[layer] as number };
}

function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  return sorted.length === 0 ? 0 : (sorted[sorted.length >> 1] as number);
}
