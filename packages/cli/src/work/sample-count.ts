import { fail } from "@tessera/core/base/error";

/** Below this many samples nothing is calibrated unless the user insists: a range is then what a handful of pictures happened to show. */
export const FEWEST_SAMPLES = 10;

/** Below this many samples every report says that the ranges are not to be relied on. */
export const ENOUGH_SAMPLES = 100;

/** What to say of a number of calibration samples; `undefined` when there are enough. */
export function sampleWarning(count: number): string | undefined {
  if (count >= ENOUGH_SAMPLES) return undefined;
  return `warning: only ${count} calibration samples; ranges from fewer than ${ENOUGH_SAMPLES} are not to be relied on`;
}

/** Refuses too few calibration samples, unless told to go on. @throws CALIBRATION_EMPTY for none at all, CALIBRATION_FEW */
export function checkSampleCount(count: number, options: { readonly fewSamples: boolean }): void {
  if (count === 0) throw fail("CALIBRATION_EMPTY", "Cannot calibrate: no sample was given");
  if (count < FEWEST_SAMPLES && !options.fewSamples)
    throw fail(
      "CALIBRATION_FEW",
      `Cannot calibrate on ${count} samples: fewer than ${FEWEST_SAMPLES} say too little about ranges`,
    );
}
