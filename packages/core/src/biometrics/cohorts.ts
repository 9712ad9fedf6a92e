import { at } from "../base/assert.ts";
import { fail } from "../base/error.ts";
import { clopperPearson } from "./binomial.ts";
import { type ComparisonScores, impostorsAtLeast } from "./compare.ts";
import { type ComparisonDesign, countComparisons } from "./design.ts";
import { type Interval, impostorsNeeded } from "./rates.ts";

/** How {@link cohortRates} counts. */
export const COHORT_CONVENTION =
  "a comparison belongs to a cohort when both of its items do, all others are left out; one threshold for all; FMR ratio = FMR of the cohort / " +
  "geometric mean of the FMRs of all cohorts that have one; intervals are Clopper-Pearson over comparisons and too narrow, since those share people";

/** Rates of one cohort at the common threshold. */
export interface CohortRate {
  readonly cohort: string;
  readonly genuineCount: number;
  readonly falseNonMatches: number;
  /** Absent when the cohort has no genuine comparison. */
  readonly fnmr?: number;
  readonly fnmrInterval?: Interval;
  readonly impostorCount: number;
  readonly falseMatches: number;
  /** Absent when the cohort has fewer impostor comparisons than the FAR asks for; `says` then names the number. */
  readonly fmr?: number;
  readonly fmrInterval?: Interval;
  /** FMR of the cohort over the geometric mean; absent where an FMR is missing or zero. */
  readonly fmrRatio?: number;
  readonly says?: string;
}

/** Rates of all cohorts. */
export interface CohortReport {
  readonly kind: "cohorts";
  readonly threshold: number;
  readonly far: number;
  /** Highest FMR first, those without one last. */
  readonly rates: readonly CohortRate[];
  readonly convention: string;
}

/** What {@link cohortRates} needs to know. */
export interface CohortOptions {
  /** Cohort of each item, a column of the manifest. An empty name leaves the item out. */
  readonly cohortOf: readonly string[];
  readonly threshold: number;
  /** The FAR the threshold stands for: a cohort needs 3 / far impostor comparisons to be given an FMR. */
  readonly far: number;
}

/**
 * FMR and FNMR per cohort at one threshold: a threshold that is right on average can be an order of magnitude off for a group.
 *
 * @throws SCORES_INVALID when the design has two lists of items or the cohorts do not fit.
 * @example
 * cohortRates(scores, { cohortOf: manifest.columns.get("sex") ?? [], threshold: point.threshold, far: 1e-3 }).rates[0]?.fmrRatio;
 */
export function cohortRates(scores: ComparisonScores, options: CohortOptions): CohortReport {
  const { design, genuine } = scores;
  const { cohortOf, threshold, far } = options;
  if (design.kind === "two-lists" || cohortOf.length !== design.gallery.length)
    throw fail(
      "SCORES_INVALID",
      `Cannot form cohorts: ${cohortOf.length} names for ${design.gallery.length} items of a ${design.kind} design`,
    );
  const shared = (a: number, b: number): string => (at(cohortOf, a) === at(cohortOf, b) ? at(cohortOf, a) : "");
  const tallies = new Map<string, Tally>();
  for (const cohort of new Set(cohortOf)) if (cohort !== "") tallies.set(cohort, { genuine: 0, missed: 0, matched: 0 });
  genuine.scores.forEach((score, k) => {
    const tally = tallies.get(shared(at(genuine.a, k), at(genuine.b, k)));
    if (tally === undefined) return;
    tally.genuine++;
    if (score < threshold) tally.missed++;
  });
  const matches = impostorsAtLeast(scores, threshold);
  matches.a.forEach((a, k) => {
    const tally = tallies.get(shared(a, at(matches.b, k)));
    if (tally !== undefined) tally.matched++;
  });
  const rates = [...tallies].map(([cohort, tally]) =>
    rateOf(cohort, tally, { impostorCount: impostorsWithin(design, cohortOf, cohort), far }),
  );
  return { kind: "cohorts", threshold, far, rates: withRatios(rates), convention: COHORT_CONVENTION };
}

interface Tally {
  genuine: number;
  missed: number;
  matched: number;
}

function rateOf(cohort: string, tally: Tally, facts: { readonly impostorCount: number; readonly far: number }): CohortRate {
  const { impostorCount, far } = facts;
  const missing = impostorsNeeded(far) - impostorCount;
  const counts = {
    cohort,
    genuineCount: tally.genuine,
    falseNonMatches: tally.missed,
    impostorCount,
    falseMatches: tally.matched,
  };
  const fnmr =
    tally.genuine === 0 ? {} : { fnmr: tally.missed / tally.genuine, fnmrInterval: overComparisons(tally.missed, tally.genuine) };
  if (missing > 0)
    return {
      ...counts,
      ...fnmr,
      says: `insufficient data, needs ${missing} more impostor comparisons within ${cohort} for FAR ${far}`,
    };
  return { ...counts, ...fnmr, fmr: tally.matched / impostorCount, fmrInterval: overComparisons(tally.matched, impostorCount) };
}

function overComparisons(errors: number, count: number): Interval {
  return { ...clopperPearson(errors, count), method: "clopper-pearson-over-comparisons" };
}

/** Impostor comparisons with both items in a cohort. */
function impostorsWithin(design: ComparisonDesign, cohortOf: readonly string[], cohort: string): number {
  if (design.kind === "listed")
    return design.impostor.a.reduce(
      (sum, a, k) => sum + (cohortOf[a] === cohort && cohortOf[at(design.impostor.b, k)] === cohort ? 1 : 0),
      0,
    );
  const members = design.gallery.filter((_, item) => cohortOf[item] === cohort);
  return countComparisons({ ...design, gallery: members, probe: members }).impostor;
}

function withRatios(rates: readonly CohortRate[]): readonly CohortRate[] {
  const known = rates.flatMap(({ fmr }) => (fmr === undefined || fmr === 0 ? [] : [Math.log(fmr)]));
  const mean = Math.exp(known.reduce((sum, log) => sum + log, 0) / known.length);
  const ratio = (fmr: number | undefined): { fmrRatio?: number } =>
    fmr === undefined || fmr === 0 ? {} : { fmrRatio: fmr / mean };
  return rates.map((rate) => ({ ...rate, ...ratio(rate.fmr) })).sort((a, b) => (b.fmr ?? -1) - (a.fmr ?? -1));
}
