import { fail } from "../base/error.ts";
import { MAX_RATE_HZ, MIN_RATE_HZ, type Sound, soundOf } from "./sound.ts";

/** Zero crossings of the sinc on each side, at the lower of the two rates. */
const ZEROS = 32;

/** Kaiser's beta: 100 dB of attenuation beyond the transition band. */
const BETA = 10.056;

/** Where the response is halved, as a share of the lower Nyquist frequency: the transition ends below that frequency itself. */
const ROLL_OFF = 0.9;

/** Most positions of an output sample between two input samples; 640 takes 11.025 kHz to 16 kHz. */
const MAX_PHASES = 640;

/**
 * Another sampling rate, by convolution with a sinc under a Kaiser window (one kernel for each position of an output sample between two input
 * samples), samples beyond the ends being 0. With f the lower of the two Nyquist frequencies: flat within 1e-4 (.001 dB) up to .8 f, halved at .9 f, 90 dB
 * down from f on, no delay. ceil(n * to / from) samples; the same rate gives the sound itself. Work: samples of the result times 71 times the
 * ratio by which the rate falls.
 * @throws AUDIO_INVALID for a rate outside 4..384 kHz, or two whose ratio needs more than 640 kernels (44.099 to 16 kHz, say)
 */
export function resample(sound: Sound, rateHz: number): Sound {
  if (rateHz === sound.rateHz) return sound;
  if (!Number.isInteger(rateHz) || rateHz < MIN_RATE_HZ || rateHz > MAX_RATE_HZ) {
    throw fail("AUDIO_INVALID", `Cannot resample to ${rateHz} Hz: rates are integers within ${MIN_RATE_HZ}..${MAX_RATE_HZ}`);
  }
  const divisor = gcd(sound.rateHz, rateHz);
  const up = rateHz / divisor;
  const down = sound.rateHz / divisor;
  if (up > MAX_PHASES) {
    throw fail("AUDIO_INVALID", `Cannot resample from ${sound.rateHz} to ${rateHz} Hz: the ratio ${up} / ${down} is too fine`);
  }
  const { samples } = sound;
  const length = Math.ceil((samples.length * up) / down);
  const out = new Float32Array(length);
  const cutoff = ROLL_OFF * Math.min(1, up / down);
  const half = ZEROS / cutoff;
  const reach = Math.ceil(half);
  const taps = 2 * reach + 1;
  const phases = new Map<number, Float64Array>();
  for (let i = 0; i < length; i++) {
    const position = i * down;
    const centre = Math.floor(position / up);
    const phase = position % up;
    let kernel = phases.get(phase);
    if (kernel === undefined) {
      kernel = kernelOf(phase / up, { cutoff, half, reach });
      phases.set(phase, kernel);
    }
    const first = centre - reach;
    const from = Math.max(0, -first);
    const to = Math.min(taps, samples.length - first);
    // Four sums, so that an addition need not wait for the one before.
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    let k = from;
    for (; k + 3 < to; k += 4) {
      a += (kernel[k] as number) * (samples[first + k] as number);
      b += (kernel[k + 1] as number) * (samples[first + k + 1] as number);
      c += (kernel[k + 2] as number) * (samples[first + k + 2] as number);
      d += (kernel[k + 3] as number) * (samples[first + k + 3] as number);
    }
    for (; k < to; k++) a += (kernel[k] as number) * (samples[first + k] as number);
    out[i] = a + b + (c + d);
  }
  return soundOf(rateHz, out);
}

/** Weights of the input samples -reach..reach around one output position that lies `shift` (0..1) of a sample after the centre; their sum is 1. */
function kernelOf(
  shift: number,
  shape: { readonly cutoff: number; readonly half: number; readonly reach: number },
): Float64Array {
  const { cutoff, half, reach } = shape;
  const kernel = new Float64Array(2 * reach + 1);
  const scale = 1 / besselI0(BETA);
  let sum = 0;
  for (let k = 0; k < kernel.length; k++) {
    const t = k - reach - shift;
    const x = Math.PI * cutoff * t;
    const edge = 1 - (t / half) ** 2;
    const window = edge <= 0 ? 0 : besselI0(BETA * Math.sqrt(edge)) * scale;
    const value = (x === 0 ? 1 : Math.sin(x) / x) * window;
    kernel[k] = value;
    sum += value;
  }
  for (let k = 0; k < kernel.length; k++) kernel[k] = (kernel[k] as number) / sum;
  return kernel;
}

/** Modified Bessel function of the first kind, order 0, by its power series (all terms are positive: no cancellation). */
function besselI0(x: number): number {
  const quarter = (x * x) / 4;
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-17; k++) {
    term *= quarter / (k * k);
    sum += term;
  }
  return sum;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
