import { at } from "../base/assert.ts";
import { clopperPearson } from "./binomial.ts";
import { type ComparisonScores, rankScores, type ScorePair } from "./compare.ts";
import { type InsufficientData, type Interval, insufficientFor, type OperatingPoint, operatingPoint } from "./rates.ts";
import {
  BOOTSTRAP_CONVENTION,
  BOOTSTRAP_DEFAULTS,
  type BootstrapOptions,
  eachResample,
  percentileInterval,
  type Resample,
  type ResampleView,
  resampleView,
  tailDepth,
  weightedFmr,
  weightedFnmr,
  weightedThreshold,
} from "./resample.ts";

/** An operating point with intervals over people. */
export interface BootstrappedPoint {
  readonly kind: "bootstrapped-point";
  readonly point: OperatingPoint;
  /** TAR when each resample fits its own threshold to the FAR: includes the doubt about the threshold. The headline. */
  readonly tarRefitted: Interval;
  /** TAR at the threshold of the point, held fixed: what happens on a device that already has it. */
  readonly tarFixed: Interval;
  /** FMR at the fixed threshold, both people resampled. */
  readonly fmrFixed: Interval;
  /** The refitted threshold. */
  readonly threshold: Interval;
  readonly people: { readonly drawn: number; readonly withGenuine: number };
  readonly replicates: number;
  readonly convention: string;
}

/** Options of {@link bootstrapPoints}. */
export interface BootstrapPointsOptions extends BootstrapOptions {
  /** The sorted scores, when they are at hand already. */
  readonly ranked?: ScorePair;
}

/**
 * TAR at each FAR with subject-bootstrap intervals, or how many comparisons are missing. Cost per replicate: one walk down the impostors
 * that a FAR permits, not over all of them.
 *
 * @throws SCORES_INVALID when a class is empty or a score is not finite.
 * @example
 * const [at1e3] = bootstrapPoints(compareAll(set, design), [1e-3]);
 * if (at1e3?.kind === "bootstrapped-point") at1e3.tarRefitted.low;
 */
export function bootstrapPoints(
  scores: ComparisonScores,
  fars: readonly number[],
  options: BootstrapPointsOptions = {},
): readonly (BootstrappedPoint | InsufficientData)[] {
  const settings = { ...BOOTSTRAP_DEFAULTS, ...options };
  const ranked = options.ranked ?? rankScores(scores);
  const answerable = fars.filter((far) => insufficientFor(far, ranked.impostor.count) === undefined);
  const points = answerable.map((far) => operatingPoint(ranked, far) as OperatingPoint);
  const runs = resamplePoints(scores, ranked, points, settings);
  return fars.map((far) => {
    const refusal = insufficientFor(far, ranked.impostor.count);
    return refusal ?? summarise(at(runs, answerable.indexOf(far)), settings);
  });
}

interface PointRun {
  readonly point: OperatingPoint;
  readonly view: ResampleView;
  readonly tarRefitted: Float64Array;
  readonly tarFixed: Float64Array;
  readonly fmrFixed: Float64Array;
  readonly thresholds: Float64Array;
  readonly drawn: number;
}

function resamplePoints(
  scores: ComparisonScores,
  ranked: ScorePair,
  points: readonly OperatingPoint[],
  settings: Required<BootstrapOptions>,
): readonly PointRun[] {
  const fars = points.map((point) => point.far);
  const refit = refitter({ scores, ranked }, { fars });
  const list = (): Float64Array => new Float64Array(settings.replicates);
  let drawn = 0;
  const runs = points.map((point) => ({ point, tarRefitted: list(), tarFixed: list(), fmrFixed: list(), thresholds: list() }));
  let replicate = 0;
  eachResample(scores.design, settings, (resample) => {
    drawn = resample.weights.reduce((sum, weight) => sum + weight, 0);
    for (const run of runs) {
      const threshold = refit.threshold(resample, run.point.far);
      const draw = { view: refit.view(), resample };
      run.thresholds[replicate] = threshold;
      run.tarRefitted[replicate] = 1 - weightedFnmr(draw, threshold);
      run.tarFixed[replicate] = 1 - weightedFnmr(draw, run.point.threshold);
      run.fmrFixed[replicate] = weightedFmr(draw, run.point.threshold);
    }
    replicate++;
  });
  return runs.map((run) => ({ ...run, view: refit.view(), drawn }));
}

/** Fits thresholds in resamples, deepening the tail when a resample needs more of it than any before. */
export interface Refitter {
  readonly view: () => ResampleView;
  readonly threshold: (resample: Resample, far: number) => number;
}

/** A {@link Refitter} for some FARs whose tail holds at least the `depth` best impostors from the start. */
export function refitter(
  side: { readonly scores: ComparisonScores; readonly ranked: ScorePair },
  options: { readonly fars: readonly number[]; readonly depth?: number },
): Refitter {
  const { scores, ranked } = side;
  let depth = options.fars.reduce((deepest, far) => Math.max(deepest, tailDepth(far, ranked.impostor.count)), options.depth ?? 1);
  let view = resampleView(scores, ranked.impostor, depth);
  return {
    view: () => view,
    threshold: (resample, far) => {
      // A resample without any impostor comparison (two people, one drawn twice) permits nothing.
      if (resample.impostorWeight <= 0) return Number.NaN;
      for (;;) {
        const threshold = weightedThreshold({ view, resample }, far);
        if (threshold !== undefined) return threshold;
        depth *= 2;
        view = resampleView(scores, ranked.impostor, depth);
      }
    },
  };
}

function summarise(run: PointRun, settings: Required<BootstrapOptions>): BootstrappedPoint {
  const { point, view } = run;
  const { confidence } = settings;
  const withGenuine = view.genuineOf.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0);
  const percentile = (values: Float64Array): Interval => {
    const { low, high } = percentileInterval(values, confidence);
    return { low, high, confidence, method: "subject-bootstrap" };
  };
  const tar = (values: Float64Array): Interval => tarInterval(percentile(values), point, withGenuine);
  // Without a false match every resample shows none: the zero-error rule over comparisons, which assumes them independent.
  const fmrFixed =
    point.falseMatches === 0
      ? { ...clopperPearson(0, point.impostorCount, { confidence }), method: "clopper-pearson-over-comparisons" }
      : { ...percentile(run.fmrFixed), method: "two-way-person-bootstrap" };
  return {
    kind: "bootstrapped-point",
    point,
    tarRefitted: tar(run.tarRefitted),
    tarFixed: tar(run.tarFixed),
    fmrFixed,
    threshold: percentile(run.thresholds),
    people: { drawn: run.drawn, withGenuine },
    replicates: settings.replicates,
    convention: BOOTSTRAP_CONVENTION,
  };
}

/** A bootstrap cannot see a variance where nobody failed (or everybody did): then the exact interval with people as the trials. */
export function tarInterval(interval: Interval, point: OperatingPoint, people: number): Interval {
  const { confidence } = interval;
  if (point.falseNonMatches !== 0 && point.falseNonMatches !== point.genuineCount) return interval;
  const missed = clopperPearson(point.falseNonMatches === 0 ? 0 : people, people, { confidence });
  return { low: 1 - missed.high, high: 1 - missed.low, confidence, method: "clopper-pearson-over-people" };
}
