import { fail } from "../../base/error.ts";
import type { Session } from "../../graph/runtime.ts";
import { f32, view } from "../../graph/tensor.ts";
import { featuresOf } from "../../signal/features.ts";
import { spanOf, widthOf } from "../../signal/front-end.ts";
import { raiseLevel } from "../../signal/level.ts";
import { resample } from "../../signal/resample.ts";
import { type Sound, soundOf } from "../../signal/sound.ts";
import type { VoiceEmbeddingCard } from "../card.ts";
import { unitVector } from "../enrol.ts";
import { fixedBatch } from "../face/embed.ts";
import { energySpeech, keepSpeech } from "./activity.ts";

/** An embedding network for voices: a loaded model and the card that says how to feed it. */
export interface VoiceEmbedder {
  readonly session: Session;
  readonly card: VoiceEmbeddingCard;
}

/** Options of {@link embedVoice}. */
export interface EmbedVoiceOptions {
  /** Windows per run where the model's batch size is symbolic; a fixed batch size of the model wins. */
  readonly batch: number;
  readonly signal?: AbortSignal;
}

/** Defaults of {@link embedVoice}. */
export const EMBED_VOICE_DEFAULTS: EmbedVoiceOptions = { batch: 16 };

/**
 * The inputs of the network for a recording, one Float32Array of `card.input.shape` (flat) for each window: resampled, raised to its level, cut
 * to speech, padded with silence and windowed as the card's `input.preparation` says. At least one window.
 * @throws AUDIO_INVALID for a recording without samples
 */
export function voiceFeatures(card: VoiceEmbeddingCard, sound: Sound): Float32Array[] {
  const { preparation } = card.input;
  const { frontEnd, windows } = preparation;
  let voice = resample(sound, frontEnd.rateHz);
  if (voice.samples.length === 0) throw fail("AUDIO_INVALID", "Cannot embed a voice: the recording has no samples");
  if (preparation.raiseToDbfs !== undefined) voice = raiseLevel(voice, preparation.raiseToDbfs);
  if (preparation.speech === "energy") voice = keepSpeech(voice, energySpeech(voice).segments);
  const { span, hop } = spanOf(frontEnd, windows.frames);
  const step = windows.hop * hop;
  const needed = windows.minCoverage * span;
  let count = 1;
  while (voice.samples.length - count * step >= needed) count++;
  const padded = padTo(voice, (count - 1) * step + span);
  const size = windows.frames * widthOf(frontEnd);
  if (windows.computed === "each") {
    return Array.from({ length: count }, (_, k) => {
      const own = soundOf(frontEnd.rateHz, padded.samples.subarray(k * step, k * step + span));
      return featuresOf(frontEnd, own).data.slice(0, size);
    });
  }
  const { data } = featuresOf(frontEnd, padded);
  const stride = windows.hop * widthOf(frontEnd);
  return Array.from({ length: count }, (_, k) => data.slice(k * stride, k * stride + size));
}

function padTo(sound: Sound, length: number): Sound {
  if (sound.samples.length >= length) return sound;
  const samples = new Float32Array(length);
  samples.set(sound.samples);
  return soundOf(sound.rateHz, samples);
}

/**
 * Embeds a recording: the mean over its windows of what the network gives, brought to length 1. f32[dimension].
 * @throws AUDIO_INVALID, DATA_MISSING when the model lacks the card's tensors, SHAPE_MISMATCH, RUNTIME_FAILED; SCORES_INVALID when the mean is zero
 */
export async function embedVoice(
  embedder: VoiceEmbedder,
  sound: Sound,
  options: Partial<EmbedVoiceOptions> = {},
): Promise<Float32Array> {
  return unitVector(await embedWindows(embedder, voiceFeatures(embedder.card, sound), options));
}

/**
 * The mean of what the network gives for the windows of one recording, as {@link voiceFeatures} makes them; of any length. f64[dimension].
 * @throws DATA_MISSING when the model lacks the card's tensors, SHAPE_MISMATCH, RUNTIME_FAILED
 */
export async function embedWindows(
  { session, card }: VoiceEmbedder,
  windows: readonly Float32Array[],
  options: Partial<EmbedVoiceOptions> = {},
): Promise<Float64Array> {
  const settings: EmbedVoiceOptions = { ...EMBED_VOICE_DEFAULTS, ...options };
  const { dimension } = card.output;
  const fixed = fixedBatch(session, card.input.tensor);
  const batch = fixed ?? Math.max(1, Math.floor(settings.batch));
  const mean = new Float64Array(dimension);
  for (let from = 0; from < windows.length; from += batch) {
    settings.signal?.throwIfAborted();
    const rows = windows.slice(from, from + batch);
    const values = await runWindows({ session, card }, rows, fixed ?? rows.length);
    for (let i = 0; i < rows.length * dimension; i++) {
      mean[i % dimension] = (mean[i % dimension] as number) + (values[i] as number) / windows.length;
    }
  }
  return mean;
}

async function runWindows({ session, card }: VoiceEmbedder, rows: readonly Float32Array[], batch: number): Promise<Float32Array> {
  const { input, output } = card;
  const size = input.shape.reduce((product, extent) => product * extent, 1);
  const data = new Float32Array(batch * size);
  for (const [i, row] of rows.entries()) data.set(row, i * size);
  const results = await session.run(new Map([[input.tensor, f32([batch, ...input.shape], data)]]));
  const result = results.get(output.tensor);
  if (result === undefined) {
    throw fail(
      "DATA_MISSING",
      `Cannot embed a voice: the model has no output "${output.tensor}", only ${[...results.keys()].join(", ")}`,
    );
  }
  const values = view(result, "float32");
  if (values.length !== batch * output.dimension) {
    throw fail(
      "SHAPE_MISMATCH",
      `Cannot embed a voice: "${output.tensor}" is [${result.shape}], the card says ${output.dimension} numbers a window`,
    );
  }
  return values;
}
