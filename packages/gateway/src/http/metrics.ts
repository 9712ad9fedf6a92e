import type { StageTime } from "@tessera/core/protocol/gateway-api";
import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** What the service counts. No label holds a subject, a caller's address or anything that a caller can choose. */
export interface GatewayMetrics {
  /** Prometheus text. */
  print(): Promise<{ readonly type: string; readonly text: string }>;
  request(route: string, status: number, ms: number): void;
  decision(call: "verify" | "identify", decision: string, ms: number): void;
  enrolment(outcome: "enrolled" | "refused"): void;
  stages(stages: readonly StageTime[]): void;
  lockedOut(): void;
  strangers(): void;
  live(change: 1 | -1): void;
  liveFrame(outcome: "looked-at" | "dropped"): void;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 5];

/** Metrics with a registry of their own. `gauges` are asked when somebody looks. */
export function createMetrics(
  gauges: Readonly<Record<string, { readonly help: string; readonly read: () => number }>> = {},
): GatewayMetrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: "tessera_requests_total",
    help: "Requests by route and status",
    labelNames: ["route", "status"],
    registers,
  });
  const requestTime = new Histogram({
    name: "tessera_request_seconds",
    help: "Time of requests by route",
    labelNames: ["route"],
    buckets: SECONDS,
    registers,
  });
  const decisions = new Counter({
    name: "tessera_decisions_total",
    help: "Decisions by call and outcome",
    labelNames: ["call", "decision"],
    registers,
  });
  const decisionTime = new Histogram({
    name: "tessera_decision_seconds",
    help: "Time to decide by call",
    labelNames: ["call"],
    buckets: SECONDS,
    registers,
  });
  const enrolments = new Counter({
    name: "tessera_enrolments_total",
    help: "Enrolments by outcome",
    labelNames: ["outcome"],
    registers,
  });
  const stageTime = new Histogram({
    name: "tessera_stage_seconds",
    help: "Time of stages",
    labelNames: ["stage", "modality"],
    buckets: SECONDS,
    registers,
  });
  const lockouts = new Counter({ name: "tessera_lockouts_total", help: "Tries that met a lock-out", registers });
  const unknown = new Counter({ name: "tessera_unknown_callers_total", help: "Calls without a known token", registers });
  const sockets = new Gauge({ name: "tessera_live_connections", help: "Open WebSockets", registers });
  const frames = new Counter({
    name: "tessera_live_frames_total",
    help: "Frames of WebSockets",
    labelNames: ["outcome"],
    registers,
  });
  const memory = { help: "Resident memory", read: () => process.memoryUsage.rss() };
  for (const [name, { help, read }] of Object.entries({ resident_bytes: memory, ...gauges })) {
    new Gauge({
      name: `tessera_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }
  return {
    print: async () => ({ type: registry.contentType, text: await registry.metrics() }),
    request(route, status, ms) {
      requests.inc({ route, status });
      requestTime.observe({ route }, ms / 1000);
    },
    decision(call, decision, ms) {
      decisions.inc({ call, decision });
      decisionTime.observe({ call }, ms / 1000);
    },
    enrolment: (outcome) => enrolments.inc({ outcome }),
    stages(stages) {
      for (const { stage, modality = "", ms } of stages) stageTime.observe({ stage, modality }, ms / 1000);
    },
    lockedOut: () => lockouts.inc(),
    strangers: () => unknown.inc(),
    live: (change) => sockets.inc(change),
    liveFrame: (outcome) => frames.inc({ outcome }),
  };
}
