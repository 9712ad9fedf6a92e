import { at } from "@tessera/core/base/assert";
import { collapseGate, impostorTailGate } from "@tessera/core/biometrics/gates";
import { embeddingHealth } from "@tessera/core/biometrics/health";
import { comparePaired } from "@tessera/core/biometrics/paired";
import type { Embeddings } from "@tessera/core/biometrics/similarity";
import type { GateResult, Versus } from "@tessera/core/protocol/report";
import type { Evaluated, EvaluationSet } from "./accuracy.ts";

/** Flips listed in the report, closest to the threshold first, per FAR and class. */
const LISTED_FLIPS = 50;

/** A model's embeddings of the evaluation rows and all that came of them. */
export interface Judged {
  readonly raw: Embeddings;
  readonly unit: Embeddings;
  readonly evaluated: Evaluated;
}

/** The cosine between two models' unit embeddings of each sample. */
export function rowCosines(a: Embeddings, b: Embeddings): Float64Array {
  return Float64Array.from({ length: a.count }, (_, i) => {
    let dot = 0;
    for (let k = i * a.dim; k < (i + 1) * a.dim; k++) dot += (a.data[k] as number) * (b.data[k] as number);
    return dot;
  });
}

/** Cosines between two models' unit embeddings of the same samples. */
export function cosines(a: Embeddings, b: Embeddings): { readonly mean: number; readonly min: number } {
  const rows = rowCosines(a, b);
  return { mean: rows.reduce((sum, c) => sum + c, 0) / a.count, min: rows.reduce((least, c) => Math.min(least, c), 1) };
}

/** A candidate against the baseline, on the same comparisons and the same resamples of people. */
export function compareToBaseline(
  baseline: Judged,
  candidate: Judged,
  set: EvaluationSet,
  options: { readonly fars: readonly number[]; readonly replicates: number; readonly seed: number },
): Versus {
  const paired = comparePaired(baseline.evaluated.scores, candidate.evaluated.scores, {
    ...options,
    rankedReference: baseline.evaluated.ranked,
    rankedCandidate: candidate.evaluated.ranked,
    flipLimit: LISTED_FLIPS,
  });
  const cosine = cosines(baseline.unit, candidate.unit);
  const points = paired.points.flatMap((p) => (p.kind === "paired-point" ? [p] : []));
  return {
    cosineMean: cosine.mean,
    cosineMin: cosine.min,
    tarDifference: points.map((p) => ({ far: p.far, difference: { value: p.ownThresholds.value, ...p.ownThresholds.interval } })),
    realisedFar: points.map((p) => ({
      far: p.far,
      threshold: p.reference.threshold,
      realised: p.candidateAtReferenceThreshold.fmr,
    })),
    flips: points.map((p) => {
      const flips = p.flipsOwnThresholds;
      return {
        far: p.far,
        newlyAccepted: flips.genuineGained + flips.impostorGained,
        newlyRejected: flips.genuineLost + flips.impostorLost,
        impostorsNewlyAccepted: flips.impostorGained,
        examples: [...flips.genuine, ...flips.impostor]
          .sort((a, b) => a.distance - b.distance)
          .slice(0, LISTED_FLIPS)
          .map((flip) => ({
            a: at(set.names, flip.a),
            b: at(set.names, flip.b),
            genuine: flip.kind === "genuine",
            baselineScore: flip.referenceScore,
            score: flip.candidateScore,
            accepted: flip.now === "accepted",
          })),
      };
    }),
    worstScoreShift: Math.max(Math.abs(paired.shift.genuine.worst.shift), Math.abs(paired.shift.impostor.worst.shift)),
    impostorMeanShift: paired.shift.impostor.mean,
  };
}

/** Whether a candidate is safe to look at any further: it must tell people apart, and strangers must not have come closer. */
export function gatesOf(
  candidate: Judged,
  baseline: Judged | undefined,
  set: EvaluationSet,
  fars: readonly number[],
): readonly GateResult[] {
  const reference = baseline === undefined ? {} : { reference: embeddingHealth(baseline.raw, set.subjects) };
  const gates = [collapseGate(candidate.raw, set.subjects, reference)];
  if (baseline !== undefined)
    gates.push(impostorTailGate(candidate.evaluated.cosines.impostor, baseline.evaluated.cosines.impostor, { fars }));
  return gates.map((g) => ({ gate: g.gate, pass: g.pass, says: g.reason }));
}
