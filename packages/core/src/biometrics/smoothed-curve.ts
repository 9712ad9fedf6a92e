/** Steps per bandwidth of the table of the normal distribution function; straight lines between them are off by less than 2e-7. */
const STEPS = 512;
/** Bandwidths beyond which a score counts in full or not at all; what is left out there is below 1e-9 of a comparison. */
export const KERNEL_REACH = 6;

const TABLE = distributionTable();

/** The normal distribution function at -6, -6 + 1/512 .. 6: by the trapezoid rule, normed so that it runs from 0 to 1 and is 1/2 in the middle. */
function distributionTable(): Float64Array {
  const size = 2 * KERNEL_REACH * STEPS + 1;
  const table = new Float64Array(size + 1);
  let last = Math.exp(-(KERNEL_REACH ** 2) / 2);
  for (let i = 1; i < size; i++) {
    const x = i / STEPS - KERNEL_REACH;
    const next = Math.exp((-x * x) / 2);
    table[i] = (table[i - 1] as number) + (last + next) / 2;
    last = next;
  }
  const whole = table[size - 1] as number;
  for (let i = 0; i < size; i++) table[i] = (table[i] as number) / whole;
  table[size] = 1;
  return table;
}

/** How much of a comparison lies at or above a threshold when its score is blurred: 0..1, one half when the score is the threshold; `x` in bandwidths above. */
export function shareAbove(x: number): number {
  if (x <= -KERNEL_REACH) return 0;
  if (x >= KERNEL_REACH) return 1;
  const position = (x + KERNEL_REACH) * STEPS;
  const step = Math.floor(position);
  const low = TABLE[step] as number;
  return low + (position - step) * ((TABLE[step + 1] as number) - low);
}

/** The smoothed score distribution of one class at one threshold. */
export interface SmoothedPoint {
  /** Share of comparisons at or above the threshold. */
  readonly above: number;
  /** Density there, per unit of score. */
  readonly density: number;
  /** Its slope: negative in the upper tail of the impostors, positive in the lower tail of the genuine. */
  readonly slope: number;
}

/**
 * Scores blurred by a Gaussian kernel, at one threshold. `count` is the number of comparisons that the shares refer to: `scores` may leave out any
 * that lie more than {@link KERNEL_REACH} bandwidths below the threshold.
 */
export function smoothedAt(
  scores: Float32Array,
  at: { readonly threshold: number; readonly bandwidth: number; readonly count: number },
): SmoothedPoint {
  const { threshold, bandwidth, count } = at;
  let above = 0;
  let density = 0;
  let slope = 0;
  for (let k = 0; k < scores.length; k++) {
    const x = ((scores[k] as number) - threshold) / bandwidth;
    above += shareAbove(x);
    if (x > -KERNEL_REACH && x < KERNEL_REACH) {
      const weight = Math.exp((-x * x) / 2);
      density += weight;
      slope += weight * x;
    }
  }
  const norm = count * bandwidth * Math.sqrt(2 * Math.PI);
  return { above: above / count, density: density / norm, slope: slope / (norm * bandwidth) };
}

/**
 * The threshold at which the blurred share of impostors is the FAR, to 1e-9: Newton's method on the logarithm of the share, which is nearly straight
 * in a tail.
 */
export function smoothedThreshold(
  impostors: Float32Array,
  options: { readonly far: number; readonly bandwidth: number; readonly count: number; readonly start: number },
): number {
  const { far, bandwidth, count } = options;
  let threshold = options.start;
  for (let round = 0; round < 60; round++) {
    const { above, density } = smoothedAt(impostors, { threshold, bandwidth, count });
    const wanted = density > 0 && above > 0 ? (Math.log(above / far) * above) / density : above > far ? bandwidth : -bandwidth;
    const step = Math.max(-4 * bandwidth, Math.min(4 * bandwidth, wanted));
    threshold += step;
    if (Math.abs(step) < 1e-9) break;
  }
  return threshold;
}
