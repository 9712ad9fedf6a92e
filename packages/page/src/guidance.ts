import type { LiveMessage, QualityCode, QualityNote } from "@tessera/core/protocol/gateway-api";

/** What is said first when several things are wrong: what makes the others moot comes before them. */
const FIRST: readonly QualityCode[] = [
  "unreadable",
  "no-face",
  "several-faces",
  "face-cut",
  "face-small",
  "dark",
  "bright",
  "face-turned",
  "blurred",
  "silent",
  "clipped",
  "noisy",
  "short",
];

/** The one note to tell the person; undefined when there is none. A code this page does not know comes last. */
export function mostPressing(notes: readonly QualityNote[]): QualityNote | undefined {
  let best: QualityNote | undefined;
  let rank = Number.POSITIVE_INFINITY;
  for (const note of notes) {
    const at = FIRST.indexOf(note.code);
    const here = at < 0 ? FIRST.length : at;
    if (here < rank) [best, rank] = [note, here];
  }
  return best;
}

/** A sentence on show since `sinceMs`. */
export interface Shown {
  readonly text: string;
  readonly sinceMs: number;
}

/** A sentence stays at least this long: a line that flickers is neither read by eyes nor by a screen reader. */
export const DWELL_MS = 900;

/** What to show at `nowMs` when `text` is wanted: the sentence on show keeps its place until it has been there for {@link DWELL_MS}. */
export function shownAfter(shown: Shown, text: string, nowMs: number): Shown {
  if (text === shown.text || nowMs - shown.sinceMs < DWELL_MS) return shown;
  return { text, sinceMs: nowMs };
}

/** What counts towards a picture being taken. */
export interface Aim {
  /** Good frames in a row. */
  readonly good: number;
  /** When the last picture was taken, milliseconds; undefined before the first. */
  readonly takenAtMs?: number;
}

/** Frames that must be good in a row: one may be luck between two movements. */
const GOOD_IN_A_ROW = 2;

/** Time between two pictures of an enrolment, so that they differ. */
const GAP_MS = 900;

/** Whether the frame that `message` is about is to be kept as a picture, and the aim after it. */
export function aimAfter(aim: Aim, message: LiveMessage, nowMs: number): { readonly aim: Aim; readonly take: boolean } {
  if (!message.good) return { aim: { ...aim, good: 0 }, take: false };
  const good = aim.good + 1;
  const rested = aim.takenAtMs === undefined || nowMs - aim.takenAtMs >= GAP_MS;
  if (good < GOOD_IN_A_ROW || !rested) return { aim: { ...aim, good }, take: false };
  return { aim: { good: 0, takenAtMs: nowMs }, take: true };
}
