import { fail } from "../../base/error.ts";
import type { KeystrokeSet } from "./samples.ts";

/** One key pressed and released. Times in seconds on any common clock; `keyCode` is the virtual key code of browsers, 0 to 255. */
export interface KeyEvent {
  readonly pressSeconds: number;
  readonly releaseSeconds: number;
  readonly keyCode: number;
}

/** Numbers for each key of a sequence: hold, inter-key, press and release latency in seconds, key code / 255. */
export const KEY_FEATURES = 5;

/** Key codes of the 14 keys of MEU-Mobile, in the order of its columns: `.tie`, Shift, `5`, Shift, Caps Lock, `roanl`, Enter. */
export const MEU_KEY_CODES: readonly number[] = [190, 84, 73, 69, 16, 53, 16, 20, 82, 79, 65, 78, 76, 13];

/** Key codes of the 11 keys of the CMU table, whose `Shift.r` is one key. */
export const CMU_KEY_CODES: readonly number[] = [190, 84, 73, 69, 53, 82, 79, 65, 78, 76, 13];

/**
 * Keys as the input of TypeNet (Acien et al. 2022, "TypeNet: Deep learning keystroke biometrics"): f32[length, 5], row by row. Ordered by press time;
 * hold = release - press, inter-key = next press - release (negative when keys overlap), press = next press - press, release = next release - release;
 * the last key has no next: 0. Keys beyond `length` are left out, a shorter text is padded with rows of zeros.
 *
 * @throws DATASET_INVALID when there is no key, a time is not finite, a key is not held for a time above 0 (a row that starts with 0 is padding to the
 * network), or a key code is none.
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { keySequence } from "@tessera/core/modality/keystroke/key-sequence";
 *
 * const typed = [
 *   { pressSeconds: 1, releaseSeconds: 1.25, keyCode: 255 },
 *   { pressSeconds: 1.125, releaseSeconds: 1.5, keyCode: 0 },
 * ];
 * assert.deepEqual([...keySequence(typed, { length: 3 })], [0.25, -0.125, 0.125, 0.25, 1, 0.375, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
 * ```
 */
export function keySequence(events: readonly KeyEvent[], options: { readonly length: number }): Float32Array {
  if (events.length === 0) throw invalid("there is none");
  events.forEach(({ pressSeconds, releaseSeconds, keyCode }, i) => {
    if (!Number.isFinite(pressSeconds) || !Number.isFinite(releaseSeconds))
      throw invalid(`key ${i} has a time that is not finite`);
    if (releaseSeconds <= pressSeconds)
      throw invalid(`key ${i} is released ${pressSeconds - releaseSeconds} s before it is pressed or at once`);
    if (!Number.isInteger(keyCode) || keyCode < 0 || keyCode > 255)
      throw invalid(`key ${i} has the code ${keyCode}, not one from 0 to 255`);
  });
  const ordered = events.toSorted((a, b) => a.pressSeconds - b.pressSeconds);
  const result = new Float32Array(options.length * KEY_FEATURES);
  for (let i = 0; i < Math.min(options.length, ordered.length); i++) {
    const key = ordered[i] as KeyEvent;
    const next = ordered[i + 1];
    const at = i * KEY_FEATURES;
    result[at] = key.releaseSeconds - key.pressSeconds;
    if (next !== undefined) {
      result[at + 1] = next.pressSeconds - key.releaseSeconds;
      result[at + 2] = next.pressSeconds - key.pressSeconds;
      result[at + 3] = next.releaseSeconds - key.releaseSeconds;
    }
    result[at + 4] = key.keyCode / 255;
  }
  return result;
}

/**
 * Each person's samples as key sequences: the hold times of a table say how long, its down-down times when each key was pressed. One list for each person
 * of the set, in its order.
 *
 * @throws DATASET_INVALID when the set has not as many hold times as keys and one down-down time less, or as {@link keySequence}.
 */
export function sequencesOf(
  set: KeystrokeSet,
  options: { readonly keyCodes: readonly number[]; readonly length: number },
): readonly (readonly Float32Array[])[] {
  const { keyCodes, length } = options;
  const columns = (kind: "hold" | "down-down"): readonly number[] =>
    set.features.flatMap((feature, column) => (feature.kind === kind ? [column] : []));
  const [hold, down] = [columns("hold"), columns("down-down")];
  if (hold.length !== keyCodes.length || down.length !== keyCodes.length - 1)
    throw invalid(`${set.name} has ${hold.length} hold and ${down.length} down-down times for ${keyCodes.length} keys`);
  return set.subjects.map(({ samples }) =>
    Array.from({ length: samples.rows }, (_, row) => {
      const value = (column: number): number => samples.data[row * samples.cols + column] as number;
      let pressSeconds = 0;
      const events = keyCodes.map((keyCode, i): KeyEvent => {
        if (i > 0) pressSeconds += value(down[i - 1] as number);
        return { pressSeconds, releaseSeconds: pressSeconds + value(hold[i] as number), keyCode };
      });
      return keySequence(events, { length });
    }),
  );
}

function invalid(why: string): Error {
  return fail("DATASET_INVALID", `Cannot make a sequence of keys: ${why}`, {
    hint: "A key needs the times at which it was pressed and released, in seconds, and its virtual key code",
  });
}
