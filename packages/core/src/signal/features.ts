import { fail } from "../base/error.ts";
import { realFft } from "./fft.ts";
import { copyFrame, frameCount } from "./frames.ts";
import {
  type CepstrumSettings,
  type Features,
  type FrontEnd,
  type LogSettings,
  type SpectralFrontEnd,
  widthOf,
} from "./front-end.ts";
import { applyMel, melBank } from "./mel.ts";
import { microFeatures } from "./micro-front-end.ts";
import type { Sound } from "./sound.ts";
import { windowOf } from "./window.ts";

/** Frames of features of a sound as `frontEnd` says; none where the sound is too short for one. @throws AUDIO_INVALID when the rate is another than the front end's */
export function featuresOf(frontEnd: FrontEnd, sound: Sound): Features {
  if (sound.rateHz !== frontEnd.rateHz) {
    throw fail(
      "AUDIO_INVALID",
      `Cannot compute features at ${frontEnd.rateHz} Hz of a sound of ${sound.rateHz} Hz: resample it first`,
    );
  }
  if (frontEnd.kind === "micro") return microFeatures(frontEnd, sound.samples);
  return spectralFeatures(frontEnd, sound.samples);
}

function spectralFeatures(frontEnd: SpectralFrontEnd, input: Float32Array): Features {
  const { spectrum, mel, log, cepstrum, rateHz } = frontEnd;
  const { frame, fft, power, spectrumGain, preEmphasis } = spectrum;
  const samples = scaled(input, spectrum);
  const frames = frameCount(samples.length, spectrum);
  const width = widthOf(frontEnd);
  const window = windowOf(spectrum.window, frame);
  const bank = melBank(mel, { fft, rateHz });
  const transform = realFft(fft);
  const padded = new Float64Array(fft);
  const lead = spectrum.edges.startsWith("centre") ? Math.floor((fft - frame) / 2) : 0;
  const current = padded.subarray(lead, lead + frame);
  const re = new Float64Array(transform.bins);
  const im = new Float64Array(transform.bins);
  const energies = new Float64Array(frames * mel.bands);
  const zeroth = new Float64Array(frames);
  for (let t = 0; t < frames; t++) {
    copyFrame(samples, t, { layout: spectrum, out: current });
    if (spectrum.removeMean) removeMean(current);
    if (cepstrum?.zeroth === "frame-energy") zeroth[t] = sumOfSquares(current);
    if (preEmphasis.over === "frame") emphasize(current, preEmphasis.coefficient, current[0] as number);
    for (let i = 0; i < frame; i++) current[i] = (current[i] as number) * (window[i] as number);
    transform.run(padded, re, im);
    let sum = 0;
    for (let k = 0; k < re.length; k++) {
      const squared = (re[k] as number) ** 2 + (im[k] as number) ** 2;
      const value = (power === 2 ? squared : Math.sqrt(squared)) * spectrumGain;
      re[k] = value;
      sum += value;
    }
    if (cepstrum?.zeroth === "spectrum-energy") zeroth[t] = sum;
    applyMel(bank, re, energies.subarray(t * mel.bands, (t + 1) * mel.bands));
  }
  takeLog(energies, log);
  if (cepstrum === undefined) return { kind: "features", frames, width, data: Float32Array.from(energies) };
  takeLog(zeroth, log);
  return { kind: "features", frames, width, data: cepstra(energies, { settings: cepstrum, bands: mel.bands, zeroth }) };
}

/** The samples times the gain, pre-emphasised where that goes over the whole sound. */
function scaled(input: Float32Array, { gain, preEmphasis }: SpectralFrontEnd["spectrum"]): Float64Array {
  const samples = new Float64Array(input.length);
  for (let i = 0; i < input.length; i++) samples[i] = (input[i] as number) * gain;
  if (preEmphasis.over === "sound") emphasize(samples, preEmphasis.coefficient, 0);
  return samples;
}

/** x[i] - coefficient x[i-1], in place, from the end on; `before` precedes the first. */
function emphasize(x: Float64Array, coefficient: number, before: number): void {
  if (coefficient === 0) return;
  for (let i = x.length - 1; i > 0; i--) x[i] = (x[i] as number) - coefficient * (x[i - 1] as number);
  x[0] = (x[0] as number) - coefficient * before;
}

function removeMean(x: Float64Array): void {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] as number;
  const mean = sum / x.length;
  for (let i = 0; i < x.length; i++) x[i] = (x[i] as number) - mean;
}

function sumOfSquares(x: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i] as number) ** 2;
  return sum;
}

function takeLog(values: Float64Array, log: LogSettings): void {
  if (log.kind === "none") return;
  if (log.kind === "ln") {
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number;
      values[i] = Math.log(log.how === "add" ? value + log.floor : Math.max(value, log.floor));
    }
    return;
  }
  let top = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    const value = 10 * Math.log10(Math.max(values[i] as number, log.floor));
    values[i] = value;
    top = Math.max(top, value);
  }
  if (log.range === undefined) return;
  const bottom = top - log.range;
  for (let i = 0; i < values.length; i++) values[i] = Math.max(values[i] as number, bottom);
}

function cepstra(
  logs: Float64Array,
  options: { readonly settings: CepstrumSettings; readonly bands: number; readonly zeroth: Float64Array },
): Float32Array {
  const { settings, bands, zeroth } = options;
  const { count, lifter } = settings;
  const frames = zeroth.length;
  const out = new Float32Array(frames * count);
  const basis = new Float64Array(count * bands);
  for (let k = 0; k < count; k++) {
    const lift = lifter ? 1 + (lifter.length / 2) * Math.sin((Math.PI * (k + lifter.first)) / lifter.length) : 1;
    const norm = Math.sqrt((k === 0 ? 1 : 2) / bands) * lift;
    for (let b = 0; b < bands; b++) basis[k * bands + b] = norm * Math.cos((Math.PI * k * (2 * b + 1)) / (2 * bands));
  }
  for (let t = 0; t < frames; t++) {
    for (let k = 0; k < count; k++) {
      let sum = 0;
      for (let b = 0; b < bands; b++) sum += (logs[t * bands + b] as number) * (basis[k * bands + b] as number);
      out[t * count + k] = sum;
    }
    if (settings.zeroth !== "cepstrum") out[t * count] = zeroth[t] as number;
  }
  return out;
}
