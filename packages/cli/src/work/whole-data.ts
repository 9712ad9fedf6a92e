import { at } from "@tessera/core/base/assert";
import { selectEmbeddings } from "@tessera/core/biometrics/similarity";
import type { WholeDataTable } from "@tessera/core/protocol/search-report";
import { type EvaluationSet, evaluateEmbeddings } from "./accuracy.ts";
import type { Embedded } from "./embed.ts";
import { compareToBaseline, type Judged } from "./judge.ts";
import type { OptimizeJob } from "./request.ts";
import type { Variant } from "./variants.ts";

/** Embeddings of everybody, cut down to those of a set, with the figures of the set. */
export function judgeOn(all: Embedded, whole: EvaluationSet, set: EvaluationSet, job: OptimizeJob): Judged {
  if (set === whole) return { ...all, evaluated: evaluateEmbeddings(all.unit, set, job) };
  const place = new Map(whole.rows.map((row, i) => [row, i] as const));
  const rows = Uint32Array.from(set.rows, (row) => place.get(row) as number);
  const unit = selectEmbeddings(all.unit, rows);
  return { raw: selectEmbeddings(all.raw, rows), unit, evaluated: evaluateEmbeddings(unit, set, job) };
}

/** Figures of all variants on everybody. One variant is judged at a time: scores of everybody are the largest thing in memory. */
export function wholeDataTable(
  embedded: readonly Embedded[],
  about: { readonly variants: readonly Variant[]; readonly whole: EvaluationSet; readonly searched: number },
  job: OptimizeJob,
): WholeDataTable {
  const { variants, whole, searched } = about;
  const baseline = judgeOn(at(embedded, 0), whole, whole, job);
  return {
    says: `Everybody, the ${searched} people of the search included: figures of variants that were searched for are optimistic here`,
    people: whole.people.length,
    samples: whole.rows.length,
    genuine: whole.genuine,
    impostor: whole.impostor,
    candidates: variants.map((variant, i) => {
      const judged = i === 0 ? baseline : judgeOn(at(embedded, i), whole, whole, job);
      const versus = i === 0 ? undefined : compareToBaseline(baseline, judged, whole, job);
      return {
        id: variant.id,
        tarAtFar: judged.evaluated.accuracy.tarAtFar.flatMap((p) =>
          p.kind === "figure" ? [{ far: p.far, tar: p.tar, threshold: p.threshold }] : [],
        ),
        tarDifference: versus?.tarDifference ?? [],
        ...(versus === undefined
          ? {}
          : {
              cosineMean: versus.cosineMean,
              worstScoreShift: versus.worstScoreShift,
              impostorMeanShift: versus.impostorMeanShift,
            }),
      };
    }),
  };
}
