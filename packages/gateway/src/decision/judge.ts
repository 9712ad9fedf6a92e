import type { GatewayModality, ModalityOutcome } from "@tessera/core/protocol/gateway-api";
import type { Probe } from "../pipeline/pipeline.ts";
import { type DecisionPolicy, MODALITIES } from "./policy.ts";

/** What became of one modality, with everything that is known; what a caller is told of it is another matter. */
export interface JudgedModality {
  readonly modality: GatewayModality;
  readonly outcome: ModalityOutcome;
  readonly probe?: Probe;
  readonly score?: number;
  readonly threshold?: number;
}

/** A decision before it is told. A "reject" counts as a try, a "retry" does not: nothing was compared. */
export interface Judgement {
  readonly decision: "accept" | "reject" | "retry";
  readonly modalities: readonly JudgedModality[];
  readonly fusedScore?: number;
}

/** A capture that may be compared. */
export type UsableProbe = Probe & { readonly embedding: Float32Array };

/** Cosine of a probe with the template of somebody in a space; `undefined` where there is none. */
export type ScoreOf = (probe: UsableProbe, space: string) => number | undefined;

/** What {@link examine} finds: a judgement without a comparison, or captures that can be compared. */
export type Examination =
  | { readonly kind: "judged"; readonly judgement: Judgement }
  | { readonly kind: "usable"; readonly probes: readonly UsableProbe[]; readonly seen: readonly JudgedModality[] };

/**
 * Looks at the captures before anything is compared. A capture that is not live ends it as a wrong try whatever else was sent (an attack on one
 * modality is an attack); one that is missing or poor ends it as no try, and nothing is compared then, so that nobody learns about one modality
 * at no cost by spoiling another.
 */
export function examine(policy: DecisionPolicy, probes: readonly Probe[]): Examination {
  const seen = MODALITIES.filter((modality) => policy.modalities[modality] !== undefined).map((modality) => {
    const probe = probes.find((p) => p.modality === modality);
    return { modality, outcome: probe === undefined ? ("not-sent" as const) : looked(policy, probe), ...(probe && { probe }) };
  });
  const usable = seen.flatMap(({ probe, outcome }) =>
    outcome === "not-compared" && probe?.embedding !== undefined ? [{ ...probe, embedding: probe.embedding }] : [],
  );
  if (seen.some((m) => m.outcome === "not-live")) return { kind: "judged", judgement: { decision: "reject", modalities: seen } };
  const enough = policy.mode === "any" ? usable.length > 0 : usable.length === seen.length;
  if (!enough) return { kind: "judged", judgement: { decision: "retry", modalities: seen } };
  return { kind: "usable", probes: usable, seen };
}

function looked(policy: DecisionPolicy, probe: Probe): ModalityOutcome {
  const rules = policy.modalities[probe.modality];
  if (probe.liveness?.passed === false) return "not-live";
  if (probe.embedding === undefined) return "poor-quality";
  // A probe of another space than the policy's is a fault of the set-up: nothing may be compared with it.
  if (rules === undefined || probe.space !== rules.spaces[0]?.space) return "poor-quality";
  // Fails closed (ISO/IEC 30107-3: a non-response is not a bona fide presentation): where liveness is asked for, silence is not a pass.
  if (rules.liveness && probe.liveness?.passed !== true) return "not-live";
  return "not-compared";
}

/** Compares usable captures with one person's templates and decides. */
export function judge(policy: DecisionPolicy, examined: Extract<Examination, { kind: "usable" }>, scoreOf: ScoreOf): Judgement {
  const compared = examined.seen.map((m): JudgedModality => {
    const probe = examined.probes.find((p) => p.modality === m.modality);
    return probe === undefined ? m : comparedWith(policy, probe, scoreOf);
  });
  if (policy.mode === "fused") return fused(policy, compared);
  const matches = compared.filter((m) => m.outcome === "match").length;
  const accepted = policy.mode === "any" ? matches > 0 : matches === compared.length && matches > 0;
  return { decision: accepted ? "accept" : "reject", modalities: compared };
}

function comparedWith(policy: DecisionPolicy, probe: UsableProbe, scoreOf: ScoreOf): JudgedModality {
  const { modality } = probe;
  for (const { space, thresholdCosine } of policy.modalities[modality]?.spaces ?? []) {
    const score = scoreOf(probe, space);
    if (score === undefined) continue;
    // Not `score < threshold`: a score that is no number must not match.
    return { modality, probe, score, threshold: thresholdCosine, outcome: score >= thresholdCosine ? "match" : "no-match" };
  }
  return { modality, probe, outcome: "not-enrolled" };
}

/** Each modality's outcome is then that of the whole: a person below one threshold may well be accepted. */
function fused(policy: DecisionPolicy, compared: readonly JudgedModality[]): Judgement {
  const scores: Partial<Record<GatewayModality, number>> = {};
  for (const { modality, score } of compared) if (score !== undefined) scores[modality] = score;
  const complete = compared.every((m) => m.score !== undefined);
  const fusedScore = complete ? policy.fusion?.apply(scores) : undefined;
  const accepted = fusedScore !== undefined && policy.fusion !== undefined && fusedScore >= policy.fusion.threshold;
  const modalities = compared.map(
    (m) => (m.score === undefined ? m : { ...m, outcome: accepted ? "match" : "no-match" }) as JudgedModality,
  );
  return { decision: accepted ? "accept" : "reject", modalities, ...(fusedScore !== undefined && { fusedScore }) };
}

/** How far a judgement lies above what was asked for, to choose the best of several people: the fused score, else the sum of margins. */
export function strength({ modalities, fusedScore }: Judgement): number {
  if (fusedScore !== undefined) return fusedScore;
  return modalities.reduce((sum, m) => sum + (m.score === undefined || m.threshold === undefined ? 0 : m.score - m.threshold), 0);
}
