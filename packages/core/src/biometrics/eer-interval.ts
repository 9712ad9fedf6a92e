import { at } from "../base/assert.ts";
import { clopperPearson } from "./binomial.ts";
import type { ComparisonScores, ScorePair } from "./compare.ts";
import type { Interval } from "./rates.ts";
import {
  BOOTSTRAP_DEFAULTS,
  type BootstrapOptions,
  type Draw,
  eachResample,
  percentileInterval,
  resampleView,
} from "./resample.ts";

/**
 * Interval of the raw equal error rate over people (see BOOTSTRAP_CONVENTION). Where the classes do not touch no resample has an error either: then up to
 * the rate that as many people with genuine comparisons can hide (Clopper-Pearson, no errors), at most one half. With few people it
 * is too narrow: of simulated 95 % intervals those of 5 people at a true rate of 0.09 held it three times in four, those of 20 people 93 times in 100. Every
 * resample walks down all comparisons: for sets that fit in memory several times.
 */
export function bootstrapEer(scores: ComparisonScores, ranked: ScorePair, options: BootstrapOptions = {}): Interval {
  const settings = { ...BOOTSTRAP_DEFAULTS, ...options };
  const view = resampleView(scores, ranked.impostor, ranked.impostor.count);
  const { confidence } = settings;
  if (at(view.genuine, 0) > at(view.tail, 0)) {
    const people = view.genuineOf.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
    const { high } = clopperPearson(0, people, { confidence });
    return { low: 0, high: Math.min(0.5, high), confidence, method: "clopper-pearson-over-people" };
  }
  const rates = new Float64Array(settings.replicates);
  let replicate = 0;
  eachResample(scores.design, settings, (resample) => {
    rates[replicate++] = weightedEer({ view, resample });
  });
  const { low, high } = percentileInterval(rates, confidence);
  return { low, high, confidence, method: "two-way-person-bootstrap" };
}

/** The raw equal error rate in a resample: (FMR + FNMR) / 2 at the score where they are closest. NaN without comparisons of one kind. `view` must hold every impostor. */
export function weightedEer({ view, resample }: Draw): number {
  const { genuine, genuinePerson, tail, tailLeft, tailRight } = view;
  const { weights, impostorWeight } = resample;
  let mates = 0;
  for (let k = 0; k < genuine.length; k++) mates += at(weights, at(genuinePerson, k));
  if (!(impostorWeight > 0) || mates === 0) return Number.NaN;
  // Down the scores: impostors get in, genuine ones no longer stay out.
  let [n, g, falseMatches, accepted] = [0, genuine.length - 1, 0, 0];
  let [gap, rate] = [1, 0.5];
  while (n < tail.length || g >= 0) {
    const threshold = Math.max(tail[n] ?? Number.NEGATIVE_INFINITY, genuine[g] ?? Number.NEGATIVE_INFINITY);
    for (; n < tail.length && tail[n] === threshold; n++)
      falseMatches += at(weights, at(tailLeft, n)) * at(weights, at(tailRight, n));
    for (; g >= 0 && genuine[g] === threshold; g--) accepted += at(weights, at(genuinePerson, g));
    const [fmr, fnmr] = [falseMatches / impostorWeight, 1 - accepted / mates];
    if (Math.abs(fmr - fnmr) <= gap) [gap, rate] = [Math.abs(fmr - fnmr), (fmr + fnmr) / 2];
    if (fmr >= fnmr) break;
  }
  return rate;
}
