import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FlowEvent, type FlowState, flowAfter, isRunning, needsMedia, type Plan, SUBJECT_MAX, subjectOf } from "./flow.ts";

const PLAN: Plan = { task: "enrol", subject: "ada", faces: 2, voices: 1 };
const DECISION: FlowEvent = {
  kind: "answered",
  outcome: {
    kind: "decision",
    decision: { decision: "accept", reasons: [], modalities: [], stages: [], totalMs: 1 },
    roundTripMs: 2,
  },
};

function after(...events: readonly FlowEvent[]): FlowState {
  return events.reduce<FlowState>(flowAfter, { kind: "idle" });
}

describe("flowAfter()", () => {
  it("goes through faces and voices to sending and the answer", () => {
    const events: readonly FlowEvent[] = [
      { kind: "start", plan: PLAN },
      { kind: "opened" },
      { kind: "face-taken" },
      { kind: "face-taken" },
      { kind: "voice-taken" },
      DECISION,
    ];
    const kinds = events.map((_, i) => after(...events.slice(0, i + 1)).kind);
    expect(kinds).toEqual(["opening", "face", "face", "voice", "sending", "done"]);
  });

  it("leaves out what the plan leaves out", () => {
    const opened = (plan: Partial<Plan>) => after({ kind: "start", plan: { ...PLAN, ...plan } }, { kind: "opened" }).kind;
    expect(opened({ faces: 0 })).toBe("voice");
    expect(
      after({ kind: "start", plan: { ...PLAN, faces: 1, voices: 0 } }, { kind: "opened" }, { kind: "face-taken" }).kind,
    ).toBe("sending");
    expect(after({ kind: "start-with-files", plan: PLAN }).kind).toBe("sending");
  });

  it("ignores what comes too late and what comes twice", () => {
    const stopped = after({ kind: "start", plan: PLAN }, { kind: "stop" });
    for (const late of [{ kind: "opened" }, { kind: "face-taken" }, { kind: "voice-taken" }, DECISION] as const) {
      expect(flowAfter(stopped, late)).toBe(stopped);
    }
    expect(flowAfter(stopped, { kind: "went-wrong", problem: { kind: "offline" } })).toBe(stopped);
    const running = after({ kind: "start", plan: PLAN });
    expect(flowAfter(running, { kind: "start", plan: { ...PLAN, subject: "eve" } })).toBe(running);
  });

  it("never sends before every capture of the plan was taken, and holds camera and microphone only while capturing", () => {
    const events = fc.array(
      fc.constantFrom<FlowEvent>(
        { kind: "start", plan: PLAN },
        { kind: "opened" },
        { kind: "face-taken" },
        { kind: "voice-taken" },
        { kind: "went-wrong", problem: { kind: "busy" } },
        { kind: "stop" },
        DECISION,
      ),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(events, (list) => {
        let state: FlowState = { kind: "idle" };
        let faces = 0;
        let voices = 0;
        for (const event of list) {
          const before: FlowState = state;
          state = flowAfter(state, event);
          if (state.kind === "opening" && before.kind !== "opening") [faces, voices] = [0, 0];
          if (event.kind === "face-taken" && state !== before) faces++;
          if (event.kind === "voice-taken" && state !== before) voices++;
          if (state.kind === "sending") expect([faces, voices]).toEqual([PLAN.faces, PLAN.voices]);
          if (needsMedia(state)) expect(isRunning(state)).toBe(true);
          if (state.kind === "sending" || !isRunning(state)) expect(needsMedia(state)).toBe(false);
        }
      }),
    );
  });
});

describe("subjectOf()", () => {
  it("takes names as the gateway does, trimmed and in NFC", () => {
    expect(subjectOf("  ada.lovelace@example_1 ")).toBe("ada.lovelace@example_1");
    expect(subjectOf("Zoe\u0308")).toBe("Zo\u00eb");
    expect(subjectOf("李雷")).toBe("李雷");
    expect(subjectOf("a".repeat(SUBJECT_MAX))).toBeDefined();
  });

  it("refuses everything else", () => {
    for (const text of ["", " ", "a b", "../x", ".a", "-a", "a/b", "a%2fb", "<b>", "a\u0000", "a".repeat(SUBJECT_MAX + 1)]) {
      expect(subjectOf(text), JSON.stringify(text)).toBeUndefined();
    }
  });
});
