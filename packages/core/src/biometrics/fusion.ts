import { at } from "../base/assert.ts";
import { fail } from "../base/error.ts";
import { readFusion } from "./fusion-json.ts";
import { type Normalisation, normalised } from "./fusion-normalise.ts";
import { type RatioCurves, ratioAt } from "./fusion-ratio.ts";

/** How scores of several modalities become one; see {@link FusionModel}. */
export type FusionMethod = FusionModel["method"];

/** The range of something in the trials that a model was fitted to. */
export interface SeenRange {
  readonly low: number;
  readonly high: number;
}

/** What a fusion knows of a modality, whatever its method. */
export interface FusedModality {
  readonly name: string;
  /** Scores seen in fitting. Others are held within one width of it on either side, so that an outlier cannot decide alone. */
  readonly scores: SeenRange;
  /** Qualities seen in fitting, and their mean, which stands for one that is not given; absent when the fit did without. Others are held within. */
  readonly quality?: SeenRange & { readonly mean: number };
}

/** The rule for one set of modalities: log LR = intercept + weights . evidence. */
export interface FusionRule {
  /** Names in the order of the model's modalities. */
  readonly modalities: readonly string[];
  readonly intercept: number;
  readonly weights: readonly number[];
}

interface FusionParts<M extends FusedModality> {
  readonly kind: "fusion";
  readonly version: 1;
  readonly modalities: readonly M[];
  /** One for every set of modalities that may answer. A set without a rule (say voice alone) gets no answer, whatever its scores. */
  readonly rules: readonly FusionRule[];
  /** Trials that it was fitted to. */
  readonly trials: { readonly genuine: number; readonly impostor: number };
}

/** Sum of normalised scores, weighted, and by qualities too where there are some; the evidence is one number: sum(w q n) / sum(w q). */
export interface SumFusion
  extends FusionParts<FusedModality & { readonly weight: number; readonly normalisation: Normalisation }> {
  readonly method: "sum";
}

/** Logistic regression: the evidence is the score s of each modality, or s, q and q s where the fit had a quality q. */
export interface LogisticFusion extends FusionParts<FusedModality> {
  readonly method: "logistic";
}

/** Sum of log-likelihood ratios, one per modality from its two densities: modalities are taken for independent given who it is. */
export interface RatioFusion extends FusionParts<FusedModality & { readonly curves: RatioCurves }> {
  readonly method: "likelihood-ratio";
}

/** A fitted fusion: plain JSON, written by {@link printFusion} and read by {@link parseFusion}. */
export type FusionModel = SumFusion | LogisticFusion | RatioFusion;

/** A modality's part of a comparison. A larger score is more alike; quality in 0..1, the worse of the two samples. */
export interface ModalityScore {
  readonly score: number;
  readonly quality?: number;
}

/**
 * The natural-log likelihood ratio of a comparison: how many times likelier the scores are when both samples come from one person. Grant where it
 * reaches ln(FAR-cost odds) or a threshold fitted to a FAR. `undefined` when no modality is given, or a set of them that the model has no rule for.
 *
 * Which modalities are enough is the caller's policy: who may leave one out will leave out the one that fails.
 *
 * @throws SCORES_INVALID for a modality that the model does not know, and for a score or quality that is not finite
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { applyFusion, parseFusion } from "@tessera/core/biometrics/fusion";
 *
 * const seen = { scores: { low: -1, high: 1 } };
 * const model = parseFusion(
 *   JSON.stringify({
 *     kind: "fusion",
 *     version: 1,
 *     method: "logistic",
 *     modalities: [{ name: "face", ...seen }, { name: "voice", ...seen }],
 *     rules: [{ modalities: ["face", "voice"], intercept: -8, weights: [20, 5] }],
 *     trials: { genuine: 500, impostor: 5000 },
 *   }),
 * );
 * assert.equal(applyFusion(model, { face: { score: 0.5 }, voice: { score: 0.6 } }), 5);
 * assert.equal(applyFusion(model, { face: { score: 0.5 } }), undefined); // no rule for a face alone
 * ```
 */
export function applyFusion(model: FusionModel, scores: Readonly<Record<string, ModalityScore>>): number | undefined {
  const given = Object.keys(scores);
  for (const name of given)
    if (!model.modalities.some((m) => m.name === name))
      throw fail(
        "SCORES_INVALID",
        `Cannot fuse scores of "${name.slice(0, 60)}": the model knows ${model.modalities.map((m) => m.name).join(", ")}`,
      );
  const present = model.modalities.filter((m) => Object.hasOwn(scores, m.name));
  const rule = ruleFor(model, present);
  if (rule === undefined) return undefined;
  const evidence = evidenceOf(
    model,
    present.map((m) => heldScore(m, scores[m.name] as ModalityScore)),
    present.map((m) => model.modalities.indexOf(m as never)),
  );
  return evidence.reduce((sum, value, i) => sum + value * at(rule.weights, i), rule.intercept);
}

/** The rule of exactly these modalities. */
function ruleFor(model: FusionModel, present: readonly FusedModality[]): FusionRule | undefined {
  if (present.length === 0) return undefined;
  return model.rules.find(
    (rule) => rule.modalities.length === present.length && rule.modalities.every((name, i) => name === present[i]?.name),
  );
}

/** A score and a quality within what the fit has seen. */
export interface HeldScore {
  readonly score: number;
  readonly quality: number | undefined;
}

/** Holds a score within one width of the range seen, and a quality within its range. @throws SCORES_INVALID when one is not finite */
export function heldScore(modality: FusedModality, { score, quality }: ModalityScore): HeldScore {
  if (!Number.isFinite(score) || (quality !== undefined && !Number.isFinite(quality)))
    throw fail(
      "SCORES_INVALID",
      `Cannot fuse the score of ${modality.name}: ${Number.isFinite(score) ? `quality ${quality}` : score}`,
    );
  const { low, high } = modality.scores;
  const width = high - low;
  const held = Math.min(high + width, Math.max(low - width, score));
  if (modality.quality === undefined) return { score: held, quality: undefined };
  const { quality: range } = modality;
  return { score: held, quality: Math.min(range.high, Math.max(range.low, quality ?? range.mean)) };
}

/** The numbers that a rule weighs, of the modalities at `places` in the model. */
export function evidenceOf(model: EvidenceModel, held: readonly HeldScore[], places: readonly number[]): readonly number[] {
  if (model.method === "logistic")
    return held.flatMap(({ score, quality }) => (quality === undefined ? [score] : [score, quality, quality * score]));
  if (model.method === "likelihood-ratio")
    return held.map(({ score, quality }, i) => ratioAt(at(model.modalities, at(places, i)).curves, score, quality));
  let sum = 0;
  let total = 0;
  held.forEach(({ score, quality }, i) => {
    const { weight, normalisation } = at(model.modalities, at(places, i));
    const share = weight * (quality ?? 1);
    sum += share * normalised(normalisation, score);
    total += share;
  });
  // Qualities of zero all round leave nothing to weigh by: then the weights alone count.
  if (total > 0) return [sum / total];
  const plain = held.map(({ score }) => ({ score, quality: undefined }));
  return evidenceOf(model, plain, places);
}

/** What {@link evidenceOf} needs of a model: all but its rules. */
export type EvidenceModel =
  | Pick<SumFusion, "method" | "modalities">
  | Pick<LogisticFusion, "method" | "modalities">
  | Pick<RatioFusion, "method" | "modalities">;

/** How many numbers {@link evidenceOf} gives. */
export function evidenceSize(method: FusionMethod, present: readonly FusedModality[]): number {
  if (method === "sum") return 1;
  if (method === "likelihood-ratio") return present.length;
  return present.reduce((sum, m) => sum + (m.quality === undefined ? 1 : 3), 0);
}

/** The model as the text of its file. */
export function printFusion(model: FusionModel): string {
  return `${JSON.stringify(model, undefined, 1)}\n`;
}

/**
 * Reads a fusion from JSON of any origin: sizes are bounded, every field is checked and none is unknown, and a rule has as many weights as its modalities
 * give evidence.
 *
 * @throws MALFORMED naming the field, LIMIT_EXCEEDED
 */
export function parseFusion(json: string): FusionModel {
  const model = readFusion(json);
  for (const [i, rule] of model.rules.entries()) {
    const present = model.modalities.filter((m) => rule.modalities.includes(m.name));
    const inOrder = present.length === rule.modalities.length && present.every((m, k) => m.name === rule.modalities[k]);
    if (!inOrder)
      throw fail("MALFORMED", `Cannot read the fusion: rules[${i}] names modalities that are unknown, twice or out of order`);
    const size = evidenceSize(model.method, present);
    if (rule.weights.length !== size)
      throw fail(
        "MALFORMED",
        `Cannot read the fusion: rules[${i}] has ${rule.weights.length} weights for ${size} numbers of evidence`,
      );
    const twin = model.rules.findIndex((other) => other.modalities.join() === rule.modalities.join());
    if (twin !== i) throw fail("MALFORMED", `Cannot read the fusion: rules[${i}] is for the same modalities as rules[${twin}]`);
  }
  return model;
}
