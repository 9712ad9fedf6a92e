/** Settings of {@link mfcc}: those of the MLPerf Tiny keyword spotting reference. */
const RATE_HZ = 16_000;
const FRAME = 480;
const HOP = 320;
const FFT = 512;
const BANDS = 40;
const LOW_HZ = 20;
const HIGH_HZ = 4000;

function mel(hz: number): number {
  return 1127 * Math.log(1 + hz / 700);
}

/** Weight of each band at each bin of the spectrum: triangles on the mel scale. */
function bands(): readonly Float64Array[] {
  const step = (mel(HIGH_HZ) - mel(LOW_HZ)) / (BANDS + 1);
  return Array.from({ length: BANDS }, (_, band) => {
    const centre = mel(LOW_HZ) + step * (band + 1);
    return Float64Array.from({ length: FFT / 2 + 1 }, (_, bin) =>
      Math.max(0, 1 - Math.abs(mel((bin * RATE_HZ) / FFT) - centre) / step),
    );
  });
}

/**
 * Cepstral coefficients of a second of sound, `frames` rows of `count`. A slow, direct transform: it serves to make inputs that look like real ones,
 * not to judge a recogniser.
 *
 * @param samples 16 kHz, -1..1
 */
export function mfcc(samples: Float32Array, frames: number, count: number): Float32Array {
  const filters = bands();
  const cosine = Float64Array.from({ length: FFT }, (_, i) => Math.cos((2 * Math.PI * i) / FFT));
  const sine = Float64Array.from({ length: FFT }, (_, i) => Math.sin((2 * Math.PI * i) / FFT));
  const window = Float64Array.from({ length: FRAME }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / FRAME));
  const out = new Float32Array(frames * count);
  for (let frame = 0; frame < frames; frame++) {
    const spectrum = Float64Array.from({ length: FFT / 2 + 1 }, (_, bin) => {
      let re = 0;
      let im = 0;
      for (let i = 0; i < FRAME; i++) {
        const value = (samples[frame * HOP + i] ?? 0) * (window[i] as number);
        const turn = (bin * i) % FFT;
        re += value * (cosine[turn] as number);
        im += value * (sine[turn] as number);
      }
      return Math.hypot(re, im);
    });
    const logs = filters.map((filter) =>
      Math.log(filter.reduce((sum, weight, bin) => sum + weight * (spectrum[bin] as number), 1e-6)),
    );
    for (let k = 0; k < count; k++) {
      const sum = logs.reduce((total, value, band) => total + value * Math.cos((Math.PI * k * (band + 0.5)) / BANDS), 0);
      out[frame * count + k] = sum * Math.sqrt(2 / BANDS);
    }
  }
  return out;
}
