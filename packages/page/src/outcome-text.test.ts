import type { Decision, EnrolRefusal, ModalityAnswer } from "@tessera/core/protocol/gateway-api";
import { describe, expect, it } from "vitest";
import { outcomeText } from "./outcome-text.ts";

const FACE: ModalityAnswer = { modality: "face", outcome: "match", notes: [], quality: {} };
const VOICE: ModalityAnswer = { modality: "voice", outcome: "match", notes: [], quality: {} };

function told(decision: Partial<Decision>, subject = "ada") {
  const whole: Decision = { decision: "accept", reasons: [], modalities: [FACE, VOICE], stages: [], totalMs: 1, ...decision };
  return outcomeText({ kind: "decision", decision: whole, roundTripMs: 1 }, subject);
}

describe("outcomeText()", () => {
  it("welcomes the person who was named, or found", () => {
    expect(told({}).title).toBe("Welcome, ada");
    expect(told({ subject: "grace" }, "").title).toBe("Welcome, grace");
    expect(told({}, "").title).toBe("Welcome");
    expect(told({}).tone).toBe("good");
  });

  it("says of a rejection which modality did not match, and nothing twice", () => {
    const text = told({
      decision: "reject",
      reasons: ["Not recognised", "Try in better light"],
      modalities: [{ ...FACE, outcome: "no-match" }, VOICE],
    });
    expect(text).toMatchObject({ tone: "bad", title: "Not recognised", says: ["Try in better light"] });
    expect(text.lines.map(({ text, good }) => [text, good])).toEqual([
      ["Face does not match", false],
      ["Voice matches", true],
    ]);
  });

  it("says that a screen is no person", () => {
    const text = told({ decision: "reject", modalities: [{ ...FACE, outcome: "not-live" }] });
    expect(text.lines[0]?.text).toBe("Face looks like a picture or a screen, not a person");
  });

  it("says what to do better and that it did not count; what was not sent is left out", () => {
    const blurred = { ...FACE, outcome: "poor-quality", notes: [{ code: "blurred", says: "Hold still" }] } as const;
    const text = told({ decision: "retry", reasons: ["Hold still"], modalities: [blurred, { ...VOICE, outcome: "not-sent" }] });
    expect(text).toMatchObject({ tone: "again", says: ["This did not count as a wrong try."] });
    expect(text.lines.map((line) => line.text)).toEqual(["Face could not be used. Hold still for a moment"]);
  });

  it("counts down a lock-out that ends by itself, and not one that an operator must lift", () => {
    const locked = { decision: "locked", reasons: ["Too many wrong tries"], modalities: [] } as const;
    expect(told({ ...locked, retryAfterSeconds: 30 })).toMatchObject({ tone: "locked", retryAfterSeconds: 30 });
    expect(told(locked)).not.toHaveProperty("retryAfterSeconds");
    expect(told(locked).says).toEqual(["Too many wrong tries"]);
  });

  it("lists what was enrolled", () => {
    const enrolled = [
      { modality: "face", template: "t", samples: 4 },
      { modality: "voice", template: "u", samples: 1 },
    ] as const;
    const answer = { subject: "ada", enrolled, modalities: [FACE], stages: [], totalMs: 1 };
    const text = outcomeText({ kind: "enrolment", answer, roundTripMs: 1 }, "ada");
    expect(text).toMatchObject({ tone: "good", title: "ada is enrolled" });
    expect(text.lines.map((line) => line.text)).toEqual(["Face: 4 captures", "Voice: 1 capture"]);
  });

  it("says why nothing was enrolled, the same thing once", () => {
    const answer: EnrolRefusal = {
      error: { code: "ENROL_REFUSED", says: "Cannot enrol: a capture is not that of a living person", next: "" },
      subject: "ada",
      enrolled: [],
      modalities: [
        { ...FACE, outcome: "not-live" },
        { ...FACE, outcome: "not-live" },
        { ...VOICE, outcome: "not-compared" },
      ],
      stages: [],
      totalMs: 1,
    };
    const text = outcomeText({ kind: "enrolment", answer, roundTripMs: 1 }, "ada");
    expect(text.tone).toBe("again");
    expect(text.says).toEqual(["Cannot enrol: a capture is not that of a living person", "Nothing was stored."]);
    expect(text.lines).toHaveLength(1);
  });
});
