/** Shapes of the window that each frame is multiplied by, see `windowOf` of signal/window.ts. */
export type WindowShape = "hann" | "hann-symmetric" | "hamming" | "hamming-symmetric" | "povey" | "rectangular";

/**
 * What happens at the ends of a sound of n samples.
 * - `snip`: only frames that lie inside, 1 + floor((n - frame) / hop) of them, none when n < frame.
 * - `pad-end`: frames begin at 0, hop, ... until one reaches the end, zeros beyond it; 1 + ceil((n - frame) / hop), at least 1.
 * - `centre-zero`, `centre-reflect`: fft / 2 zeros, or mirrored samples (the end sample not repeated), on both sides; 1 + floor(n / hop) frames of
 *   `fft` samples, in whose middle the window of `frame` samples lies.
 */
export type FrameEdges = "snip" | "pad-end" | "centre-zero" | "centre-reflect";

/** How frames are cut and turned into spectra. */
export interface SpectrumSettings {
  /** Samples a frame. */
  readonly frame: number;
  /** Samples from one frame to the next. */
  readonly hop: number;
  /** Points of the Fourier transform: even, at least `frame`. Zeros follow the frame, or surround it with `centre-*`. */
  readonly fft: number;
  readonly window: WindowShape;
  readonly edges: FrameEdges;
  /** What samples of -1..1 are multiplied by first: 1, or 32768 where a convention takes 16-bit integers. */
  readonly gain: number;
  /** Whether the mean of each frame is taken away. */
  readonly removeMean: boolean;
  /** y[i] = x[i] - coefficient x[i-1]: over each frame (its first sample being its own predecessor) or the whole sound (its first sample kept). */
  readonly preEmphasis: { readonly coefficient: number; readonly over: "frame" | "sound" };
  /** 1: magnitudes |X|; 2: powers |X|^2. */
  readonly power: 1 | 2;
  /** What spectra are multiplied by after that: 1, or 1 / fft for a periodogram. */
  readonly spectrumGain: number;
}

/** A bank of overlapping triangles, evenly spaced on a mel scale. */
export interface MelSettings {
  readonly bands: number;
  readonly lowHz: number;
  readonly highHz: number;
  /** `htk`: proportional to ln(1 + f / 700). `slaney`: linear below 1 kHz, logarithmic above (Auditory Toolbox). */
  readonly scale: "htk" | "slaney";
  /**
   * Against what the sides of a triangle are straight: `hertz` (librosa, torchaudio), `mel` (Kaldi, HTK), or `bins`: corners rounded down to
   * bin floor((fft + 1) f / rate), sides straight against the bin number (python_speech_features).
   */
  readonly sides: "hertz" | "mel" | "bins";
  /** `slaney`: each triangle is divided by half its width in hertz, so that its area is 1. `none`: its peak is 1. */
  readonly norm: "none" | "slaney";
}

/** What energies are turned into. */
export type LogSettings =
  | { readonly kind: "none" }
  /** ln(max(x, floor)), or ln(x + floor) with `add`. */
  | { readonly kind: "ln"; readonly floor: number; readonly how: "max" | "add" }
  /** 10 log10(max(x, floor)), then no value more than `range` below the greatest of the sound; unbounded without `range`. */
  | { readonly kind: "decibel"; readonly floor: number; readonly range?: number };

/** Cosine transform (DCT-II, orthonormal) of the logarithms of a frame. */
export interface CepstrumSettings {
  /** Coefficients kept, from the zeroth on. */
  readonly count: number;
  /** Coefficient k is multiplied by 1 + length / 2 sin(pi (k + first) / length); absent: by 1. */
  readonly lifter?: { readonly length: number; readonly first: 0 | 1 };
  /** The zeroth: the transform's own, or ln of the energy of the frame (sum of squares before pre-emphasis and window) or of its spectrum (sum of bins). */
  readonly zeroth: "cepstrum" | "frame-energy" | "spectrum-energy";
}

/** The usual road: frames, window, Fourier transform, mel bands, logarithm, and perhaps cepstrum. Nothing is implied. */
export interface SpectralFrontEnd {
  readonly kind: "spectral";
  readonly rateHz: number;
  readonly spectrum: SpectrumSettings;
  readonly mel: MelSettings;
  readonly log: LogSettings;
  /** Absent: the (log) mel energies are the features. */
  readonly cepstrum?: CepstrumSettings;
}

/**
 * The integer front end of TensorFlow Lite Micro ("microfrontend", without gain control): Hann window, 16-bit Fourier transform, mel bands,
 * square root, noise reduction whose estimate of the noise starts at 0 with each sound, 64 ln(x) as an integer q. Features are q * gain + offset.
 */
export interface MicroFrontEnd {
  readonly kind: "micro";
  readonly rateHz: number;
  /** Samples a frame; the transform has the next power of two. */
  readonly frame: number;
  readonly hop: number;
  readonly bands: number;
  readonly lowHz: number;
  readonly highHz: number;
  /** Weight of a new frame in the estimate of the noise, 0..1, for bands of even and odd number. */
  readonly smoothing: { readonly even: number; readonly odd: number };
  /** Share of a band that noise reduction leaves at least. */
  readonly minSignalRemaining: number;
  readonly gain: number;
  readonly offset: number;
}

/** How sound becomes frames of numbers. */
export type FrontEnd = SpectralFrontEnd | MicroFrontEnd;

/** Frames of features, row by row: f32[frames, width]. */
export interface Features {
  readonly kind: "features";
  readonly frames: number;
  readonly width: number;
  readonly data: Float32Array;
}

/** Numbers a frame. */
export function widthOf(frontEnd: FrontEnd): number {
  return frontEnd.kind === "micro" ? frontEnd.bands : (frontEnd.cepstrum?.count ?? frontEnd.mel.bands);
}

/** Samples that `frames` frames need, and from one frame to the next. Centred frames are taken as `hop` long each: their context is padded or real. */
export function spanOf(frontEnd: FrontEnd, frames: number): { readonly span: number; readonly hop: number } {
  const { frame, hop } = frontEnd.kind === "micro" ? frontEnd : frontEnd.spectrum;
  const centred = frontEnd.kind === "spectral" && frontEnd.spectrum.edges.startsWith("centre");
  return { span: centred ? frames * hop : (frames - 1) * hop + frame, hop };
}
