import type { Random } from "../base/random.ts";
import type { Model } from "../graph/model.ts";
import { isOp } from "../graph/node.ts";
import { type Tensor, toNumbers, view } from "../graph/tensor.ts";
import { eachSample, exposeValues, nonFinite, type ObserveOptions, type Samples } from "./observe.ts";

/** How noise that stands for pictures is drawn. */
export interface PictureNoise {
  /** How fast amplitudes fall with frequency: photographs are near 1, white noise is at 0. */
  readonly slope: number;
  /** Standard deviation of the pixels, as a share of the whole range. */
  readonly contrast: number;
}

/** What photographs look like on the average, where nothing better is known. */
export const PICTURE_NOISE = { slope: 1, contrast: 0.25 } as const satisfies PictureNoise;

/** Kinds of noise that are tried against the statistics of a network. */
export const PICTURE_NOISES: readonly PictureNoise[] = [0.5, 1, 1.5].flatMap((slope) =>
  [0.15, 0.25, 0.35].map((contrast) => ({ slope, contrast })),
);

/** Sizes of a picture. */
export interface PictureSize {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** Mean brightness of the noise, as a share of the whole range. */
const BRIGHTNESS = 0.45;

/** Share of what all channels have in common: photographs are nearly grey. */
const COMMON = 0.9;

/**
 * A picture of noise with a spectrum like a photograph's: grids of random numbers, each twice as fine as the last, blown up and added. Values in [0, 1],
 * f32[channels, height, width].
 */
export function noisePicture(random: Random, size: PictureSize, noise: PictureNoise = PICTURE_NOISE): Float32Array {
  const { channels, height, width } = size;
  const plane = height * width;
  const common = octaves(random, size, noise.slope);
  const out = new Float32Array(channels * plane);
  for (let c = 0; c < channels; c++) {
    const own = octaves(random, size, noise.slope);
    const rest = Math.sqrt(1 - COMMON ** 2);
    for (let i = 0; i < plane; i++) {
      const v = BRIGHTNESS + noise.contrast * (COMMON * (common[i] as number) + rest * (own[i] as number));
      out[c * plane + i] = Math.min(1, Math.max(0, v));
    }
  }
  return out;
}

/** Noise of mean 0 and variance 1 over a plane. */
function octaves(random: Random, { height, width }: PictureSize, slope: number): Float64Array {
  const out = new Float64Array(height * width);
  const levels = Math.max(1, Math.ceil(Math.log2(Math.max(height, width))));
  for (let level = 0; level <= levels; level++) {
    const cells = 2 ** level;
    const amplitude = 2 ** (-level * (slope - 1));
    const side = cells + 1;
    const grid = Float64Array.from({ length: side * side }, () => random.normal() * amplitude);
    for (let y = 0; y < height; y++) {
      const v = (y / height) * cells;
      const row = Math.floor(v);
      for (let x = 0; x < width; x++) {
        const u = (x / width) * cells;
        const column = Math.floor(u);
        const at = row * side + column;
        const [a, b, c, d] = [grid[at], grid[at + 1], grid[at + side], grid[at + side + 1]] as [number, number, number, number];
        const [fu, fv] = [u - column, v - row];
        out[y * width + x] = (out[y * width + x] as number) + (a * (1 - fu) + b * fu) * (1 - fv) + (c * (1 - fu) + d * fu) * fv;
      }
    }
  }
  let mean = 0;
  for (const v of out) mean += v / out.length;
  let variance = 0;
  for (const v of out) variance += (v - mean) ** 2 / out.length;
  const scale = variance > 0 ? 1 / Math.sqrt(variance) : 0;
  return out.map((v) => (v - mean) * scale);
}

/** A value whose mean and variance by channel (axis 1) training left in the graph. */
export interface NormPlace {
  readonly tensor: string;
  readonly mean: ArrayLike<number>;
  readonly variance: ArrayLike<number>;
}

/** The inputs of a graph's BatchNormalizations. None in a graph in which they were folded into convolutions. */
export function normPlaces(model: Model): readonly NormPlace[] {
  const { nodes, constants } = model.graph;
  return nodes.flatMap((node): NormPlace[] => {
    const [mean, variance] = [3, 4].map((i) => constants.get(node.inputs[i] ?? ""));
    if (!isOp(node, "BatchNormalization") || mean === undefined || variance === undefined) return [];
    return [{ tensor: node.inputs[0] as string, mean: toNumbers(mean), variance: toNumbers(variance) }];
  });
}

/** Variances below this are of channels that are dead: nothing can be matched there. */
const DEAD = 1e-10;

/**
 * How far samples are from what a network was trained on, by the statistics that training left: for a channel, the squared distance of the means in
 * standard deviations plus the squared logarithm of the ratio of the deviations; the mean over channels, then over places. 0 when all agree.
 *
 * @throws CALIBRATION_EMPTY without samples, CALIBRATION_NONFINITE
 */
export async function normDistance(
  model: Model,
  places: readonly NormPlace[],
  samples: Samples,
  options: ObserveOptions,
): Promise<number> {
  const byName = new Map(places.map((place) => [place.tensor, { place, sums: new Sums(place.mean.length) }] as const));
  const names = [...byName.keys()];
  const visit = (name: string, value: Tensor): void => byName.get(name)?.sums.add(name, value);
  await eachSample(exposeValues(model, names), names, samples, { ...options, visit });
  let total = 0;
  for (const { place, sums } of byName.values()) total += sums.distance(place) / byName.size;
  return total;
}

/** Sums by channel. */
class Sums {
  private count = 0;
  private readonly sum: Float64Array;
  private readonly squares: Float64Array;

  constructor(channels: number) {
    this.sum = new Float64Array(channels);
    this.squares = new Float64Array(channels);
  }

  add(name: string, value: Tensor): void {
    const values = view(value, "float32");
    const channels = this.sum.length;
    const batch = value.shape[0] ?? 1;
    const inner = values.length / (batch * channels);
    for (let row = 0, i = 0; row < batch * channels; row++) {
      let sum = 0;
      let squares = 0;
      for (const end = i + inner; i < end; i++) {
        const v = values[i] as number;
        sum += v;
        squares += v * v;
      }
      if (!Number.isFinite(squares)) throw nonFinite(name);
      const c = row % channels;
      this.sum[c] = (this.sum[c] as number) + sum;
      this.squares[c] = (this.squares[c] as number) + squares;
    }
    this.count += batch * inner;
  }

  distance({ mean, variance }: NormPlace): number {
    let total = 0;
    for (let c = 0; c < this.sum.length; c++) {
      const [wanted, spread] = [mean[c] as number, variance[c] as number];
      if (!(spread > DEAD)) continue;
      const own = (this.sum[c] as number) / this.count;
      const ownSpread = Math.max(DEAD, (this.squares[c] as number) / this.count - own * own);
      total += (own - wanted) ** 2 / spread + (Math.log(ownSpread / spread) / 2) ** 2;
    }
    return total / this.sum.length;
  }
}
