import { type Matrix, matrix } from "../../base/matrix.ts";
import { type Random, seededRandom } from "../../base/random.ts";
import type { DetectorRow } from "./detector.ts";
import { rowOf } from "./samples.ts";
import { squaredDistance } from "./spread.ts";

/** Centres of clusters, f64[k, features]. */
export interface Clusters {
  readonly centres: Matrix;
}

const CLUSTERS = 3;
const RESTARTS = 10;
const MAX_ROUNDS = 100;

/** The nearest centre to x and its squared distance. */
function nearest(centres: Matrix, x: ArrayLike<number>): { readonly index: number; readonly squared: number } {
  let index = 0;
  let squared = Number.POSITIVE_INFINITY;
  for (let c = 0; c < centres.rows; c++) {
    const d = squaredDistance(x, rowOf(centres, c));
    if (d < squared) {
      squared = d;
      index = c;
    }
  }
  return { index, squared };
}

/** First centres by k-means++ (Arthur & Vassilvitskii 2007): each next one drawn in proportion to the squared distance to those before. */
function seeded(samples: Matrix, k: number, random: Random): Matrix {
  const centres = matrix(k, samples.cols);
  centres.data.set(rowOf(samples, random.int(samples.rows)));
  for (let c = 1; c < k; c++) {
    const so = { rows: c, cols: samples.cols, data: centres.data };
    const weights = Array.from({ length: samples.rows }, (_, i) => nearest(so, rowOf(samples, i)).squared);
    let draw = random.next() * weights.reduce((sum, w) => sum + w, 0);
    let pick = 0;
    while (pick < samples.rows - 1 && draw >= (weights[pick] as number)) draw -= weights[pick++] as number;
    centres.data.set(rowOf(samples, pick), c * samples.cols);
  }
  return centres;
}

/** Lloyd's rounds until nothing moves. Gives the sum of squared distances; a cluster that lost everybody stays where it is. */
function settle(samples: Matrix, centres: Matrix): number {
  let inertia = Number.POSITIVE_INFINITY;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const totals = new Float64Array(centres.data.length);
    const counts = new Float64Array(centres.rows);
    let now = 0;
    for (let i = 0; i < samples.rows; i++) {
      const x = rowOf(samples, i);
      const { index, squared } = nearest(centres, x);
      now += squared;
      counts[index] = (counts[index] as number) + 1;
      for (let k = 0; k < samples.cols; k++)
        totals[index * samples.cols + k] = (totals[index * samples.cols + k] as number) + (x[k] as number);
    }
    if (now >= inertia) break;
    inertia = now;
    for (let c = 0; c < centres.rows; c++) {
      const count = counts[c] as number;
      if (count === 0) continue;
      for (let k = 0; k < samples.cols; k++)
        centres.data[c * samples.cols + k] = (totals[c * samples.cols + k] as number) / count;
    }
  }
  return inertia;
}

/** Distance to the nearest of three centres. */
export const kMeans: DetectorRow<Clusters> = {
  title: "k Means",
  published: { eer: [0.372, 0.139], zeroMissFalseAlarm: [0.989, 0.04] },
  source:
    "Kang, Hwang & Cho 2007: Euclidean distance to the nearest of k = 3 centres. How it starts is ours: k-means++, the best of 10 seeded runs",
  orderFree: false,
  invariance: "all features",
  train: (samples, { seed }) => {
    const random = seededRandom(seed);
    const k = Math.min(CLUSTERS, samples.rows);
    let best: Clusters | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (let run = 0; run < RESTARTS; run++) {
      const centres = seeded(samples, k, random);
      const inertia = settle(samples, centres);
      if (best !== undefined && inertia >= least) continue;
      least = inertia;
      best = { centres };
    }
    return best as Clusters;
  },
  score: ({ centres }, x) => Math.sqrt(nearest(centres, x).squared),
};
