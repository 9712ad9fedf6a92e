import { fail } from "@tessera/core/base/error";
import { enrolMean } from "@tessera/core/modality/enrol";
import type { EnrolAnswer, EnrolRefusal, GatewayModality, StageTime } from "@tessera/core/protocol/gateway-api";
import type { JudgedModality } from "../decision/judge.ts";
import { MODALITIES } from "../decision/policy.ts";
import { tellModality } from "../decision/tell.ts";
import type { Probe } from "../pipeline/pipeline.ts";
import type { NewTemplate } from "../store/template-store.ts";
import type { AppParts, Caller } from "./parts.ts";
import { problemOf } from "./problem.ts";

/** What became of an enrolment. */
export type Enrolled =
  | { readonly status: 201; readonly answer: Omit<EnrolAnswer, "totalMs"> }
  | { readonly status: 422; readonly answer: Omit<EnrolRefusal, "totalMs"> };

/**
 * Enrols all captures or none: every one must be good and live, those of one modality must agree with each other, and none may be of somebody who is
 * enrolled under another name. @throws what the store does
 */
export async function enrol(
  parts: AppParts,
  request: { readonly subject: string; readonly caller: Caller; readonly probes: readonly Probe[] },
): Promise<Enrolled> {
  const { subject, caller, probes } = request;
  const looked = probes.map((probe) => look(parts, probe));
  const stages: StageTime[] = probes.flatMap((p) => [...p.stages]);
  const refuse = async (why: string, modalities: readonly JudgedModality[]): Promise<Enrolled> => {
    parts.metrics.enrolment("refused");
    await parts.audit.append("enrol-refused", { subject, detail: { caller: caller.id, why } });
    const { body } = problemOf(fail("ENROL_REFUSED", `Cannot enrol: ${why}`));
    return {
      status: 422,
      answer: { ...body, subject, enrolled: [], modalities: modalities.map((m) => tellModality(m, caller.role)), stages },
    };
  };
  if (looked.some((m) => m.outcome === "not-live")) return refuse("a capture is not that of a living person", looked);
  if (looked.some((m) => m.outcome === "poor-quality")) return refuse("a capture is not good enough", looked);
  const templates: NewTemplate[] = [];
  for (const modality of MODALITIES) {
    const vectors = looked.flatMap((m) =>
      m.modality === modality && m.probe?.embedding !== undefined ? [m.probe.embedding] : [],
    );
    const rules = parts.policy.verify.modalities[modality];
    const own = rules?.spaces[0];
    if (vectors.length === 0 || own === undefined) continue;
    // Not `least < asked`: a cosine that is no number is no agreement.
    if (!(leastCosine(vectors) >= (parts.policy.enrol.agreementCosine ?? own.thresholdCosine)))
      return refuse(`the captures of the ${modality} are not of one person`, disagreeing(looked, modality));
    templates.push({ subject, modality, space: own.space, vector: enrolMean(vectors), samples: vectors.length });
  }
  const startMs = performance.now();
  if (parts.policy.enrol.duplicates === "refuse" && templates.some((t) => isSomebodyElse(parts, t)))
    return refuse("they match somebody who is enrolled under another name", looked);
  stages.push({ stage: "search", ms: performance.now() - startMs });
  // Written down first: an enrolment that nobody can find in the log is worse than a line about one that did not come to be.
  await parts.audit.append("enrol", {
    subject,
    detail: { caller: caller.id, ...Object.fromEntries(templates.map((t) => [t.modality, t.samples])) },
  });
  const storeMs = performance.now();
  const stored = await parts.templates.enrol(templates);
  stages.push({ stage: "store", ms: performance.now() - storeMs });
  parts.metrics.enrolment("enrolled");
  const enrolled = stored.map(({ modality, id, samples }) => ({ modality, template: id, samples }));
  return { status: 201, answer: { subject, enrolled, modalities: looked.map((m) => tellModality(m, caller.role)), stages } };
}

function look(parts: AppParts, probe: Probe): JudgedModality {
  const { modality, liveness, embedding, space } = probe;
  const rules = parts.policy.verify.modalities[modality];
  const judged = (outcome: JudgedModality["outcome"]): JudgedModality => ({ modality, probe, outcome });
  if (liveness?.passed === false) return judged("not-live");
  if (embedding === undefined || rules === undefined || space !== rules.spaces[0]?.space) return judged("poor-quality");
  // Fails closed, as when somebody is verified.
  return judged(rules.liveness && liveness?.passed !== true ? "not-live" : "not-compared");
}

function disagreeing(looked: readonly JudgedModality[], modality: GatewayModality): readonly JudgedModality[] {
  return looked.map((m) => (m.modality === modality ? { ...m, outcome: "no-match" } : m));
}

/** Whether a template matches another subject's, at the threshold of the search for anybody. */
function isSomebodyElse(parts: AppParts, { subject, modality, vector }: NewTemplate): boolean {
  return (parts.policy.identify.modalities[modality]?.spaces ?? []).some(({ space, thresholdCosine }) =>
    parts.templates.search({ modality, space, vector }, 2).some((c) => c.subject !== subject && c.score >= thresholdCosine),
  );
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

function leastCosine(vectors: readonly Float32Array[]): number {
  let least = 1;
  for (let i = 0; i < vectors.length; i++)
    for (let j = 0; j < i; j++) least = Math.min(least, dot(vectors[i] as Float32Array, vectors[j] as Float32Array));
  return least;
}
