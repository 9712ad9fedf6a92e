import { fail } from "../../base/error.ts";
import type { Session } from "../../graph/runtime.ts";
import { f32, view } from "../../graph/tensor.ts";
import { crop } from "../../signal/crop.ts";
import { type Image, toGrey } from "../../signal/image.ts";
import { pixelValues } from "../../signal/pixels.ts";
import { resize } from "../../signal/resize.ts";
import type { Point } from "../../signal/warp.ts";
import type { Face } from "./boxes.ts";

/** Points of the usual face mark-up (iBUG 300-W): jaw 0..16, brows 17..26, nose 27..35, eyes 36..47, mouth 48..67. */
const POINTS = 68;

/**
 * Which of the 68 points make each of the five of the alignment template: of an eye the four points of its lids (the corners move with the
 * glance less, but lids centre on the pupil), the tip of the nose, and of a mouth corner its outer and inner point.
 */
const FIVE: readonly (readonly number[])[] = [[37, 38, 40, 41], [43, 44, 46, 47], [30], [48, 60], [54, 64]];

/** The five alignment points (left eye, right eye, nose, left and right mouth corner as seen in the picture) of 68. @throws SHAPE_MISMATCH */
export function fiveOf68(points: readonly Point[]): readonly Point[] {
  if (points.length !== POINTS)
    throw fail("SHAPE_MISMATCH", `Cannot pick five landmarks: there are ${points.length}, not ${POINTS}`);
  return FIVE.map((indices) => {
    let x = 0;
    let y = 0;
    for (const i of indices) {
      x += (points[i] as Point).x / indices.length;
      y += (points[i] as Point).y / indices.length;
    }
    return { x, y };
  });
}

/** A landmark network: grey face box f32[1, 1, side, side] with values x / 256, to f32[1, 136]: x and y of each point as shares of the box. */
export interface LandmarkNet {
  readonly session: Session;
  readonly input: string;
  readonly output: string;
  readonly side: number;
}

/**
 * Finds the five landmarks of a face whose box is known, by a network of 68 points. Pixels outside the picture are black.
 * @throws RUNTIME_FAILED, DATA_MISSING, SHAPE_MISMATCH
 */
export async function landmarksOf(net: LandmarkNet, image: Image, face: Face): Promise<readonly Point[]> {
  const box = {
    x: Math.round(face.x),
    y: Math.round(face.y),
    width: Math.max(1, Math.round(face.width)),
    height: Math.max(1, Math.round(face.height)),
  };
  const grey = toGrey(crop(image, box));
  const values = pixelValues(resize(grey, { width: net.side, height: net.side }), {
    layout: "NCHW",
    colour: "GREY",
    scale: 256,
    mean: [0],
    std: [1],
  });
  const result = (await net.session.run(new Map([[net.input, f32([1, 1, net.side, net.side], values)]]))).get(net.output);
  if (result === undefined) throw fail("DATA_MISSING", `Cannot find landmarks: the model has no output "${net.output}"`);
  const shares = view(result, "float32");
  if (shares.length !== 2 * POINTS)
    throw fail("SHAPE_MISMATCH", `Cannot find landmarks: "${net.output}" is [${result.shape}], not [1, ${2 * POINTS}]`);
  return fiveOf68(
    Array.from({ length: POINTS }, (_, i) => ({
      x: box.x + (shares[2 * i] as number) * box.width,
      y: box.y + (shares[2 * i + 1] as number) * box.height,
    })),
  );
}
