/** What an agent takes on at most. All are checked before anything of that size is allocated or started. */
export interface AgentLimits {
  /** Largest model or external data file, and all that are kept of a client together, bytes. */
  readonly modelBytes: number;
  /** Largest request that is no upload: inputs of a run, bytes. */
  readonly requestBytes: number;
  /** Models that are open at once. */
  readonly sessions: number;
  /** Threads of a session. */
  readonly threads: number;
  /** Runs that one request may ask for, all sessions and rounds together. */
  readonly runs: number;
  /** Time that one request may take, from its last byte on, milliseconds. Then the client is put out. */
  readonly requestMs: number;
  /** Time in which the body of a request must have come, milliseconds. */
  readonly uploadMs: number;
  /** Time without a request after which the device is free again, milliseconds. */
  readonly idleMs: number;
  /** Time in which whoever took the device must hold it, milliseconds. */
  readonly holdMs: number;
}

/** Defaults of {@link AgentLimits}. */
export const AGENT_LIMITS: AgentLimits = {
  modelBytes: 512 << 20,
  requestBytes: 64 << 20,
  sessions: 64,
  threads: 64,
  runs: 1_000_000,
  requestMs: 600_000,
  uploadMs: 600_000,
  idleMs: 300_000,
  holdMs: 10_000,
};
