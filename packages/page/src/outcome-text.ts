import type { EnrolAnswer, EnrolRefusal, GatewayModality, ModalityAnswer } from "@tessera/core/protocol/gateway-api";
import type { Outcome } from "./flow.ts";
import { mostPressing } from "./guidance.ts";
import { GUIDANCE, MODALITIES, OUTCOMES, say } from "./sentences.ts";

/** The look of a result. */
export type Tone = "good" | "bad" | "again" | "locked";

/** A line about one modality. */
export interface OutcomeLine {
  readonly modality: GatewayModality;
  readonly good: boolean;
  readonly text: string;
}

/** A result in words. */
export interface OutcomeText {
  readonly tone: Tone;
  readonly title: string;
  readonly says: readonly string[];
  readonly lines: readonly OutcomeLine[];
  /** With tone "locked": seconds until it opens; absent where waiting does not help. */
  readonly retryAfterSeconds?: number;
}

const TONES = { accept: "good", reject: "bad", retry: "again", locked: "locked" } as const;

/** What to tell about an answer to `subject` ("" where nobody was named). */
export function outcomeText(outcome: Outcome, subject: string): OutcomeText {
  if (outcome.kind === "enrolment") {
    const { answer } = outcome;
    const stored = answer.enrolled.length > 0;
    return {
      tone: stored ? "good" : "again",
      title: stored ? say("enrolled", { subject: answer.subject }) : say("notEnrolled"),
      says: stored ? [] : [...refusalOf(answer), say("notEnrolledSays")],
      lines: stored
        ? answer.enrolled.map(({ modality, samples }) => ({
            modality,
            good: true,
            text: say("enrolledPart", { modality: MODALITIES[modality], samples: samplesText(samples) }),
          }))
        : onlyOnce(linesOf(answer.modalities).filter(({ good }) => !good)),
    };
  }
  const { decision } = outcome;
  const tone = TONES[decision.decision];
  const who = decision.subject ?? subject;
  const title = {
    good: who === "" ? say("acceptedNobody") : say("accepted", { subject: who }),
    bad: say("rejected"),
    again: say("retry"),
    locked: say("locked"),
  }[tone];
  // The gateway's reasons, but for those that the title or a line below says anyway.
  const told = new Set([title, ...decision.modalities.flatMap(({ notes }) => notes.map((note) => note.says))]);
  const reasons = decision.reasons.filter((reason) => !told.has(reason));
  const { retryAfterSeconds } = decision;
  return {
    tone,
    title,
    says: tone === "again" ? [...reasons, say("retrySays")] : reasons,
    lines: linesOf(decision.modalities),
    ...(tone === "locked" && retryAfterSeconds !== undefined ? { retryAfterSeconds } : {}),
  };
}

/** The gateway's own words of why not. */
function refusalOf(answer: EnrolAnswer | EnrolRefusal): readonly string[] {
  return "error" in answer ? [answer.error.says] : [];
}

/** An enrolment names every capture; what is wrong with three of them is said once. */
function onlyOnce(lines: readonly OutcomeLine[]): readonly OutcomeLine[] {
  return [...new Map(lines.map((line) => [line.text, line])).values()];
}

function samplesText(count: number): string {
  return count === 1 ? say("sampleOne") : say("sampleMany", { count });
}

function linesOf(answers: readonly ModalityAnswer[]): readonly OutcomeLine[] {
  return answers
    .filter(({ outcome }) => outcome !== "not-sent")
    .map((answer) => {
      const { modality, outcome, notes } = answer;
      const words = { modality: MODALITIES[modality], outcome: OUTCOMES[outcome] };
      const note = outcome === "poor-quality" ? mostPressing(notes) : undefined;
      return {
        modality,
        good: outcome === "match" || outcome === "not-compared",
        text:
          note === undefined
            ? say("modalityOutcome", words)
            : say("modalityNote", { ...words, note: GUIDANCE[note.code] ?? note.says }),
      };
    });
}
