import { seededRandom } from "@tessera/core/base/random";
import { modelToTflite } from "@tessera/core/convert/tflite/bytes";
import type { Model, Node } from "@tessera/core/graph/model";
import type { Encoding, QuantPlan } from "@tessera/core/graph/plan";
import { f32, type Tensor } from "@tessera/core/graph/tensor";
import { smallModel, smallNode } from "./small-model.ts";

/** Channels of {@link smallInt8}, of which the last two of the first convolution are zeros. */
const CHANNELS = 8;
const DEAD = 2;

const grid = (scale: number, zeroPoint: number): Encoding => ({
  dtype: "int8",
  scale: [Math.fround(scale)],
  zeroPoint: [zeroPoint],
  reason: "made up",
});

/** Weights on an int8 grid of one scale. */
function weights(shape: readonly number[], seed: number, scale: number, dead = 0): Tensor {
  const random = seededRandom(seed);
  const count = shape.reduce((a, b) => a * b, 1);
  const each = count / (shape[0] as number);
  const values = Array.from({ length: count }, (_, i) =>
    Math.floor(i / each) >= (shape[0] as number) - dead ? 0 : Math.fround((random.int(255) - 127) * scale),
  );
  return f32(shape, values);
}

/** Options of {@link smallInt8}. */
export interface SmallInt8Options {
  /** The last activation is a PRelu. */
  readonly prelu?: boolean;
  /** Height and width of the picture; 12 unless given. */
  readonly size?: number;
}

/**
 * A network of the usual parts in int8: a strided convolution with two filters of zeros, a depthwise one, a pointwise one, a mean, a dense layer.
 * [1, 3, size, size] to [1, 4].
 */
export function smallInt8(options: SmallInt8Options = {}): { readonly model: Model; readonly plan: QuantPlan } {
  const SCALE = 1 / 128;
  const activation = options.prelu === true ? smallNode("PRelu", "c slopes", "cr") : smallNode("Relu", "c", "cr");
  const nodes: readonly Node[] = [
    smallNode("Conv", "x w1 b1", "a", { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [2, 2] }),
    smallNode("Relu", "a", "ar"),
    smallNode("Conv", "ar w2 b2", "b", { kernel_shape: [3, 3], pads: [1, 1, 1, 1], group: CHANNELS }),
    smallNode("Relu", "b", "br"),
    smallNode("Conv", "br w3 b3", "c", { kernel_shape: [1, 1] }),
    activation,
    smallNode("GlobalAveragePool", "cr", "p"),
    smallNode("Flatten", "p", "f", { axis: 1 }),
    smallNode("Gemm", "f w4 b4", "y", { transB: 1 }),
  ];
  const bias = (count: number): Tensor => f32([count], Array(count).fill(0));
  const constants: Record<string, Tensor> = {
    w1: weights([CHANNELS, 3, 3, 3], 1, SCALE, DEAD),
    b1: bias(CHANNELS),
    w2: weights([CHANNELS, 1, 3, 3], 2, SCALE),
    b2: bias(CHANNELS),
    w3: weights([CHANNELS, CHANNELS, 1, 1], 3, SCALE),
    b3: bias(CHANNELS),
    w4: weights([4, CHANNELS], 4, SCALE),
    b4: bias(4),
    ...(options.prelu === true ? { slopes: f32([CHANNELS, 1, 1], Array(CHANNELS).fill(0.25)) } : {}),
  };
  const values: Readonly<Record<string, Encoding>> = {
    x: grid(1 / 64, 0),
    ar: grid(1 / 32, -128),
    br: grid(1 / 32, -128),
    ...(options.prelu === true ? { c: grid(1 / 32, 0), cr: grid(1 / 32, -20) } : { cr: grid(1 / 32, -128) }),
    p: grid(1 / 64, -128),
    f: grid(1 / 64, -128),
    y: grid(1 / 16, 3),
  };
  const tensors = new Map<string, Encoding>(Object.entries(values));
  for (const [weight, biasName, input] of [
    ["w1", "b1", "x"],
    ["w2", "b2", "ar"],
    ["w3", "b3", "br"],
    ["w4", "b4", "f"],
  ] as const) {
    tensors.set(weight, grid(SCALE, 0));
    const scale = Math.fround((values[input]?.scale[0] as number) * Math.fround(SCALE));
    tensors.set(biasName, { ...grid(1, 0), dtype: "int32", scale: [scale] });
  }
  if (options.prelu === true) tensors.set("slopes", grid(1 / 256, 0));
  const model = smallModel({ x: [1, 3, options.size ?? 12, options.size ?? 12], nodes, constants });
  return { model, plan: { kind: "quant-plan", version: 1, target: "litert", tensors, nodes: new Map() } };
}

/** {@link smallInt8} as a .tflite file whose inputs and outputs are integers. */
export function smallInt8File(options: SmallInt8Options = {}): Uint8Array {
  const { model, plan } = smallInt8(options);
  return modelToTflite(model, { plan, io: "integer" });
}
