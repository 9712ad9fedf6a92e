import { fixedFft } from "./fixed-fft.ts";
import { frameCount } from "./frames.ts";
import type { Features, MicroFrontEnd } from "./front-end.ts";

/** Fraction bits: of the window, of the filters, of the weights of noise reduction, of logarithms. */
const WINDOW_BITS = 12;
const FILTER_BITS = 12;
const NOISE_BITS = 14;
/** Bits by which the signal is raised while its noise is estimated. */
const ESTIMATE_BITS = 10;
/** Logarithms are multiplied by 2^6. */
const LOG_SHIFT = 6;

/**
 * Features of the integer front end of TensorFlow Lite Micro, bit by bit: f32[frames, bands]. Frames are cut as with `snip`. Written after its
 * description and checked against the reference in bench/peers/audio_features.py; every rounding is part of what a network was trained on.
 */
export function microFeatures(settings: MicroFrontEnd, input: Float32Array): Features {
  const { frame, hop, bands, gain, offset } = settings;
  const frames = frameCount(input.length, { frame, hop, fft: frame, edges: "snip" });
  const samples = toInt16(input);
  const window = windowWeights(frame);
  const transform = fixedFft(2 ** Math.ceil(Math.log2(frame)));
  const filters = filtersOf(settings, transform.size);
  const correction = Math.log2(transform.size) - FILTER_BITS / 2;
  const state = new Float64Array(bands);
  const windowed = new Int32Array(transform.size);
  const re = new Int32Array(transform.bins);
  const im = new Int32Array(transform.bins);
  const data = new Float32Array(frames * bands);
  for (let t = 0; t < frames; t++) {
    let greatest = 0;
    for (let i = 0; i < frame; i++) {
      const value = ((samples[t * hop + i] as number) * (window[i] as number)) >> WINDOW_BITS;
      windowed[i] = value;
      greatest = Math.max(greatest, Math.abs(value));
    }
    // As loud as 16 bits allow, for the sake of the transform's precision; taken out again below.
    const shift = Math.max(0, 15 - bitsOf(greatest));
    for (let i = 0; i < frame; i++) windowed[i] = (windowed[i] as number) << shift;
    transform.run(windowed, re, im);
    const energies = applyFilters(filters, re, im);
    for (let band = 0; band < bands; band++) {
      const signal = Math.floor(integerRoot(energies[band] as number) / 2 ** shift);
      const clean = withoutNoise(settings, { signal, state, band });
      const value = correction >= 0 ? clean * 2 ** correction : Math.floor(clean / 2 ** -correction);
      data[t * bands + band] = Math.min(integerLog(value), 0xffff) * gain + offset;
    }
  }
  return { kind: "features", frames, width: bands, data };
}

function toInt16(input: Float32Array): Int32Array {
  const samples = new Int32Array(input.length);
  for (let i = 0; i < input.length; i++)
    samples[i] = Math.max(-32_768, Math.min(32_767, Math.trunc((input[i] as number) * 32_768)));
  return samples;
}

/** Hann window, sampled in the middle of each step, in single precision. */
function windowWeights(size: number): Int32Array {
  const f = Math.fround;
  const window = new Int32Array(size);
  const angle = f(f(f(Math.PI) * 2) / size);
  for (let i = 0; i < size; i++) {
    const weight = f(0.5 - f(0.5 * f(Math.cos(f(angle * (i + 0.5))))));
    window[i] = Math.floor(f(f(weight * 2 ** WINDOW_BITS) + 0.5));
  }
  return window;
}

interface Filters {
  /** Bin where each of bands + 1 rising sides begins; one longer, the last one is the end. */
  readonly begin: Int32Array;
  /** Weights of a bin in the band whose rising side it lies on, and in the one before. */
  readonly rising: Int32Array;
  readonly falling: Int32Array;
}

/** Triangles that are straight against mel, lower limit, `bands` + 1 centres: band b rises to centre b + 1, falls to centre b + 2. In single precision. */
function filtersOf({ bands, lowHz, highHz, rateHz }: MicroFrontEnd, fft: number): Filters {
  const f = Math.fround;
  const mel = (hz: number): number => f(1127 * f(Math.log1p(f(hz / 700))));
  const low = mel(lowHz);
  const step = f(f(mel(highHz) - low) / (bands + 1));
  const binHz = f((0.5 * rateHz) / (fft / 2));
  const begin = new Int32Array(bands + 2);
  const rising = new Int32Array(fft / 2 + 1);
  const falling = new Int32Array(fft / 2 + 1);
  // Never bin 0.
  let bin = Math.floor(1.5 + lowHz / binHz);
  let before = low;
  for (let side = 0; side <= bands; side++) {
    begin[side] = bin;
    const centre = f(low + f(step * (side + 1)));
    for (; bin <= fft / 2 && mel(f(bin * binHz)) <= centre; bin++) {
      const weight = f(f(centre - mel(f(bin * binHz))) / f(centre - before));
      falling[bin] = Math.floor(f(f(weight * 2 ** FILTER_BITS) + 0.5));
      rising[bin] = Math.floor(f(f(f(1 - weight) * 2 ** FILTER_BITS) + 0.5));
    }
    before = centre;
  }
  begin[bands + 1] = bin;
  return { begin, rising, falling };
}

function applyFilters({ begin, rising, falling }: Filters, re: Int32Array, im: Int32Array): Float64Array {
  const bands = begin.length - 2;
  const out = new Float64Array(bands);
  let carried = 0;
  for (let side = 0; side <= bands; side++) {
    let down = carried;
    carried = 0;
    for (let bin = begin[side] as number; bin < (begin[side + 1] as number); bin++) {
      const energy = (re[bin] as number) ** 2 + (im[bin] as number) ** 2;
      down += energy * (falling[bin] as number);
      carried += energy * (rising[bin] as number);
    }
    if (side > 0) out[side - 1] = down;
  }
  return out;
}

/** Spectral subtraction of a slowly following estimate, never below a share of the signal. */
function withoutNoise(
  { smoothing, minSignalRemaining }: MicroFrontEnd,
  { signal, state, band }: { readonly signal: number; readonly state: Float64Array; readonly band: number },
): number {
  const one = 2 ** NOISE_BITS;
  const weight = Math.trunc((band % 2 === 0 ? smoothing.even : smoothing.odd) * one);
  const raised = signal * 2 ** ESTIMATE_BITS;
  const estimate = Math.floor((raised * weight + (state[band] as number) * (one - weight)) / one);
  state[band] = estimate;
  const floor = Math.floor((signal * Math.trunc(minSignalRemaining * one)) / one);
  return Math.max(Math.floor((raised - Math.min(estimate, raised)) / 2 ** ESTIMATE_BITS), floor);
}

/** Bits of a non-negative integer: 0 of 0, 1 of 1, 15 of 32767. */
function bitsOf(value: number): number {
  return 32 - Math.clz32(value);
}

/** The square root rounded to nearest; below 2^32 never above 65535. */
function integerRoot(value: number): number {
  let root = Math.floor(Math.sqrt(value));
  if (value - root * root > root && !(value < 2 ** 32 && root === 0xffff)) root++;
  return root;
}

/** What the straight line between powers of two lacks to log2, in 128 segments, times 2^16. */
const LOG_TABLE = Array.from({ length: 129 }, (_, i) => Math.round(65_536 * (Math.log2(1 + i / 128) - i / 128)));

/** 64 ln(value) in integer arithmetic; 0 for 0 and 1. */
function integerLog(value: number): number {
  if (value <= 1) return 0;
  const whole = bitsOf(value) - 1;
  const fraction = Math.floor((value - 2 ** whole) * 2 ** (16 - whole));
  const segment = fraction >> 9;
  const here = LOG_TABLE[segment] as number;
  const next = LOG_TABLE[segment + 1] as number;
  const log2 = whole * 65_536 + fraction + here + (((next - here) * (fraction - segment * 512)) >> 16);
  const natural = Math.floor((45_426 * log2 + 32_768) / 65_536);
  return Math.floor((natural * 2 ** LOG_SHIFT + 32_768) / 65_536);
}
