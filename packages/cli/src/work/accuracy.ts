import { at } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import { bootstrapPoints } from "@tessera/core/biometrics/bootstrap";
import { type ComparisonScores, compareAll, rankScores, type ScorePair } from "@tessera/core/biometrics/compare";
import { resolveAliases, resolvePairs, selectItems } from "@tessera/core/biometrics/dataset";
import {
  type Alias,
  allPairs,
  type ComparisonDesign,
  countComparisons,
  listedPairs,
  numberSubjects,
} from "@tessera/core/biometrics/design";
import { detCurve, thinDet } from "@tessera/core/biometrics/det";
import { equalErrorRate } from "@tessera/core/biometrics/eer";
import { bootstrapEer } from "@tessera/core/biometrics/eer-interval";
import { lfwAccuracy } from "@tessera/core/biometrics/lfw";
import { separation } from "@tessera/core/biometrics/separation";
import { type Embeddings, scorePairs } from "@tessera/core/biometrics/similarity";
import type { Accuracy, Curves } from "@tessera/core/protocol/report";
import type { PeopleData } from "./people-data.ts";

/** Who is compared with whom. */
export interface EvaluationSet {
  /** Rows of the data that take part: role "eval" where there are roles, and a face or a voice was found. */
  readonly rows: readonly number[];
  readonly names: readonly string[];
  readonly people: readonly string[];
  readonly subjects: Int32Array;
  readonly aliases: readonly Alias[];
  readonly design: ComparisonDesign;
  readonly protocol: string;
  readonly genuine: number;
  readonly impostor: number;
  /** The fold protocol, when the pair list has folds. */
  readonly folds?: {
    readonly pairs: { readonly a: Uint32Array; readonly b: Uint32Array };
    readonly genuine: Uint8Array;
    readonly folds: Int32Array;
  };
}

/** Rows of a role, or all rows when the manifest knows no roles. */
export function rowsOfRole(data: PeopleData, role: string): readonly number[] {
  const roles = data.manifest.columns.get("role");
  return Array.from(data.manifest.paths.keys()).filter(
    (i) => data.samples.acquired[i] === 1 && (roles === undefined || roles[i] === role),
  );
}

/** Rows to calibrate on, or to normalise scores by: of role calib, or cohort where there is no calib; all rows when the manifest knows no roles. */
export function calibrationRows(data: PeopleData): readonly number[] {
  const roles = data.manifest.columns.get("role");
  return rowsOfRole(data, roles?.includes("calib") === false ? "cohort" : "calib");
}

/**
 * The comparisons of an evaluation: every recording with every other one (aliases left out), or the pair list alone.
 *
 * @throws DATASET_INVALID, SCORES_INVALID
 */
export function evaluationSet(
  data: PeopleData,
  options: {
    readonly protocol: "all-pairs" | "pair-list";
    /** Only these people; all unless given. Pairs with anybody else are left out. */
    readonly people?: ReadonlySet<string>;
    /** Only these rows of the data; all unless given. */
    readonly rows?: ReadonlySet<number>;
  },
): EvaluationSet {
  const roles = data.manifest.columns.get("role");
  const { manifest, kept } =
    roles === undefined
      ? { manifest: data.manifest, kept: Array.from(data.manifest.paths.keys()) }
      : selectItems(data.manifest, "role", "eval");
  const allRows = Array.from(kept);
  const missing = new Set(allRows.filter((row) => data.samples.acquired[row] !== 1));
  const { people: only, rows: among } = options;
  const rows = allRows.filter(
    (row) =>
      !missing.has(row) &&
      (only === undefined || only.has(at(data.manifest.subjects ?? [], row))) &&
      (among === undefined || among.has(row)),
  );
  const subjectNames = rows.map((row) => at(data.manifest.subjects ?? [], row));
  const { subjects, people } = numberSubjects(subjectNames);
  const aliases = resolveAliases(data.aliases, people);
  const position = new Map(rows.map((row, i) => [row, i] as const));
  const pairs = data.pairs === undefined ? undefined : resolvePairs(data.pairs, manifest);
  // A pair with a recording in which nobody was found cannot be compared: it is a failure to acquire, counted elsewhere.
  const usable =
    pairs === undefined
      ? []
      : Array.from(pairs.a.keys()).filter(
          (k) => position.has(at(allRows, at(pairs.a, k))) && position.has(at(allRows, at(pairs.b, k))),
        );
  const place = (item: number): number => position.get(at(allRows, item)) as number;
  const listed =
    pairs === undefined
      ? undefined
      : {
          a: Uint32Array.from(usable, (k) => place(at(pairs.a, k))),
          b: Uint32Array.from(usable, (k) => place(at(pairs.b, k))),
          genuine: Uint8Array.from(usable, (k) => at(pairs.genuine, k)),
        };
  if (options.protocol === "pair-list" && listed === undefined)
    throw fail("DATASET_INVALID", `Cannot evaluate by pair list: ${data.folder} has neither pairs.csv nor trials.csv`);
  const design =
    options.protocol === "pair-list" && listed !== undefined ? listedPairs(subjects, listed) : allPairs(subjects, { aliases });
  const counts = countComparisons(design);
  const folds = pairs?.folds;
  return {
    rows,
    names: rows.map((row) => at(data.manifest.paths, row)),
    people,
    subjects,
    aliases,
    design,
    protocol: options.protocol === "all-pairs" ? "every picture against every other (all-pairs)" : "pair list",
    genuine: counts.genuine,
    impostor: counts.impostor,
    ...(listed === undefined || folds === undefined
      ? {}
      : { folds: { pairs: listed, genuine: listed.genuine, folds: Int32Array.from(usable, (k) => at(folds, k)) } }),
  };
}

/** Everything about one model's scores. */
export interface Evaluated {
  readonly scores: ComparisonScores;
  readonly ranked: ScorePair;
  /** The cosines, where scores are something else; the very same object otherwise. */
  readonly cosines: ScorePair;
  readonly accuracy: Accuracy;
  readonly curves: Curves;
}

const HISTOGRAM_BINS = 120;

/** With more comparisons the equal error rate has no interval: every resample would walk over all of them. */
const EER_COMPARISONS = 200_000;

function eerInterval(
  scores: ComparisonScores,
  ranked: ScorePair,
  options: { readonly replicates: number; readonly seed: number },
) {
  const { low, high, confidence } = bootstrapEer(scores, ranked, options);
  return { low, high, confidence };
}

/** Scores unit-length embeddings of the evaluation rows and answers every figure of the report. */
export function evaluateEmbeddings(
  unit: Embeddings,
  set: EvaluationSet,
  options: {
    readonly fars: readonly number[];
    readonly replicates: number;
    readonly seed: number;
    /** What is made of the cosines; nothing unless given. */
    readonly normalise?: (scores: ComparisonScores, unit: Embeddings) => ComparisonScores;
  },
): Evaluated {
  const { normalise } = options;
  const startMs = performance.now();
  const cosines = compareAll(unit, set.design);
  const scores = normalise === undefined ? cosines : normalise(cosines, unit);
  const scoringMs = performance.now() - startMs;
  const ranked = rankScores(scores);
  const points = bootstrapPoints(scores, options.fars, { ranked, replicates: options.replicates, seed: options.seed });
  const eer = equalErrorRate(ranked);
  // The fold protocol is one of cosines.
  const folds =
    set.folds === undefined || normalise !== undefined ? undefined : lfwAccuracy(scorePairs(unit, set.folds.pairs), set.folds);
  return {
    scores,
    ranked,
    cosines: scores === cosines ? ranked : rankScores(cosines),
    accuracy: {
      tarAtFar: points.map((p) =>
        p.kind === "insufficient-data"
          ? { kind: "insufficient-data", far: p.far, needsMore: p.needsMore, says: p.says }
          : {
              kind: "figure",
              far: p.point.far,
              tar: { value: p.point.tar, ...p.tarRefitted },
              threshold: p.point.threshold,
              falseMatches: p.point.falseMatches,
              falseNonMatches: p.point.falseNonMatches,
            },
      ),
      eer: {
        raw: eer.raw.rate,
        convexHull: eer.convexHull.rate,
        ...(set.genuine + set.impostor > EER_COMPARISONS ? {} : { interval: eerInterval(scores, ranked, options) }),
      },
      dPrime: separation(ranked).dPrime,
      ...(folds === undefined
        ? {}
        : {
            folds: {
              name: "fold protocol (LFW View 2)",
              mean: folds.mean,
              standardError: folds.standardError,
              folds: folds.folds.length,
            },
          }),
      scoringMs,
    },
    curves: curvesOf(ranked),
  };
}

function curvesOf(ranked: ScorePair): Curves {
  const det = thinDet(detCurve(ranked));
  const from = Math.min(at(ranked.genuine.values, 0), at(ranked.impostor.values, 0));
  const to = Math.max(
    at(ranked.genuine.values, ranked.genuine.values.length - 1),
    at(ranked.impostor.values, ranked.impostor.values.length - 1),
  );
  const width = (to - from || 1) / HISTOGRAM_BINS;
  const density = (values: ArrayLike<number>): number[] => {
    const counts = new Float64Array(HISTOGRAM_BINS);
    for (let i = 0; i < values.length; i++) {
      const bin = Math.min(HISTOGRAM_BINS - 1, Math.floor(((values[i] as number) - from) / width));
      counts[bin] = (counts[bin] as number) + 1;
    }
    return Array.from(counts, (c) => c / values.length / width);
  };
  return {
    det: Array.from(det.fmr, (fmr, i) => ({ fmr, fnmr: at(det.fnmr, i) })),
    histogram: { from, to, genuine: density(ranked.genuine.values), impostor: density(ranked.impostor.values) },
  };
}
