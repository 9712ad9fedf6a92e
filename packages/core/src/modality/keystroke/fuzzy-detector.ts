import type { DetectorRow } from "./detector.ts";
import { rowOf } from "./samples.ts";

/** The fuzzy set that each feature belongs to most, by its place among {@link FUZZY_PEAKS_SECONDS}. */
export interface FuzzySets {
  readonly set: Int32Array;
}

/**
 * Where the sets "very fast", "fast", "moderate", "slow" and "very slow" have membership 1, in seconds. Membership falls linearly in the
 * logarithm of the time and is 0 at the neighbouring peaks; beyond the outer peaks it stays 1. Times of 0 and below are "very fast".
 */
export const FUZZY_PEAKS_SECONDS: readonly number[] = [0.0625, 0.125, 0.25, 0.5, 1];

/** How much a time belongs to one of the sets, 0 to 1. */
export function membership(seconds: number, set: number): number {
  const first = FUZZY_PEAKS_SECONDS[0] as number;
  // Peaks are a factor of two apart: the place on the ladder of peaks is a logarithm.
  const place = Math.min(FUZZY_PEAKS_SECONDS.length - 1, Math.max(0, Math.log2(Math.max(seconds, first) / first)));
  return Math.max(0, 1 - Math.abs(place - set));
}

/** Average lack of membership in the sets of the training samples. */
export const fuzzyLogic: DetectorRow<FuzzySets> = {
  title: "Fuzzy Logic",
  published: { eer: [0.221, 0.105], zeroMissFalseAlarm: [0.935, 0.108] },
  source:
    "Haider, Abbas & Zaidi 2000: each feature is matched with the set of times (very fast to very slow) in which its mean membership in training is strongest; " +
    "the average of 1 - membership in those sets. The edges of the sets are not published in full: five sets with peaks at 1/16, 1/8, 1/4, 1/2 and 1 s are ours",
  orderFree: true,
  invariance: "none",
  train: (samples) => {
    const set = new Int32Array(samples.cols);
    for (let k = 0; k < samples.cols; k++) {
      const totals = FUZZY_PEAKS_SECONDS.map((_, s) => {
        let total = 0;
        for (let i = 0; i < samples.rows; i++) total += membership(rowOf(samples, i)[k] as number, s);
        return total;
      });
      set[k] = totals.indexOf(Math.max(...totals));
    }
    return { set };
  },
  score: ({ set }, x) => {
    let lack = 0;
    for (let k = 0; k < set.length; k++) lack += 1 - membership(x[k] as number, set[k] as number);
    return lack / set.length;
  },
};
