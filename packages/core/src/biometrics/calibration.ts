import { at } from "../base/assert.ts";
import { matrix } from "../base/matrix.ts";
import { fitLogisticRegression, type LogisticOptions } from "./logistic.ts";
import { distributionOf, type ScoreDistribution, type Scores } from "./scores.ts";

/** A straight line from scores to log-likelihood ratios (natural logarithm): scale * score + offset. */
export interface ScoreCalibration {
  readonly kind: "calibration";
  readonly scale: number;
  readonly offset: number;
}

/**
 * Fits scores to log-likelihood ratios by prior-weighted logistic regression of one feature. Rises with the score where genuine scores are
 * the higher ones. @throws SCORES_INVALID as {@link fitLogisticRegression}
 */
export function fitLogistic(
  classes: { readonly genuine: Scores; readonly impostor: Scores },
  options: Partial<LogisticOptions> = {},
): ScoreCalibration {
  const { genuine, impostor } = classes;
  const scores = new Float64Array(genuine.length + impostor.length);
  scores.set(genuine);
  scores.set(impostor, genuine.length);
  const labels = new Uint8Array(scores.length).fill(1, 0, genuine.length);
  const fit = fitLogisticRegression(matrix(scores.length, 1, scores), labels, options);
  return { kind: "calibration", scale: at(fit.weights, 0), offset: fit.intercept };
}

/** The log-likelihood ratio of a score. */
export function calibrated(calibration: ScoreCalibration, score: number): number {
  return calibration.scale * score + calibration.offset;
}

/**
 * Cost of log-likelihood ratios, Cllr in bits (Brümmer & du Preez 2006): 0 for perfect certainty, 1 for ratios that say nothing, above 1 for ones
 * that mislead. The mean over all costs and priors of what decisions by these ratios cost.
 */
export function cllr(ratios: { readonly genuine: Scores; readonly impostor: Scores }): number {
  return (meanCost(ratios.genuine, -1) + meanCost(ratios.impostor, 1)) / (2 * Math.LN2);
}

/** Mean of ln(1 + exp(sign * ratio)), without overflow. */
function meanCost(ratios: Scores, sign: number): number {
  let sum = 0;
  for (let i = 0; i < ratios.length; i++) {
    const x = sign * (ratios[i] as number);
    sum += x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
  }
  return sum / ratios.length;
}

/**
 * The least Cllr that any rising map of these scores could reach on these very trials: that of the pool-adjacent-violators ratios. What a
 * system loses by calibration is cllr - minCllr; what it loses by discrimination is minCllr. @throws SCORES_INVALID as {@link distributionOf}
 */
export function minCllr(scores: { readonly genuine: Scores; readonly impostor: Scores }): number {
  const genuine = distributionOf(scores.genuine, "genuine");
  const impostor = distributionOf(scores.impostor, "impostor");
  let cost = 0;
  for (const { mates, others } of isotonicBlocks(genuine, impostor)) {
    // In a block the ratio is that of its shares; a block of one class costs nothing, its ratio being infinite.
    if (mates === 0 || others === 0) continue;
    const ratio = Math.log(mates / genuine.count / (others / impostor.count));
    cost += (mates / genuine.count) * Math.log1p(Math.exp(-ratio)) + (others / impostor.count) * Math.log1p(Math.exp(ratio));
  }
  return cost / (2 * Math.LN2);
}

interface Block {
  mates: number;
  others: number;
}

/** Trials in ascending order of score, pooled until the share of genuine ones rises from block to block. */
function isotonicBlocks(genuine: ScoreDistribution, impostor: ScoreDistribution): readonly Block[] {
  const [a, b] = [genuine.values, impostor.values];
  const blocks: Block[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const score = Math.min(a[i] ?? Number.POSITIVE_INFINITY, b[j] ?? Number.POSITIVE_INFINITY);
    const block: Block = { mates: 0, others: 0 };
    for (; a[i] === score; i++) block.mates++;
    for (; b[j] === score; j++) block.others++;
    for (let last = blocks.at(-1); last && last.mates * block.others >= block.mates * last.others; last = blocks.at(-1)) {
      block.mates += last.mates;
      block.others += last.others;
      blocks.pop();
    }
    blocks.push(block);
  }
  return blocks;
}
