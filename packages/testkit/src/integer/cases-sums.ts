import type { Random } from "@tessera/core/base/random";
import { ACTIVATIONS, PADDINGS } from "@tessera/core/formats/tflite/enums";
import type { Node } from "@tessera/core/graph/model";
import { makeNode } from "@tessera/core/graph/node";
import { f32, type Tensor } from "@tessera/core/graph/tensor";
import { type CaseSpec, type CaseTensor, randomInts } from "./case-builder.ts";

/** NHWC to NCHW. */
export const TO_NCHW = [0, 3, 1, 2] as const;

/** A scale between 2^low and 2^high. */
export function randomScale(random: Random, low: number, high: number): number {
  return Math.fround(2 ** (low + random.next() * (high - low)));
}

/** One of the values. */
export function pick<T>(random: Random, values: readonly T[]): T {
  return values[random.int(values.length)] as T;
}

/** The width of activations: "int8", or "int16" with zero points 0 and 64-bit biases. */
export type Width = "int8" | "int16";

/** Scale and zero point of an activation. */
export function randomGrid(
  random: Random,
  width: Width,
): { readonly scale: readonly number[]; readonly zeroPoint: readonly number[] } {
  return width === "int8"
    ? { scale: [randomScale(random, -8, -1)], zeroPoint: [random.int(256) - 128] }
    : { scale: [randomScale(random, -15, -9)], zeroPoint: [0] };
}

/** A fused activation, the nodes that stand for it in a Model, and the name of the value before it. */
export function activation(
  random: Random,
  output: string,
): {
  readonly code: number;
  readonly before: string;
  readonly nodes: readonly Node[];
  readonly extra: ReadonlyMap<string, Tensor>;
} {
  const kind = pick(random, ["NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1"] as const);
  const code = ACTIVATIONS[kind];
  if (kind === "NONE") return { code, before: output, nodes: [], extra: new Map() };
  const before = `${output}_before`;
  if (kind === "RELU")
    return { code, before, nodes: [makeNode("Relu", { inputs: [before], outputs: [output] })], extra: new Map() };
  const [low, high] = kind === "RELU6" ? [0, 6] : [-1, 1];
  const extra = new Map([
    ["low", f32([], [low as number])],
    ["high", f32([], [high as number])],
  ]);
  return { code, before, nodes: [makeNode("Clip", { inputs: [before, "low", "high"], outputs: [output] })], extra };
}

/** Sizes along one axis of a window with TensorFlow's padding. */
export function windowAxis(
  random: Random,
  how: { readonly same: boolean; readonly stride: number; readonly dilation: number; readonly kernel: number },
): { readonly size: number; readonly out: number; readonly before: number; readonly after: number } {
  const reach = (how.kernel - 1) * how.dilation + 1;
  const size = (how.same ? 1 : reach) + random.int(7);
  const out = how.same ? Math.ceil(size / how.stride) : Math.ceil((size - reach + 1) / how.stride);
  const total = how.same ? Math.max(0, (out - 1) * how.stride + reach - size) : 0;
  return { size, out, before: Math.floor(total / 2), after: total - Math.floor(total / 2) };
}

/** A bias of a layer, at the scale that kernels want. */
export function biasTensor(random: Random, width: Width, scales: readonly number[]): CaseTensor {
  return {
    name: "b",
    shape: [scales.length],
    dtype: width === "int8" ? "int32" : "int64",
    scale: scales,
    zeroPoint: scales.map(() => 0),
    ...(scales.length === 1 ? {} : { axis: 0 }),
    values: randomInts(random, scales.length, width === "int8" ? [-20000, 20000] : [-4000000, 4000000]),
  };
}

/** CONV_2D or DEPTHWISE_CONV_2D over odd sizes, strides, dilations, paddings and scale ratios. */
export function convCase(random: Random, id: string, how: { readonly depthwise: boolean; readonly width: Width }): CaseSpec {
  const { depthwise, width } = how;
  const same = random.int(2) === 0;
  const strides = [1 + random.int(3), 1 + random.int(3)] as const;
  const dilations =
    strides[0] === 1 && strides[1] === 1 && random.int(3) === 0 ? ([2, 1 + random.int(2)] as const) : ([1, 1] as const);
  const kernel = [1 + random.int(4), 1 + random.int(4)] as const;
  const y = windowAxis(random, { same, stride: strides[0], dilation: dilations[0], kernel: kernel[0] });
  const x = windowAxis(random, { same, stride: strides[1], dilation: dilations[1], kernel: kernel[1] });
  const batch = 1 + random.int(2);
  const channels = 1 + random.int(7);
  const times = depthwise ? 1 + random.int(3) : 1;
  const outputs = depthwise ? channels * times : 1 + random.int(8);
  const grid = randomGrid(random, width);
  const weightScales = Array.from({ length: outputs }, () => randomScale(random, -9, -4));
  const taps = kernel[0] * kernel[1] * (depthwise ? 1 : channels);
  // From far too small, where everything saturates, to far too large; also ratios above 1, which shift to the left.
  const typical = (grid.scale[0] as number) * (weightScales[0] as number) * 100 * Math.sqrt(taps);
  const spread = random.int(6) === 0 ? 9 : 2;
  const outScale = Math.fround(typical * 2 ** ((random.next() * 2 - 1) * spread) * (width === "int8" ? 1 : 1 / 128));
  const act = activation(random, "y");
  const node = makeNode(
    "Conv",
    { inputs: ["x", "w", "b"], outputs: [act.before] },
    {
      attributes: {
        strides,
        dilations,
        kernel_shape: kernel,
        pads: [y.before, x.before, y.after, x.after],
        group: depthwise ? channels : 1,
      },
    },
  );
  const options = {
    padding: same ? PADDINGS.SAME : PADDINGS.VALID,
    strideH: strides[0],
    strideW: strides[1],
    dilationHFactor: dilations[0],
    dilationWFactor: dilations[1],
    fusedActivationFunction: act.code,
  };
  return {
    id,
    operator: depthwise ? "DEPTHWISE_CONV_2D" : "CONV_2D",
    version: width === "int8" ? 3 : depthwise ? 5 : 4,
    options: depthwise
      ? { kind: "DepthwiseConv2DOptions", depthMultiplier: times, ...options }
      : { kind: "Conv2DOptions", ...options },
    tensors: [
      { name: "x", shape: [batch, y.size, x.size, channels], dtype: width, ...grid, order: TO_NCHW },
      {
        name: "w",
        shape: depthwise ? [1, kernel[0], kernel[1], outputs] : [outputs, kernel[0], kernel[1], channels],
        dtype: "int8",
        scale: weightScales,
        zeroPoint: weightScales.map(() => 0),
        axis: depthwise ? 3 : 0,
        values: randomInts(random, (depthwise ? outputs : outputs * channels) * kernel[0] * kernel[1], [-127, 127]),
        order: depthwise ? [3, 0, 1, 2] : TO_NCHW,
      },
      biasTensor(
        random,
        width,
        weightScales.map((s) => Math.fround(s * (grid.scale[0] as number))),
      ),
      {
        name: "y",
        shape: [batch, y.out, x.out, outputs],
        dtype: width,
        scale: [outScale],
        zeroPoint: [width === "int8" ? random.int(256) - 128 : 0],
        order: TO_NCHW,
      },
    ],
    inputs: ["x", "w", "b"],
    outputs: ["y"],
    feeds: ["x"],
    nodes: [node, ...act.nodes],
    extra: act.extra,
  };
}

/** FULLY_CONNECTED with one weight scale or one for each output. */
export function fullyConnectedCase(
  random: Random,
  id: string,
  how: { readonly perChannel: boolean; readonly width: Width },
): CaseSpec {
  const { perChannel, width } = how;
  const rows = 1 + random.int(4);
  const depth = 1 + random.int(40);
  const outputs = 1 + random.int(9);
  const grid = randomGrid(random, width);
  const weightScales = Array.from({ length: perChannel ? outputs : 1 }, () => randomScale(random, -9, -4));
  const biasScales = weightScales.map((s) => Math.fround(s * (grid.scale[0] as number)));
  const typical = (grid.scale[0] as number) * (weightScales[0] as number) * 100 * Math.sqrt(depth);
  const outScale = Math.fround(typical * 2 ** (random.next() * 6 - 3) * (width === "int8" ? 1 : 1 / 128));
  const act = activation(random, "y");
  const bias = biasTensor(random, width, biasScales);
  const node = makeNode("Gemm", { inputs: ["x", "w", "b"], outputs: [act.before] }, { attributes: { transB: 1 } });
  return {
    id,
    operator: "FULLY_CONNECTED",
    version: width === "int8" ? (perChannel ? 12 : 4) : 7,
    options: { kind: "FullyConnectedOptions", fusedActivationFunction: act.code },
    tensors: [
      { name: "x", shape: [rows, depth], dtype: width, ...grid },
      {
        name: "w",
        shape: [outputs, depth],
        dtype: "int8",
        scale: weightScales,
        zeroPoint: weightScales.map(() => 0),
        ...(perChannel && outputs > 1 ? { axis: 0 } : {}),
        values: randomInts(random, outputs * depth, [-127, 127]),
      },
      {
        ...bias,
        shape: [outputs],
        values: randomInts(random, outputs, width === "int8" ? [-20000, 20000] : [-4000000, 4000000]),
      },
      {
        name: "y",
        shape: [rows, outputs],
        dtype: width,
        scale: [outScale],
        zeroPoint: [width === "int8" ? random.int(256) - 128 : 0],
      },
    ],
    inputs: ["x", "w", "b"],
    outputs: ["y"],
    feeds: ["x"],
    nodes: [node, ...act.nodes],
    extra: act.extra,
  };
}
