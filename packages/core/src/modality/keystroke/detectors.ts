import { fail } from "../../base/error.ts";
import type { Matrix } from "../../base/matrix.ts";
import { type DetectorRow, TRAIN_DEFAULTS, type TrainOptions } from "./detector.ts";
import { euclidean, euclideanNormed, manhattan, manhattanFiltered, manhattanScaled, outlierCount } from "./distance-detectors.ts";
import { fuzzyLogic } from "./fuzzy-detector.ts";
import { kMeans } from "./k-means.ts";
import { mahalanobis, mahalanobisNormed, nearestNeighbour } from "./mahalanobis-detectors.ts";
import { networkAutoAssociative, networkStandard } from "./network-detectors.ts";
import { oneClassSvm } from "./one-class-svm.ts";

/** The fourteen detectors that Killourhy & Maxion compared (DSN 2009, "Comparing anomaly-detection algorithms for keystroke dynamics"). */
export const DETECTORS = {
  euclidean,
  "euclidean-normed": euclideanNormed,
  manhattan,
  "manhattan-filtered": manhattanFiltered,
  "manhattan-scaled": manhattanScaled,
  mahalanobis,
  "mahalanobis-normed": mahalanobisNormed,
  "nearest-neighbour": nearestNeighbour,
  "network-standard": networkStandard,
  "network-auto": networkAutoAssociative,
  "fuzzy-logic": fuzzyLogic,
  "outlier-count": outlierCount,
  svm: oneClassSvm,
  "k-means": kMeans,
} as const;

/** Name of a detector. */
export type DetectorId = keyof typeof DETECTORS;

/** Every name, in the order of the table. */
export const DETECTOR_IDS = Object.keys(DETECTORS) as readonly DetectorId[];

/** What one kind of detector keeps. */
export type TrainedState<K extends DetectorId> = (typeof DETECTORS)[K] extends DetectorRow<infer T> ? T : never;

/** A trained detector: plain data. */
export type TrainedDetector = {
  readonly [K in DetectorId]: { readonly kind: K; readonly features: number; readonly state: TrainedState<K> };
}[DetectorId];

/**
 * Trains a detector on samples of one person: f64[n, features], times in seconds. The same samples and seed give the same detector.
 *
 * @throws INSUFFICIENT_DATA with fewer than two samples, SCORES_INVALID when a number is not finite.
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { matrix } from "@tessera/core/base/matrix";
 * import { scoreSample, trainDetector } from "@tessera/core/modality/keystroke/detectors";
 *
 * const typed = matrix(2, 2, Float64Array.of(0.09, 0.2, 0.11, 0.3));
 * const detector = trainDetector("manhattan-scaled", typed);
 * // Means 0.1 and 0.25, mean absolute deviations 0.01 and 0.05: the score is 2 + 1.
 * assert.ok(Math.abs(scoreSample(detector, [0.12, 0.3]) - 3) < 1e-9);
 * ```
 */
export function trainDetector(kind: DetectorId, samples: Matrix, options: TrainOptions = {}): TrainedDetector {
  if (samples.rows < 2)
    throw fail("INSUFFICIENT_DATA", `Cannot train ${kind}: it needs two samples or more and got ${samples.rows}`);
  const bad = samples.data.findIndex((v) => !Number.isFinite(v));
  if (bad >= 0)
    throw fail(
      "SCORES_INVALID",
      `Cannot train ${kind}: feature ${bad % samples.cols} of sample ${Math.floor(bad / samples.cols)} is ${samples.data[bad]}`,
    );
  const row = DETECTORS[kind] as DetectorRow<unknown>;
  return { kind, features: samples.cols, state: row.train(samples, { ...TRAIN_DEFAULTS, ...options }) } as TrainedDetector;
}

/** How unlike the trained person a sample f64[features] is: larger is less alike. @throws SHAPE_MISMATCH for another number of features. */
export function scoreSample(detector: TrainedDetector, sample: ArrayLike<number>): number {
  if (sample.length !== detector.features)
    throw fail(
      "SHAPE_MISMATCH",
      `Cannot score a sample of ${sample.length} features: the detector was trained on ${detector.features}`,
    );
  return (DETECTORS[detector.kind] as DetectorRow<unknown>).score(detector.state, sample);
}
