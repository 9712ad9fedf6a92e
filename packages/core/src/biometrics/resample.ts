import { at } from "../base/assert.ts";
import { seededRandom } from "../base/random.ts";
import { type ComparisonScores, impostorsAtLeast } from "./compare.ts";
import { type ComparisonDesign, weighImpostors } from "./design.ts";
import { permittedFalseMatches } from "./rates.ts";
import { kthLargest, lowerBound, nextAbove, type ScoreDistribution } from "./scores.ts";

/** Options of every bootstrap in this room. */
export interface BootstrapOptions {
  readonly replicates?: number;
  readonly seed?: number;
  readonly confidence?: number;
}

/** Defaults of every bootstrap in this room. */
export const BOOTSTRAP_DEFAULTS = {
  replicates: 500,
  seed: 19795,
  confidence: 0.95,
} as const satisfies Required<BootstrapOptions>;

/**
 * How people are resampled, printed in report headers. A person is drawn with all of their recordings, because attempts of one person are
 * not independent; an impostor comparison counts the product of its two people's draws (the "pigeonhole" bootstrap, Owen 2007, which errs
 * towards wide intervals); comparisons between two copies of one person are not made.
 */
export const BOOTSTRAP_CONVENTION =
  "people resampled with replacement with all their recordings; a genuine comparison weighs its person's draws, an impostor comparison the " +
  "product of both people's draws; percentile interval; without any error (or without any success) Clopper-Pearson over people instead";

/** A model's scores arranged for resampling: genuine ascending and the top impostors descending, each with their people. */
export interface ResampleView {
  readonly genuine: Float32Array;
  readonly genuinePerson: Int32Array;
  /** Genuine comparisons of each person. */
  readonly genuineOf: Float64Array;
  readonly tail: Float32Array;
  readonly tailLeft: Int32Array;
  readonly tailRight: Int32Array;
  /** The tail holds every impostor comparison. */
  readonly tailIsAll: boolean;
}

/** Arranges scores for resampling, with at least the `depth` best impostors (and the ties of the last). */
export function resampleView(scores: ComparisonScores, impostor: ScoreDistribution, depth: number): ResampleView {
  const { design, genuine } = scores;
  const order = Uint32Array.from(genuine.scores, (_, k) => k).sort((x, y) => at(genuine.scores, x) - at(genuine.scores, y));
  const genuinePerson = Int32Array.from(order, (k) => at(design.gallery, at(genuine.a, k)));
  const genuineOf = new Float64Array(design.people);
  for (const person of genuinePerson) genuineOf[person] = at(genuineOf, person) + 1;
  const reach = Math.min(impostor.count, Math.max(1, depth));
  const tail = impostorsAtLeast(scores, kthLargest(impostor, reach - 1));
  return {
    genuine: Float32Array.from(order, (k) => at(genuine.scores, k)),
    genuinePerson,
    genuineOf,
    tail: tail.scores,
    tailLeft: Int32Array.from(tail.a, (item) => at(design.gallery, item)),
    tailRight: Int32Array.from(tail.b, (item) => at(design.probe, item)),
    tailIsAll: tail.scores.length === impostor.count,
  };
}

/** How many of the best impostors suffice for nearly every resample at a FAR; {@link weightedThreshold} asks for more when not. */
export function tailDepth(far: number, impostorCount: number): number {
  const permitted = permittedFalseMatches(far, impostorCount);
  return Math.min(impostorCount, Math.ceil(permitted * 1.6) + 2000);
}

/** The people who take part in a design. */
export function participants(design: ComparisonDesign): Int32Array {
  const present = new Uint8Array(design.people);
  const mark = (subjects: Int32Array, items: Uint32Array): void => {
    for (const item of items) present[at(subjects, item)] = 1;
  };
  if (design.kind === "listed") {
    mark(design.gallery, design.genuine.a);
    mark(design.gallery, design.impostor.a);
    mark(design.probe, design.impostor.b);
  } else {
    for (const person of design.gallery) present[person] = 1;
    for (const person of design.probe) present[person] = 1;
  }
  return Int32Array.from(present.keys()).filter((person) => present[person] === 1);
}

/** One resample of people: how often each was drawn and the weighted number of impostor comparisons. */
export interface Resample {
  readonly weights: Float64Array;
  readonly impostorWeight: number;
}

/** Calls `visit` with each resample; the weights are reused. Same seed and design, same resamples: that pairs two models. */
export function eachResample(
  design: ComparisonDesign,
  options: { readonly replicates: number; readonly seed: number },
  visit: (resample: Resample) => void,
): void {
  const random = seededRandom(options.seed);
  const people = participants(design);
  const weights = new Float64Array(design.people);
  for (let replicate = 0; replicate < options.replicates; replicate++) {
    weights.fill(0);
    for (let draw = 0; draw < people.length; draw++) {
      const person = at(people, random.int(people.length));
      weights[person] = at(weights, person) + 1;
    }
    visit({ weights, impostorWeight: weighImpostors(design, weights) });
  }
}

/** A model's scores seen through one resample. */
export interface Draw {
  readonly view: ResampleView;
  readonly resample: Resample;
}

/**
 * The threshold at a FAR in a resample: walks down the weighted tail until the permitted weight is used up. Undefined when the tail ends
 * first and more impostors exist.
 */
export function weightedThreshold({ view, resample }: Draw, far: number): number | undefined {
  const { tail, tailLeft, tailRight } = view;
  const { weights } = resample;
  const permitted = far * resample.impostorWeight * (1 + 1e-12);
  let used = 0;
  for (let k = 0; k < tail.length; k++) {
    used += (weights[tailLeft[k] as number] as number) * (weights[tailRight[k] as number] as number);
    if (used > permitted) return nextAbove(tail[k] as number, tail);
  }
  return view.tailIsAll ? at(tail, tail.length - 1) : undefined;
}

/** Weighted share of impostor comparisons at or above a threshold that lies inside the tail. */
export function weightedFmr({ view, resample }: Draw, threshold: number): number {
  const { tail, tailLeft, tailRight } = view;
  const { weights } = resample;
  let matches = 0;
  for (let k = 0; k < tail.length && (tail[k] as number) >= threshold; k++)
    matches += (weights[tailLeft[k] as number] as number) * (weights[tailRight[k] as number] as number);
  return matches / resample.impostorWeight;
}

/** Weighted share of genuine comparisons below a threshold; NaN when that is, or when the resample drew nobody with a genuine comparison. */
export function weightedFnmr({ view, resample }: Draw, threshold: number): number {
  if (Number.isNaN(threshold)) return Number.NaN;
  const { genuine, genuinePerson, genuineOf } = view;
  const { weights } = resample;
  let total = 0;
  for (let person = 0; person < weights.length; person++) total += (weights[person] as number) * (genuineOf[person] as number);
  const end = lowerBound(genuine, threshold);
  let missed = 0;
  for (let k = 0; k < end; k++) missed += weights[genuinePerson[k] as number] as number;
  return missed / total;
}

/** The percentile interval of replicate values, nearest rank; NaN replicates are left out. */
export function percentileInterval(
  values: Float64Array,
  confidence: number,
): { readonly low: number; readonly high: number; readonly used: number } {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort();
  const used = sorted.length;
  if (used === 0) return { low: Number.NaN, high: Number.NaN, used };
  const risk = (1 - confidence) / 2;
  const rank = (p: number): number => Math.min(used - 1, Math.max(0, Math.ceil(p * used - 1e-9) - 1));
  return { low: at(sorted, rank(risk)), high: at(sorted, rank(1 - risk)), used };
}
