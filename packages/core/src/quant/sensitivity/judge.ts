import { type ComparisonScores, compareAll } from "../../biometrics/compare.ts";
import type { ComparisonDesign } from "../../biometrics/design.ts";
import { judgeNear, type NearVerdict, nearThreshold } from "../../biometrics/near-threshold.ts";
import { type Embeddings, normaliseRows } from "../../biometrics/similarity.ts";
import { type OperatingLoss, operatingLoss, type SmoothedOptions, smoothedReference } from "../../biometrics/smoothed.ts";
import type { FlipCount } from "./reason.ts";

/** What a network does to the operating point, beside the float one. Plain JSON. */
export interface OperatingVerdict extends FlipCount {
  /** Cosine of each sample's embedding to the float one. */
  readonly cosine: { readonly mean: number; readonly least: number };
  readonly loss: Omit<OperatingLoss, "influence">;
  /** Near the threshold of the first FAR; `flips` are those with the threshold fitted anew. */
  readonly near: NearVerdict;
}

/** Judges embeddings of the items of a design, one row each, normalised or not. */
export type OperatingJudge = (embeddings: Embeddings) => OperatingVerdict;

/**
 * A judge against a float network's embeddings, for {@link measureSensitivity}.
 *
 * @param reference - of the float network, normalised or not
 * @throws SCORES_INVALID when a FAR has too few impostor comparisons; the judge: when an embedding has no direction
 */
export function operatingJudge(
  reference: Embeddings,
  design: ComparisonDesign,
  options: SmoothedOptions & { readonly nearCount?: number },
): OperatingJudge {
  const { nearCount, ...smoothing } = options;
  const float = normaliseRows(reference);
  const scores: ComparisonScores = compareAll(float, design);
  const smooth = smoothedReference(scores, smoothing);
  const far = options.fars[0] as number;
  const near = nearThreshold(scores, { far, ...(nearCount === undefined ? {} : { count: nearCount }) });
  return (embeddings) => {
    const unit = normaliseRows(embeddings);
    const { influence: _, ...loss } = operatingLoss(smooth, compareAll(unit, design));
    const verdict = judgeNear(near, unit);
    return {
      flips: verdict.refitted.total,
      nearPairs: verdict.pairs,
      cosine: cosines(float, unit),
      loss,
      near: verdict,
    };
  };
}

function cosines(a: Embeddings, b: Embeddings): { readonly mean: number; readonly least: number } {
  let sum = 0;
  let least = 1;
  for (let row = 0; row < a.count; row++) {
    let dot = 0;
    for (let k = row * a.dim; k < (row + 1) * a.dim; k++) dot += (a.data[k] as number) * (b.data[k] as number);
    sum += dot;
    least = Math.min(least, dot);
  }
  return { mean: sum / a.count, least };
}
