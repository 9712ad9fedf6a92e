import { randomBytes } from "node:crypto";
import { fail } from "@tessera/core/base/error";
import type { Session } from "@tessera/core/graph/runtime";
import { endSession } from "../engine-session.ts";
import type { AgentLimits } from "./limits.ts";
import { type ModelShelf, modelShelf } from "./model-shelf.ts";
import { sameSecret } from "./token.ts";

/** Somebody's hold on the device. */
export interface Lease {
  readonly id: string;
  readonly sessions: Map<number, Session>;
  readonly shelf: ModelShelf;
  /** Aborted once the lease ends: work for it is of no use any more. */
  readonly gone: AbortSignal;
  /** Numbers for sessions. */
  next(): number;
}

/** Who has the device: one at a time. */
export interface LeaseOffice {
  /** @throws AGENT_REFUSED when somebody has it, or what they left behind is still running */
  take(): Lease;
  /** The lease of that id. @throws AGENT_REFUSED when it is not the one that holds */
  find(id: string | undefined): Lease;
  /** Does work for a lease, alone and within a time. @throws AGENT_REFUSED when it does something else already or is put out meanwhile */
  work<T>(lease: Lease, job: () => Promise<T>): Promise<T>;
  /** Whoever took the device holds it from now on, until {@link free}. */
  hold(lease: Lease): void;
  /** Ends a lease: its work is stopped, its sessions are closed, its models forgotten. */
  free(lease: Lease, why: string): Promise<void>;
  /** Ends the lease that there is. */
  close(): Promise<void>;
}

interface Held {
  readonly lease: Lease;
  readonly abort: AbortController;
  work: Promise<unknown> | undefined;
  timer: NodeJS.Timeout | undefined;
  ending: Promise<void> | undefined;
}

/** An office for one device. `log` hears who came and went. */
export function leaseOffice(limits: AgentLimits, log: (line: string) => void): LeaseOffice {
  let held: Held | undefined;

  function wait(at: Held, options: { readonly ms: number; readonly why: string }): void {
    clearTimeout(at.timer);
    at.timer = setTimeout(() => void end(at, options.why), options.ms);
    at.timer.unref();
  }
  const idle = (at: Held): void => wait(at, { ms: limits.idleMs, why: "silent for too long" });

  async function end(at: Held, why: string): Promise<void> {
    at.ending ??= tidy(at, why);
    await at.ending;
  }
  async function tidy(at: Held, why: string): Promise<void> {
    clearTimeout(at.timer);
    log(`free: ${why}`);
    at.abort.abort();
    const { sessions, shelf } = at.lease;
    const all = [...sessions.values()];
    sessions.clear();
    await Promise.allSettled(all.map(endSession));
    await at.work?.catch(() => undefined);
    shelf.clear();
    // Only now: whoever comes next must not measure beside what was left behind.
    held = undefined;
  }
  function current(lease: Lease): Held {
    if (held?.lease !== lease || held.ending !== undefined)
      throw fail("AGENT_REFUSED", "Cannot use the device: it was given up meanwhile, or the work took too long", {
        hint: "Start again; the agent on the device says why it let go",
      });
    return held;
  }

  return {
    take() {
      if (held !== undefined)
        throw fail("AGENT_REFUSED", "Cannot use the device: it is busy, somebody else is measuring on it", {
          hint: "Try again when they are done; one at a time, or no figure could be trusted",
        });
      const abort = new AbortController();
      let count = 0;
      const lease: Lease = {
        id: randomBytes(24).toString("base64url"),
        sessions: new Map(),
        shelf: modelShelf(limits.modelBytes),
        gone: abort.signal,
        next: () => ++count,
      };
      held = { lease, abort, work: undefined, timer: undefined, ending: undefined };
      wait(held, { ms: limits.holdMs, why: "taken and not held" });
      log("taken");
      return lease;
    },
    find(id) {
      if (held === undefined || held.ending !== undefined || id === undefined || !sameSecret(id, held.lease.id))
        throw fail("AGENT_REFUSED", "Cannot use the device: it was not taken, or was given up after a long silence", {
          hint: "Start again",
        });
      return held.lease;
    },
    async work(lease, job) {
      const at = current(lease);
      if (at.work !== undefined)
        throw fail("AGENT_REFUSED", "Cannot use the device: the request before is still being worked on");
      wait(at, { ms: limits.requestMs, why: `a request took more than ${limits.requestMs} ms` });
      const work = job();
      at.work = work;
      const [outcome] = await Promise.allSettled([work]);
      at.work = undefined;
      // Whatever came of it: whoever was put out is told that.
      current(lease);
      idle(at);
      if (outcome.status === "rejected") throw outcome.reason;
      return outcome.value;
    },
    hold: (lease) => idle(current(lease)),
    free: async (lease, why) => {
      if (held?.lease === lease) await end(held, why);
    },
    close: async () => {
      if (held !== undefined) await end(held, "the agent stops");
    },
  };
}
