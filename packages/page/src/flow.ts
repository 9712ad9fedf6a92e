import type { Decision, EnrolAnswer } from "@tessera/core/protocol/gateway-api";
import type { Problem } from "./problem.ts";

/** What a person came for. */
export type Task = "verify" | "identify" | "enrol";

/** What one run of a task captures. */
export interface Plan {
  readonly task: Task;
  /** Who it is about; empty for identify. */
  readonly subject: string;
  /** Pictures and clips wanted; 0 leaves the modality out. */
  readonly faces: number;
  readonly voices: number;
}

/** An enrolment takes several captures, whose mean makes a better template; a try takes one of each. */
export const CAPTURES = {
  enrol: { faces: 4, voices: 3 },
  verify: { faces: 1, voices: 1 },
  identify: { faces: 1, voices: 1 },
} as const;

/** What the gateway said, and how long the page waited for it. */
export type Outcome =
  | { readonly kind: "decision"; readonly decision: Decision; readonly roundTripMs: number }
  | { readonly kind: "enrolment"; readonly answer: EnrolAnswer; readonly roundTripMs: number };

/** Where a run is. */
export type FlowState =
  | { readonly kind: "idle" }
  | { readonly kind: "opening"; readonly plan: Plan }
  | { readonly kind: "face"; readonly plan: Plan; readonly taken: number }
  | { readonly kind: "voice"; readonly plan: Plan; readonly taken: number }
  | { readonly kind: "sending"; readonly plan: Plan }
  | { readonly kind: "done"; readonly plan: Plan; readonly outcome: Outcome }
  | { readonly kind: "stuck"; readonly plan: Plan; readonly problem: Problem };

/** What moves a run on. */
export type FlowEvent =
  | { readonly kind: "start"; readonly plan: Plan }
  /** Files were chosen: nothing needs to be captured. */
  | { readonly kind: "start-with-files"; readonly plan: Plan }
  | { readonly kind: "opened" }
  | { readonly kind: "face-taken" }
  | { readonly kind: "voice-taken" }
  | { readonly kind: "answered"; readonly outcome: Outcome }
  | { readonly kind: "went-wrong"; readonly problem: Problem }
  | { readonly kind: "stop" };

/** The state after an event. An event that does not fit (a picture that arrives after "stop") changes nothing. */
export function flowAfter(state: FlowState, event: FlowEvent): FlowState {
  switch (event.kind) {
    case "start":
      return isRunning(state) ? state : { kind: "opening", plan: event.plan };
    case "start-with-files":
      return isRunning(state) ? state : { kind: "sending", plan: event.plan };
    case "stop":
      return { kind: "idle" };
    case "opened":
      return state.kind === "opening" ? capturing(state.plan, 0, 0) : state;
    case "face-taken":
      return state.kind === "face" ? capturing(state.plan, state.taken + 1, 0) : state;
    case "voice-taken":
      return state.kind === "voice" ? capturing(state.plan, state.plan.faces, state.taken + 1) : state;
    case "answered":
      return state.kind === "sending" ? { kind: "done", plan: state.plan, outcome: event.outcome } : state;
    case "went-wrong":
      return isRunning(state) ? { kind: "stuck", plan: state.plan, problem: event.problem } : state;
  }
}

/** First the faces, then the voices, then off it goes. */
function capturing(plan: Plan, faces: number, voices: number): FlowState {
  if (faces < plan.faces) return { kind: "face", plan, taken: faces };
  if (voices < plan.voices) return { kind: "voice", plan, taken: voices };
  return { kind: "sending", plan };
}

/** A state in which something is under way. */
export type RunningState = Extract<FlowState, { readonly kind: "opening" | "face" | "voice" | "sending" }>;

/** Whether something is under way. */
export function isRunning(state: FlowState): state is RunningState {
  return state.kind === "opening" || state.kind === "face" || state.kind === "voice" || state.kind === "sending";
}

/** Whether camera and microphone may be on: in every other state they must be off. */
export function needsMedia(state: FlowState): boolean {
  return state.kind === "opening" || state.kind === "face" || state.kind === "voice";
}

/** Longest name of a person that the page sends. */
export const SUBJECT_MAX = 128;

/** A name as the gateway takes it: letters and digits of any script and `. _ @ + -`, in NFC, beginning with a letter or digit; undefined when it is none. */
export function subjectOf(text: string): string | undefined {
  const name = text.trim().normalize("NFC");
  return name.length <= SUBJECT_MAX && /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._@+-]*$/u.test(name) ? name : undefined;
}
