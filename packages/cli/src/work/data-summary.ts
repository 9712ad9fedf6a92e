import type { DataSummary } from "@tessera/core/protocol/report";
import type { EvaluationSet } from "./accuracy.ts";
import type { PeopleData } from "./people-data.ts";

/** An evaluation's people and comparisons, as a report has them. */
export function evaluationSummary(data: PeopleData, set: EvaluationSet): DataSummary["evaluation"] {
  return {
    name: data.name,
    samples: set.rows.length,
    subjects: set.people.length,
    genuine: set.genuine,
    impostor: set.impostor,
    digest: data.digest,
    protocol: set.protocol,
  };
}

/** How many pictures gave no face, and what became of them. */
export function failuresOf(data: PeopleData): DataSummary["failuresToAcquire"] {
  const { samples } = data;
  const { failures } = samples;
  if (samples.kind === "windows")
    return { count: failures.length, policy: "a recording in which no voice could be heard is left out of every comparison" };
  const replaced = failures.filter((f) => f.used === "centre-crop").length;
  const policy =
    replaced > 0
      ? "the picture's centre stands in for a face that was not found"
      : "a picture without a face is left out of every comparison";
  return { count: failures.length, policy };
}
