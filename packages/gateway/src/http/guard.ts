import { fail } from "@tessera/core/base/error";
import type { Context, MiddlewareHandler } from "hono";
import type { AppEnv, AppParts } from "./parts.ts";
import { createRateLimit } from "./rate-limit.ts";
import { mayCall, type NeededRole } from "./roles.ts";
import type { TokenEntry } from "./tokens.ts";

/** Who may come in. */
export interface Guard {
  /** Lets callers of a role pass, at their rate. Answers 401, 403, 429. */
  role(needed: NeededRole): MiddlewareHandler<AppEnv>;
  /** Whose token it is. Strangers are counted by address and written down. @throws AUTH_MISSING, RATE_LIMITED */
  caller(token: string | undefined, address: string): Promise<TokenEntry>;
  /** Whether the token of a caller that was let in still holds: a body may take long to come. @throws AUTH_MISSING when it was revoked meanwhile */
  still(c: Context<AppEnv>): void;
  /** Milliseconds that a caller must wait before its next call; 0 for none. */
  waitMs(caller: string): number;
}

/** Longest token that is looked at. */
const MAX_TOKEN = 256;

/** The guard of an application. */
export function createGuard(parts: AppParts): Guard {
  const { now, limits } = parts;
  const calls = createRateLimit({ perMinute: limits.callsPerMinute, now });
  const strangers = createRateLimit({ perMinute: limits.strangersPerMinute, now });
  // The audit log must not be filled by whoever knocks: one line a minute, with how often it happened.
  const told = createRateLimit({ perMinute: 1, now });
  let knocks = 0;
  const caller = async (token: string | undefined, address: string): Promise<TokenEntry> => {
    const found = token === undefined || token.length > MAX_TOKEN ? undefined : parts.tokens.find(token);
    if (found !== undefined) return found;
    parts.metrics.strangers();
    knocks++;
    if (told.take("audit") === 0) {
      const detail = { count: knocks };
      knocks = 0;
      await parts.audit.append("unknown-caller", { detail });
    }
    const waitMs = strangers.take(address);
    if (waitMs > 0) throw fail("RATE_LIMITED", "Cannot let you in: too many calls without a known token from this address");
    throw fail(
      "AUTH_MISSING",
      token === undefined ? "Cannot let you in: the call carries no token" : "Cannot let you in: the token is not known",
    );
  };
  const waitMs = (id: string): number => calls.take(id);
  return {
    caller,
    waitMs,
    still(c) {
      const { id, role } = c.get("caller");
      const found = parts.tokens.find(bearer(c) ?? "");
      if (found?.id !== id || found.role !== role)
        throw fail("AUTH_MISSING", "Cannot let you in: the token does not hold any more");
    },
    role: (needed) => async (c, next) => {
      const { id, role } = await caller(bearer(c), addressOf(c));
      c.set("caller", { id, role });
      const wait = waitMs(id);
      if (wait > 0) throw tooOften(c, wait);
      if (!mayCall(role, needed)) {
        await parts.audit.append("forbidden", { detail: { caller: id, needed } });
        throw fail("AUTH_FORBIDDEN", `Cannot do that with a token of role ${role}: it needs ${needed}`);
      }
      await next();
    },
  };
}

/** An error for whoever asks too often, with the header that says how long to wait. */
export function tooOften(c: Context<AppEnv>, waitMs: number): Error {
  c.header("Retry-After", String(Math.max(1, Math.ceil(waitMs / 1000))));
  return fail("RATE_LIMITED", `Cannot take more calls: wait ${Math.max(1, Math.ceil(waitMs / 1000))} s`);
}

function bearer(c: Context<AppEnv>): string | undefined {
  return /^Bearer ([\w.~+/=-]+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
}

function addressOf(c: Context<AppEnv>): string {
  return c.env?.incoming?.socket.remoteAddress ?? "unknown";
}
