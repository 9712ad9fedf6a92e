/** Silence as the meter shows it, decibels relative to full scale. */
export const QUIET_DB = -60;

/** Root mean square of samples in -1..1, decibels relative to full scale (a full-scale square wave is 0); never below -120. */
export function levelDb(samples: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < samples.length; i++) sum += (samples[i] as number) ** 2;
  const rms = Math.sqrt(sum / Math.max(1, samples.length));
  return Math.max(-120, 20 * Math.log10(rms));
}

/** Share of samples at or above 0.999 of full scale. */
export function clippedShare(samples: Float32Array): number {
  let count = 0;
  for (let i = 0; i < samples.length; i++) if (Math.abs(samples[i] as number) >= 0.999) count++;
  return count / Math.max(1, samples.length);
}

/** How far the meter reaches, 0..1: {@link QUIET_DB} is 0, full scale is 1, and equal steps of loudness are equal steps of length. */
export function meterShare(db: number): number {
  return Math.max(0, Math.min(1, 1 - db / QUIET_DB));
}
