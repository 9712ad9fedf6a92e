import type { FlowEvent, Outcome, Plan } from "./flow.ts";
import type { Captures, GatewayClient } from "./gateway-client.ts";
import { problemOf } from "./problem.ts";

/** How often a busy gateway is asked again, and the longest wait in between, seconds. */
const TRIES = 3;
const LONGEST_WAIT_SECONDS = 5;

/** What goes with the captures. */
export interface SendOptions {
  readonly captures: Captures;
  readonly signal: AbortSignal;
  readonly onBusy: () => void;
  readonly wait?: (seconds: number) => Promise<void>;
}

/** Sends captures to the call that the task needs; a busy gateway is asked again after the time it names. Answers with what the run is to be told. */
export async function sendCaptures(
  client: GatewayClient,
  plan: Plan,
  { captures, signal, onBusy, wait = waitSeconds }: SendOptions,
): Promise<FlowEvent> {
  for (let tries = 1; ; tries++) {
    try {
      return { kind: "answered", outcome: await call(client, plan, { captures, signal }) };
    } catch (error) {
      const problem = problemOf(error);
      if (problem.kind !== "busy" || tries >= TRIES || signal.aborted) return { kind: "went-wrong", problem };
      onBusy();
      await wait(Math.min(LONGEST_WAIT_SECONDS, problem.retryAfterSeconds ?? tries));
    }
  }
}

async function call(
  client: GatewayClient,
  { task, subject }: Plan,
  { captures, signal }: Pick<SendOptions, "captures" | "signal">,
): Promise<Outcome> {
  const from = performance.now();
  if (task === "enrol") {
    const answer = await client.enrol(subject, captures, signal);
    return { kind: "enrolment", answer, roundTripMs: performance.now() - from };
  }
  const decision = await (task === "verify" ? client.verify(subject, captures, signal) : client.identify(captures, signal));
  return { kind: "decision", decision, roundTripMs: performance.now() - from };
}

function waitSeconds(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
}
