import type { Decision, GatewayRole, StageTime } from "@tessera/core/protocol/gateway-api";
import { type Examination, examine, type Judgement, judge, strength, type UsableProbe } from "../decision/judge.ts";
import type { DecisionPolicy } from "../decision/policy.ts";
import { reasonsOf, tellModality } from "../decision/tell.ts";
import type { Probe } from "../pipeline/pipeline.ts";
import type { AppParts, Caller } from "./parts.ts";

/** Who is to be recognised: one named person, or anybody. */
export type Asked = { readonly call: "verify"; readonly subject: string } | { readonly call: "identify" };

/** A finished decision: what the caller is told, and who it is about. */
export interface Decided {
  readonly answer: Omit<Decision, "totalMs">;
  readonly subject?: string;
}

/** Candidates that the search for anybody looks at more closely, for each capture. */
const CANDIDATES = 8;

/** The key under which tries are counted: of the subject, or of the caller where nobody is named. The same for subjects that do not exist. */
export function lockKey(asked: Asked, caller: Caller): string {
  return asked.call === "verify" ? subjectKey(asked.subject) : `caller:${caller.id}`;
}

function subjectKey(subject: string): string {
  return `subject:${subject}`;
}

/** The answer while tries are locked out; `undefined` when one may be made. */
export function lockedAnswer(parts: AppParts, key: string): Decided["answer"] | undefined {
  const state = parts.lockout.check(key);
  if (state.allowed) return undefined;
  parts.metrics.lockedOut();
  const locked = { decision: "locked", modalities: [], stages: [] } as const;
  // Without a time to wait: waiting does not help.
  if (state.needsPrimary) return { ...locked, reasons: ["Too many wrong tries: an operator must unlock"] };
  const retryAfterSeconds = Math.max(1, Math.ceil(state.retryAfterMs / 1000));
  return { ...locked, reasons: [`Too many wrong tries: wait ${retryAfterSeconds} s`], retryAfterSeconds };
}

/**
 * From captures after the networks to a decision. Tries on one subject (or of one caller) are decided one after another, and a wrong one is on disk
 * before it is answered: fifty at once are no more tries than five in a row.
 */
export async function decide(
  parts: AppParts,
  request: {
    readonly asked: Asked;
    readonly caller: Caller;
    readonly probes: readonly Probe[];
  },
): Promise<Decided> {
  const { asked, caller, probes } = request;
  const key = lockKey(asked, caller);
  const policy = parts.policy[asked.call];
  const before = probes.flatMap((p) => p.stages);
  const examined = examine(policy, probes);
  // Nothing was compared and nobody is told anything: this is no try.
  if (examined.kind === "judged" && examined.judgement.decision === "retry")
    return { answer: answerOf(examined.judgement, { role: caller.role, mode: policy.mode, stages: before }) };
  return parts.lockout.exclusive(key, async () => {
    const locked = lockedAnswer(parts, key);
    if (locked !== undefined) return { answer: { ...locked, stages: before } };
    const { judgement, subject, stages } = compare(parts, policy, asked, examined);
    // Who is locked out by name is locked out for the search of anybody too: it would be the way around.
    const held =
      asked.call === "identify" && subject !== undefined && judgement.decision === "accept"
        ? lockedAnswer(parts, subjectKey(subject))
        : undefined;
    if (held !== undefined) {
      await parts.audit.append(asked.call, { subject: subject ?? "", detail: { caller: caller.id, decision: held.decision } });
      return { answer: { ...held, stages: [...before, ...stages] } };
    }
    const answer = answerOf(judgement, { role: caller.role, mode: policy.mode, stages: [...before, ...stages] });
    const accepted = judgement.decision === "accept" && subject !== undefined;
    if (accepted) await parts.lockout.passed(key);
    else await parts.lockout.failed(key);
    await parts.audit.append(asked.call, {
      ...(asked.call === "verify" || accepted ? { subject: subject ?? "" } : {}),
      detail: {
        caller: caller.id,
        decision: judgement.decision,
        ...Object.fromEntries(judgement.modalities.map((m) => [m.modality, m.outcome])),
      },
    });
    if (!accepted) {
      const state = parts.lockout.check(key);
      if (!state.allowed)
        await parts.audit.append("lockout", {
          ...(asked.call === "verify" ? { subject: asked.subject } : {}),
          detail: { caller: caller.id, needsPrimary: state.needsPrimary },
        });
      return { answer };
    }
    return { answer: asked.call === "identify" ? { ...answer, subject } : answer, subject };
  });
}

function answerOf(
  judgement: Judgement,
  about: { readonly role: GatewayRole; readonly mode: DecisionPolicy["mode"]; readonly stages: readonly StageTime[] },
): Decided["answer"] {
  const { role, mode, stages } = about;
  const { decision, modalities, fusedScore } = judgement;
  return {
    decision,
    reasons: reasonsOf(judgement, mode),
    modalities: modalities.map((m) => tellModality(m, role)),
    stages,
    ...(role === "developer" && fusedScore !== undefined && { fusedScore }),
  };
}

interface Compared {
  readonly judgement: Judgement;
  readonly subject?: string;
  readonly stages: readonly StageTime[];
}

function compare(parts: AppParts, policy: DecisionPolicy, asked: Asked, examined: Examination): Compared {
  const subject = asked.call === "verify" ? asked.subject : undefined;
  if (examined.kind === "judged") return { judgement: examined.judgement, ...(subject !== undefined && { subject }), stages: [] };
  const startMs = performance.now();
  if (subject !== undefined) {
    const judgement = judge(policy, examined, scoresOf(parts, subject));
    return { judgement, subject, stages: [{ stage: "compare", ms: performance.now() - startMs }] };
  }
  const found = best(parts, policy, examined);
  return { ...found, stages: [{ stage: "search", ms: performance.now() - startMs }] };
}

function scoresOf({ templates }: AppParts, subject: string) {
  return (probe: UsableProbe, space: string): number | undefined =>
    templates.score(subject, { modality: probe.modality, space, vector: probe.embedding });
}

/** The person whom the captures match best, among those that the search of any modality finds. */
function best(
  parts: AppParts,
  policy: DecisionPolicy,
  examined: Extract<Examination, { kind: "usable" }>,
): { readonly judgement: Judgement; readonly subject?: string } {
  const subjects = new Set<string>();
  for (const { modality, embedding } of examined.probes)
    for (const { space } of policy.modalities[modality]?.spaces ?? [])
      for (const { subject } of parts.templates.search({ modality, space, vector: embedding }, CANDIDATES)) subjects.add(subject);
  const judged = [...subjects].map((subject) => ({ subject, judgement: judge(policy, examined, scoresOf(parts, subject)) }));
  const accepted = judged.filter((j) => j.judgement.decision === "accept");
  const [first] = accepted.sort((a, b) => strength(b.judgement) - strength(a.judgement));
  if (first !== undefined) return first;
  // Whom the captures nearly matched is nobody's business: the answer is about nobody in particular.
  const modalities = examined.seen.map((m) => (m.outcome === "not-compared" ? { ...m, outcome: "no-match" as const } : m));
  return { judgement: { decision: "reject", modalities } };
}
