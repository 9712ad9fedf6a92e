import { type Face, isUsable } from "./boxes.ts";
import { ultralightPriors } from "./ultralight.ts";
import { type DecodeOptions, type DetectorOutputs, roleOf } from "./yunet.ts";

/**
 * Decodes an Ultra-Light network whose graph ends with the decoding of its own boxes. Roles `scores` f32[priors, 2] (background, face) and
 * `boxes` f32[priors, 4]: left, top, right, bottom as shares of the input's width and height. Boxes come back in pixels of the input, not yet
 * suppressed, without landmarks. A box of the raw kind read as corners would lie about the top left corner, so the two must not be mixed up.
 * @throws DATA_MISSING, SHAPE_MISMATCH
 */
export function decodeCorners(outputs: DetectorOutputs, options: DecodeOptions): Face[] {
  const count = ultralightPriors(options.width, options.height).length / 4;
  const scores = roleOf(outputs, "scores", count * 2);
  const boxes = roleOf(outputs, "boxes", count * 4);
  const faces: Face[] = [];
  for (let i = 0; i < count; i++) {
    const score = scores[i * 2 + 1] as number;
    if (!(score >= options.minScore)) continue;
    const [left = 0, top = 0, right = 0, bottom = 0] = boxes.subarray(i * 4, i * 4 + 4);
    const face: Face = {
      x: left * options.width,
      y: top * options.height,
      width: (right - left) * options.width,
      height: (bottom - top) * options.height,
      score,
    };
    if (isUsable(face)) faces.push(face);
  }
  return faces;
}
