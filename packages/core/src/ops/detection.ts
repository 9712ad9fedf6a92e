import { type Dim, UNKNOWN_DIM } from "../graph/dim.ts";
import { attrInt, attrInts } from "../graph/node.ts";
import { checkRank, mergeDim } from "./nn-rules.ts";
import type { OpRow } from "./row.ts";
import { opsPerInput, opsPerOutput, params, typeOf } from "./signature.ts";

/** Boxes: suppression and pooling inside regions. */
export const DETECTION = {
  MaxRoiPool: {
    since: 1,
    inputs: params("X", "rois"),
    outputs: params("Y"),
    attributes: { pooled_shape: { kind: "ints", required: true }, spatial_scale: { kind: "float", fallback: 1 } },
    infer: (context) => {
      const [x, rois] = [context.inputs[0], context.inputs[1]];
      const sizes: readonly Dim[] = attrInts(context.node, "pooled_shape") ?? [UNKNOWN_DIM, UNKNOWN_DIM];
      return [typeOf(x?.dtype, [rois?.shape?.[0] ?? UNKNOWN_DIM, x?.shape?.[1] ?? UNKNOWN_DIM, ...sizes])];
    },
    cost: opsPerOutput(4),
  },
  NonMaxSuppression: {
    since: 11,
    inputs: params("boxes", "scores", "max_output_boxes_per_class?", "iou_threshold?", "score_threshold?"),
    outputs: params("selected_indices"),
    attributes: { center_point_box: { kind: "int", fallback: 0 } },
    infer: (context) => {
      checkRank(context, 0, { least: 3, most: 3 });
      checkRank(context, 1, { least: 3, most: 3 });
      mergeDim(context, [context.inputs[0]?.shape?.[1], context.inputs[1]?.shape?.[2]], "the number of boxes");
      return [typeOf("int64", [UNKNOWN_DIM, 3])];
    },
    cost: opsPerInput(8),
  },
  RoiAlign: {
    since: 16,
    inputs: params("X", "rois", "batch_indices"),
    outputs: params("Y"),
    attributes: {
      coordinate_transformation_mode: { kind: "string", fallback: "half_pixel", oneOf: ["half_pixel", "output_half_pixel"] },
      mode: { kind: "string", fallback: "avg", oneOf: ["avg", "max"] },
      output_height: { kind: "int", fallback: 1 },
      output_width: { kind: "int", fallback: 1 },
      sampling_ratio: { kind: "int", fallback: 0 },
      spatial_scale: { kind: "float", fallback: 1 },
    },
    infer: (context) => {
      checkRank(context, 0, { least: 4, most: 4 });
      checkRank(context, 1, { least: 2, most: 2 });
      const { node, inputs } = context;
      const count = mergeDim(context, [inputs[1]?.shape?.[0], inputs[2]?.shape?.[0]], "the number of regions");
      const channels = inputs[0]?.shape?.[1] ?? UNKNOWN_DIM;
      return [typeOf(inputs[0]?.dtype, [count, channels, attrInt(node, "output_height", 1), attrInt(node, "output_width", 1)])];
    },
    cost: opsPerOutput(16),
  },
} as const satisfies Record<string, OpRow>;
