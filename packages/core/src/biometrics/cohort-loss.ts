import { at } from "../base/assert.ts";
import { clopperPearson } from "./binomial.ts";
import { refitter } from "./bootstrap.ts";
import { cohortRates } from "./cohorts.ts";
import { type ComparisonScores, rankScores, type ScorePair } from "./compare.ts";
import { requireSameDesign } from "./flips.ts";
import type { GateResult } from "./gates.ts";
import { differenceInterval, type TarDifference } from "./paired.ts";
import { type InsufficientData, type Interval, insufficientFor, type OperatingPoint, operatingPoint } from "./rates.ts";
import { BOOTSTRAP_DEFAULTS, type BootstrapOptions, eachResample, percentileInterval } from "./resample.ts";

/** How {@link cohortLosses} counts. */
export const COHORT_LOSS_CONVENTION =
  "each model has one threshold for all, at the FAR over all comparisons; a genuine comparison counts in the cohorts of both of its items, an " +
  "impostor comparison where both items are of the cohort; difference = TAR(candidate) - TAR(reference) in the same resamples of people, thresholds " +
  "re-fitted in each; each interval is that of its cohort alone: the worst of many cohorts looks somewhat worse than it is";

/** One cohort under two models, each at its own threshold for everybody. */
export interface CohortLoss {
  readonly cohort: string;
  /** People with a genuine comparison in it. */
  readonly people: number;
  readonly genuineCount: number;
  readonly referenceMisses: number;
  readonly candidateMisses: number;
  /** Absent where the cohort is too small; `says` then tells what is missing. So are the next three. */
  readonly referenceTar?: number;
  readonly candidateTar?: number;
  readonly candidateTarInterval?: Interval;
  /** Negative is a loss. */
  readonly difference?: TarDifference;
  readonly impostorCount: number;
  /** Absent below 3 / FAR impostor comparisons within the cohort. */
  readonly referenceFmr?: number;
  readonly candidateFmr?: number;
  readonly candidateFmrInterval?: Interval;
  readonly says?: string;
}

/** All cohorts under two models. */
export interface CohortLossReport {
  readonly kind: "cohort-losses";
  readonly far: number;
  readonly referenceThreshold: number;
  readonly candidateThreshold: number;
  /** Everybody together. */
  readonly overall: TarDifference;
  /** Greatest loss first, those too small to tell last. */
  readonly rows: readonly CohortLoss[];
  /** The first row, when it has a figure. */
  readonly worst?: CohortLoss;
  readonly convention: string;
}

/** Options of {@link cohortLosses}. */
export interface CohortLossOptions extends BootstrapOptions {
  /** Cohort of each item of the design, a column of the manifest. An empty name leaves the item out. */
  readonly cohortOf: readonly string[];
  readonly far: number;
  /** Genuine comparisons below which a cohort is given no rate. */
  readonly minGenuine?: number;
  /** People with genuine comparisons below which a cohort is given no rate. */
  readonly minPeople?: number;
  /** Sorted scores, when at hand. */
  readonly rankedReference?: ScorePair;
  readonly rankedCandidate?: ScorePair;
}

/** Defaults of {@link CohortLossOptions}: fewer than 100 comparisons tell a rate to no better than 3 %, even without an error (rule of 3). */
export const COHORT_LOSS_DEFAULTS = { minGenuine: 100, minPeople: 10 } as const;

/** Genuine comparisons that a cohort needs before a loss of `maxDrop` can be told from none: 3 / maxDrop, by the rule of 3. */
export function genuineNeeded(maxDrop: number): number {
  return Math.max(COHORT_LOSS_DEFAULTS.minGenuine, maxDrop > 0 ? Math.ceil((3 / maxDrop) * (1 - 1e-12)) : 0);
}

/**
 * What a change of the model (say INT8 for FP32) costs each cohort: a loss that is small on average may fall on one group alone.
 *
 * @throws SCORES_INVALID when the designs differ, have two lists of items, or the cohorts do not fit.
 * @example
 * const losses = cohortLosses(fp32, int8, { cohortOf, far: 1e-4 });
 * if (losses.kind === "cohort-losses") losses.worst?.difference?.value;
 */
export function cohortLosses(
  reference: ComparisonScores,
  candidate: ComparisonScores,
  options: CohortLossOptions,
): CohortLossReport | InsufficientData {
  requireSameDesign(reference, candidate);
  const settings = { ...BOOTSTRAP_DEFAULTS, ...COHORT_LOSS_DEFAULTS, ...options };
  const { cohortOf, far } = settings;
  const sides = [
    { scores: reference, ranked: options.rankedReference ?? rankScores(reference) },
    { scores: candidate, ranked: options.rankedCandidate ?? rankScores(candidate) },
  ] as const satisfies [Side, Side];
  const refusal = insufficientFor(far, sides[0].ranked.impostor.count);
  if (refusal !== undefined) return refusal;
  const [a, b] = sides.map(({ ranked }) => operatingPoint(ranked, far) as OperatingPoint) as [OperatingPoint, OperatingPoint];
  const ratesOf = (scores: ComparisonScores, { threshold }: OperatingPoint) =>
    new Map(cohortRates(scores, { cohortOf, threshold, far }).rates.map((rate) => [rate.cohort, rate] as const));
  const [ratesA, ratesB] = [ratesOf(reference, a), ratesOf(candidate, b)];
  const groups = [...ratesA.keys()].map((cohort) => groupOf(reference, cohortOf, cohort));
  const told = groups.filter((g) => g.items.length >= settings.minGenuine && g.people >= settings.minPeople);
  const everybody = groupOf(reference, cohortOf);
  const changesOfAll = changesOf(sides, [everybody, ...told], { ...settings, points: [a, b] });
  const changes = changesOfAll.slice(1);
  const rows = groups.map((group): CohortLoss => {
    const { cohort } = group;
    const [rateA, rateB] = [ratesA.get(cohort), ratesB.get(cohort)];
    const n = group.items.length;
    const misses = [missesOf(reference, group, a.threshold), missesOf(candidate, group, b.threshold)] as const;
    const change = changes[told.indexOf(group)];
    const says = [
      ...(change === undefined ? [tooSmall(group, settings)] : []),
      ...(rateB?.says === undefined ? [] : [rateB.says]),
    ];
    return {
      cohort,
      people: group.people,
      genuineCount: n,
      referenceMisses: misses[0],
      candidateMisses: misses[1],
      ...(change === undefined
        ? {}
        : {
            referenceTar: 1 - misses[0] / n,
            candidateTar: 1 - misses[1] / n,
            candidateTarInterval: change.tar,
            difference: change.difference,
          }),
      impostorCount: rateB?.impostorCount ?? 0,
      ...(rateA?.fmr === undefined ? {} : { referenceFmr: rateA.fmr }),
      ...(rateB?.fmr === undefined ? {} : { candidateFmr: rateB.fmr }),
      ...(rateB?.fmrInterval === undefined ? {} : { candidateFmrInterval: rateB.fmrInterval }),
      ...(says.length === 0 ? {} : { says: says.join("; ") }),
    };
  });
  rows.sort(
    (x, y) =>
      (x.difference?.value ?? Number.POSITIVE_INFINITY) - (y.difference?.value ?? Number.POSITIVE_INFINITY) ||
      y.genuineCount - x.genuineCount ||
      (x.cohort < y.cohort ? -1 : 1),
  );
  const [worst] = rows;
  return {
    kind: "cohort-losses",
    far,
    referenceThreshold: a.threshold,
    candidateThreshold: b.threshold,
    overall: at(changesOfAll, 0).difference,
    rows,
    ...(worst?.difference === undefined ? {} : { worst }),
    convention: COHORT_LOSS_CONVENTION,
  };
}

/** Genuine comparisons that are counted together, by their place in the list. */
interface Group {
  readonly cohort: string;
  readonly items: Uint32Array;
  readonly people: number;
}

/** The genuine comparisons with an item of the cohort; all of them when no cohort is named. */
function groupOf({ design, genuine }: ComparisonScores, cohortOf: readonly string[], cohort?: string): Group {
  const touches = (k: number): boolean =>
    cohort === undefined || cohortOf[at(genuine.a, k)] === cohort || cohortOf[at(genuine.b, k)] === cohort;
  const items = Uint32Array.from(genuine.scores.keys()).filter(touches);
  const people = new Set(Array.from(items, (k) => at(design.gallery, at(genuine.a, k)))).size;
  return { cohort: cohort ?? "", items, people };
}

function missesOf({ genuine }: ComparisonScores, { items }: Group, threshold: number): number {
  let misses = 0;
  for (const k of items) if ((genuine.scores[k] as number) < threshold) misses++;
  return misses;
}

function tooSmall(group: Group, limits: { readonly minGenuine: number; readonly minPeople: number }): string {
  const { items, people, cohort } = group;
  const words = [
    items.length < limits.minGenuine ? `${limits.minGenuine - items.length} more genuine comparisons` : undefined,
    people < limits.minPeople ? `${limits.minPeople - people} more people with several pictures` : undefined,
  ];
  return `insufficient data, needs ${words.filter((w) => w !== undefined).join(" and ")} in ${cohort}`;
}

interface Side {
  readonly scores: ComparisonScores;
  readonly ranked: ScorePair;
}

interface Change {
  readonly difference: TarDifference;
  /** Of the second side's TAR. */
  readonly tar: Interval;
}

/** TAR of the second side minus that of the first in each group, with intervals over people. */
function changesOf(
  [a, b]: readonly [Side, Side],
  groups: readonly Group[],
  settings: Required<BootstrapOptions> & { readonly far: number; readonly points: readonly [OperatingPoint, OperatingPoint] },
): readonly Change[] {
  const { far, points, replicates, confidence } = settings;
  const { design, genuine } = a.scores;
  const person = Int32Array.from(genuine.a, (item) => at(design.gallery, item));
  const drawn = groups.map(() => ({ difference: new Float64Array(replicates), tar: new Float64Array(replicates) }));
  const refits = [a, b].map((side) => refitter(side, { fars: [far] }));
  let replicate = 0;
  eachResample(design, settings, (resample) => {
    const [one, other] = refits.map((refit) => refit.threshold(resample, far)) as [number, number];
    // Nobody was drawn with whom anybody could be confused, or nobody of the group (then 0 / 0): such a resample says nothing.
    const telling = Number.isNaN(one) || Number.isNaN(other) ? Number.NaN : 1;
    groups.forEach(({ items }, g) => {
      let weight = 0;
      let missedBefore = 0;
      let missed = 0;
      for (const k of items) {
        const w = resample.weights[person[k] as number] as number;
        weight += w;
        if ((a.scores.genuine.scores[k] as number) < one) missedBefore += w;
        if ((b.scores.genuine.scores[k] as number) < other) missed += w;
      }
      const { difference, tar } = at(drawn, g);
      difference[replicate] = (telling * (missedBefore - missed)) / weight;
      tar[replicate] = telling * (1 - missed / weight);
    });
    replicate++;
  });
  return groups.map((group, g) => {
    const { people, items } = group;
    const before = missesOf(a.scores, group, points[0].threshold);
    const now = missesOf(b.scores, group, points[1].threshold);
    const { difference, tar } = at(drawn, g);
    const interval = differenceInterval(difference, { people, confidence, identical: a.scores === b.scores });
    // Plus 0 turns a negative zero into zero.
    return {
      difference: { value: (before - now) / items.length + 0, interval },
      tar: tarInterval(tar, now, group, confidence),
    };
  });
}

/** A bootstrap cannot see a variance where nobody failed, or everybody did: then the exact interval with people as the trials. */
function tarInterval(tar: Float64Array, misses: number, { people, items }: Group, confidence: number): Interval {
  if (misses > 0 && misses < items.length) {
    const { low, high } = percentileInterval(tar, confidence);
    return { low, high, confidence, method: "subject-bootstrap" };
  }
  const exact = clopperPearson(misses === 0 ? 0 : people, people, { confidence });
  return { low: 1 - exact.high, high: 1 - exact.low, confidence, method: "clopper-pearson-over-people" };
}

/**
 * Whether the cohort that loses most still loses no more than the limit, by its point value, as the budget on the whole counts. Cohorts that are too
 * small to tell are named; when all of them are, nothing was shown and the gate does not pass.
 */
export function worstCohortGate(report: CohortLossReport, options: { readonly maxDrop: number }): GateResult {
  const { maxDrop } = options;
  const { worst, rows } = report;
  const untold = rows.filter((row) => row.difference === undefined);
  const small = untold.length === 0 ? "" : `; ${untold.length} of ${rows.length} cohorts are too small to tell${named(untold)}`;
  const figures = { maxDrop, cohorts: rows.length, untold: untold.length };
  if (worst?.difference === undefined)
    return { kind: "gate", gate: "worst-cohort", pass: false, reason: `no cohort is large enough to be judged${small}`, figures };
  const { value, interval } = worst.difference;
  const words = value < 0 ? `loses ${percent(-value)}` : value > 0 ? `gains ${percent(value)}` : "keeps its";
  const range = `${Math.round(interval.confidence * 100)} % interval ${percent(interval.low)} to ${percent(interval.high)}`;
  return {
    kind: "gate",
    gate: "worst-cohort",
    pass: -value <= maxDrop,
    reason: `the worst cohort, ${worst.cohort}, ${words} TAR at FAR ${report.far} (${range}), limit ${percent(maxDrop)}${small}`,
    figures: { ...figures, difference: value, low: interval.low, high: interval.high, genuine: worst.genuineCount },
  };
}

function named(rows: readonly CohortLoss[]): string {
  return `: ${rows
    .slice(0, 3)
    .map((row) => row.cohort)
    .join(", ")}${rows.length > 3 ? " ..." : ""}`;
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}
