import { seededRandom } from "@tessera/core/base/random";
import type { Image } from "@tessera/core/signal/image";
import { type Sound, soundOf } from "@tessera/core/signal/sound";

/** A face as a poor camera gives it: blurred by up to 3 pixels (of 112), down to 15 % of the light, with noise of up to 8 levels. `severity` in 0..1. */
export function degradedFace(face: Image, severity: number, seed: number): Image {
  const random = seededRandom(seed);
  const { width, height, channels } = face;
  const taps = gaussian(3 * severity);
  const across = convolved(Float32Array.from(face.data), { width, height, channels, taps, step: channels, extent: width });
  const blurred = convolved(across, { width, height, channels, taps, step: channels * width, extent: height });
  const light = 1 - 0.85 * severity;
  const data = Uint8Array.from(blurred, (level) =>
    Math.min(255, Math.max(0, Math.round(level * light + 8 * severity * random.normal()))),
  );
  return { ...face, data };
}

/** A voice with white noise: 40 dB below it at severity 0, as loud as it at 1. */
export function degradedVoice(voice: Sound, severity: number, seed: number): Sound {
  const random = seededRandom(seed);
  const { samples } = voice;
  const power = samples.reduce((sum, v) => sum + v * v, 0) / samples.length;
  const noise = Math.sqrt(power * 10 ** (-(40 - 40 * severity) / 10));
  return soundOf(
    voice.rateHz,
    samples.map((v) => v + noise * random.normal()),
  );
}

function gaussian(sigma: number): Float32Array {
  const reach = Math.ceil(3 * sigma);
  const taps = Float32Array.from({ length: 2 * reach + 1 }, (_, i) =>
    sigma === 0 ? 1 : Math.exp(-((i - reach) ** 2) / (2 * sigma * sigma)),
  );
  const sum = taps.reduce((a, b) => a + b, 0);
  return taps.map((tap) => tap / sum);
}

interface Pass {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly taps: Float32Array;
  /** From a sample to the next one along the axis, and how many there are. */
  readonly step: number;
  readonly extent: number;
}

/** One axis; beyond the edge the edge goes on. */
function convolved(data: Float32Array, { taps, step, extent }: Pass): Float32Array {
  const reach = (taps.length - 1) / 2;
  return data.map((_, i) => {
    const place = Math.floor(i / step) % extent;
    let sum = 0;
    for (let k = -reach; k <= reach; k++) {
      const to = Math.min(extent - 1, Math.max(0, place + k));
      sum += (taps[k + reach] as number) * (data[i + (to - place) * step] as number);
    }
    return sum;
  });
}
