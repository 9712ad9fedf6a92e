import { at } from "../base/assert.ts";
import { fail } from "../base/error.ts";
import { type Matrix, matrix } from "../base/matrix.ts";
import {
  type EvidenceModel,
  evidenceOf,
  evidenceSize,
  type FusedModality,
  type FusionMethod,
  type FusionModel,
  type FusionRule,
  heldScore,
} from "./fusion.ts";
import { extremes, fitNormalisation, momentsOf, type NormalisationMethod } from "./fusion-normalise.ts";
import { type Density, fitRatio, type QualifiedScores } from "./fusion-ratio.ts";
import { fitLogisticRegression, LOGISTIC_DEFAULTS, type LogisticFit } from "./logistic.ts";

/** The scores of one modality, one for each trial; NaN where the trial lacks it. */
export interface ModalityTrials {
  readonly scores: Float64Array;
  /** 0..1, the worse of the two samples; of every trial that has a score. */
  readonly qualities?: Float64Array;
}

/** Trials to fit a fusion to, as columns. */
export interface FusionTrials {
  /** u8[trials]: 1 for genuine. */
  readonly genuine: Uint8Array;
  readonly modalities: Readonly<Record<string, ModalityTrials>>;
}

/** Options of {@link fitFusion}. */
export interface FusionOptions {
  readonly method: FusionMethod;
  /** Scale of the scores, for `sum`. */
  readonly normalisation: NormalisationMethod;
  /** Weights of the modalities, for `sum`: all the same, or by d' (how many deviations the classes lie apart; Chia, Sherkat & Nolle 2010). */
  readonly weights: "equal" | "d-prime";
  /** Densities, for `likelihood-ratio`. */
  readonly density: Density;
  /** Share of the logistic fits that the genuine class counts for. */
  readonly prior: number;
  readonly ridge: number;
  /** Sets of modalities that may answer; all of them unless given. */
  readonly subsets?: readonly (readonly string[])[];
}

/** Defaults of {@link fitFusion}. */
export const FUSION_DEFAULTS = {
  method: "logistic",
  normalisation: "z",
  weights: "equal",
  density: "kde",
  prior: LOGISTIC_DEFAULTS.prior,
  ridge: LOGISTIC_DEFAULTS.ridge,
} as const satisfies FusionOptions;

/**
 * Fits a fusion to trials. A modality's qualities are used where they are given and vary:
 * - `sum`: a modality counts in proportion to its quality (Fierrez-Aguilar et al. 2005 weigh experts by quality);
 * - `logistic`: features s, q and q s, quality as side information (Kryszczuk & Drygajlo 2009, "Q-stack"). Where that would let a higher score lower the
 *   answer at some quality, the quality of that modality is left out of all rules, so that nobody gains by a worse match;
 * - `likelihood-ratio`: densities by bands of quality (Nandakumar et al. 2006).
 *
 * A rule is fitted for every set of modalities, on the trials that have all of it: with the face alone, the rule is that of a face alone.
 *
 * @throws SCORES_INVALID when a class is empty, a column has another length, or a name cannot be one
 * @example
 * const model = fitFusion({ genuine, modalities: { face: { scores }, voice: { scores: voices } } }, { method: "logistic" });
 */
export function fitFusion(trials: FusionTrials, options: Partial<FusionOptions> = {}): FusionModel {
  const settings: FusionOptions = { ...FUSION_DEFAULTS, ...options };
  const columns = columnsOf(trials);
  const base = baseOf(columns, settings);
  const sets = (settings.subsets ?? allSubsets(columns.map((c) => c.modality.name))).map((set) => inOrder(set, columns));
  const rules = sets.map((set) => fitRule(base, set, settings));
  const worse = base.method === "logistic" ? columns.find((_, place) => falls(base.modalities, rules, place)) : undefined;
  if (worse !== undefined) {
    const { [worse.modality.name]: dropped, ...others } = trials.modalities;
    const plain = { scores: (dropped as ModalityTrials).scores };
    // Objects keep their order and the model's is by name, so it does not matter where the column comes back.
    return fitFusion({ ...trials, modalities: { ...others, [worse.modality.name]: plain } }, options);
  }
  const mates = trials.genuine.reduce((sum, is) => sum + (is === 1 ? 1 : 0), 0);
  return {
    kind: "fusion",
    version: 1,
    ...base,
    rules,
    trials: { genuine: mates, impostor: trials.genuine.length - mates },
  } as FusionModel;
}

interface Column {
  readonly modality: FusedModality;
  readonly trials: ModalityTrials;
  readonly genuine: Uint8Array;
}

function columnsOf({ genuine, modalities }: FusionTrials): readonly Column[] {
  const names = Object.keys(modalities).sort();
  if (names.length === 0) throw fail("SCORES_INVALID", "Cannot fit a fusion: there is no modality");
  return names.map((name) => {
    if (!/^[a-z][a-z0-9-]{0,31}$/.test(name))
      throw fail("SCORES_INVALID", `Cannot fit a fusion: "${name.slice(0, 60)}" is no name of small letters, digits and dashes`);
    const trials = modalities[name] as ModalityTrials;
    const lengths = [trials.scores.length, trials.qualities?.length ?? genuine.length];
    if (lengths.some((length) => length !== genuine.length))
      throw fail(
        "SCORES_INVALID",
        `Cannot fit a fusion: ${name} has ${lengths} scores and qualities for ${genuine.length} trials`,
      );
    const seen = trials.scores.filter((score) => !Number.isNaN(score));
    const [low, high] = extremes([seen]);
    if (!Number.isFinite(low) || !Number.isFinite(high))
      throw fail("SCORES_INVALID", `Cannot fit a fusion: ${name} has no score, or one that is not finite`);
    return { modality: { name, scores: { low, high }, ...qualityOf(name, trials) }, trials, genuine };
  });
}

function qualityOf(name: string, { scores, qualities }: ModalityTrials): Pick<FusedModality, "quality"> {
  if (qualities === undefined) return {};
  const seen = qualities.filter((_, i) => !Number.isNaN(scores[i]));
  const [low, high] = extremes([seen]);
  if (!(low >= 0 && high <= 1 && seen.every((q) => !Number.isNaN(q))))
    throw fail("SCORES_INVALID", `Cannot fit a fusion: qualities of ${name} are missing or outside 0..1`);
  // A quality that never changes says nothing.
  return low < high ? { quality: { low, high, mean: momentsOf(seen).mean } } : {};
}

function baseOf(columns: readonly Column[], { method, normalisation, weights, density }: FusionOptions): EvidenceModel {
  if (method === "logistic") return { method, modalities: columns.map((c) => c.modality) };
  if (method === "sum")
    return {
      method,
      modalities: columns.map((column) => {
        const classes = { genuine: ofClass(column, 1).scores, impostor: ofClass(column, 0).scores };
        const weight = weights === "equal" ? 1 : dPrime(classes);
        return { ...column.modality, weight, normalisation: fitNormalisation(normalisation, classes) };
      }),
    };
  return {
    method,
    modalities: columns.map((column) => ({
      ...column.modality,
      curves: fitRatio(ofClass(column, 1), ofClass(column, 0), density),
    })),
  };
}

/** Scores (and qualities, where the modality has any that vary) of the trials of one class that have the modality. */
function ofClass({ modality, trials, genuine }: Column, label: 0 | 1): QualifiedScores {
  const { scores, qualities } = trials;
  const inside = (_: number, i: number): boolean => (genuine[i] === 1) === (label === 1) && !Number.isNaN(scores[i]);
  const found = scores.filter(inside);
  if (found.length === 0)
    throw fail("SCORES_INVALID", `Cannot fit a fusion: ${modality.name} has no ${label === 1 ? "genuine" : "impostor"} score`);
  return modality.quality === undefined || qualities === undefined
    ? { scores: found }
    : { scores: found, qualities: qualities.filter(inside) };
}

function dPrime({ genuine, impostor }: { readonly genuine: Float64Array; readonly impostor: Float64Array }): number {
  const [g, n] = [momentsOf(genuine), momentsOf(impostor)];
  const apart = (g.mean - n.mean) / Math.sqrt((g.deviation ** 2 + n.deviation ** 2) / 2);
  // A modality that tells people apart no better than a coin has no say.
  return Number.isFinite(apart) ? Math.max(0, apart) : 1;
}

function allSubsets(names: readonly string[]): readonly (readonly string[])[] {
  const masks = Array.from({ length: 2 ** names.length - 1 }, (_, i) => i + 1);
  return masks.map((mask) => names.filter((_, i) => ((mask >> i) & 1) === 1));
}

/** Places of a set's modalities. */
function inOrder(set: readonly string[], columns: readonly Column[]): readonly (readonly [Column, number])[] {
  const unknown = set.find((name) => !columns.some((c) => c.modality.name === name));
  if (unknown !== undefined || set.length === 0 || new Set(set).size !== set.length)
    throw fail(
      "SCORES_INVALID",
      `Cannot fit a fusion for [${set}]: an empty set, or ${unknown ?? "a name"} is unknown or twice there`,
    );
  return columns.flatMap((column, i) => (set.includes(column.modality.name) ? [[column, i] as const] : []));
}

function fitRule(base: EvidenceModel, set: ReturnType<typeof inOrder>, { prior, ridge }: FusionOptions): FusionRule {
  const modalities = set.map(([column]) => column.modality.name);
  const present = set.map(([column]) => column.modality);
  // Each part is a log-likelihood ratio already; independence says: add.
  if (base.method === "likelihood-ratio") return { modalities, intercept: 0, weights: set.map(() => 1) };
  const places = set.map(([, place]) => place);
  const { genuine } = at(set, 0)[0];
  const rows = Array.from(genuine.keys()).filter((i) => set.every(([column]) => !Number.isNaN(column.trials.scores[i])));
  const cols = evidenceSize(base.method, present);
  const features = matrix(rows.length, cols);
  rows.forEach((row, n) => {
    const held = set.map(([{ modality, trials }]) => {
      const quality = trials.qualities === undefined ? {} : { quality: at(trials.qualities, row) };
      return heldScore(modality, { score: at(trials.scores, row), ...quality });
    });
    features.data.set(evidenceOf(base, held, places), n * cols);
  });
  const labels = Uint8Array.from(rows, (row) => at(genuine, row));
  const { intercept, weights } = risingFit(features, labels, {
    scores: base.method === "sum" ? [0] : plainScores(present),
    prior,
    ridge,
  });
  return { modalities, intercept, weights: Array.from(weights) };
}

/** Columns that are scores without a quality beside them. */
function plainScores(present: readonly FusedModality[]): readonly number[] {
  return present.flatMap((m, i) => (m.quality === undefined ? [evidenceSize("logistic", present.slice(0, i))] : []));
}

/** A fit in which none of the `scores` columns has a weight below 0: a modality that would count backwards does not count. */
function risingFit(
  features: Matrix,
  labels: Uint8Array,
  options: { readonly scores: readonly number[]; readonly prior: number; readonly ridge: number },
): LogisticFit {
  const fit = fitLogisticRegression(features, labels, options);
  const backwards = options.scores.filter((column) => at(fit.weights, column) < 0);
  if (backwards.length === 0) return fit;
  const data = features.data.map((value, k) => (backwards.includes(k % features.cols) ? 0 : value));
  return risingFit({ ...features, data }, labels, options);
}

/** Whether, in some rule, a higher score of the modality lowers the answer at the least or the greatest quality; in between it is a mixture of the two. */
function falls(modalities: readonly FusedModality[], rules: readonly FusionRule[], place: number): boolean {
  const { name, quality } = at(modalities, place);
  if (quality === undefined) return false;
  return rules.some((rule) => {
    if (!rule.modalities.includes(name)) return false;
    const before = modalities.filter((m, i) => i < place && rule.modalities.includes(m.name));
    const start = evidenceSize("logistic", before);
    const slope = (q: number): number => at(rule.weights, start) + q * at(rule.weights, start + 2);
    return slope(quality.low) < 0 || slope(quality.high) < 0;
  });
}
