import type { Matrix } from "../../base/matrix.ts";

/** Options of training. */
export interface TrainOptions {
  /** Of the detectors that draw numbers (networks, k-means). */
  readonly seed?: number;
}

/** Defaults of {@link TrainOptions}. */
export const TRAIN_DEFAULTS = { seed: 2009 } as const satisfies Required<TrainOptions>;

/**
 * What a common positive factor on features does to the order of anomaly scores: nothing when it stands on any one feature (`each feature`),
 * nothing as long as it stands on all of them (`all features`), or it changes the order (`none`).
 */
export type ScaleInvariance = "each feature" | "all features" | "none";

/** A row of Table 2 of Killourhy & Maxion 2009: mean and standard deviation over the 51 people of the CMU set. */
export interface PublishedRates {
  readonly eer: readonly [mean: number, sd: number];
  readonly zeroMissFalseAlarm: readonly [mean: number, sd: number];
}

/** One anomaly detector: learns from samples of one person and says how unlike them another sample is. `T` is what it keeps, plain data. */
export interface DetectorRow<T> {
  /** Its name in Table 2 of Killourhy & Maxion 2009. */
  readonly title: string;
  /** Where the formula comes from, and what is ours where the paper leaves something open. */
  readonly source: string;
  readonly published: PublishedRates;
  /** Whether the order of the training samples has no influence (but for rounding). */
  readonly orderFree: boolean;
  readonly invariance: ScaleInvariance;
  /** Samples f64[n, features], n >= 2. */
  readonly train: (samples: Matrix, options: Required<TrainOptions>) => T;
  /** Anomaly score of f64[features]: larger is less like the person. Units differ between detectors. */
  readonly score: (trained: T, sample: ArrayLike<number>) => number;
}
