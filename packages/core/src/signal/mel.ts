import type { MelSettings } from "./front-end.ts";

/** Triangular filters over the bins of a spectrum; only the bins that a band touches are kept. */
export interface MelBank {
  readonly bands: number;
  /** First bin of each band. */
  readonly first: Int32Array;
  /** Where the weights of each band begin in `weights`; one longer than `bands`. */
  readonly start: Int32Array;
  readonly weights: Float64Array;
}

const HTK = {
  /** Mel of hertz up to a constant factor, which even spacing does not see. */
  of: (hz: number): number => 1127 * Math.log1p(hz / 700),
  hz: (mel: number): number => 700 * Math.expm1(mel / 1127),
};

const LINEAR_HZ = 200 / 3;
const LOG_STEP = Math.log(6.4) / 27;

/** Slaney's Auditory Toolbox: 200/3 Hz a mel below 1 kHz (15 mel), 27 mel for each factor of 6.4 above. */
const SLANEY = {
  of: (hz: number): number => (hz < 1000 ? hz / LINEAR_HZ : 15 + Math.log(hz / 1000) / LOG_STEP),
  hz: (mel: number): number => (mel < 15 ? mel * LINEAR_HZ : 1000 * Math.exp((mel - 15) * LOG_STEP)),
};

/** The filters of a transform of `fft` points at `rateHz`. */
export function melBank(settings: MelSettings, spectrum: { readonly fft: number; readonly rateHz: number }): MelBank {
  const { bands, lowHz, highHz, sides, norm } = settings;
  const { fft, rateHz } = spectrum;
  const scale = settings.scale === "htk" ? HTK : SLANEY;
  const low = scale.of(lowHz);
  const step = (scale.of(highHz) - low) / (bands + 1);
  const hz = (corner: number): number => scale.hz(low + step * corner);
  // Corner and bin in the unit against which sides are straight.
  const corner = (c: number): number =>
    sides === "mel" ? low + step * c : sides === "hertz" ? hz(c) : Math.floor(((fft + 1) * hz(c)) / rateHz);
  const place = (bin: number): number =>
    sides === "bins" ? bin : sides === "hertz" ? (bin * rateHz) / fft : scale.of((bin * rateHz) / fft);
  const first = new Int32Array(bands);
  const start = new Int32Array(bands + 1);
  const weights: number[] = [];
  for (let band = 0; band < bands; band++) {
    const [left, middle, right] = [corner(band), corner(band + 1), corner(band + 2)];
    const gain = norm === "slaney" ? 2 / (hz(band + 2) - hz(band)) : 1;
    let began = false;
    for (let bin = 0; bin <= fft / 2; bin++) {
      const x = place(bin);
      // At the middle itself both sides give 1, even where one of them has no width.
      const weight = x === middle ? 1 : x < middle ? (x - left) / (middle - left) : (right - x) / (right - middle);
      if (!(weight > 0)) {
        if (began) break;
        continue;
      }
      if (!began) first[band] = bin;
      began = true;
      weights.push(weight * gain);
    }
    start[band + 1] = weights.length;
  }
  return { bands, first, start, weights: Float64Array.from(weights) };
}

/** Weighted sums of a spectrum, into `out` of `bands` numbers. */
export function applyMel(bank: MelBank, spectrum: Float64Array, out: Float64Array): void {
  const { bands, first, start, weights } = bank;
  for (let band = 0; band < bands; band++) {
    const begin = start[band] as number;
    const end = start[band + 1] as number;
    const bin = (first[band] as number) - begin;
    let sum = 0;
    for (let i = begin; i < end; i++) sum += (weights[i] as number) * (spectrum[bin + i] as number);
    out[band] = sum;
  }
}
