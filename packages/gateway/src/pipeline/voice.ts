import { isTesseraError } from "@tessera/core/base/error";
import { unitVector } from "@tessera/core/modality/enrol";
import { energySpeech, type SpeechDetector, speechOf } from "@tessera/core/modality/voice/activity";
import { embedWindows, type VoiceEmbedder, voiceFeatures } from "@tessera/core/modality/voice/embed";
import { brokenVoiceLimits, type VoiceQuality, voiceQuality } from "@tessera/core/modality/voice/quality";
import type { Speech } from "@tessera/core/modality/voice/segments";
import type { QualityCode, QualityFigures } from "@tessera/core/protocol/gateway-api";
import { resample } from "@tessera/core/signal/resample";
import { type Sound, soundOf } from "@tessera/core/signal/sound";
import { decodeWav } from "@tessera/core/signal/wav";
import type { PipelineLimits } from "./config.ts";
import { noteOf } from "./notes.ts";
import type { Probe } from "./pipeline.ts";
import { stageClock } from "./stages.ts";

/** The networks of a voice. */
export interface VoiceTools {
  readonly vad?: SpeechDetector;
  readonly embedder: VoiceEmbedder;
}

/** Options of {@link probeVoice}. */
export interface VoiceProbeOptions {
  readonly limits: Pick<PipelineLimits, "maxSeconds">;
  readonly stop?: "quality";
}

/** Rates that microphones have, hertz. Others are refused: resampling from 47,999 Hz takes a filter of thousands of phases. */
const RATES: ReadonlySet<number> = new Set([
  8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000,
]);

/**
 * A recording to a probe: decode, bring to the network's rate, find speech, measure; then, if nothing is wrong with it, embed what lies between the
 * beginning of the first and the end of the last speech. @throws RUNTIME_FAILED; DATA_MISSING and SHAPE_MISMATCH when a card and its model disagree;
 * SCORES_INVALID when the network gives zeros or numbers that are not finite
 */
export async function probeVoice(tools: VoiceTools, bytes: Uint8Array, options: VoiceProbeOptions): Promise<Probe> {
  const { vad, embedder } = tools;
  const clock = stageClock("voice");
  const answer = (codes: readonly QualityCode[], rest: Partial<Probe> = {}): Probe => ({
    modality: "voice",
    space: embedder.card.embeddingSpace ?? "",
    notes: codes.map(noteOf),
    quality: {},
    stages: clock.stages,
    ...rest,
  });

  const sent = decodeOrNone(bytes, options.limits);
  const heard = sent && resample(sent, embedder.card.input.preparation.frontEnd.rateHz);
  clock.lap("decode");
  if (sent === undefined || heard === undefined) return answer(["unreadable"]);

  const speech = vad === undefined ? energySpeech(heard) : await speechOf(vad, heard);
  clock.lap("vad");

  const measured = voiceQuality(sent, atRate(speech, sent.rateHz / heard.rateHz));
  const codes = brokenVoiceLimits(measured);
  const quality = figuresOf(measured);
  clock.lap("quality");
  if (codes.length > 0 || options.stop === "quality") return answer(codes, { quality });

  const windows = voiceFeatures(embedder.card, spoken(heard, speech));
  clock.lap("features");
  const embedding = unitVector(await embedWindows(embedder, windows));
  clock.lap("embed");
  return answer([], { quality, embedding });
}

function decodeOrNone(bytes: Uint8Array, { maxSeconds }: VoiceProbeOptions["limits"]): Sound | undefined {
  try {
    const sound = decodeWav(bytes, { maxSeconds });
    return RATES.has(sound.rateHz) ? sound : undefined;
  } catch (error) {
    if (isTesseraError(error) && error.code === "AUDIO_INVALID") return undefined;
    throw error;
  }
}

function atRate(speech: Speech, ratio: number): Speech {
  if (ratio === 1) return speech;
  return { ...speech, segments: speech.segments.map(({ from, to }) => ({ from: from * ratio, to: to * ratio })) };
}

/** From the first speech to the last: pauses between belong to the voice, what lies around it does not. */
function spoken(sound: Sound, { segments }: Speech): Sound {
  const [first] = segments;
  const last = segments.at(-1);
  if (first === undefined || last === undefined) return sound;
  return soundOf(sound.rateHz, sound.samples.subarray(Math.floor(first.from), Math.ceil(last.to)));
}

function figuresOf({ aboveNoiseDb: _, ...rest }: VoiceQuality): QualityFigures {
  return rest;
}
