import { fail } from "../base/error.ts";
import { MAX_RATE_HZ, MIN_RATE_HZ, type Sound, soundOf } from "./sound.ts";

/** Zero crossings of the sinc on each side, at the lower of the two rates. */
const ZEROS = 32;

/** Kaiser's beta: about 100 dB of stop-band attenuation. */
const BETA = 10.056;

/** Where the cut-off (-6 dB) lies, as a share of the lower Nyquist frequency. */
const ROLL_OFF = 0.9;

/**
 * Another sampling rate, by convolution with a sinc under a Kaiser window (one phase per output position modulo the ratio), samples beyond the ends being 0.
 * The output has ceil(n * to / from) samples; sample 0 stays where it is. The same rate gives the sound itself.
 * @throws AUDIO_INVALID for a rate outside 4..384 kHz or two rates whose ratio is too fine
 */
export function resample(sound: Sound, rateHz: number): Sound {
  if (rateHz === sound.rateHz) return sound;
  if (!Number.isInteger(rateHz) || rateHz < MIN_RATE_HZ || rateHz > MAX_RATE_HZ) {
    throw fail("AUDIO_INVALID", `Cannot resample to ${rateHz} Hz: rates are integers within ${MIN_RATE_HZ}..${MAX_RATE_HZ}`);
  }
  const divisor = gcd(sound.rateHz, rateHz);
  const up = rateHz / divisor;
  const down = sound.rateHz / divisor;
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
    let sum = 0;
    for (let k = from; k < to; k++) sum += (kernel[k] as number) * (samples[first + k] as number);
    out[i] = sum;
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
