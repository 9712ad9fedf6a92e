/** The clocks the store reads. */
export interface StoreClock {
  /** Milliseconds since 1970, as the device believes; may jump. */
  wallMs(): number;
  /** Milliseconds since some moment of this process; never goes back. */
  monotonicMs(): number;
}

/** The clocks of this machine. */
export const SYSTEM_CLOCK: StoreClock = { wallMs: () => Date.now(), monotonicMs: () => performance.now() };
