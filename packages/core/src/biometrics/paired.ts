import { at } from "../base/assert.ts";
import { clopperPearson } from "./binomial.ts";
import { refitter } from "./bootstrap.ts";
import { type ComparisonScores, rankScores, type ScorePair } from "./compare.ts";
import { type FlipReport, listFlips, requireSameDesign, type ScoreShift, scoreShift } from "./flips.ts";
import {
  type InsufficientData,
  type Interval,
  insufficientFor,
  type OperatingPoint,
  operatingPoint,
  pointAtThreshold,
} from "./rates.ts";
import {
  BOOTSTRAP_CONVENTION,
  BOOTSTRAP_DEFAULTS,
  type BootstrapOptions,
  eachResample,
  percentileInterval,
  weightedFmr,
  weightedFnmr,
} from "./resample.ts";
import { countAtLeast } from "./scores.ts";

/** A difference of TAR, candidate minus reference: negative is a loss. */
export interface TarDifference {
  readonly value: number;
  /** Both models in the same resamples of people, so what they share cancels. */
  readonly interval: Interval;
}

/** Two models at one FAR on the same comparisons. */
export interface PairedPoint {
  readonly kind: "paired-point";
  readonly far: number;
  readonly reference: OperatingPoint;
  /** The candidate with its own threshold for the FAR: what a re-fitted card gives. */
  readonly candidate: OperatingPoint;
  /** The candidate at the reference's threshold: its `fmr` is the FAR realised when nobody changes the threshold. */
  readonly candidateAtReferenceThreshold: OperatingPoint;
  /** Interval of that realised FAR, both people resampled. */
  readonly realisedFar: Interval;
  /** Each model with its own threshold, re-fitted in every resample. */
  readonly ownThresholds: TarDifference;
  /** Both at the reference's threshold, held fixed. */
  readonly commonThreshold: TarDifference;
  readonly flipsOwnThresholds: FlipReport;
  readonly flipsCommonThreshold: FlipReport;
}

/** Two models compared on the same comparisons. */
export interface PairedComparison {
  readonly kind: "paired-comparison";
  readonly points: readonly (PairedPoint | InsufficientData)[];
  readonly shift: { readonly genuine: ScoreShift; readonly impostor: ScoreShift };
  readonly replicates: number;
  readonly convention: string;
}

/** Options of {@link comparePaired}. */
export interface PairedOptions extends BootstrapOptions {
  /** Flips listed per class at most. */
  readonly flipLimit?: number;
  /** Sorted scores, when at hand. */
  readonly rankedReference?: ScorePair;
  readonly rankedCandidate?: ScorePair;
}

/** How {@link comparePaired} differs two models. */
export const PAIRED_CONVENTION = `difference = TAR(candidate) - TAR(reference) on the same comparisons and the same resamples; ${BOOTSTRAP_CONVENTION}`;

/**
 * Compares a candidate (say INT8) with a reference (FP32) pair by pair.
 *
 * @throws SCORES_INVALID when the designs differ.
 * @example
 * const design = allPairs(subjects);
 * const verdict = comparePaired(compareAll(fp32, design), compareAll(int8, design), { fars: [1e-3, 1e-4] });
 */
export function comparePaired(
  reference: ComparisonScores,
  candidate: ComparisonScores,
  options: PairedOptions & { readonly fars: readonly number[] },
): PairedComparison {
  requireSameDesign(reference, candidate);
  const settings = { ...BOOTSTRAP_DEFAULTS, ...options };
  const a: Side = { scores: reference, ranked: options.rankedReference ?? rankScores(reference) };
  const b: Side = { scores: candidate, ranked: options.rankedCandidate ?? rankScores(candidate) };
  const answerable = options.fars.filter((far) => insufficientFor(far, a.ranked.impostor.count) === undefined);
  const intervals = differenceIntervals(a, b, answerable, settings);
  const points = options.fars.map((far): PairedPoint | InsufficientData => {
    const refusal = insufficientFor(far, a.ranked.impostor.count);
    return refusal ?? pairedPoint(a, b, far, at(intervals, answerable.indexOf(far)), options);
  });
  return {
    kind: "paired-comparison",
    points,
    shift: scoreShift(reference, candidate),
    replicates: settings.replicates,
    convention: PAIRED_CONVENTION,
  };
}

interface Side {
  readonly scores: ComparisonScores;
  readonly ranked: ScorePair;
}

function pairedPoint(a: Side, b: Side, far: number, intervals: DifferenceIntervals, options: PairedOptions): PairedPoint {
  const reference = operatingPoint(a.ranked, far) as OperatingPoint;
  const candidate = operatingPoint(b.ranked, far) as OperatingPoint;
  const common = pointAtThreshold(b.ranked, { threshold: reference.threshold, far });
  const limit = options.flipLimit === undefined ? {} : { limit: options.flipLimit };
  const flips = (candidateThreshold: number): FlipReport =>
    listFlips(a.scores, b.scores, { referenceThreshold: reference.threshold, candidateThreshold, ...limit });
  return {
    kind: "paired-point",
    far,
    reference,
    candidate,
    candidateAtReferenceThreshold: common,
    realisedFar: intervals.realised,
    ownThresholds: { value: candidate.tar - reference.tar, interval: intervals.own },
    commonThreshold: { value: common.tar - reference.tar, interval: intervals.common },
    flipsOwnThresholds: flips(candidate.threshold),
    flipsCommonThreshold: flips(reference.threshold),
  };
}

interface DifferenceIntervals {
  readonly own: Interval;
  readonly common: Interval;
  readonly realised: Interval;
}

function realisedInterval(
  side: Side,
  facts: { readonly threshold: number; readonly replicates: Float64Array; readonly confidence: number },
): Interval {
  const { threshold, replicates, confidence } = facts;
  const { impostor } = side.ranked;
  // Without a false match every resample shows none: the zero-error rule over comparisons, which assumes them independent.
  if (countAtLeast(impostor, threshold) === 0)
    return { ...clopperPearson(0, impostor.count, { confidence }), method: "clopper-pearson-over-comparisons" };
  const { low, high } = percentileInterval(replicates, confidence);
  return { low, high, confidence, method: "two-way-person-bootstrap" };
}

function differenceIntervals(
  a: Side,
  b: Side,
  fars: readonly number[],
  settings: Required<BootstrapOptions>,
): readonly DifferenceIntervals[] {
  const fixed = fars.map((far) => (operatingPoint(a.ranked, far) as OperatingPoint).threshold);
  // The tail of the candidate must reach down to the reference's threshold, however many impostors rose above it.
  const depth = fixed.reduce((deepest, threshold) => Math.max(deepest, countAtLeast(b.ranked.impostor, threshold)), 1);
  const refitA = refitter(a, { fars });
  const refitB = refitter(b, { fars, depth });
  const own = fars.map(() => new Float64Array(settings.replicates));
  const common = fars.map(() => new Float64Array(settings.replicates));
  const realised = fars.map(() => new Float64Array(settings.replicates));
  let replicate = 0;
  eachResample(a.scores.design, settings, (resample) => {
    fars.forEach((far, n) => {
      const thresholdA = refitA.threshold(resample, far);
      const thresholdB = refitB.threshold(resample, far);
      const drawA = { view: refitA.view(), resample };
      const drawB = { view: refitB.view(), resample };
      const threshold = at(fixed, n);
      at(own, n)[replicate] = weightedFnmr(drawA, thresholdA) - weightedFnmr(drawB, thresholdB);
      at(common, n)[replicate] = weightedFnmr(drawA, threshold) - weightedFnmr(drawB, threshold);
      at(realised, n)[replicate] = weightedFmr(drawB, threshold);
    });
    replicate++;
  });
  const { confidence } = settings;
  const withGenuine = new Set(Array.from(a.scores.genuine.a, (item) => at(a.scores.design.gallery, item))).size;
  const identical = a.scores === b.scores;
  const interval = (values: Float64Array): Interval => differenceInterval(values, { people: withGenuine, confidence, identical });
  return fars.map((_, n) => ({
    own: interval(at(own, n)),
    common: interval(at(common, n)),
    realised: realisedInterval(b, { threshold: at(fixed, n), replicates: at(realised, n), confidence }),
  }));
}

/**
 * The interval of a difference of rates from its resampled values. `people`: those with a genuine comparison; `identical`: nothing can differ, because
 * both sides are one and the same.
 */
export function differenceInterval(
  values: Float64Array,
  facts: { readonly people: number; readonly confidence: number; readonly identical?: boolean },
): Interval {
  const { people, confidence, identical = false } = facts;
  const { low, high } = percentileInterval(values, confidence);
  if (low !== 0 || high !== 0 || identical) return { low, high, confidence, method: "paired-subject-bootstrap" };
  // No resample shows a difference: that bounds it, with people as the trials, but does not make it zero.
  const bound = clopperPearson(0, people, { confidence }).high;
  return { low: -bound, high: bound, confidence, method: "clopper-pearson-over-people" };
}
