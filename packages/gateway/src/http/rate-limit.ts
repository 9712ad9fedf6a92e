/** How often something may be done by whom. */
export interface RateLimit {
  /** Takes one; 0 when it may be done, else milliseconds until it may. */
  take(key: string): number;
}

/** Keys that are remembered at a time; beyond, those longest at rest are forgotten. */
const MAX_KEYS = 10_000;

/** Token buckets, one a key: `burst` at once, `perMinute` in the long run. */
export function createRateLimit(options: {
  readonly perMinute: number;
  readonly burst?: number;
  readonly now: () => number;
}): RateLimit {
  const { perMinute, now } = options;
  const burst = options.burst ?? perMinute;
  const everyMs = 60_000 / perMinute;
  // By the time at which the bucket would be full again: one number holds its state.
  const fullAt = new Map<string, number>();
  return {
    take(key) {
      const nowMs = now();
      // No bucket is emptier than empty: after the clock was set back it would seem so, and nobody were let in until it has caught up.
      const full = Math.min(Math.max(fullAt.get(key) ?? 0, nowMs), nowMs + burst * everyMs);
      const waitMs = full + everyMs - (nowMs + burst * everyMs);
      if (waitMs > 1e-6) {
        fullAt.set(key, full);
        return waitMs;
      }
      fullAt.delete(key);
      fullAt.set(key, full + everyMs);
      if (fullAt.size > MAX_KEYS) fullAt.delete(fullAt.keys().next().value as string);
      return 0;
    },
  };
}
