import type { GatewayModality, GatewayRole, ModalityAnswer, ModalityOutcome } from "@tessera/core/protocol/gateway-api";
import type { JudgedModality, Judgement } from "./judge.ts";
import type { DecisionPolicy } from "./policy.ts";

const ASKS: Readonly<Record<GatewayModality, string>> = {
  face: "A picture of the face is needed too",
  voice: "A recording of the voice is needed too",
};

const NOT_LIVE: Readonly<Record<GatewayModality, string>> = {
  face: "The face must be that of a person in front of the camera",
  voice: "The voice must be that of a person at the microphone",
};

/** Sentences for the person about a judgement. They say the same of somebody who is not enrolled as of somebody who does not match. */
export function reasonsOf({ decision, modalities }: Judgement, mode: DecisionPolicy["mode"]): readonly string[] {
  if (decision === "accept") return [];
  const says = modalities.flatMap(({ modality, outcome, probe }): readonly string[] => {
    if (outcome === "not-live") return [NOT_LIVE[modality]];
    if (outcome === "not-sent") return decision === "retry" && mode !== "any" ? [ASKS[modality]] : [];
    if (outcome === "poor-quality") return (probe?.notes ?? []).map((note) => note.says);
    return [];
  });
  if (decision === "reject" && !modalities.some((m) => m.outcome === "not-live")) return ["Not recognised", ...new Set(says)];
  return [...new Set(says.length === 0 ? ["Try again"] : says)];
}

/**
 * One modality as a caller of a role is told. Scores, thresholds and P(real) go to developers only: they are what hill climbing lives on. That a
 * subject is not enrolled goes to operators only: with a capture token nobody can list who is.
 */
export function tellModality(judged: JudgedModality, role: GatewayRole): ModalityAnswer {
  const { modality, probe, score, threshold } = judged;
  const trusted = role === "developer";
  return {
    modality,
    outcome: toldOutcome(judged.outcome, role),
    notes: probe?.notes ?? [],
    quality: probe?.quality ?? {},
    ...(trusted && score !== undefined && { score }),
    ...(trusted && threshold !== undefined && { threshold }),
    ...(trusted && probe?.liveness !== undefined && { liveness: probe.liveness.real }),
  };
}

function toldOutcome(outcome: ModalityOutcome, role: GatewayRole): ModalityOutcome {
  return outcome === "not-enrolled" && role !== "operator" && role !== "developer" ? "no-match" : outcome;
}
