import { at, invariant } from "../../base/assert.ts";
import { fail } from "../../base/error.ts";
import type { ComparisonScores } from "../../biometrics/compare.ts";
import { locateImpostors, numberSubjects } from "../../biometrics/design.ts";
import type { Embeddings } from "../../biometrics/similarity.ts";
import { enrolMean } from "../enrol.ts";
import { type CohortStatistics, cohortStatistics, normaliseScore } from "./score-norm.ts";

/** Share of a cohort that adaptive normalisation looks at, and the fewest templates. */
const ADAPTIVE = { share: 1 / 4, least: 10 };

/** How many templates of a cohort adaptive normalisation looks at: a quarter, at least 10. */
export function adaptiveTop(cohort: Embeddings): number {
  return Math.min(cohort.count, Math.max(ADAPTIVE.least, Math.round(cohort.count * ADAPTIVE.share)));
}

/** Fewest people of a cohort: the deviation of fewer scores says nothing. */
export const MIN_COHORT = 10;

/** A cohort's templates, one for each person: the mean of their recordings. f32[people, dim]. @throws INSUFFICIENT_DATA for fewer people than {@link MIN_COHORT} */
export function cohortTemplates(recordings: Embeddings, people: readonly string[]): Embeddings {
  const { dim, data } = recordings;
  invariant(people.length === recordings.count, `${people.length} names for ${recordings.count} recordings`);
  const { subjects, people: persons } = numberSubjects(people);
  const count = persons.length;
  if (count < MIN_COHORT)
    throw fail("INSUFFICIENT_DATA", `Cannot normalise scores by a cohort of ${count} people: at least ${MIN_COHORT} are needed`, {
      hint: "Give recordings of other people with --calib, or as role cohort or calib of the data",
    });
  const rowsOf: number[][] = persons.map(() => []);
  for (const [row, person] of subjects.entries()) rowsOf[person]?.push(row);
  const templates = new Float32Array(count * dim);
  rowsOf.forEach((rows, i) => {
    templates.set(enrolMean(rows.map((row) => data.subarray(row * dim, (row + 1) * dim))), i * dim);
  });
  return { kind: "embeddings", count, dim, data: templates };
}

/** What {@link normaliseComparisons} needs besides the scores. */
export interface CohortOptions {
  /** Length-1 embeddings of what was compared, in the order of the design's items: one list for both sides. */
  readonly unit: Embeddings;
  /** Length-1 templates of people who are not compared. */
  readonly cohort: Embeddings;
  /** Only the so many templates that are most alike count, for each side its own (adaptive s-norm); all unless given. */
  readonly top?: number;
}

/**
 * Every score of a list of comparisons by s-norm, both sides against one cohort (see normaliseScore). Designs of one list only.
 *
 * @throws SCORES_INVALID when somebody is equally alike to the whole cohort
 */
export function normaliseComparisons(scores: ComparisonScores, { unit, cohort, top }: CohortOptions): ComparisonScores {
  const { design } = scores;
  invariant(design.gallery === design.probe && unit.count === design.gallery.length, "normalising needs one list of items");
  const statistics = Array.from({ length: unit.count }, (_, row) => cohortStatistics(againstCohort(unit, row, cohort), top));
  const normal = (a: number, b: number, score: number): number => {
    const [enrolled, probe] = [at<CohortStatistics>(statistics, a), at<CohortStatistics>(statistics, b)];
    return normaliseScore(score, { enrolled, probe }, "s");
  };
  const { genuine, impostor } = scores;
  const pairs = locateImpostors(
    design,
    Uint32Array.from(impostor, (_, k) => k),
  );
  return {
    ...scores,
    genuine: { ...genuine, scores: genuine.scores.map((score, k) => normal(at(genuine.a, k), at(genuine.b, k), score)) },
    impostor: impostor.map((score, k) => normal(at(pairs.a, k), at(pairs.b, k), score)),
  };
}

function againstCohort(unit: Embeddings, row: number, cohort: Embeddings): Float64Array {
  const { dim } = unit;
  return Float64Array.from({ length: cohort.count }, (_, c) => {
    let dot = 0;
    for (let k = 0; k < dim; k++) dot += (unit.data[row * dim + k] as number) * (cohort.data[c * dim + k] as number);
    return dot;
  });
}
