import { at } from "../base/assert.ts";
import { fail } from "../base/error.ts";
import { seededRandom } from "../base/random.ts";
import type { Interval } from "./rates.ts";
import { BOOTSTRAP_DEFAULTS, type BootstrapOptions, percentileInterval } from "./resample.ts";

/** Whose samples a comparison has on one axis, such as faces or voices: numbers 0..people-1; the same twice in a genuine comparison. */
export interface CrossedAxis {
  readonly people: number;
  readonly a: Int32Array;
  readonly b: Int32Array;
}

/** Comparisons of made-up people, each put together from one person per axis. */
export interface CrossedTrials {
  /** u8[trials]: 1 for genuine. */
  readonly genuine: Uint8Array;
  readonly axes: readonly CrossedAxis[];
}

/** A figure with its interval. */
export interface CrossedFigure {
  readonly value: number;
  readonly interval: Interval;
}

/** Figures of one system; or of how it differs from another, where more TAR and less EER are better. */
export interface CrossedFigures {
  readonly eer: CrossedFigure;
  readonly tar: readonly (CrossedFigure & { readonly far: number })[];
}

/** What {@link crossedFigures} gives. */
export interface CrossedReport {
  readonly systems: ReadonlyMap<string, CrossedFigures>;
  /** System minus reference, both in the same resamples. */
  readonly differences: ReadonlyMap<string, CrossedFigures>;
  readonly replicates: number;
  readonly convention: string;
}

/** How {@link crossedFigures} resamples. */
export const CROSSED_CONVENTION =
  "people of every axis resampled with replacement, each with all their recordings; a genuine comparison weighs the product of its people's draws over the axes, " +
  "an impostor comparison that of both its people on every axis; percentile interval; EER: mean of FMR and FNMR where they are closest; fits are not repeated";

/** Options of {@link crossedFigures}. */
export interface CrossedOptions extends BootstrapOptions {
  readonly fars: readonly number[];
  /** The system that the others are held against. */
  readonly reference: string;
}

/**
 * EER and TAR at some FARs of several systems on the same comparisons, with intervals over the people of every axis (the pigeonhole bootstrap, Owen 2007), and
 * their differences to one of them. For chimeric sets, where comparisons share a face with some and a voice with others.
 *
 * @param systems a score for every comparison, the larger the more alike
 * @throws SCORES_INVALID when a class is empty, a list has another length, a score is not finite or there is no such reference
 */
export function crossedFigures(
  trials: CrossedTrials,
  systems: Readonly<Record<string, Float64Array>>,
  options: CrossedOptions,
): CrossedReport {
  const { replicates, seed, confidence, fars, reference } = { ...BOOTSTRAP_DEFAULTS, ...options };
  check(trials, systems, reference);
  const names = Object.keys(systems);
  const orders = names.map((name) => descending(systems[name] as Float64Array));
  const even = new Float64Array(trials.genuine.length).fill(1);
  const points = orders.map((order) => pointsOf(order, trials.genuine, even, fars));
  // One row per system: EER, then TAR at each FAR.
  const drawn = names.map(() => Array.from({ length: 1 + fars.length }, () => new Float64Array(replicates)));
  const draw = drawer(trials, seed);
  for (let r = 0; r < replicates; r++) {
    const weights = draw();
    orders.forEach((order, s) => {
      pointsOf(order, trials.genuine, weights, fars).forEach((value, k) => {
        at(at(drawn, s), k)[r] = value;
      });
    });
  }
  const figure = (value: number, values: Float64Array): CrossedFigure => {
    const { low, high } = percentileInterval(values, confidence);
    return { value, interval: { low, high, confidence, method: "crossed-subject-bootstrap" } };
  };
  const figures = (values: readonly number[], lists: readonly Float64Array[]): CrossedFigures => ({
    eer: figure(at(values, 0), at(lists, 0)),
    tar: fars.map((far, k) => ({ far, ...figure(at(values, k + 1), at(lists, k + 1)) })),
  });
  const base = names.indexOf(reference);
  const against = (s: number): CrossedFigures =>
    figures(
      at(points, s).map((value, k) => value - at(at(points, base), k)),
      at(drawn, s).map((list, k) => list.map((value, r) => value - at(at(at(drawn, base), k), r))),
    );
  return {
    systems: new Map(names.map((name, s) => [name, figures(at(points, s), at(drawn, s))])),
    differences: new Map(names.flatMap((name, s) => (s === base ? [] : [[name, against(s)] as const]))),
    replicates,
    convention: CROSSED_CONVENTION,
  };
}

function check({ genuine, axes }: CrossedTrials, systems: Readonly<Record<string, Float64Array>>, reference: string): void {
  const mates = genuine.reduce((sum, is) => sum + (is === 1 ? 1 : 0), 0);
  if (mates === 0 || mates === genuine.length)
    throw fail("SCORES_INVALID", `Cannot rank ${genuine.length} comparisons: ${mates} are genuine, both classes are needed`);
  if (!Object.hasOwn(systems, reference))
    throw fail("SCORES_INVALID", `Cannot compare with "${reference}": there is no such system`);
  for (const [name, scores] of Object.entries(systems))
    if (scores.length !== genuine.length || !scores.every(Number.isFinite))
      throw fail(
        "SCORES_INVALID",
        `Cannot rank the scores of ${name}: ${scores.length} for ${genuine.length} comparisons, or one is not finite`,
      );
  for (const { a, b } of axes)
    if (a.length !== genuine.length || b.length !== genuine.length || genuine.some((is, i) => is === 1 && a[i] !== b[i]))
      throw fail("SCORES_INVALID", "Cannot use an axis: it has another length, or two people in a genuine comparison");
}

/** Comparisons by descending score, and where groups of equal scores end. */
interface Order {
  readonly places: Uint32Array;
  /** 1 at the last of a group. */
  readonly ends: Uint8Array;
}

function descending(scores: Float64Array): Order {
  const places = Uint32Array.from(scores, (_, i) => i).sort((x, y) => at(scores, y) - at(scores, x));
  return { places, ends: Uint8Array.from(places, (place, i) => (scores[place] === scores[places[i + 1] as number] ? 0 : 1)) };
}

/** EER, then TAR at each FAR, of weighted comparisons: one walk down the scores. NaN where a class weighs nothing. */
function pointsOf(
  { places, ends }: Order,
  genuine: Uint8Array,
  weights: Float64Array,
  fars: readonly number[],
): readonly number[] {
  let mates = 0;
  let others = 0;
  for (let i = 0; i < weights.length; i++) {
    if (genuine[i] === 1) mates += weights[i] as number;
    else others += weights[i] as number;
  }
  if (!(mates > 0 && others > 0)) return [Number.NaN, ...fars.map(() => Number.NaN)];
  const tars = fars.map(() => 0);
  let apart = 1;
  let eer = 0.5;
  let accepted = 0;
  let matched = 0;
  for (let i = 0; i < places.length; i++) {
    const place = places[i] as number;
    if (genuine[place] === 1) accepted += weights[place] as number;
    else matched += weights[place] as number;
    if (ends[i] === 0) continue;
    const fmr = matched / others;
    const fnmr = 1 - accepted / mates;
    if (Math.abs(fmr - fnmr) < apart) {
      apart = Math.abs(fmr - fnmr);
      eer = (fmr + fnmr) / 2;
    }
    for (let k = 0; k < fars.length; k++) if (fmr <= (fars[k] as number) * (1 + 1e-12)) tars[k] = 1 - fnmr;
  }
  return [eer, ...tars];
}

/** Gives the weights of all comparisons in one resample after the other; the array is reused. */
function drawer({ genuine, axes }: CrossedTrials, seed: number): () => Float64Array {
  const random = seededRandom(seed);
  const present = axes.map(({ people, a, b }) => {
    const seen = new Uint8Array(people);
    for (const list of [a, b]) for (const person of list) seen[person] = 1;
    return Array.from(seen.keys()).filter((person) => seen[person] === 1);
  });
  const weights = new Float64Array(genuine.length);
  return () => {
    weights.fill(1);
    axes.forEach(({ people, a, b }, axis) => {
      const here = at(present, axis);
      const draws = new Float64Array(people);
      for (let n = 0; n < here.length; n++) {
        const person = at(here, random.int(here.length));
        draws[person] = (draws[person] as number) + 1;
      }
      for (let i = 0; i < weights.length; i++) {
        const factor = draws[a[i] as number] as number;
        weights[i] = (weights[i] as number) * (genuine[i] === 1 ? factor : factor * (draws[b[i] as number] as number));
      }
    });
    return weights;
  };
}
