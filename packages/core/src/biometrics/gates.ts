import { type EmbeddingHealth, embeddingHealth } from "./health.ts";
import { insufficientFor } from "./rates.ts";
import { countAtLeast, quantile, type ScoreDistribution } from "./scores.ts";
import type { Embeddings } from "./similarity.ts";

/** The answer of a gate: whether a model may go on, why, and by which figures. */
export interface GateResult {
  readonly kind: "gate";
  readonly gate: string;
  readonly pass: boolean;
  /** One sentence with the deciding figure and its limit. */
  readonly reason: string;
  readonly figures: Readonly<Record<string, number>>;
}

/** Limits of {@link collapseGate}. Fractions and cosines. */
export interface CollapseOptions {
  /** Health of the model it should behave like; the limits on similarity and dimension are then relative to it. */
  readonly reference?: EmbeddingHealth;
  /** Mean cosine of different people at most; a face model lies near 0, a collapsed one near 1. */
  readonly maxStrangerSimilarity?: number;
  /**
   * The same for embeddings without numbers below 0, as behind a ReLU: all lie in one corner, where strangers of networks that tell people apart were
   * measured to reach 0.52 to 0.87. Only with {@link CollapseOptions.minMateShare}, as outputs cut off at 0 look the same.
   */
  readonly maxOneSidedSimilarity?: number;
  /** Share of the way from strangers to a cosine of 1 that recordings of one person must be nearer, where strangers exceed `maxStrangerSimilarity`. */
  readonly minMateShare?: number;
  /** How much the mean cosine of different people may exceed the reference's. */
  readonly maxSimilarityRise?: number;
  /** Effective dimension at least, without a reference; less where there are few people. */
  readonly minEffectiveDimension?: number;
  /** Share of the reference's effective dimension that must be left. */
  readonly minDimensionShare?: number;
  /** Share of components that may be constant over all items. */
  readonly maxConstantShare?: number;
}

/** Defaults of {@link collapseGate}. */
export const COLLAPSE_DEFAULTS = {
  maxStrangerSimilarity: 0.5,
  maxOneSidedSimilarity: 0.9,
  minMateShare: 0.1,
  maxSimilarityRise: 0.05,
  minEffectiveDimension: 4,
  minDimensionShare: 0.7,
  maxConstantShare: 0.25,
} as const satisfies Required<Omit<CollapseOptions, "reference">>;

/**
 * Does the model still tell people apart at all? Catches NaN and zero outputs, one vector for everybody, dead components and a space that
 * shrank to a few directions: the failures that a mean cosine to the FP32 model can hide. Takes raw or normalised embeddings.
 */
export function collapseGate(set: Embeddings, subjects: Int32Array, options: CollapseOptions = {}): GateResult {
  const limits = { ...COLLAPSE_DEFAULTS, ...options };
  const health = embeddingHealth(set, subjects);
  const { reference } = options;
  // n people differ in n - 1 directions at most: half way from a single one to all of them.
  const fewPeople = new Set(subjects).size / 2;
  const oneSided = health.negativeShare === 0;
  const absolute = oneSided ? limits.maxOneSidedSimilarity : limits.maxStrangerSimilarity;
  const similarityLimit = reference === undefined ? absolute : reference.strangerSimilarity + limits.maxSimilarityRise;
  const dimensionLimit =
    reference === undefined
      ? Math.min(limits.minEffectiveDimension, fewPeople)
      : reference.effectiveDimension * limits.minDimensionShare;
  const constantLimit = Math.max(limits.maxConstantShare, reference?.constantShare ?? 0);
  const { strangerSimilarity, mateSimilarity, effectiveDimension, constantShare, usable, notFinite, zero } = health;
  const mateShare = (mateSimilarity - strangerSimilarity) / (1 - strangerSimilarity);
  // Alike strangers are excused by nothing but mates that are more alike still; without mates nothing excuses them.
  const excuse = reference === undefined && oneSided && strangerSimilarity > limits.maxStrangerSimilarity;
  const figures = { ...withoutKind(health), mateShare, similarityLimit, dimensionLimit, constantLimit };
  const faults: readonly (readonly [boolean, string])[] = [
    [notFinite > 0, `${notFinite} of ${set.count} embeddings hold NaN or infinity`],
    [zero > 0, `${zero} of ${set.count} embeddings are zero`],
    [usable < 2, `only ${usable} embeddings can be compared`],
    [Number.isNaN(strangerSimilarity), "there are no two people to compare"],
    [constantShare > constantLimit, `${percent(constantShare)} of the components never change, limit ${percent(constantLimit)}`],
    [
      !(strangerSimilarity <= similarityLimit),
      `different people have a mean cosine of ${show(strangerSimilarity)}, limit ${show(similarityLimit)}`,
    ],
    [
      excuse && !(mateShare >= limits.minMateShare),
      `different people have a mean cosine of ${show(strangerSimilarity)} and recordings of one person ${
        Number.isNaN(mateSimilarity) ? "are not there" : show(mateSimilarity)
      }: at least ${percent(limits.minMateShare)} of what is left must be between them`,
    ],
    [
      !(effectiveDimension >= dimensionLimit),
      `the embeddings fill ${show(effectiveDimension)} directions, at least ${show(dimensionLimit)} are wanted`,
    ],
  ];
  const fault = faults.find(([broken]) => broken);
  const fine = `mean cosine of different people ${show(strangerSimilarity)}, effective dimension ${show(effectiveDimension)}`;
  return { kind: "gate", gate: "collapse", pass: fault === undefined, reason: fault?.[1] ?? fine, figures };
}

/** Limits of {@link impostorTailGate}. */
export interface TailOptions {
  /** Far points of the tail: the FARs at which quantiles are compared, those with enough comparisons only. */
  readonly fars?: readonly number[];
  /** How much the impostor score at a FAR may rise over the reference's, in cosine. */
  readonly maxRise?: number;
  /** How many times its FAR may the reference's threshold let impostors in. */
  readonly maxFarRatio?: number;
}

/** Defaults of {@link impostorTailGate}. */
export const TAIL_DEFAULTS = {
  fars: [1e-2, 1e-3, 1e-4, 1e-5, 1e-6],
  maxRise: 0.02,
  maxFarRatio: 2,
} as const satisfies Required<TailOptions>;

/**
 * Did the most similar strangers come closer? Compares the upper quantiles of the impostor scores with a reference model's on the same
 * comparisons. A tail that rises at 1e-5 lets people in long before any mean moves.
 */
export function impostorTailGate(
  candidate: ScoreDistribution,
  reference: ScoreDistribution,
  options: TailOptions = {},
): GateResult {
  const limits = { ...TAIL_DEFAULTS, ...options };
  const count = Math.min(candidate.count, reference.count);
  const fars = limits.fars.filter((far) => insufficientFor(far, count) === undefined);
  const figures: Record<string, number> = { comparisons: count, maxRise: limits.maxRise, maxFarRatio: limits.maxFarRatio };
  const faults: string[] = [];
  let worst = Number.NEGATIVE_INFINITY;
  for (const far of fars) {
    const before = quantile(reference, 1 - far);
    const after = quantile(candidate, 1 - far);
    const realised = countAtLeast(candidate, before) / candidate.count;
    const expected = countAtLeast(reference, before) / reference.count;
    const ratio = realised / expected;
    const rise = after - before;
    worst = Math.max(worst, rise);
    figures[`reference@${far}`] = before;
    figures[`candidate@${far}`] = after;
    figures[`farRatio@${far}`] = ratio;
    if (rise > limits.maxRise) faults.push(`at FAR ${far} the impostor score rose by ${show(rise)}, limit ${limits.maxRise}`);
    // The ratio of two counts needs about 30 events to mean anything (rule of 30).
    else if (ratio > limits.maxFarRatio && expected * count >= 30)
      faults.push(`the reference's threshold at FAR ${far} lets in ${show(ratio)} times as many, limit ${limits.maxFarRatio}`);
  }
  if (fars.length === 0) faults.push(`${count} impostor comparisons are too few for any of the FARs asked`);
  const fine = `impostor scores rose by ${show(worst)} at most, limit ${limits.maxRise}`;
  return { kind: "gate", gate: "impostor-tail", pass: faults.length === 0, reason: faults[0] ?? fine, figures };
}

/** Limits of {@link saturationGate}. */
export interface SaturationOptions {
  /** Share of impostor comparisons that may score at the very top. */
  readonly maxTopShare?: number;
  /** What counts as the top, in cosine. */
  readonly top?: number;
  /** Share that one single score value may take. */
  readonly maxTieShare?: number;
}

/** Defaults of {@link saturationGate}. */
export const SATURATION_DEFAULTS = {
  maxTopShare: 1e-3,
  top: 0.999,
  maxTieShare: 0.01,
} as const satisfies Required<SaturationOptions>;

/**
 * Are scores of different people squeezed against the ceiling or onto a few values (an output tensor quantized with too coarse a scale)?
 * Then no threshold can give the FARs in between.
 */
export function saturationGate(impostor: ScoreDistribution, options: SaturationOptions = {}): GateResult {
  const limits = { ...SATURATION_DEFAULTS, ...options };
  const topShare = countAtLeast(impostor, limits.top) / impostor.count;
  const tieShare = largestTie(impostor) / impostor.count;
  const figures = { topShare, tieShare, comparisons: impostor.count, ...limits };
  const crowded = impostor.count >= 100 && tieShare > limits.maxTieShare;
  const reason =
    topShare > limits.maxTopShare
      ? `${percent(topShare)} of the comparisons of different people score ${limits.top} or more, limit ${percent(limits.maxTopShare)}`
      : crowded
        ? `${percent(tieShare)} of the comparisons of different people have one and the same score, limit ${percent(limits.maxTieShare)}`
        : `${percent(topShare)} at the top, ${percent(tieShare)} on the commonest score`;
  return { kind: "gate", gate: "saturation", pass: !(topShare > limits.maxTopShare) && !crowded, reason, figures };
}

/** The most comparisons that share a score, among those that are exact. */
function largestTie(distribution: ScoreDistribution): number {
  const { values, exactFrom } = distribution;
  let longest = 0;
  let run = 0;
  for (let k = 0; k < values.length; k++) {
    if ((values[k] as number) < exactFrom) continue;
    run = k > 0 && values[k] === values[k - 1] ? run + 1 : 1;
    if (run > longest) longest = run;
  }
  return longest;
}

function withoutKind(health: EmbeddingHealth): Readonly<Record<string, number>> {
  const { kind: _, ...figures } = health;
  return figures;
}

function show(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function percent(share: number): string {
  return `${show(share * 100)} %`;
}
