import type { HttpBindings } from "@hono/node-server";
import type { AuditEntry, GatewayRole, Health } from "@tessera/core/protocol/gateway-api";
import type { DecisionPolicy } from "../decision/policy.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import type { Audit, Lockout, TemplateStore } from "../store/template-store.ts";
import type { Authenticator } from "../verdict/authenticator.ts";
import type { VerdictSigner } from "../verdict/signer.ts";
import type { GatewayLog } from "./log.ts";
import type { GatewayMetrics } from "./metrics.ts";
import type { TokenBook } from "./tokens.ts";

/** The log as the gateway reads it back. */
export interface AuditLog extends Audit {
  /** At most `limit` entries from a sequence number on. */
  read(from: number, limit: number): Promise<readonly AuditEntry[]>;
}

/** Bounds of what the service takes on. */
export interface ServiceLimits {
  readonly maxBodyBytes: number;
  /** Bytes of all requests in memory at a time. */
  readonly maxHeldBytes: number;
  /** Requests whose captures are worked on at a time, and that wait for it. */
  readonly concurrent: number;
  readonly queue: number;
  /** Calls of one token a minute. */
  readonly callsPerMinute: number;
  /** Captures of one token a minute that were not good enough: they count as no tries. */
  readonly retriesPerMinute: number;
  /** Calls without a known token from one address a minute. */
  readonly strangersPerMinute: number;
  /** Captures of one modality that one enrolment may hold. */
  readonly enrolCaptures: number;
  readonly nonceLifetimeMs: number;
  /** WebSockets at a time. */
  readonly liveConnections: number;
  /** Largest frame over a WebSocket, bytes. */
  readonly liveFrameBytes: number;
  /** A WebSocket that says nothing for so long is closed, milliseconds. */
  readonly liveIdleMs: number;
}

/** What a configuration leaves out. */
export const SERVICE_LIMITS = {
  maxBodyBytes: 8 << 20,
  maxHeldBytes: 64 << 20,
  concurrent: 8,
  queue: 128,
  callsPerMinute: 600,
  retriesPerMinute: 60,
  strangersPerMinute: 30,
  enrolCaptures: 10,
  nonceLifetimeMs: 60_000,
  liveConnections: 16,
  liveFrameBytes: 2 << 20,
  liveIdleMs: 30_000,
} as const satisfies ServiceLimits;

/** How people are enrolled. */
export interface EnrolPolicy {
  /** Least cosine between any two captures of one modality; the threshold of verification unless given. */
  readonly agreementCosine?: number;
  /** Whether somebody who matches another subject is refused. */
  readonly duplicates: "refuse" | "allow";
}

/** Everything the service is made of. */
export interface AppParts {
  readonly version: string;
  readonly deviceId: string;
  readonly pipeline: Pipeline;
  readonly templates: TemplateStore;
  readonly lockout: Lockout;
  readonly audit: AuditLog;
  readonly tokens: TokenBook;
  /** For one named person, and for anybody: the search of many asks for more. */
  readonly policy: { readonly verify: DecisionPolicy; readonly identify: DecisionPolicy; readonly enrol: EnrolPolicy };
  readonly limits: ServiceLimits;
  readonly signer?: VerdictSigner;
  readonly authenticator?: Authenticator;
  readonly metrics: GatewayMetrics;
  readonly log: GatewayLog;
  /** What is wrong, besides what the service sees itself. */
  readonly problems: () => Health["problems"];
  /** Files of the page by their address. */
  readonly page: ReadonlyMap<string, string>;
  /** Whether connections are encrypted. */
  readonly tls: boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Who calls. */
export interface Caller {
  /** Id of the token. */
  readonly id: string;
  readonly role: GatewayRole;
}

/** What hono carries along with a request. */
export interface AppEnv {
  Bindings: Partial<HttpBindings>;
  Variables: { caller: Caller; requestId: string; outcome?: string };
}
