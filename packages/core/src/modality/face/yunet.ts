import { fail } from "../../base/error.ts";
import type { Point } from "../../signal/warp.ts";
import { type Face, isUsable } from "./boxes.ts";

/** Raw outputs of a detector by role. */
export type DetectorOutputs = ReadonlyMap<string, Float32Array>;

/** What a decoder must know besides the numbers. Sizes are those of the network's input, pixels. */
export interface DecodeOptions {
  readonly width: number;
  readonly height: number;
  /** Faces below this score are left out. */
  readonly minScore: number;
}

/** Cell sizes of YuNet's three output levels, pixels. */
export const YUNET_STRIDES = [8, 16, 32] as const;

/**
 * Decodes YuNet (libfacedetection). Roles `cls_S` and `obj_S` f32[cells], `bbox_S` f32[cells, 4], `kps_S` f32[cells, 10] for S of 8, 16, 32,
 * cells row by row over ceil(width / S) columns. With (col, row) of a cell: score = sqrt(cls * obj), both first clamped to 0..1; centre =
 * (col + b0, row + b1) * S; size = (exp b2, exp b3) * S; landmark i = (col + k[2i], row + k[2i + 1]) * S. Boxes are not yet suppressed.
 * @throws DATA_MISSING, SHAPE_MISMATCH
 */
export function decodeYunet(outputs: DetectorOutputs, options: DecodeOptions): Face[] {
  const faces: Face[] = [];
  for (const stride of YUNET_STRIDES) {
    const columns = Math.ceil(options.width / stride);
    const cells = columns * Math.ceil(options.height / stride);
    const cls = roleOf(outputs, `cls_${stride}`, cells);
    const obj = roleOf(outputs, `obj_${stride}`, cells);
    const bbox = roleOf(outputs, `bbox_${stride}`, cells * 4);
    const kps = roleOf(outputs, `kps_${stride}`, cells * 10);
    for (let cell = 0; cell < cells; cell++) {
      const score = Math.sqrt(unit(cls[cell] as number) * unit(obj[cell] as number));
      if (!(score >= options.minScore)) continue;
      const column = cell % columns;
      const row = (cell - column) / columns;
      const width = Math.exp(bbox[cell * 4 + 2] as number) * stride;
      const height = Math.exp(bbox[cell * 4 + 3] as number) * stride;
      const landmarks: Point[] = [];
      for (let k = cell * 10; k < cell * 10 + 10; k += 2) {
        landmarks.push({ x: (column + (kps[k] as number)) * stride, y: (row + (kps[k + 1] as number)) * stride });
      }
      const face: Face = {
        x: (column + (bbox[cell * 4] as number)) * stride - width / 2,
        y: (row + (bbox[cell * 4 + 1] as number)) * stride - height / 2,
        width,
        height,
        score,
        landmarks,
      };
      if (isUsable(face) && landmarks.every((p) => Number.isFinite(p.x + p.y))) faces.push(face);
    }
  }
  return faces;
}

/** An output of a detector, with its length checked. @throws DATA_MISSING, SHAPE_MISMATCH */
export function roleOf(outputs: DetectorOutputs, role: string, length: number): Float32Array {
  const data = outputs.get(role);
  if (data === undefined) throw fail("DATA_MISSING", `Cannot decode faces: the detector has no output for "${role}"`);
  if (data.length !== length)
    throw fail("SHAPE_MISMATCH", `Cannot decode faces: "${role}" has ${data.length} numbers, not ${length}`);
  return data;
}

function unit(value: number): number {
  return Math.min(1, Math.max(0, value));
}
