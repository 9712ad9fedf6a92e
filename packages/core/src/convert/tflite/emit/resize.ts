import { attrFloat, attrInt, attrString } from "../../../graph/node.ts";
import { channelsLastOnly } from "../layout/rule.ts";
import { axesOfResize, tfliteResizeMode } from "../resize-plan.ts";
import type { Emission } from "./row.ts";

/** Operators over pictures that resample, or that look at neighbouring channels. */
export const PICTURE = {
  Resize: {
    layout: channelsLastOnly(),
    integer: { data: [0], same: true },
    emit: (context) => {
      const axes = axesOfResize(context);
      const mode = typeof axes === "string" ? undefined : tfliteResizeMode(context, axes);
      if (mode === undefined)
        throw context.refuse(
          typeof axes === "string" ? axes : "TFLite places the cells otherwise",
          "use half_pixel, align_corners or asymmetric coordinates over the two spatial axes",
        );
      const x = context.input(0);
      const y = context.output(0);
      const inputs = [x, context.ints(`${y.name}_size`, y.shape.slice(1, 3))];
      if (attrString(context.node, "mode", "nearest") === "nearest")
        context.operator("RESIZE_NEAREST_NEIGHBOR", {
          inputs,
          outputs: [y],
          options: { kind: "ResizeNearestNeighborOptions", ...mode },
        });
      else context.operator("RESIZE_BILINEAR", { inputs, outputs: [y], options: { kind: "ResizeBilinearOptions", ...mode } });
    },
  },
  LRN: {
    layout: channelsLastOnly(),
    emit: (context) => {
      const { node } = context;
      const size = attrInt(node, "size");
      context.operator("LOCAL_RESPONSE_NORMALIZATION", {
        inputs: [context.input(0)],
        outputs: [context.output(0)],
        options: {
          kind: "LocalResponseNormalizationOptions",
          radius: (size - 1) / 2,
          bias: attrFloat(node, "bias", 1),
          // ONNX divides the sum by the window, TFLite does not.
          alpha: attrFloat(node, "alpha", 1e-4) / size,
          beta: attrFloat(node, "beta", 0.75),
        },
      });
    },
  },
} as const satisfies Record<string, Emission>;
