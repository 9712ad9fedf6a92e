import { type Face, isUsable } from "./boxes.ts";
import { type DecodeOptions, type DetectorOutputs, roleOf } from "./yunet.ts";

/** Cell size and box sizes (pixels of the input) of each level of Ultra-Light-Fast-Generic-Face-Detector. */
const LEVELS: readonly { readonly stride: number; readonly sides: readonly number[] }[] = [
  { stride: 8, sides: [10, 16, 24] },
  { stride: 16, sides: [32, 48] },
  { stride: 32, sides: [64, 96] },
  { stride: 64, sides: [128, 192, 256] },
];

const CENTRE_VARIANCE = 0.1;
const SIZE_VARIANCE = 0.2;

/**
 * The prior boxes f64[priors, 4] as (centre x, centre y, width, height), relative to the input and clipped to 0..1: level by level, row by
 * row, column by column, side by side. 4,420 of them for 320 x 240.
 */
export function ultralightPriors(width: number, height: number): Float64Array {
  const priors: number[] = [];
  const clip = (v: number): number => Math.min(1, Math.max(0, v));
  for (const { stride, sides } of LEVELS) {
    for (let row = 0; row < Math.ceil(height / stride); row++) {
      for (let column = 0; column < Math.ceil(width / stride); column++) {
        for (const side of sides) {
          priors.push(
            clip(((column + 0.5) * stride) / width),
            clip(((row + 0.5) * stride) / height),
            clip(side / width),
            clip(side / height),
          );
        }
      }
    }
  }
  return Float64Array.from(priors);
}

/**
 * Decodes Ultra-Light (an SSD). Roles `scores` f32[priors, 2] (background, face) and `boxes` f32[priors, 4]: with the prior (cx, cy, w, h),
 * centre = (cx + 0.1 b0 w, cy + 0.1 b1 h), size = (w exp 0.2 b2, h exp 0.2 b3). Boxes are in pixels of the input, not yet suppressed, no landmarks.
 * @throws DATA_MISSING, SHAPE_MISMATCH
 */
export function decodeUltralight(outputs: DetectorOutputs, options: DecodeOptions): Face[] {
  const priors = ultralightPriors(options.width, options.height);
  const count = priors.length / 4;
  const scores = roleOf(outputs, "scores", count * 2);
  const boxes = roleOf(outputs, "boxes", count * 4);
  const faces: Face[] = [];
  for (let i = 0; i < count; i++) {
    const score = scores[i * 2 + 1] as number;
    if (!(score >= options.minScore)) continue;
    const [cx = 0, cy = 0, w = 0, h = 0] = priors.subarray(i * 4, i * 4 + 4);
    const [b0 = 0, b1 = 0, b2 = 0, b3 = 0] = boxes.subarray(i * 4, i * 4 + 4);
    const width = w * Math.exp(b2 * SIZE_VARIANCE) * options.width;
    const height = h * Math.exp(b3 * SIZE_VARIANCE) * options.height;
    const face: Face = {
      x: (cx + b0 * CENTRE_VARIANCE * w) * options.width - width / 2,
      y: (cy + b1 * CENTRE_VARIANCE * h) * options.height - height / 2,
      width,
      height,
      score,
    };
    if (isUsable(face)) faces.push(face);
  }
  return faces;
}
