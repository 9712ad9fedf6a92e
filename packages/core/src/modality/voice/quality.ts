import { type Sound, secondsOf } from "../../signal/sound.ts";
import type { Speech } from "./segments.ts";

/** What is measured of a recording before anybody is recognised by it. */
export interface VoiceQuality {
  readonly seconds: number;
  readonly speechSeconds: number;
  /** Root mean square of the speech (of everything, where there is none), dB relative to full scale; at least {@link SILENCE_DB}. */
  readonly levelDb: number;
  /** Share of samples at full scale, 0..1. */
  readonly clippedShare: number;
  /** `levelDb` above the level that the quietest fiftieth of the recording stays below, dB. Closures within words are as quiet as the room. */
  readonly aboveNoiseDb: number;
}

/** Stands for the level of digital silence, which has none. */
export const SILENCE_DB = -120;

/** Samples of at least this size are taken for clipped: the largest that 16 bits hold is .99997. */
const FULL_SCALE = 0.999;

/** Pieces whose level is taken to find the quietest, seconds. */
const PIECE_SECONDS = 0.02;

/** Measures a recording as it was sent (before any change of rate or level, which would hide clipping). `speech` is in its samples. */
export function voiceQuality(sound: Sound, speech: Speech): VoiceQuality {
  const { samples, rateHz } = sound;
  let clipped = 0;
  for (let i = 0; i < samples.length; i++) if (Math.abs(samples[i] as number) >= FULL_SCALE) clipped++;
  const segments = speech.segments.length > 0 ? speech.segments : [{ from: 0, to: samples.length }];
  let squares = 0;
  let count = 0;
  for (const { from, to } of segments) {
    // Segments that were found at another rate may end between two samples.
    const [first, last] = [Math.max(0, Math.floor(from)), Math.min(samples.length, Math.ceil(to))];
    squares += squareSum(samples, first, last);
    count += last - first;
  }
  const levelDb = decibels(squares / count);
  const piece = Math.max(1, Math.round(PIECE_SECONDS * rateHz));
  const levels: number[] = [];
  for (let from = 0; from + piece <= samples.length; from += piece)
    levels.push(decibels(squareSum(samples, from, from + piece) / piece));
  levels.sort((a, b) => a - b);
  const floor = levels[Math.floor(levels.length / 50)] ?? levelDb;
  return {
    seconds: secondsOf(sound),
    speechSeconds: speech.speechSeconds,
    levelDb,
    clippedShare: clipped / samples.length,
    aboveNoiseDb: levelDb - floor,
  };
}

function squareSum(samples: Float32Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += (samples[i] as number) ** 2;
  return sum;
}

function decibels(power: number): number {
  return Math.max(SILENCE_DB, 10 * Math.log10(power));
}

/** What a recording must have, in the order in which notes are given. */
export type VoiceLimitCode = "silent" | "short" | "clipped" | "noisy";

/** A bound on one measure. */
export interface VoiceLimit {
  readonly code: VoiceLimitCode;
  readonly measure: keyof VoiceQuality;
  /** "least": too little of it is bad; "most": too much. */
  readonly side: "least" | "most";
  readonly bound: number;
}

/**
 * Bounds that are used unless others are given, laid where recognition falls when recordings are spoilt (`bench/voice-quality.ts`: 40 people of
 * LibriSpeech, one cut enrolled, the other spoilt; GE2E at the threshold of FAR 1e-2, where clean cuts reach a TAR of 1).
 *
 * | measure | TAR around the bound | recordings as they are (LibriSpeech; EmoDB) |
 * |---|---|---|
 * | level, dB | .98 at -64, .60 at -73 | at least -38; -32 |
 * | speech, s | .90 at 1.5, .73 at 1, .55 at .75, .38 at .5 | 5 % below 1.8; 1.5 |
 * | clipped share | .90 at .001, .70 at .01, .50 at .03 | 0; at most .0001 |
 * | above noise, dB | white noise: .70 at 20, .40 at 15, .20 at 11, 0 at 7 | 1 % below 9, 5 % below 19 in cuts of 1.8 s; 2 s |
 *
 * The last lies lower than the fall: in running speech without a pause there is no quiet piece at times, and such is not to be refused.
 */
export const VOICE_LIMITS: readonly VoiceLimit[] = [
  { code: "silent", measure: "levelDb", side: "least", bound: -60 },
  { code: "short", measure: "speechSeconds", side: "least", bound: 0.75 },
  { code: "clipped", measure: "clippedShare", side: "most", bound: 0.005 },
  { code: "noisy", measure: "aboveNoiseDb", side: "least", bound: 12 },
];

/** The limits that a recording breaks, in the order of the table. Where nobody speaks, that alone is said. A measure that is not a number breaks its limit. */
export function brokenVoiceLimits(
  quality: VoiceQuality,
  limits: readonly VoiceLimit[] = VOICE_LIMITS,
): readonly VoiceLimitCode[] {
  if (quality.speechSeconds === 0) return ["silent"];
  const broken: VoiceLimitCode[] = [];
  for (const { code, measure, side, bound } of limits) {
    const value = quality[measure];
    const good = side === "least" ? value >= bound : value <= bound;
    if (!good && !broken.includes(code)) broken.push(code);
  }
  return broken;
}
