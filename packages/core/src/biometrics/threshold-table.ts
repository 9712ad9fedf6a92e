import { type BootstrapPointsOptions, bootstrapPoints } from "./bootstrap.ts";
import type { ComparisonScores } from "./compare.ts";
import { type Interval, RATE_CONVENTION } from "./rates.ts";
import { BOOTSTRAP_CONVENTION, BOOTSTRAP_DEFAULTS, participants } from "./resample.ts";

/** One row of {@link ThresholdTable}. Either a threshold with its evidence or the reason why there is none. Rates are fractions. */
export type ThresholdRow =
  | {
      readonly kind: "threshold";
      readonly far: number;
      /** Accept when score >= this. */
      readonly threshold: number;
      readonly thresholdInterval: Interval;
      readonly fmr: number;
      readonly fmrInterval: Interval;
      readonly tar: number;
      readonly tarInterval: Interval;
      readonly falseMatches: number;
      readonly falseNonMatches: number;
    }
  | { readonly kind: "insufficient-data"; readonly far: number; readonly needsMore: number; readonly says: string };

/** Thresholds per FAR with their evidence: plain JSON for the model card. */
export interface ThresholdTable {
  readonly kind: "threshold-table";
  /** Larger scores are more alike. */
  readonly metric: "cosine";
  readonly rows: readonly ThresholdRow[];
  readonly evidence: {
    /** Name of the data set, as the caller gives it. */
    readonly data: string;
    readonly genuineComparisons: number;
    readonly impostorComparisons: number;
    readonly people: number;
    readonly comparisons: string;
    readonly replicates: number;
    readonly seed: number;
    readonly conventions: readonly string[];
  };
}

/** What {@link thresholdTable} needs to know besides the scores. */
export interface ThresholdTableOptions extends BootstrapPointsOptions {
  readonly fars: readonly number[];
  /** Name of the data set. */
  readonly data: string;
}

/**
 * Fits a threshold per FAR, with counts and intervals. The table holds only JSON values and survives `JSON.parse(JSON.stringify(table))`.
 *
 * @throws SCORES_INVALID when a class is empty or a score is not finite.
 * @example
 * const card = { ...draft, thresholds: thresholdTable(scores, { fars: [1e-3, 1e-4], data: "lfw 1-5" }) };
 */
export function thresholdTable(scores: ComparisonScores, options: ThresholdTableOptions): ThresholdTable {
  const { replicates, seed } = { ...BOOTSTRAP_DEFAULTS, ...options };
  const rows = bootstrapPoints(scores, options.fars, options).map((answer): ThresholdRow => {
    if (answer.kind === "insufficient-data")
      return { kind: "insufficient-data", far: answer.far, needsMore: answer.needsMore, says: answer.says };
    const { point } = answer;
    return {
      kind: "threshold",
      far: point.far,
      threshold: point.threshold,
      thresholdInterval: answer.threshold,
      fmr: point.fmr,
      fmrInterval: answer.fmrFixed,
      tar: point.tar,
      tarInterval: answer.tarRefitted,
      falseMatches: point.falseMatches,
      falseNonMatches: point.falseNonMatches,
    };
  });
  return {
    kind: "threshold-table",
    metric: "cosine",
    rows,
    evidence: {
      data: options.data,
      genuineComparisons: scores.genuine.scores.length,
      impostorComparisons: scores.impostor.length,
      people: participants(scores.design).length,
      comparisons: scores.design.kind,
      replicates,
      seed,
      conventions: [RATE_CONVENTION, BOOTSTRAP_CONVENTION],
    },
  };
}
