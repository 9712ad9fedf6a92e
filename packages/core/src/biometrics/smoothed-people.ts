import { at } from "../base/assert.ts";
import type { ComparisonScores } from "./compare.ts";
import { aliasTable, type ComparisonDesign, locateImpostors } from "./design.ts";
import { KERNEL_REACH, type SmoothedPoint, shareAbove, smoothedAt, smoothedThreshold } from "./smoothed-curve.ts";

/** Impostors that matter at some thresholds, in the order of the design, with their people. */
export interface ImpostorTail {
  readonly scores: Float32Array;
  /** Where they stand among the impostors of the design. */
  readonly places: Uint32Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
}

/** The genuine comparisons of a design and how many comparisons each person is in. */
export interface PeopleOfDesign {
  readonly genuinePerson: Int32Array;
  readonly genuineOf: Float64Array;
  readonly impostorsOf: Float64Array;
}

/** Scores of a model at the threshold that was fitted to a FAR. */
export interface FittedPoint {
  readonly far: number;
  readonly threshold: number;
  readonly genuine: SmoothedPoint;
  readonly impostor: SmoothedPoint;
}

/** Who the comparisons are of. */
export function peopleOfDesign({ design, genuine }: ComparisonScores): PeopleOfDesign {
  const genuinePerson = Int32Array.from(genuine.a, (item) => at(design.gallery, item));
  const genuineOf = new Float64Array(design.people);
  for (const person of genuinePerson) genuineOf[person] = at(genuineOf, person) + 1;
  return { genuinePerson, genuineOf, impostorsOf: impostorsPerPerson(design) };
}

/** How many impostor comparisons each person is in, on either side. */
function impostorsPerPerson(design: ComparisonDesign): Float64Array {
  const { gallery, probe, people } = design;
  const counts = new Float64Array(people);
  if (design.kind === "listed") {
    const { a, b } = design.impostor;
    for (let k = 0; k < a.length; k++)
      for (const person of [at(gallery, at(a, k)), at(probe, at(b, k))]) counts[person] = at(counts, person) + 1;
    return counts;
  }
  const enrolled = new Float64Array(people);
  const probes = new Float64Array(people);
  for (const person of gallery) enrolled[person] = at(enrolled, person) + 1;
  for (const person of probe) probes[person] = at(probes, person) + 1;
  const aliases = aliasTable(design.aliases);
  for (let person = 0; person < people; person++) {
    let strangerProbes = probe.length - at(probes, person);
    let strangersEnrolled = gallery.length - at(enrolled, person);
    for (const other of aliases.get(person) ?? []) {
      if (other === person || other >= people) continue;
      strangerProbes -= at(probes, other);
      strangersEnrolled -= at(enrolled, other);
    }
    const both = at(enrolled, person) * strangerProbes + at(probes, person) * strangersEnrolled;
    counts[person] = design.kind === "unordered" ? both / 2 : both;
  }
  return counts;
}

function tailFrom(scores: ComparisonScores, from: number): ImpostorTail {
  const { impostor, design } = scores;
  let count = 0;
  for (let k = 0; k < impostor.length; k++) if ((impostor[k] as number) >= from) count++;
  const places = new Uint32Array(count);
  for (let k = 0, n = 0; k < impostor.length; k++) if ((impostor[k] as number) >= from) places[n++] = k;
  const items = locateImpostors(design, places);
  return {
    scores: Float32Array.from(places, (k) => at(impostor, k)),
    places,
    left: Int32Array.from(items.a, (item) => at(design.gallery, item)),
    right: Int32Array.from(items.b, (item) => at(design.probe, item)),
  };
}

/** Smoothed thresholds at some FARs, with what is there, and the impostors from the kernel's reach below the lowest of them. */
export function fitPoints(
  scores: ComparisonScores,
  options: { readonly fars: readonly number[]; readonly starts: readonly number[]; readonly bandwidth: number },
): { readonly tail: ImpostorTail; readonly points: readonly FittedPoint[] } {
  const { fars, starts, bandwidth } = options;
  const { genuine, impostor } = scores;
  // Half a reach to spare: where smoothing or another model moves thresholds further, the walk is made again.
  let from = Math.min(...starts) - 1.5 * KERNEL_REACH * bandwidth;
  for (;;) {
    const tail = tailFrom(scores, from);
    const thresholds = fars.map((far, n) =>
      smoothedThreshold(tail.scores, { far, bandwidth, count: impostor.length, start: at(starts, n) }),
    );
    const needed = Math.min(...thresholds) - KERNEL_REACH * bandwidth;
    if (needed < from && tail.scores.length < impostor.length) {
      from = needed - bandwidth;
      continue;
    }
    const points = fars.map((far, n) => {
      const threshold = at(thresholds, n);
      return {
        far,
        threshold,
        genuine: smoothedAt(genuine.scores, { threshold, bandwidth, count: genuine.scores.length }),
        impostor: smoothedAt(tail.scores, { threshold, bandwidth, count: impostor.length }),
      };
    });
    return { tail, points };
  }
}

/**
 * Adds `factor` times the influence of each person on a model's smoothed TAR at a FAR: the derivative to the person's weight, through the genuine
 * comparisons directly, and through the threshold as a member of impostor pairs, whose weight is the product of two people's.
 */
export function addTarInfluence(
  people: PeopleOfDesign,
  model: { readonly scores: ComparisonScores; readonly tail: ImpostorTail; readonly point: FittedPoint },
  options: { readonly bandwidth: number; readonly factor: number; readonly into: Float64Array },
): void {
  const { scores, tail, point } = model;
  const { bandwidth, factor, into } = options;
  const { threshold, genuine, impostor, far } = point;
  const mates = scores.genuine.scores;
  const byMate = factor / mates.length;
  for (let k = 0; k < mates.length; k++) {
    const person = people.genuinePerson[k] as number;
    const share = shareAbove(((mates[k] as number) - threshold) / bandwidth);
    into[person] = (into[person] as number) + byMate * (share - genuine.above);
  }
  if (impostor.density === 0) return;
  // More weight on those above raises the threshold by share / density, which takes TAR away by the genuine density.
  const byStranger = (-factor * genuine.density) / (impostor.density * scores.impostor.length);
  for (let k = 0; k < tail.scores.length; k++) {
    const pull = byStranger * shareAbove(((tail.scores[k] as number) - threshold) / bandwidth);
    const left = tail.left[k] as number;
    const right = tail.right[k] as number;
    into[left] = (into[left] as number) + pull;
    into[right] = (into[right] as number) + pull;
  }
  for (let person = 0; person < into.length; person++)
    into[person] = (into[person] as number) - byStranger * far * (people.impostorsOf[person] as number);
}

/** How scores near a threshold moved from one model to another. */
export interface LocalShift {
  readonly mean: number;
  readonly variance: number;
  /** Weight of each comparison, and their sum. */
  readonly weights: Float64Array;
  readonly total: number;
}

/** Mean and variance of shifts, weighted by the kernel around a threshold; the score before decides how near a comparison is. */
export function localShift(
  before: Float32Array,
  after: Float32Array,
  near: { readonly threshold: number; readonly bandwidth: number },
): LocalShift {
  const weights = new Float64Array(before.length);
  let total = 0;
  let sum = 0;
  for (let k = 0; k < before.length; k++) {
    const x = ((before[k] as number) - near.threshold) / near.bandwidth;
    if (Math.abs(x) >= KERNEL_REACH) continue;
    const weight = Math.exp((-x * x) / 2);
    weights[k] = weight;
    total += weight;
    sum += weight * ((after[k] as number) - (before[k] as number));
  }
  if (total === 0) return { mean: 0, variance: 0, weights, total };
  const mean = sum / total;
  let squares = 0;
  for (let k = 0; k < before.length; k++)
    squares += (weights[k] as number) * ((after[k] as number) - (before[k] as number) - mean) ** 2;
  return { mean, variance: squares / total, weights, total };
}

/** Adds `factor` times the influence of each person on the variance of shifts. */
export function addVarianceInfluence(
  { mean, variance, weights, total }: LocalShift,
  before: Float32Array,
  after: Float32Array,
  options: { readonly people: readonly Int32Array[]; readonly factor: number; readonly into: Float64Array },
): void {
  if (total === 0) return;
  const { people, factor, into } = options;
  for (let k = 0; k < before.length; k++) {
    const weight = weights[k] as number;
    if (weight === 0) continue;
    const shift = (after[k] as number) - (before[k] as number) - mean;
    const pull = (factor * weight * (shift * shift - variance)) / total;
    for (const side of people) {
      const person = side[k] as number;
      into[person] = (into[person] as number) + pull;
    }
  }
}
