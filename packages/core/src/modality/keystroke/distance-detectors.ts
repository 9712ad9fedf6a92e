import type { Matrix } from "../../base/matrix.ts";
import type { DetectorRow } from "./detector.ts";
import { columnDeviations, columnMeans, lengthOf, meanAbsoluteDeviations, safeSpreads, squaredDistance } from "./spread.ts";

/** A mean vector. */
export interface MeanOnly {
  readonly mean: Float64Array;
}

/** A mean vector and one positive spread for each feature. */
export interface MeanAndSpread extends MeanOnly {
  readonly spread: Float64Array;
}

/** Training timings farther above the mean than this many standard deviations are left out by the filtered detector. */
const FILTER_DEVIATIONS = 3;

/** A feature whose |z| is above this counts as an outlier: 5 % of a normal distribution. */
export const OUTLIER_Z = 1.96;

function meanOnly(samples: Matrix): MeanOnly {
  return { mean: columnMeans(samples) };
}

function cityBlock(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += Math.abs((a[k] as number) - (b[k] as number));
  return sum;
}

/** Mean of each feature without the values that lie more than three standard deviations above its mean. */
function filteredMean(samples: Matrix): MeanOnly {
  const means = columnMeans(samples);
  const deviations = columnDeviations(samples, means);
  const sums = new Float64Array(samples.cols);
  const counts = new Float64Array(samples.cols);
  for (let i = 0; i < samples.rows; i++)
    for (let k = 0; k < samples.cols; k++) {
      const value = samples.data[i * samples.cols + k] as number;
      if (value > (means[k] as number) + FILTER_DEVIATIONS * (deviations[k] as number)) continue;
      sums[k] = (sums[k] as number) + value;
      counts[k] = (counts[k] as number) + 1;
    }
  return { mean: sums.map((sum, k) => sum / (counts[k] as number)) };
}

/** Squared Euclidean distance to the mean. */
export const euclidean: DetectorRow<MeanOnly> = {
  title: "Euclidean",
  published: { eer: [0.171, 0.095], zeroMissFalseAlarm: [0.875, 0.2] },
  source: "Duda, Hart & Stork, Pattern Classification: |x - m|², m the mean of the training samples",
  orderFree: true,
  invariance: "all features",
  train: meanOnly,
  score: ({ mean }, x) => squaredDistance(x, mean),
};

/** Squared Euclidean distance divided by both lengths. */
export const euclideanNormed: DetectorRow<MeanOnly> = {
  title: "Euclidean (normed)",
  published: { eer: [0.215, 0.119], zeroMissFalseAlarm: [0.911, 0.148] },
  source: "Bleha, Slivinsky & Hussien 1990, normalised minimum distance: |x - m|² / (|x| |m|)",
  orderFree: true,
  invariance: "all features",
  train: meanOnly,
  score: ({ mean }, x) => squaredDistance(x, mean) / (lengthOf(x) * lengthOf(mean)),
};

/** City-block distance to the mean. */
export const manhattan: DetectorRow<MeanOnly> = {
  title: "Manhattan",
  published: { eer: [0.153, 0.092], zeroMissFalseAlarm: [0.843, 0.242] },
  source: "Duda, Hart & Stork, Pattern Classification: sum of |x_i - m_i|",
  orderFree: true,
  invariance: "all features",
  train: meanOnly,
  score: ({ mean }, x) => cityBlock(x, mean),
};

/** City-block distance to a mean freed of slow outliers. */
export const manhattanFiltered: DetectorRow<MeanOnly> = {
  title: "Manhattan (filter)",
  published: { eer: [0.136, 0.083], zeroMissFalseAlarm: [0.757, 0.282] },
  source:
    "Joyce & Gupta 1990: training times more than 3 standard deviations above the mean of their feature are left out and the mean is taken again, " +
    "then the city-block distance to it",
  orderFree: true,
  invariance: "all features",
  train: filteredMean,
  score: ({ mean }, x) => cityBlock(x, mean),
};

/** City-block distance in units of each feature's mean absolute deviation. */
export const manhattanScaled: DetectorRow<MeanAndSpread> = {
  title: "Manhattan (scaled)",
  published: { eer: [0.096, 0.069], zeroMissFalseAlarm: [0.601, 0.337] },
  source: "Araujo et al. 2005: sum of |x_i - m_i| / a_i, a_i the mean absolute deviation of feature i from its mean in training",
  orderFree: true,
  invariance: "each feature",
  train: (samples) => {
    const mean = columnMeans(samples);
    return { mean, spread: safeSpreads(meanAbsoluteDeviations(samples, mean)) };
  },
  score: ({ mean, spread }, x) => {
    let sum = 0;
    for (let k = 0; k < mean.length; k++) sum += Math.abs((x[k] as number) - (mean[k] as number)) / (spread[k] as number);
    return sum;
  },
};

/** How many features are outliers. */
export const outlierCount: DetectorRow<MeanAndSpread> = {
  title: "Outlier Count (z-score)",
  published: { eer: [0.102, 0.077], zeroMissFalseAlarm: [0.782, 0.306] },
  source:
    "Haider, Abbas & Zaidi 2000, statistical technique: how many features have |x_i - m_i| / s_i > 1.96, s_i their standard deviation",
  orderFree: true,
  invariance: "each feature",
  train: (samples) => {
    const mean = columnMeans(samples);
    return { mean, spread: safeSpreads(columnDeviations(samples, mean)) };
  },
  score: ({ mean, spread }, x) => {
    let count = 0;
    for (let k = 0; k < mean.length; k++)
      if (Math.abs((x[k] as number) - (mean[k] as number)) / (spread[k] as number) > OUTLIER_Z) count++;
    return count;
  },
};
