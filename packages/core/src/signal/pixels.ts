import { fail } from "../base/error.ts";
import type { Image } from "./image.ts";

/**
 * How 8-bit samples become a network's numbers. For the sample x of channel c: value = (x / scale - mean[c]) / std[c], computed in double
 * precision and rounded once to float32. `mean` and `std` stand in the order of `colour` (the order of the tensor), one entry per channel.
 */
export interface PixelContract {
  readonly layout: "NCHW" | "NHWC";
  readonly colour: "RGB" | "BGR" | "GREY";
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Channels of the tensor a contract describes. */
export function channelsOf(contract: Pick<PixelContract, "colour">): 1 | 3 {
  return contract.colour === "GREY" ? 1 : 3;
}

/** Where {@link writePixels} puts its numbers. */
export interface PixelTarget {
  readonly out: Float32Array;
  /** Index of the first element; 0 unless given. */
  readonly offset?: number;
}

/**
 * Writes one picture as f32[C, H, W] or f32[H, W, C] into a larger array. Grey pictures are repeated over three channels where the contract
 * wants colour. @throws IMAGE_INVALID when a colour picture meets a grey contract; SHAPE_MISMATCH when the target is too short.
 */
export function writePixels(image: Image, contract: PixelContract, target: PixelTarget): void {
  const channels = channelsOf(contract);
  if (channels < image.channels)
    throw fail("IMAGE_INVALID", "Cannot feed a colour picture to a grey input: convert it with toGrey first");
  const { out, offset = 0 } = target;
  const count = image.width * image.height;
  if (offset + count * channels > out.length) {
    throw fail("SHAPE_MISMATCH", `Cannot write ${count * channels} pixels at ${offset}: the target holds ${out.length} numbers`);
  }
  const { data } = image;
  const step = image.channels;
  const planar = contract.layout === "NCHW";
  for (let c = 0; c < channels; c++) {
    const table = valuesOf(contract, c);
    const from = step === 1 ? 0 : contract.colour === "BGR" ? 2 - c : c;
    const start = offset + (planar ? c * count : c);
    const stride = planar ? 1 : channels;
    for (let p = 0, i = from, o = start; p < count; p++, i += step, o += stride) out[o] = table[data[i] as number] as number;
  }
}

/** One picture as a new array f32[C, H, W] or f32[H, W, C]. @throws IMAGE_INVALID as {@link writePixels}. */
export function pixelValues(image: Image, contract: PixelContract): Float32Array {
  const out = new Float32Array(image.width * image.height * channelsOf(contract));
  writePixels(image, contract, { out });
  return out;
}

/** The value of each of the 256 samples of a channel. */
function valuesOf(contract: PixelContract, channel: number): Float32Array {
  const mean = contract.mean[channel];
  const std = contract.std[channel];
  if (mean === undefined || std === undefined)
    throw fail("CARD_INVALID", `Cannot scale channel ${channel}: mean and std need one entry per channel`);
  const table = new Float32Array(256);
  for (let x = 0; x < 256; x++) table[x] = (x / contract.scale - mean) / std;
  return table;
}
