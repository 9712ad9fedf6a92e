import { type Matrix, matrix } from "../../base/matrix.ts";
import type { DetectorRow } from "./detector.ts";
import { rowOf } from "./samples.ts";
import { columnMeans, lengthOf, squaredDistance, whitened, whitening } from "./spread.ts";

/** A mean and the whitening W of the training covariance: f64[features, rank]. */
export interface MeanAndWhitening {
  readonly mean: Float64Array;
  readonly whitening: Matrix;
}

/** The training samples themselves, whitened: f64[n, rank]. */
export interface WhitenedSamples {
  readonly whitening: Matrix;
  readonly samples: Matrix;
}

const INVERSE =
  "the Moore-Penrose inverse of the training covariance in place of S⁻¹, as features of one text are linearly dependent";

function train(samples: Matrix): MeanAndWhitening {
  const mean = columnMeans(samples);
  return { mean, whitening: whitening(samples, mean) };
}

function distance({ mean, whitening: w }: MeanAndWhitening, x: ArrayLike<number>): number {
  return (
    lengthOf(
      whitened(
        w,
        Float64Array.from(mean, (m, k) => (x[k] as number) - m),
      ),
    ) ** 2
  );
}

/** Squared Mahalanobis distance to the mean. */
export const mahalanobis: DetectorRow<MeanAndWhitening> = {
  title: "Mahalanobis",
  published: { eer: [0.11, 0.065], zeroMissFalseAlarm: [0.482, 0.273] },
  source: `Duda, Hart & Stork, Pattern Classification: (x - m)ᵀ S⁻¹ (x - m); ${INVERSE}`,
  orderFree: true,
  invariance: "each feature",
  train,
  score: distance,
};

/** Squared Mahalanobis distance divided by both lengths. */
export const mahalanobisNormed: DetectorRow<MeanAndWhitening> = {
  title: "Mahalanobis (normed)",
  published: { eer: [0.11, 0.065], zeroMissFalseAlarm: [0.482, 0.273] },
  source:
    `Bleha, Slivinsky & Hussien 1990, normalised Bayes classifier: the Mahalanobis score divided by |x| |m| as the normed Euclidean one is; ${INVERSE}. ` +
    "The published row equals that of Mahalanobis in every digit, which a divisor that depends on x does not explain",
  orderFree: true,
  invariance: "all features",
  train,
  score: (trained, x) => distance(trained, x) / (lengthOf(x) * lengthOf(trained.mean)),
};

/** Mahalanobis distance to the nearest training sample. */
export const nearestNeighbour: DetectorRow<WhitenedSamples> = {
  title: "Nearest Neighbor (Mahalanobis)",
  published: { eer: [0.1, 0.064], zeroMissFalseAlarm: [0.468, 0.272] },
  source: `Cho et al. 2000: Mahalanobis distance to the nearest training sample; ${INVERSE}`,
  orderFree: true,
  invariance: "each feature",
  train: (samples) => {
    const w = whitening(samples, columnMeans(samples));
    const result = matrix(samples.rows, w.cols);
    for (let i = 0; i < samples.rows; i++) result.data.set(whitened(w, rowOf(samples, i)), i * w.cols);
    return { whitening: w, samples: result };
  },
  score: ({ whitening: w, samples }, x) => {
    const probe = whitened(w, x);
    let nearest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < samples.rows; i++) nearest = Math.min(nearest, squaredDistance(probe, rowOf(samples, i)));
    return Math.sqrt(nearest);
  },
};
