import type { QualityCode } from "@tessera/core/protocol/gateway-api";
import { clippedShare, levelDb } from "./loudness.ts";

/** How a clip is cut from the stream of the microphone. */
export interface ClipOptions {
  /** Length of a clip, from a little before speech begins. */
  readonly clipSeconds: number;
  /** What is kept from before the first loud block: speech begins softly. */
  readonly leadSeconds: number;
  /** A block this loud is taken for speech, decibels relative to full scale. */
  readonly speechDb: number;
  /** After so long without speech the person is asked to speak up. */
  readonly patienceSeconds: number;
  /** More samples at full scale than this share, and the clip is taken again. */
  readonly mostClipped: number;
}

/** Two seconds of speech are what the voice models of this project are evaluated on. */
export const CLIP_DEFAULTS: ClipOptions = {
  clipSeconds: 2,
  leadSeconds: 0.2,
  speechDb: -42,
  patienceSeconds: 4,
  mostClipped: 0.01,
};

/** What is known after a block. */
export type ClipState =
  | { readonly kind: "waiting"; readonly note?: QualityCode }
  /** `share` of the clip is there, 0..1. */
  | { readonly kind: "hearing"; readonly share: number }
  /** `samples` is f32[clipSeconds * rate]. */
  | { readonly kind: "taken"; readonly samples: Float32Array; readonly note?: QualityCode };

/** Takes blocks of samples and says what became of them. */
export interface ClipTaker {
  add(block: Float32Array): ClipState;
}

/**
 * Cuts one clip out of a stream: waits for the first loud block, keeps a little from before it, and is done when the clip is full. The clip is
 * full-length in any case; whether enough speech is in it is for the gateway to say.
 */
export function clipTaker(rateHz: number, options: Partial<ClipOptions> = {}): ClipTaker {
  const { clipSeconds, leadSeconds, speechDb, patienceSeconds, mostClipped } = { ...CLIP_DEFAULTS, ...options };
  const wanted = Math.round(clipSeconds * rateHz);
  const lead = Math.round(leadSeconds * rateHz);
  const clip = new Float32Array(wanted);
  let filled = 0;
  let hearing = false;
  let waited = 0;

  /** Appends what fits; while waiting, the oldest samples make room. */
  const keep = (block: Float32Array): void => {
    const most = hearing ? wanted : lead;
    const from = hearing ? 0 : Math.max(0, block.length - most);
    const part = block.subarray(from, hearing ? Math.min(block.length, wanted - filled) : block.length);
    const excess = filled + part.length - most;
    if (excess > 0) {
      clip.copyWithin(0, excess, filled);
      filled -= excess;
    }
    clip.set(part, filled);
    filled += part.length;
  };

  return {
    add(block) {
      if (!hearing && levelDb(block) >= speechDb) hearing = true;
      keep(block);
      if (!hearing) {
        waited += block.length;
        return waited >= patienceSeconds * rateHz ? { kind: "waiting", note: "silent" } : { kind: "waiting" };
      }
      if (filled < wanted) return { kind: "hearing", share: filled / wanted };
      const samples = clip.slice();
      return clippedShare(samples) > mostClipped ? { kind: "taken", samples, note: "clipped" } : { kind: "taken", samples };
    },
  };
}
