import type { Image } from "../../signal/image.ts";
import { resize } from "../../signal/resize.ts";
import { type Affine, warpAffine } from "../../signal/warp.ts";
import { cropAt, type FaceCrops } from "./crops.ts";

/** Another way of cutting faces out, tried on faces that are cut out already. */
export interface GeometryVariant {
  readonly name: string;
  readonly change: (image: Image) => Image;
}

/** How much tighter or looser, and how far up or down, in parts of the picture. */
const ZOOM = 1.15;
const SHIFT = 0.08;

/** Outside a crop there is nothing to show: a grey that most scalings turn into nearly zero. */
const BORDER = 127;

function warped(name: string, map: (width: number, height: number) => Affine): GeometryVariant {
  const change = (image: Image): Image => {
    const { width, height } = image;
    return warpAffine(image, map(width, height), { width, height, border: BORDER });
  };
  return { name, change };
}

/** The map that scales about the middle of the picture. */
function zoom(by: number): (width: number, height: number) => Affine {
  return (width, height) => [by, 0, ((1 - by) * (width - 1)) / 2, 0, by, ((1 - by) * (height - 1)) / 2];
}

/** As a picture of half the size that was enlarged, or shrunk by a kernel that smooths. */
function softened(image: Image): Image {
  const { width, height } = image;
  const size = { width: Math.max(1, width >> 1), height: Math.max(1, height >> 1) };
  return resize(resize(image, size, { filter: "area" }), { width, height });
}

/**
 * Usual mistakes in where the face lies: pictures left on their side (EXIF orientation not heeded), another alignment template (tighter, looser, higher or
 * lower), and a resize kernel that smooths. Tried on the aligned crops themselves, so what lay outside them is grey, and pixels are interpolated
 * once more: that a variant is worse may be due to this, that it is better is not.
 */
export const GEOMETRY_VARIANTS: readonly GeometryVariant[] = [
  warped("turned a quarter to the right (EXIF)", (_, height) => [0, -1, height - 1, 1, 0, 0]),
  warped("turned a quarter to the left (EXIF)", (width) => [0, 1, 0, -1, 0, width - 1]),
  warped("upside down (EXIF)", (width, height) => [-1, 0, width - 1, 0, -1, height - 1]),
  warped("cut out tighter (alignment template)", zoom(ZOOM)),
  warped("cut out looser (alignment template)", zoom(1 / ZOOM)),
  warped("face higher (alignment template)", (_, height) => [1, 0, 0, 0, 1, -SHIFT * height]),
  warped("face lower (alignment template)", (_, height) => [1, 0, 0, 0, 1, SHIFT * height]),
  { name: "smoothed (resize kernel)", change: softened },
];

/** All crops changed alike. */
export function changeCrops(crops: FaceCrops, { change }: GeometryVariant): FaceCrops {
  const size = crops.width * crops.height * 3;
  const data = new Uint8Array(crops.data.length);
  for (let i = 0; i < crops.count; i++) data.set(change(cropAt(crops, i)).data, i * size);
  return { ...crops, data };
}
