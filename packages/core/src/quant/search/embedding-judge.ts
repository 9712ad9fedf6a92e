import { at } from "../../base/assert.ts";
import { compareAll } from "../../biometrics/compare.ts";
import type { ComparisonDesign } from "../../biometrics/design.ts";
import { scoreShift } from "../../biometrics/flips.ts";
import { judgeNear, nearThreshold } from "../../biometrics/near-threshold.ts";
import type { Embeddings } from "../../biometrics/similarity.ts";
import { operatingLoss, smoothedReference } from "../../biometrics/smoothed.ts";
import type { Judgement } from "./judgement.ts";

/** What judges embeddings of the people of a search against those of the float network. */
export type EmbeddingJudge = (unit: Embeddings) => Judgement;

/**
 * A judge for one set of people at one FAR. Deterministic; people are drawn alike for every network that it judges.
 *
 * @throws SCORES_INVALID when there are too few impostor comparisons for the FAR
 */
export function embeddingJudge(
  reference: Embeddings,
  design: ComparisonDesign,
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

/** Cosines between unit embeddings of the same items. */
function cosines(a: Embeddings, b: Embeddings): { readonly mean: number; readonly min: number } {
  let sum = 0;
  let min = 1;
  for (let i = 0; i < a.count; i++) {
    let dot = 0;
    for (let k = i * a.dim; k < (i + 1) * a.dim; k++) dot += (a.data[k] as number) * (b.data[k] as number);
    sum += dot;
    min = Math.min(min, dot);
  }
  return { mean: sum / a.count, min };
}
