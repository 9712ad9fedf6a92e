/** How a changed tensor differs from its reference, over everything that was fed. */
export interface TensorDifference {
  /** Signal to noise, decibels: 10 log10(sum reference^2 / sum (changed - reference)^2); Infinity when nothing differs. */
  readonly sqnrDb: number;
  readonly cosine: number;
  readonly maxAbs: number;
  readonly count: number;
}

/** Sums that {@link TensorDifference} is made of; streams. */
export interface DifferenceSums {
  signal: number;
  noise: number;
  dot: number;
  other: number;
  maxAbs: number;
  count: number;
}

/** Empty sums. */
export function createDifference(): DifferenceSums {
  return { signal: 0, noise: 0, dot: 0, other: 0, maxAbs: 0, count: 0 };
}

/** Adds a pair of tensors of the same length. */
export function addDifference(sums: DifferenceSums, reference: Float32Array, changed: Float32Array): void {
  for (let i = 0; i < reference.length; i++) {
    const a = reference[i] as number;
    const b = changed[i] as number;
    const d = b - a;
    sums.signal += a * a;
    sums.other += b * b;
    sums.dot += a * b;
    sums.noise += d * d;
    if (d > sums.maxAbs) sums.maxAbs = d;
    else if (-d > sums.maxAbs) sums.maxAbs = -d;
  }
  sums.count += reference.length;
}

/** Adds the sums of other tensors. */
export function mergeDifference(into: DifferenceSums, other: Readonly<DifferenceSums>): void {
  into.signal += other.signal;
  into.noise += other.noise;
  into.dot += other.dot;
  into.other += other.other;
  into.maxAbs = Math.max(into.maxAbs, other.maxAbs);
  into.count += other.count;
}

/** The figures. Two tensors of zeros are equal: cosine 1. */
export function differenceOf(sums: DifferenceSums): TensorDifference {
  const norm = Math.sqrt(sums.signal * sums.other);
  return {
    sqnrDb: sums.noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(sums.signal / sums.noise),
    cosine: norm === 0 ? (sums.signal === sums.other ? 1 : 0) : Math.min(1, sums.dot / norm),
    maxAbs: sums.maxAbs,
    count: sums.count,
  };
}
