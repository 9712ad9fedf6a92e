import { fail } from "../base/error.ts";
import { countAtLeast, countBelow, type ScoreDistribution } from "./scores.ts";

/** What errors cost. */
export interface DetectionCosts {
  /** How often a trial is genuine in use, 0..1 exclusive. */
  readonly prior: number;
  /** Cost of rejecting a genuine trial. */
  readonly miss: number;
  /** Cost of accepting an impostor. */
  readonly falseAccept: number;
}

/** Costs of NIST's speaker recognition evaluations since 2008 for their low false alarm point: one genuine trial in a hundred, equal costs. */
export const DCF_DEFAULTS: DetectionCosts = { prior: 0.01, miss: 1, falseAccept: 1 };

/** Detection cost of a threshold, divided by that of the better of accepting or rejecting everybody. */
function costAt(miss: number, falseAccept: number, costs: DetectionCosts): number {
  const [m, f] = [costs.miss * costs.prior, costs.falseAccept * (1 - costs.prior)];
  return (m * miss + f * falseAccept) / Math.min(m, f);
}

function checked(options: Partial<DetectionCosts>): DetectionCosts {
  const costs: DetectionCosts = { ...DCF_DEFAULTS, ...options };
  if (!(costs.prior > 0 && costs.prior < 1 && costs.miss > 0 && costs.falseAccept > 0))
    throw fail(
      "SCORES_INVALID",
      `Cannot weigh errors with a prior of ${costs.prior} and costs ${costs.miss} and ${costs.falseAccept}`,
    );
  return costs;
}

/**
 * The least normalised detection cost over all thresholds (NIST minDCF, scores accepted at or above it), at most 1.
 * @throws SCORES_INVALID for a prior or cost that cannot be
 */
export function minDcf(
  scores: { readonly genuine: ScoreDistribution; readonly impostor: ScoreDistribution },
  options: Partial<DetectionCosts> = {},
): number {
  const costs = checked(options);
  const { genuine, impostor } = scores;
  let best = costAt(1, 0, costs);
  // Between two genuine scores no threshold is better than the upper one.
  for (const threshold of genuine.values) {
    const miss = countBelow(genuine, threshold) / genuine.count;
    best = Math.min(best, costAt(miss, countAtLeast(impostor, threshold) / impostor.count, costs));
  }
  return Math.min(best, costAt(0, 1, costs));
}

/** The normalised detection cost of log-likelihood ratios where Bayes' rule puts the threshold (NIST actDCF). @throws SCORES_INVALID as {@link minDcf} */
export function actualDcf(
  ratios: { readonly genuine: ScoreDistribution; readonly impostor: ScoreDistribution },
  options: Partial<DetectionCosts> = {},
): number {
  const costs = checked(options);
  const { genuine, impostor } = ratios;
  const threshold = Math.log((costs.falseAccept * (1 - costs.prior)) / (costs.miss * costs.prior));
  return costAt(countBelow(genuine, threshold) / genuine.count, countAtLeast(impostor, threshold) / impostor.count, costs);
}
