import { at } from "../../base/assert.ts";
import type { ComparisonScores } from "../../biometrics/compare.ts";
import { locateImpostors } from "../../biometrics/design.ts";
import type { Interval } from "../../biometrics/rates.ts";
import { BOOTSTRAP_DEFAULTS, type BootstrapOptions, eachResample, percentileInterval } from "../../biometrics/resample.ts";

/** Scores summed by the people of the comparison: count, sum and sum of squares of each cell. */
interface Sums {
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly count: Float64Array;
  readonly sum: Float64Array;
  readonly squares: Float64Array;
}

/** Difference of d' between two sets of scores of the same comparisons, with its interval, and the first one's d'. */
export interface SeparationDifference {
  /** d'(candidate) - d'(reference). */
  readonly value: number;
  readonly interval: Interval;
  /** d'(reference). */
  readonly reference: number;
}

/**
 * d' of a candidate minus d' of a reference on the same comparisons and the same resamples of people: a genuine comparison weighs its person's
 * draws, an impostor comparison the product of both. Scores are summed once per pair of people, so a resample costs people^2, not comparisons.
 */
export function separationDifference(
  reference: ComparisonScores,
  candidate: ComparisonScores,
  options: Partial<BootstrapOptions> = {},
): SeparationDifference {
  const { replicates, seed, confidence } = { ...BOOTSTRAP_DEFAULTS, ...options };
  const { design } = reference;
  const places = locateImpostors(
    design,
    Uint32Array.from(reference.impostor, (_, k) => k),
  );
  const subjectsOf = (subjects: Int32Array, items: Uint32Array): Int32Array =>
    Int32Array.from(items, (item) => at(subjects, item));
  const genuineA = subjectsOf(design.gallery, reference.genuine.a);
  const impostorA = subjectsOf(design.gallery, places.a);
  const impostorB = subjectsOf(design.probe, places.b);
  // Sums are taken about one of the scores: a collapsed model, all of whose scores are equal, then has a variance of exactly zero.
  const sums = [reference, candidate].map((scores) => ({
    genuine: cells({ left: genuineA, right: genuineA }, scores.genuine.scores, {
      people: design.people,
      about: at(scores.impostor, 0),
    }),
    impostor: cells({ left: impostorA, right: impostorB }, scores.impostor, {
      people: design.people,
      about: at(scores.impostor, 0),
    }),
  }));
  const [first, second] = [at(sums, 0), at(sums, 1)];
  const ones = new Float64Array(design.people).fill(1);
  const dPrime = (side: { readonly genuine: Sums; readonly impostor: Sums }, weights: Float64Array): number => {
    const genuine = weigh(side.genuine, weights, true);
    const impostor = weigh(side.impostor, weights, false);
    const gap = Math.abs(genuine.mean - impostor.mean);
    return gap === 0 ? 0 : gap / Math.sqrt((genuine.variance + impostor.variance) / 2);
  };
  const values = new Float64Array(replicates);
  let replicate = 0;
  eachResample(design, { replicates, seed }, ({ weights }) => {
    values[replicate++] = dPrime(second, weights) - dPrime(first, weights);
  });
  const { low, high } = percentileInterval(values, confidence);
  const base = dPrime(first, ones);
  const interval: Interval = { low, high, confidence, method: "paired-subject-bootstrap" };
  return { value: dPrime(second, ones) - base, interval, reference: base };
}

function cells(
  people: { readonly left: Int32Array; readonly right: Int32Array },
  scores: Float32Array,
  options: { readonly people: number; readonly about: number },
): Sums {
  const place = new Map<number, number>();
  const keys = Float64Array.from(people.left, (person, k) => person * options.people + at(people.right, k));
  for (const key of keys) if (!place.has(key)) place.set(key, place.size);
  const size = place.size;
  const sums: Sums = {
    left: new Int32Array(size),
    right: new Int32Array(size),
    count: new Float64Array(size),
    sum: new Float64Array(size),
    squares: new Float64Array(size),
  };
  for (let k = 0; k < scores.length; k++) {
    const cell = place.get(keys[k] as number) as number;
    const score = (scores[k] as number) - options.about;
    sums.left[cell] = people.left[k] as number;
    sums.right[cell] = people.right[k] as number;
    sums.count[cell] = (sums.count[cell] as number) + 1;
    sums.sum[cell] = (sums.sum[cell] as number) + score;
    sums.squares[cell] = (sums.squares[cell] as number) + score * score;
  }
  return sums;
}

/** Weighted mean and variance; a genuine cell weighs one person's draws, an impostor cell the product of two. */
function weigh(sums: Sums, weights: Float64Array, genuine: boolean): { readonly mean: number; readonly variance: number } {
  let count = 0;
  let sum = 0;
  let squares = 0;
  for (let cell = 0; cell < sums.count.length; cell++) {
    const w = weights[sums.left[cell] as number] as number;
    const weight = genuine ? w : w * (weights[sums.right[cell] as number] as number);
    if (weight === 0) continue;
    count += weight * (sums.count[cell] as number);
    sum += weight * (sums.sum[cell] as number);
    squares += weight * (sums.squares[cell] as number);
  }
  const mean = sum / count;
  return { mean, variance: Math.max(0, squares / count - mean * mean) };
}
