import type {
  CepstrumSettings,
  FrontEnd,
  LogSettings,
  MelSettings,
  MicroFrontEnd,
  SpectralFrontEnd,
  SpectrumSettings,
} from "../signal/front-end.ts";
import { widthOf } from "../signal/front-end.ts";
import { MAX_RATE_HZ, MIN_RATE_HZ } from "../signal/sound.ts";
import type { VoicePreparation } from "./card.ts";
import { badField, type Field, flagAt, integerAt, numberAt, objectAt, wordAt } from "./fields.ts";

/** Longest frame, hop and transform a card may ask for, samples. */
const MAX_SAMPLES = 1 << 16;

/** Most bands, coefficients a frame. */
const MAX_BANDS = 512;

/**
 * Reads `input.preparation`: how a voice becomes the network's input. Its frames must fill `shape`, its rate be the one the input names, where it
 * names one. @throws CARD_INVALID naming the field.
 */
export function preparationAt(
  field: Field,
  input: { readonly shape: readonly number[]; readonly sampleRateHz: number | undefined },
): VoicePreparation {
  const preparation = objectAt(field);
  const raise = preparation.may("raiseToDbfs");
  const windowsField = preparation.need("windows");
  const windows = objectAt(windowsField);
  const result: VoicePreparation = {
    ...(raise && { raiseToDbfs: numberAt(raise, -100, 0) }),
    speech: wordAt(preparation.need("speech"), ["all", "energy"]),
    frontEnd: frontEndAt(preparation.need("frontEnd")),
    windows: {
      frames: integerAt(windows.need("frames"), 1, MAX_SAMPLES),
      hop: integerAt(windows.need("hop"), 1, MAX_SAMPLES),
      minCoverage: numberAt(windows.need("minCoverage"), 0.01, 1),
      computed: wordAt(windows.need("computed"), ["whole", "each"]),
    },
  };
  for (const part of [windows, preparation]) part.end();
  const { shape, sampleRateHz = result.frontEnd.rateHz } = input;
  if (result.frontEnd.rateHz !== sampleRateHz)
    throw badField(field, `is for ${result.frontEnd.rateHz} Hz, but the input's sampleRateHz is ${sampleRateHz}`);
  const wanted = shape.reduce((product, size) => product * size, 1);
  const width = widthOf(result.frontEnd);
  if (result.windows.frames * width !== wanted) {
    throw badField(
      windowsField,
      `gives ${result.windows.frames} frames of ${width} numbers, but the shape [${shape}] holds ${wanted}`,
    );
  }
  return result;
}

function frontEndAt(field: Field): FrontEnd {
  const frontEnd = objectAt(field);
  const kind = wordAt(frontEnd.need("kind"), ["spectral", "micro"]);
  const rateHz = integerAt(frontEnd.need("rateHz"), MIN_RATE_HZ, MAX_RATE_HZ);
  if (kind === "micro") {
    const smoothing = objectAt(frontEnd.need("smoothing"));
    const result: MicroFrontEnd = {
      kind,
      rateHz,
      frame: integerAt(frontEnd.need("frame"), 2, MAX_SAMPLES),
      hop: integerAt(frontEnd.need("hop"), 1, MAX_SAMPLES),
      bands: integerAt(frontEnd.need("bands"), 1, MAX_BANDS),
      ...limitsAt(frontEnd, rateHz),
      smoothing: { even: numberAt(smoothing.need("even"), 0, 1), odd: numberAt(smoothing.need("odd"), 0, 1) },
      minSignalRemaining: numberAt(frontEnd.need("minSignalRemaining"), 0, 1),
      gain: numberAt(frontEnd.need("gain")),
      offset: numberAt(frontEnd.need("offset")),
    };
    for (const part of [smoothing, frontEnd]) part.end();
    return result;
  }
  const spectrum = spectrumAt(frontEnd.need("spectrum"));
  const mel = melAt(frontEnd.need("mel"), rateHz);
  const cepstrum = frontEnd.may("cepstrum");
  const result: SpectralFrontEnd = {
    kind,
    rateHz,
    spectrum,
    mel,
    log: logAt(frontEnd.need("log")),
    ...(cepstrum && { cepstrum: cepstrumAt(cepstrum, mel.bands) }),
  };
  frontEnd.end();
  return result;
}

function limitsAt(reader: ReturnType<typeof objectAt>, rateHz: number): { readonly lowHz: number; readonly highHz: number } {
  const high = reader.need("highHz");
  const lowHz = numberAt(reader.need("lowHz"), 0, rateHz / 2);
  const highHz = numberAt(high, 0, rateHz / 2);
  if (highHz <= lowHz) throw badField(high, `is ${highHz}, not above lowHz`);
  return { lowHz, highHz };
}

function spectrumAt(field: Field): SpectrumSettings {
  const spectrum = objectAt(field);
  const emphasis = objectAt(spectrum.need("preEmphasis"));
  const fft = spectrum.need("fft");
  const frame = integerAt(spectrum.need("frame"), 2, MAX_SAMPLES);
  const result: SpectrumSettings = {
    frame,
    hop: integerAt(spectrum.need("hop"), 1, MAX_SAMPLES),
    fft: integerAt(fft, frame, MAX_SAMPLES),
    window: wordAt(spectrum.need("window"), ["hann", "hann-symmetric", "hamming", "hamming-symmetric", "povey", "rectangular"]),
    edges: wordAt(spectrum.need("edges"), ["snip", "pad-end", "centre-zero", "centre-reflect"]),
    gain: numberAt(spectrum.need("gain"), 1e-6, 1e6),
    removeMean: flagAt(spectrum.need("removeMean")),
    preEmphasis: {
      coefficient: numberAt(emphasis.need("coefficient"), 0, 1),
      over: wordAt(emphasis.need("over"), ["frame", "sound"]),
    },
    power: integerAt(spectrum.need("power"), 1, 2) === 1 ? 1 : 2,
    spectrumGain: numberAt(spectrum.need("spectrumGain"), 1e-12, 1e12),
  };
  if (result.fft % 2 !== 0) throw badField(fft, `is ${result.fft}, not even`);
  for (const part of [emphasis, spectrum]) part.end();
  return result;
}

function melAt(field: Field, rateHz: number): MelSettings {
  const mel = objectAt(field);
  const result: MelSettings = {
    bands: integerAt(mel.need("bands"), 1, MAX_BANDS),
    ...limitsAt(mel, rateHz),
    scale: wordAt(mel.need("scale"), ["htk", "slaney"]),
    sides: wordAt(mel.need("sides"), ["hertz", "mel", "bins"]),
    norm: wordAt(mel.need("norm"), ["none", "slaney"]),
  };
  mel.end();
  return result;
}

function logAt(field: Field): LogSettings {
  const log = objectAt(field);
  const kind = wordAt(log.need("kind"), ["none", "ln", "decibel"]);
  const result = ((): LogSettings => {
    if (kind === "none") return { kind };
    const floor = numberAt(log.need("floor"), 1e-30, 1e6);
    if (kind === "ln") return { kind, floor, how: wordAt(log.need("how"), ["max", "add"]) };
    const range = log.may("range");
    return { kind, floor, ...(range && { range: numberAt(range, 1, 1000) }) };
  })();
  log.end();
  return result;
}

function cepstrumAt(field: Field, bands: number): CepstrumSettings {
  const cepstrum = objectAt(field);
  const lifterField = cepstrum.may("lifter");
  const lifter = lifterField && objectAt(lifterField);
  const result: CepstrumSettings = {
    count: integerAt(cepstrum.need("count"), 1, bands),
    ...(lifter && {
      lifter: {
        length: numberAt(lifter.need("length"), 1, 1000),
        first: integerAt(lifter.need("first"), 0, 1) === 0 ? 0 : 1,
      },
    }),
    zeroth: wordAt(cepstrum.need("zeroth"), ["cepstrum", "frame-energy", "spectrum-energy"]),
  };
  lifter?.end();
  cepstrum.end();
  return result;
}
