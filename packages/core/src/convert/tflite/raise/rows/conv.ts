import { bias } from "../bias.ts";
import {
  activated,
  intsOf,
  optionsOf,
  parameter,
  type RaiseRow,
  requireRank,
  type Site,
  toChannelsFirst,
  toChannelsLast,
} from "../site.ts";
import { padsOf } from "../window.ts";

/** What a convolution is, in the terms of ONNX. */
interface Convolution {
  readonly op: "Conv" | "ConvTranspose";
  readonly weight: string;
  readonly bias: string | undefined;
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
  readonly group: number;
  readonly outputPadding?: readonly number[];
}

/** x in the file's layout, through a convolution in ONNX's, and back. */
function convolve(site: Site, x: string, conv: Convolution): string {
  const { builder } = site;
  const y = builder.emit(conv.op, [toChannelsFirst(site, x), conv.weight, ...(conv.bias === undefined ? [] : [conv.bias])], {
    attributes: {
      strides: conv.strides,
      dilations: conv.dilations,
      pads: conv.pads,
      group: conv.group,
      ...(conv.outputPadding?.some((n) => n > 0) ? { output_padding: conv.outputPadding } : {}),
    },
  });
  return toChannelsLast(site, y);
}

/** Groups of a convolution whose weights read `own` channels of the `all` that there are. */
function groupsOf(site: Site, all: number, own: number): number {
  if (own <= 0 || all % own !== 0) throw site.refuse(`its weights read ${own} channels and the input has ${all}`);
  return all / own;
}

/** How a convolution slides, along its spatial axes in order. */
interface Slide {
  /** Sizes of the window. */
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padding: number | undefined;
}

/** A convolution of input 0, [N, sizes, C], with weights 1 and bias 2: what all of them have in common. */
function slidingConv(
  site: Site,
  slide: Slide,
  {
    perm,
    group,
    activation,
  }: { readonly perm: readonly number[]; readonly group: number; readonly activation: number | undefined },
): readonly string[] {
  const shape = requireRank(site, 0, slide.kernel.length + 2);
  // Where the file spells a dilation or a padding in operators of its own around this one, they say what it really is.
  const dilations = site.window?.dilations ?? slide.dilations;
  const windows = slide.strides.map((stride, i) => ({
    size: shape[i + 1] as number,
    kernel: slide.kernel[i] as number,
    stride,
    dilation: dilations[i] as number,
  }));
  const y = convolve(site, site.value(0), {
    op: "Conv",
    weight: parameter(site, 1, { perm, axis: 0 }),
    bias: bias(site, 2),
    strides: slide.strides,
    dilations,
    pads: site.window?.pads ?? padsOf(site, slide.padding, windows),
    group,
  });
  return [activated(site, y, activation)];
}

/** CONV_2D: weights [O, kh, kw, I / groups]. */
const conv2d: RaiseRow = (site) => {
  const options = optionsOf(site, "Conv2DOptions");
  const [, , , channels] = requireRank(site, 0, 4) as readonly [number, number, number, number];
  const [, kh, kw, own] = requireRank(site, 1, 4) as readonly [number, number, number, number];
  const slide = {
    kernel: [kh, kw],
    strides: [options.strideH ?? 0, options.strideW ?? 0],
    dilations: [options.dilationHFactor ?? 1, options.dilationWFactor ?? 1],
    padding: options.padding,
  };
  const group = groupsOf(site, channels, own);
  return slidingConv(site, slide, { perm: [0, 3, 1, 2], group, activation: options.fusedActivationFunction });
};

/** DEPTHWISE_CONV_2D: weights [1, kh, kw, C * multiplier]; output channel c * multiplier + m reads channel c, as groups do in ONNX. */
const depthwiseConv2d: RaiseRow = (site) => {
  const options = optionsOf(site, "DepthwiseConv2DOptions");
  const [, , , channels] = requireRank(site, 0, 4) as readonly [number, number, number, number];
  const [one, kh, kw, outputs] = requireRank(site, 1, 4) as readonly [number, number, number, number];
  if (one !== 1 || channels === 0 || outputs % channels !== 0)
    throw site.refuse(`its weights are [${[one, kh, kw, outputs]}] for ${channels} channels`);
  const slide = {
    kernel: [kh, kw],
    strides: [options.strideH ?? 0, options.strideW ?? 0],
    dilations: [options.dilationHFactor ?? 1, options.dilationWFactor ?? 1],
    padding: options.padding,
  };
  return slidingConv(site, slide, { perm: [3, 0, 1, 2], group: channels, activation: options.fusedActivationFunction });
};

/** CONV_3D: weights [kd, kh, kw, I / groups, O]. */
const conv3d: RaiseRow = (site) => {
  const options = optionsOf(site, "Conv3DOptions");
  const shape = requireRank(site, 0, 5);
  const kernel = requireRank(site, 1, 5);
  const slide = {
    kernel: kernel.slice(0, 3),
    strides: [options.strideD ?? 0, options.strideH ?? 0, options.strideW ?? 0],
    dilations: [options.dilationDFactor ?? 1, options.dilationHFactor ?? 1, options.dilationWFactor ?? 1],
    padding: options.padding,
  };
  const group = groupsOf(site, shape[4] as number, kernel[3] as number);
  return slidingConv(site, slide, { perm: [4, 3, 0, 1, 2], group, activation: options.fusedActivationFunction });
};

/**
 * TRANSPOSE_CONV: the sizes of the output, weights [O, kh, kw, I], then the input. The padding is the one that a convolution of the output would have,
 * so what is left over at the end is cut off, or added by output_padding.
 */
const transposeConv: RaiseRow = (site) => {
  const options = optionsOf(site, "TransposeConvOptions");
  const [, kh, kw, channels] = requireRank(site, 1, 4) as readonly [number, number, number, number];
  const input = requireRank(site, 2, 4);
  if (input[3] !== channels) throw site.refuse(`its weights read ${channels} channels and the input has ${input[3]}`);
  const output = intsOf(site, 0, "the size of its output");
  if (output.length !== 4) throw site.refuse(`its output is said to be [${output}]`);
  const strides = [options.strideH ?? 0, options.strideW ?? 0];
  const begins: number[] = [];
  const ends: number[] = [];
  const extra: number[] = [];
  strides.forEach((stride, i) => {
    const kernel = [kh, kw][i] as number;
    const size = output[i + 1] as number;
    const [before] = padsOf(site, options.padding, [{ size, kernel, stride, dilation: 1 }]) as [number];
    const end = ((input[i + 1] as number) - 1) * stride + kernel - size - before;
    begins.push(before);
    ends.push(Math.max(end, 0));
    extra.push(Math.max(-end, 0));
  });
  if (extra.some((n, i) => n >= Math.max(strides[i] as number, 1)))
    throw site.refuse(`its output is said to be [${output}] for an input of [${input}]`);
  const y = convolve(site, site.value(2), {
    op: "ConvTranspose",
    weight: parameter(site, 1, { perm: [3, 0, 1, 2], axis: 1 }),
    bias: bias(site, 3, { input: 2, weight: 1 }),
    strides,
    dilations: [1, 1],
    pads: [...begins, ...ends],
    group: 1,
    outputPadding: extra,
  });
  return [activated(site, y, options.fusedActivationFunction)];
};

/** Convolutions. */
export const CONV_ROWS = {
  CONV_2D: conv2d,
  DEPTHWISE_CONV_2D: depthwiseConv2d,
  CONV_3D: conv3d,
  TRANSPOSE_CONV: transposeConv,
} as const satisfies Record<string, RaiseRow>;
