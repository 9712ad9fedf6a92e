import { fail } from "../../base/error.ts";
import { attrFloat, attrInt, attrString } from "../../graph/node.ts";
import { i64, toInts, toNumbers } from "../../graph/tensor.ts";
import type { DETECTION } from "../../ops/detection.ts";
import type { Kernel, NoKernel } from "../kernel.ts";
import { fromReals, type Reals, reals, realsFor } from "../reals.ts";
import { needed } from "./needed.ts";

/** Corners of a box, lower ones first. */
type Corners = readonly [number, number, number, number];

function cornersOf(boxes: Reals, at: number, centre: boolean): Corners {
  const [a, b, c, d] = [boxes[at], boxes[at + 1], boxes[at + 2], boxes[at + 3]] as [number, number, number, number];
  // Centre form is x, y, width, height; corner form is y1, x1, y2, x2 in any order of the corners.
  if (centre) return [b - d / 2, a - c / 2, b + d / 2, a + c / 2];
  return [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)];
}

function overlap(p: Corners, q: Corners): number {
  const height = Math.min(p[2], q[2]) - Math.max(p[0], q[0]);
  const width = Math.min(p[3], q[3]) - Math.max(p[1], q[1]);
  if (height <= 0 || width <= 0) return 0;
  const shared = height * width;
  const union = (p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1]) - shared;
  return union <= 0 ? 0 : shared / union;
}

// Greedy, class by class: the best box stays, those that overlap it by more than the threshold go. Equal scores keep the order of the boxes.
const nonMaxSuppression: Kernel = (inputs, context) => {
  const { node } = context;
  const [boxTensor, scoreTensor] = [needed(inputs, 0, context), needed(inputs, 1, context)];
  const [boxes, scores] = [reals(boxTensor), reals(scoreTensor)];
  const [batch, classes, count] = scoreTensor.shape as [number, number, number];
  if (boxTensor.shape[0] !== batch || boxTensor.shape[1] !== count || boxTensor.shape[2] !== 4) {
    throw fail(
      "SHAPE_MISMATCH",
      `Cannot run NonMaxSuppression: boxes [${boxTensor.shape}] and scores [${scoreTensor.shape}] do not fit`,
      { at: { node: node.name } },
    );
  }
  const most = inputs[2] === undefined ? 0 : (toInts(inputs[2])[0] as number);
  const iou = inputs[3] === undefined ? 0 : (toNumbers(inputs[3])[0] as number);
  const least = inputs[4] === undefined ? Number.NEGATIVE_INFINITY : (toNumbers(inputs[4])[0] as number);
  const centre = attrInt(node, "center_point_box", 0) !== 0;
  const picked: number[] = [];
  for (let b = 0; b < batch; b++) {
    const corners = Array.from({ length: count }, (_, i) => cornersOf(boxes, (b * count + i) * 4, centre));
    for (let c = 0; c < classes; c++) {
      const base = (b * classes + c) * count;
      const order = Array.from({ length: count }, (_, i) => i).filter((i) => (scores[base + i] as number) > least);
      order.sort((p, q) => (scores[base + q] as number) - (scores[base + p] as number) || p - q);
      const kept: number[] = [];
      for (const i of order) {
        if (kept.length >= most) break;
        if (kept.some((k) => overlap(corners[k] as Corners, corners[i] as Corners) > iou)) continue;
        kept.push(i);
        picked.push(b, c, i);
      }
    }
  }
  return [i64([picked.length / 3, 3], picked)];
};

/** Bilinear sample of a plane; zero more than one cell outside, the edge value up to there. */
function sampleAt(x: Reals, plane: number, size: readonly [number, number], point: readonly [number, number]): number {
  const [height, width] = size;
  if (point[0] < -1 || point[0] > height || point[1] < -1 || point[1] > width) return 0;
  const y = Math.min(height - 1, Math.max(0, point[0]));
  const z = Math.min(width - 1, Math.max(0, point[1]));
  const [top, left] = [Math.floor(y), Math.floor(z)];
  const [bottom, right] = [Math.min(height - 1, top + 1), Math.min(width - 1, left + 1)];
  const [v, h] = [y - top, z - left];
  const at = (row: number, column: number): number => x[plane + row * width + column] as number;
  return (1 - v) * ((1 - h) * at(top, left) + h * at(top, right)) + v * ((1 - h) * at(bottom, left) + h * at(bottom, right));
}

// "max" takes the largest sampled value, as the words of the specification say; ONNX Runtime takes the largest of the four weighted corners.
const roiAlign: Kernel = (inputs, context) => {
  const { node } = context;
  const [t, roiTensor] = [needed(inputs, 0, context), needed(inputs, 1, context)];
  const batches = toInts(needed(inputs, 2, context));
  const half = attrString(node, "coordinate_transformation_mode", "half_pixel") === "half_pixel";
  const most = attrString(node, "mode", "avg") === "max";
  const [rows, columns] = [attrInt(node, "output_height", 1), attrInt(node, "output_width", 1)];
  const ratio = attrInt(node, "sampling_ratio", 0);
  const scale = attrFloat(node, "spatial_scale", 1);
  const [channels, height, width] = [t.shape[1], t.shape[2], t.shape[3]] as [number, number, number];
  const [x, rois] = [reals(t), reals(roiTensor)];
  const shape = [roiTensor.shape[0] as number, channels, rows, columns];
  const out = realsFor(t.dtype, shape);
  const shift = half ? 0.5 : 0;
  for (let r = 0; r < (shape[0] as number); r++) {
    const [x1, y1, x2, y2] = [0, 1, 2, 3].map((k) => (rois[r * 4 + k] as number) * scale - shift) as [
      number,
      number,
      number,
      number,
    ];
    const [w, h] = half ? [x2 - x1, y2 - y1] : [Math.max(1, x2 - x1), Math.max(1, y2 - y1)];
    const [down, across] = [h / rows, w / columns];
    const gridY = ratio > 0 ? ratio : Math.ceil(down);
    const gridX = ratio > 0 ? ratio : Math.ceil(across);
    for (let c = 0; c < channels; c++) {
      const plane = ((batches[r] as number) * channels + c) * height * width;
      for (let i = 0; i < rows * columns; i++) {
        let [sum, best] = [0, Number.NEGATIVE_INFINITY];
        for (let k = 0; k < gridY * gridX; k++) {
          const y = y1 + (Math.floor(i / columns) + (Math.floor(k / gridX) + 0.5) / gridY) * down;
          const z = x1 + ((i % columns) + ((k % gridX) + 0.5) / gridX) * across;
          const value = sampleAt(x, plane, [height, width], [y, z]);
          sum += value;
          best = Math.max(best, value);
        }
        const samples = gridY * gridX;
        out[(r * channels + c) * rows * columns + i] = samples <= 0 ? 0 : most ? best : sum / samples;
      }
    }
  }
  return [fromReals(t.dtype, shape, out)];
};

/** Boxes. */
export const DETECTION_KERNELS = {
  MaxRoiPool: { unsupported: "it is superseded by RoiAlign and no model in reach uses it" },
  NonMaxSuppression: nonMaxSuppression,
  RoiAlign: roiAlign,
} as const satisfies Record<keyof typeof DETECTION, Kernel | NoKernel>;
