/** A stretch of sound: samples from..to-1 of the recording. */
export interface SpeechSegment {
  readonly from: number;
  readonly to: number;
}

/** Where speech is. */
export interface Speech {
  /** In order, without overlaps. */
  readonly segments: readonly SpeechSegment[];
  /** Their length in all, seconds. */
  readonly speechSeconds: number;
}

/** How a score for each frame becomes stretches of speech. */
export interface SegmentOptions {
  /** Speech begins with a frame at or above this score. */
  readonly begin: number;
  /** It goes on while frames are at or above this score, not above `begin`. */
  readonly goOn: number;
  /** Shorter speech is dropped, seconds. */
  readonly minSpeechSeconds: number;
  /** Shorter pauses do not end speech, seconds. */
  readonly minSilenceSeconds: number;
  /** Speech is extended at both ends by this, seconds, as far as there is sound and no other speech. */
  readonly padSeconds: number;
}

/** Where the frames lie that scores were given to: frame i covers samples i * hop .. i * hop + hop - 1 of `length`. */
export interface ScoredFrames {
  readonly scores: ArrayLike<number>;
  readonly hop: number;
  readonly length: number;
  readonly rateHz: number;
}

/** Stretches of speech from scores of frames, with two thresholds so that a score near one of them does not flicker. */
export function segmentsOf(frames: ScoredFrames, options: SegmentOptions): Speech {
  const { scores, hop, length, rateHz } = frames;
  const minSilence = options.minSilenceSeconds * rateHz;
  const found: { from: number; to: number }[] = [];
  let open: { from: number; to: number } | undefined;
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] as number;
    const end = Math.min(length, (i + 1) * hop);
    if (open === undefined) {
      if (score >= options.begin) open = { from: i * hop, to: end };
    } else if (score >= options.goOn) open.to = end;
    else if (end - open.to >= minSilence) {
      found.push(open);
      open = undefined;
    }
  }
  if (open) found.push(open);
  const kept = found.filter((segment) => segment.to - segment.from >= options.minSpeechSeconds * rateHz);
  const pad = Math.round(options.padSeconds * rateHz);
  const segments = kept.map(({ from, to }, i) => {
    // Two neighbours that are nearer than twice the padding share what lies between them.
    const before = kept[i - 1];
    const after = kept[i + 1];
    return {
      from: before ? Math.max(from - pad, Math.ceil((before.to + from) / 2)) : Math.max(0, from - pad),
      to: after ? Math.min(to + pad, Math.ceil((to + after.from) / 2)) : Math.min(length, to + pad),
    };
  });
  const samples = segments.reduce((sum, segment) => sum + segment.to - segment.from, 0);
  return { segments, speechSeconds: samples / rateHz };
}
