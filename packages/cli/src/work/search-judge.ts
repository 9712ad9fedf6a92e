import { at } from "@tessera/core/base/assert";
import { compareAll } from "@tessera/core/biometrics/compare";
import { scoreShift } from "@tessera/core/biometrics/flips";
import { judgeNear, nearThreshold } from "@tessera/core/biometrics/near-threshold";
import type { Embeddings } from "@tessera/core/biometrics/similarity";
import { operatingLoss, smoothedReference } from "@tessera/core/biometrics/smoothed";
import type { Judgement } from "@tessera/core/quant/search/judgement";
import type { EvaluationSet } from "./accuracy.ts";
import { cosines } from "./judge.ts";

/** What judges embeddings of the people of a search against those of the float network. */
export type EmbeddingJudge = (unit: Embeddings) => Judgement;

/**
 * A judge for one set of people at one FAR. Deterministic; people are drawn alike for every network that it judges.
 *
 * @throws SCORES_INVALID when there are too few impostor comparisons for the FAR
 */
export function embeddingJudge(
  reference: Embeddings,
  { design }: Pick<EvaluationSet, "design">,
  options: { readonly far: number },
): EmbeddingJudge {
  const float = compareAll(reference, design);
  const near = nearThreshold(float, options);
  const smooth = smoothedReference(float, { fars: [options.far] });
  return (unit) => {
    const scores = compareAll(unit, design);
    const { value, influence, points } = operatingLoss(smooth, scores);
    const { smoothed } = at(points, 0);
    const { refitted, genuine, impostor, pairs } = judgeNear(near, unit);
    const shift = scoreShift(float, scores);
    const cosine = cosines(reference, unit);
    const count = genuine.count + impostor.count;
    return {
      loss: value / 100,
      influence: Array.from(influence, (points) => points / 100),
      smoothed: { value: smoothed.value / 100, low: smoothed.interval.low / 100, high: smoothed.interval.high / 100 },
      flips: refitted.total,
      nearPairs: pairs,
      // Each kind around its own mean: a common shift is taken up by the threshold.
      spread: Math.sqrt(
        (genuine.count * (genuine.rms ** 2 - genuine.mean ** 2) + impostor.count * (impostor.rms ** 2 - impostor.mean ** 2)) /
          count,
      ),
      impostorShift: shift.impostor.mean,
      worstShift: Math.max(Math.abs(shift.genuine.worst.shift), Math.abs(shift.impostor.worst.shift)),
      cosineMean: cosine.mean,
      cosineMin: cosine.min,
    };
  };
}

/** Some items of embeddings, in that order. */
export function rowsOfEmbeddings({ data, dim }: Embeddings, rows: readonly number[]): Embeddings {
  const out = new Float32Array(rows.length * dim);
  for (const [i, row] of rows.entries()) out.set(data.subarray(row * dim, (row + 1) * dim), i * dim);
  return { kind: "embeddings", data: out, count: rows.length, dim };
}
