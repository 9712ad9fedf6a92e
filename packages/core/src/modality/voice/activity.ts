import { fail } from "../../base/error.ts";
import type { Session } from "../../graph/runtime.ts";
import { f32, type Tensor, view } from "../../graph/tensor.ts";
import { resample } from "../../signal/resample.ts";
import { type Sound, soundOf } from "../../signal/sound.ts";
import type { VoiceActivityCard } from "../card.ts";
import { type SegmentOptions, type Speech, type SpeechSegment, segmentsOf } from "./segments.ts";

/** A voice activity network (Silero): a loaded model and the card that says how to feed it. */
export interface SpeechDetector {
  readonly session: Session;
  readonly card: VoiceActivityCard;
}

/** Defaults of {@link speechOf}: those that Silero VAD documents. */
export const SPEECH_DEFAULTS: SegmentOptions = {
  begin: 0.5,
  goOn: 0.35,
  minSpeechSeconds: 0.25,
  minSilenceSeconds: 0.1,
  padSeconds: 0.03,
};

/** Samples of the past that Silero's networks for 16 kHz look at before the new ones. */
const CONTEXT = 64;

/** f32[2, batch, 128]: what the network remembers. */
const STATE_SHAPE = [2, 1, 128] as const;

/**
 * Where a voice activity network hears speech. The network is fed 64 samples of the past and 512 new ones (32 ms at 16 kHz; at the start
 * the past is silence) and its own state, step by step; segments are in samples of `sound` as given, whatever its rate.
 * @throws CARD_INVALID when the card's input is shorter than the context, DATA_MISSING, RUNTIME_FAILED
 */
export async function speechOf(detector: SpeechDetector, sound: Sound, options: Partial<SegmentOptions> = {}): Promise<Speech> {
  const settings: SegmentOptions = { ...SPEECH_DEFAULTS, ...options };
  const { card, session } = detector;
  const { input, output } = card;
  const size = input.shape[0] ?? 0;
  const fresh = size - CONTEXT;
  if (input.shape.length !== 1 || fresh < 1) {
    throw fail(
      "CARD_INVALID",
      `Cannot find speech with "${card.name}": its input [${input.shape}] is not ${CONTEXT} samples and more`,
    );
  }
  const heard = resample(sound, input.sampleRateHz);
  const steps = Math.ceil(heard.samples.length / fresh);
  const scores = new Float32Array(steps);
  const rate: Tensor = { dtype: "int64", shape: [], bytes: new Uint8Array(BigInt64Array.of(BigInt(input.sampleRateHz)).buffer) };
  let state: Tensor = f32(STATE_SHAPE, new Float32Array(2 * 128));
  for (let step = 0; step < steps; step++) {
    const window = new Float32Array(size);
    const begin = step * fresh - CONTEXT;
    const from = Math.max(0, begin);
    window.set(heard.samples.subarray(from, begin + size), from - begin);
    const results = await session.run(
      new Map([
        [input.tensor, f32([1, size], window)],
        ["state", state],
        ["sr", rate],
      ]),
    );
    const score = results.get(output.tensor);
    const next = results.get("stateN");
    if (score === undefined || next === undefined) {
      throw fail(
        "DATA_MISSING",
        `Cannot find speech with "${card.name}": the model has no output "${output.tensor}" or "stateN"`,
      );
    }
    scores[step] = view(score, "float32")[output.positive] as number;
    state = next;
  }
  const ratio = sound.rateHz / input.sampleRateHz;
  return segmentsOf({ scores, hop: fresh * ratio, length: sound.samples.length, rateHz: sound.rateHz }, settings);
}

/** Options of {@link energySpeech}. */
export interface EnergySpeechOptions extends Omit<SegmentOptions, "begin" | "goOn"> {
  /** Frames of this length are measured, seconds. */
  readonly frameSeconds: number;
  /**
   * The quietest tenth of the frames is taken for noise: speech begins this much above it, dB, but no higher than half-way from there to the
   * loudest frame, so that a recording without pauses is speech throughout.
   */
  readonly aboveNoiseDb: number;
  /** Nothing below this level is speech, dB relative to full scale. */
  readonly minDbfs: number;
  /** Speech goes on this much below the level at which it begins, dB. */
  readonly hysteresisDb: number;
}

/** Defaults of {@link energySpeech}. */
export const ENERGY_DEFAULTS: EnergySpeechOptions = {
  frameSeconds: 0.02,
  aboveNoiseDb: 12,
  minDbfs: -60,
  hysteresisDb: 4,
  minSpeechSeconds: 0.1,
  minSilenceSeconds: 0.25,
  padSeconds: 0.05,
};

/** Where there is sound well above the quietest parts of a recording: speech, if nothing else is loud. Needs no network. */
export function energySpeech(sound: Sound, options: Partial<EnergySpeechOptions> = {}): Speech {
  const settings: EnergySpeechOptions = { ...ENERGY_DEFAULTS, ...options };
  const { samples, rateHz } = sound;
  const hop = Math.max(1, Math.round(settings.frameSeconds * rateHz));
  const levels = new Float64Array(Math.ceil(samples.length / hop));
  for (let t = 0; t < levels.length; t++) {
    const end = Math.min(samples.length, (t + 1) * hop);
    let squares = 0;
    for (let i = t * hop; i < end; i++) squares += (samples[i] as number) ** 2;
    levels[t] = 10 * Math.log10(Math.max(squares / (end - t * hop), 1e-20));
  }
  const ranked = levels.slice().sort();
  const noise = ranked[Math.floor(ranked.length / 10)] ?? 0;
  const peak = ranked[ranked.length - 1] ?? 0;
  const begin = Math.max(settings.minDbfs, Math.min(noise + settings.aboveNoiseDb, (noise + peak) / 2));
  const goOn = Math.max(settings.minDbfs, begin - settings.hysteresisDb);
  return segmentsOf({ scores: levels, hop, length: samples.length, rateHz }, { ...settings, begin, goOn });
}

/** The segments of a sound, one after the other. The sound itself where there are none: it is for others to refuse silence. */
export function keepSpeech(sound: Sound, segments: readonly SpeechSegment[]): Sound {
  const parts = segments.map(({ from, to }) => sound.samples.subarray(from, to));
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length === 0) return sound;
  const samples = new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    samples.set(part, at);
    at += part.length;
  }
  return soundOf(sound.rateHz, samples);
}
