/** A number somebody else's document gives, and whether we read it there. */
interface Sourced {
  readonly value: number;
  readonly source: string;
  /** Read in the source itself. */
  readonly verified: boolean;
}

/** How many wrong tries cost how long. */
export interface LockoutPolicy {
  /** Wrong tries in a row that cost nothing yet, with the one that does. */
  readonly tries: Sourced;
  /** Wait after that try. */
  readonly firstWaitMs: Sourced;
  /** Factor from one wait to the next. */
  readonly growth: Sourced;
  readonly longestWaitMs: Sourced;
  /** Wrong tries in a row after which only the primary credential helps. */
  readonly primaryAfter: Sourced;
}

/** The first two as Android asks of every class of biometrics; the rest is our choice. */
export const LOCKOUT_POLICY = {
  tries: { value: 5, source: "Android 11 compatibility definition: five false trials of adequate quality", verified: true },
  firstWaitMs: { value: 30_000, source: "Android 11 compatibility definition: 30 seconds", verified: true },
  growth: { value: 2, source: "our choice", verified: true },
  longestWaitMs: { value: 900_000, source: "our choice", verified: true },
  primaryAfter: { value: 20, source: "our choice", verified: true },
} as const satisfies LockoutPolicy;

/** What so many wrong tries in a row cost. */
export function costOf(policy: LockoutPolicy, failures: number): { readonly waitMs: number; readonly needsPrimary: boolean } {
  const beyond = failures - policy.tries.value;
  const wait = policy.firstWaitMs.value * policy.growth.value ** Math.max(beyond, 0);
  return {
    waitMs: beyond < 0 ? 0 : Math.round(Math.min(wait, policy.longestWaitMs.value)),
    needsPrimary: failures >= policy.primaryAfter.value,
  };
}
