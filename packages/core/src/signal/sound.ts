import { fail } from "../base/error.ts";

/** One channel of sound in memory. */
export interface Sound {
  readonly kind: "sound";
  /** Samples a second, an integer within {@link MIN_RATE_HZ}..{@link MAX_RATE_HZ}. */
  readonly rateHz: number;
  /** -1..1 at full scale; finite. Float files may go beyond. */
  readonly samples: Float32Array;
}

/** Lowest rate of a {@link Sound}, hertz. */
export const MIN_RATE_HZ = 4000;

/** Highest rate of a {@link Sound}, hertz. */
export const MAX_RATE_HZ = 384_000;

/** A {@link Sound} of samples, not copied. @throws AUDIO_INVALID for a rate outside {@link MIN_RATE_HZ}..{@link MAX_RATE_HZ} or not an integer */
export function soundOf(rateHz: number, samples: Float32Array): Sound {
  if (!Number.isInteger(rateHz) || rateHz < MIN_RATE_HZ || rateHz > MAX_RATE_HZ) {
    throw fail("AUDIO_INVALID", `Cannot use a sound of ${rateHz} Hz: rates are integers within ${MIN_RATE_HZ}..${MAX_RATE_HZ}`);
  }
  return { kind: "sound", rateHz, samples };
}

/** Length in seconds. */
export function secondsOf(sound: Sound): number {
  return sound.samples.length / sound.rateHz;
}
