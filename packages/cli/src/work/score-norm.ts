import { at } from "@tessera/core/base/assert";
import type { ComparisonScores } from "@tessera/core/biometrics/compare";
import type { Embeddings } from "@tessera/core/biometrics/similarity";
import { adaptiveTop, cohortTemplates, normaliseComparisons } from "@tessera/core/modality/voice/cohort";
import type { EvaluationSet } from "./accuracy.ts";
import { type Evaluatee, type EvaluateRequest, embedRows } from "./evaluatee.ts";
import { otherPeople } from "./mixing.ts";

/** How scores may be normalised; "none": cosines as they are. */
export const SCORE_NORM_NAMES = ["none", "s-norm", "as-norm"] as const;

/** See {@link SCORE_NORM_NAMES}. */
export type ScoreNormName = (typeof SCORE_NORM_NAMES)[number];

/** What scores were normalised by; plain JSON. */
export interface ScoreNormSummary {
  readonly method: Exclude<ScoreNormName, "none">;
  /** People of the cohort, and how many of them count for each side. */
  readonly people: number;
  readonly top: number;
  readonly data: string;
}

/** Normalises the scores of one model's unit embeddings. */
export interface ScoreNormaliser {
  readonly summary: ScoreNormSummary;
  readonly apply: (scores: ComparisonScores, unit: Embeddings) => ComparisonScores;
}

/**
 * A normaliser for each model, in their order: recordings of people who are not evaluated (role cohort or calib of the calibration data) are embedded with
 * each. `undefined` when scores stay as they are.
 *
 * @throws INSUFFICIENT_DATA for too few people
 */
export async function scoreNormalisers(
  models: readonly Evaluatee[],
  set: EvaluationSet,
  request: EvaluateRequest,
): Promise<readonly ScoreNormaliser[] | undefined> {
  const { scoreNorm: method, progress } = request;
  if (method === "none") return undefined;
  const rows = otherPeople(models, set);
  const made: ScoreNormaliser[] = [];
  for (const model of models) {
    const data = model.calibration ?? model.data;
    progress.stage(`embedding the cohort of ${data.name}`, rows.length);
    const { unit } = await embedRows(model, data, rows, request);
    const cohort = cohortTemplates(
      unit,
      rows.map((row) => at(data.manifest.subjects ?? [], row)),
    );
    const top = method === "as-norm" ? adaptiveTop(cohort) : cohort.count;
    made.push({
      summary: { method, people: cohort.count, top, data: data.name },
      apply: (scores, own) => normaliseComparisons(scores, { unit: own, cohort, top }),
    });
  }
  return made;
}
