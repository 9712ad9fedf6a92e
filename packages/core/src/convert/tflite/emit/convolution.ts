import type { Node } from "../../../graph/model.ts";
import { attrInt } from "../../../graph/node.ts";
import { readWindow, type Window } from "../../../ops/spatial.ts";
import { channelsLastOnly } from "../layout/rule.ts";
import { padSpatial } from "./pad-operator.ts";
import { type Padding, resolvePadding } from "./padding.ts";
import type { Emission, EmitContext, IntegerRule } from "./row.ts";

/** Input and weights; the bias follows from them. */
const PRODUCT: IntegerRule = { data: [0, 1] };

/** The window of a convolution at static sizes. */
export function convWindow(context: EmitContext): { readonly window: Window; readonly padding: Padding } {
  const { node } = context;
  const window = readWindow(node, context.shape(node.inputs[1] as string).slice(2));
  return { window, padding: resolvePadding(window, context.shape(node.inputs[0] as string).slice(2)) };
}

function groupsOf(node: Node): number {
  return attrInt(node, "group", 1);
}

function emitConv(context: EmitContext): void {
  const { node } = context;
  const weightShape = context.shape(node.inputs[1] as string);
  const rank = weightShape.length;
  if (rank !== 4 && rank !== 5)
    throw context.refuse(`a convolution over ${rank - 2} axes has no operator`, "reshape to two spatial axes, one of them 1");
  const [outputs, depth] = weightShape as readonly [number, number];
  const groups = groupsOf(node);
  const { window, padding } = convWindow(context);
  if (rank === 5 && context.integer)
    throw context.refuse("CONV_3D has no integer kernel", "keep this node in float (--keep-float)");
  let x = context.input(0);
  if (padding.pad !== undefined) x = padSpatial(context, x, padding.pad);
  const [strideH = 1, strideW = 1] = window.strides;
  const [dilationHFactor = 1, dilationWFactor = 1] = window.dilations;
  const common = {
    padding: padding.code,
    strideH,
    strideW,
    dilationHFactor,
    dilationWFactor,
    fusedActivationFunction: context.activation,
  };
  const channels = x.shape[x.shape.length - 1] as number;
  if (rank === 5) {
    if (groups !== 1) throw context.refuse("CONV_3D has no groups", "split the convolution by hand");
    // [M, C, D, H, W] -> [D, H, W, C, M]
    const weight = context.weight(1, { order: [2, 3, 4, 1, 0] });
    const [strideD = 1, h = 1, w = 1] = window.strides;
    const [dilationDFactor = 1, dh = 1, dw = 1] = window.dilations;
    const bias = context.bias(2, { count: outputs, input: x, weight });
    context.operator("CONV_3D", {
      inputs: [x, weight, bias],
      outputs: [context.output(0)],
      options: {
        kind: "Conv3DOptions",
        ...{ padding: padding.code, fusedActivationFunction: context.activation },
        ...{ strideD, strideH: h, strideW: w, dilationDFactor, dilationHFactor: dh, dilationWFactor: dw },
      },
    });
    return;
  }
  if (groups === channels && depth === 1 && groups > 1) {
    // [C * multiplier, 1, H, W] -> [1, H, W, C * multiplier]; both count output channels input channel by input channel.
    const weight = context.weight(1, { order: [1, 2, 3, 0] });
    const bias = context.bias(2, { count: outputs, input: x, weight });
    context.operator("DEPTHWISE_CONV_2D", {
      inputs: [x, weight, bias],
      outputs: [context.output(0)],
      options: { kind: "DepthwiseConv2DOptions", ...common, depthMultiplier: outputs / channels },
    });
    return;
  }
  // [M, C / groups, H, W] -> [M, H, W, C / groups]. CONV_2D reads the number of groups off the channel counts.
  const weight = context.weight(1, { order: [0, 2, 3, 1] });
  const bias = context.bias(2, { count: outputs, input: x, weight });
  context.operator("CONV_2D", {
    inputs: [x, weight, bias],
    outputs: [context.output(0)],
    options: { kind: "Conv2DOptions", ...common },
  });
}

/** Convolutions. */
export const CONVOLUTION = {
  Conv: { layout: channelsLastOnly(), integer: PRODUCT, emit: emitConv },
} as const satisfies Record<string, Emission>;
