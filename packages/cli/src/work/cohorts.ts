import { at } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import { type CohortLoss, cohortLosses, genuineNeeded, worstCohortGate } from "@tessera/core/biometrics/cohort-loss";
import type { CohortRow, CohortTable, GateResult } from "@tessera/core/protocol/report";
import type { EvaluationSet } from "./accuracy.ts";
import type { Judged } from "./judge.ts";
import type { PeopleData } from "./people-data.ts";

/** Cohorts listed in a report. */
const LISTED = 40;

/** By what people are split, and how much a cohort may lose. */
export interface CohortSplit {
  /** A column of the manifest. */
  readonly column: string;
  /** Cohort of each row of the evaluation set; empty for none. */
  readonly cohortOf: readonly string[];
  /** Largest loss of TAR of any cohort against the baseline; absent: cohorts are shown, and no limit is set. */
  readonly maxDrop?: number;
}

/** The cohorts that a column of the manifest makes of an evaluation set. @throws DATASET_INVALID when there is no such column */
export function cohortSplit(
  data: PeopleData,
  set: EvaluationSet,
  options: { readonly column: string; readonly maxDrop?: number | undefined },
): CohortSplit {
  const { column, maxDrop } = options;
  const values = data.manifest.columns.get(column);
  if (values === undefined) {
    const known = [...data.manifest.columns.keys()].join(", ");
    throw fail("DATASET_INVALID", `Cannot split by ${column}: ${data.folder} has no such column`, {
      hint: `Its manifest has ${known === "" ? "path and subject only" : known}`,
    });
  }
  const cohortOf = set.rows.map((row) => at(values, row));
  return { column, cohortOf, ...(maxDrop === undefined ? {} : { maxDrop }) };
}

/** How a model treats the cohorts at a FAR, against a baseline where there is one; and the gate, where a limit was set. */
export function judgeCohorts(
  candidate: Judged,
  baseline: Judged | undefined,
  split: CohortSplit,
  options: { readonly far: number; readonly replicates: number; readonly seed: number },
): { readonly cohorts?: CohortTable; readonly gate?: GateResult } {
  const reference = baseline ?? candidate;
  const { column, maxDrop } = split;
  const losses = cohortLosses(reference.evaluated.scores, candidate.evaluated.scores, {
    ...options,
    cohortOf: split.cohortOf,
    rankedReference: reference.evaluated.ranked,
    rankedCandidate: candidate.evaluated.ranked,
    ...(maxDrop === undefined ? {} : { minGenuine: genuineNeeded(maxDrop) }),
  });
  const gated = baseline !== undefined && maxDrop !== undefined;
  if (losses.kind === "insufficient-data")
    return gated ? { gate: { gate: "worst-cohort", pass: false, says: `cohorts by ${column}: ${losses.says}` } } : {};
  const found = gated ? worstCohortGate(losses, { maxDrop }) : undefined;
  const compared = baseline !== undefined;
  return {
    cohorts: {
      column,
      far: losses.far,
      threshold: losses.candidateThreshold,
      ...(compared ? { baselineThreshold: losses.referenceThreshold } : {}),
      rows: losses.rows.slice(0, LISTED).map((row) => rowOf(row, compared)),
      unlisted: Math.max(0, losses.rows.length - LISTED),
      ...(compared && losses.worst !== undefined ? { worst: losses.worst.cohort } : {}),
      convention: losses.convention,
    },
    ...(found === undefined ? {} : { gate: { gate: found.gate, pass: found.pass, says: `by ${column}: ${found.reason}` } }),
  };
}

function rowOf(row: CohortLoss, compared: boolean): CohortRow {
  const { cohort, people, candidateTar, candidateTarInterval, candidateFmr, candidateFmrInterval, difference, says } = row;
  return {
    cohort,
    people,
    genuine: row.genuineCount,
    impostor: row.impostorCount,
    falseNonMatches: row.candidateMisses,
    ...(candidateTar === undefined || candidateTarInterval === undefined
      ? {}
      : { tar: { value: candidateTar, ...candidateTarInterval } }),
    ...(candidateFmr === undefined || candidateFmrInterval === undefined
      ? {}
      : { fmr: { value: candidateFmr, ...candidateFmrInterval } }),
    ...(compared && row.referenceTar !== undefined ? { baselineTar: row.referenceTar } : {}),
    ...(compared && row.referenceFmr !== undefined ? { baselineFmr: row.referenceFmr } : {}),
    ...(compared && difference !== undefined ? { difference: { value: difference.value, ...difference.interval } } : {}),
    ...(says === undefined ? {} : { says }),
  };
}
