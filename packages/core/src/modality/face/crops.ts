import { fail } from "../../base/error.ts";
import type { Image } from "../../signal/image.ts";

/** Why a picture gave no aligned face. */
export interface AcquisitionFailure {
  /** Index of the picture. */
  readonly index: number;
  readonly name: string;
  readonly why: "no-face" | "unreadable";
  /** What was done about it. */
  readonly used: "nothing" | "centre-crop";
  readonly message: string;
}

/** Aligned faces of one size, u8[N, height, width, 3] (RGB), a row for every picture; rows without a face are black and not `acquired`. */
export interface FaceCrops {
  readonly kind: "crops";
  readonly width: number;
  readonly height: number;
  readonly count: number;
  readonly data: Uint8Array;
  readonly names: readonly string[];
  /** u8[N]: 1 where there is a face (or what the fallback made of the picture). */
  readonly acquired: Uint8Array;
  readonly failures: readonly AcquisitionFailure[];
}

/** One aligned face as a picture, sharing memory. */
export function cropAt(crops: FaceCrops, index: number): Image {
  const size = crops.width * crops.height * 3;
  return {
    kind: "image",
    width: crops.width,
    height: crops.height,
    channels: 3,
    data: crops.data.subarray(index * size, (index + 1) * size),
  };
}

/** Crops from pictures of one size that are already aligned. @throws IMAGE_INVALID when a picture has another size or is grey. */
export function cropsOf(images: readonly Image[], names: readonly string[]): FaceCrops {
  const [first] = images;
  const width = first?.width ?? 0;
  const height = first?.height ?? 0;
  const size = width * height * 3;
  const data = new Uint8Array(images.length * size);
  for (const [i, image] of images.entries()) {
    if (image.width !== width || image.height !== height || image.channels !== 3) {
      throw fail(
        "IMAGE_INVALID",
        `Cannot use ${names[i] ?? i} as a crop: it is ${image.width} x ${image.height} x ${image.channels}, not ${width} x ${height} x 3`,
      );
    }
    data.set(image.data, i * size);
  }
  return {
    kind: "crops",
    width,
    height,
    count: images.length,
    data,
    names,
    acquired: new Uint8Array(images.length).fill(1),
    failures: [],
  };
}

/** The crops at the given rows, in that order; failures are left behind. */
export function selectCrops(crops: FaceCrops, rows: readonly number[]): FaceCrops {
  const size = crops.width * crops.height * 3;
  const data = new Uint8Array(rows.length * size);
  const acquired = new Uint8Array(rows.length);
  for (const [i, row] of rows.entries()) {
    data.set(crops.data.subarray(row * size, (row + 1) * size), i * size);
    acquired[i] = crops.acquired[row] ?? 0;
  }
  return { ...crops, count: rows.length, data, acquired, names: rows.map((row) => crops.names[row] ?? ""), failures: [] };
}
