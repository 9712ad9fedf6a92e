import type { ConvStep, FullyConnectedStep, WindowSizes } from "../../interp/integer/program.ts";
import { type Layout, naturalOrder, placesOf } from "./layout.ts";
import {
  deviceRescale,
  type Held,
  heldOf,
  inOrder,
  integerValue,
  type Lowering,
  makeValue,
  unsignedShift,
  windowOrder,
} from "./lowering.ts";
import type { DeviceRescale, DeviceWindow } from "./program.ts";

/** Sizes of a window over [height, width, channels]. A sequence lies as a picture of width 1, so that its time is what rows stream over. */
export function deviceWindow(step: WindowSizes, rank: number): DeviceWindow {
  const turn = ([y, x]: readonly [number, number]): readonly [number, number] => (rank === 3 ? [x, y] : [y, x]);
  const [height, width] = turn([step.height, step.width]);
  const [outHeight, outWidth] = turn([step.outHeight, step.outWidth]);
  return {
    height,
    width,
    channels: step.channels,
    outHeight,
    outWidth,
    outChannels: step.outChannels,
    kernel: turn(step.kernel),
    strides: turn(step.strides),
    dilations: turn(step.dilations),
    pads: turn(step.pads),
  };
}

/** Makes the output of a window. */
export function makeWindowOutput(at: Lowering, name: string): string {
  const { shape } = integerValue(at, name);
  const made = makeValue(at, name, windowOrder(shape.length));
  const value = at.values.get(made);
  // A sequence is a picture of width 1.
  if (shape.length === 3 && value !== undefined)
    at.values.set(made, { ...value, shape: [shape[2] as number, 1, shape[1] as number] });
  return made;
}

/** The input of a window, lying as it needs. */
export function windowInput(at: Lowering, name: string, node: string): Held {
  return inOrder(at, name, { order: windowOrder(integerValue(at, name).shape.length), node });
}

function biasOf(bias: Int32Array | BigInt64Array | undefined, count: number): Int32Array {
  return bias === undefined ? new Int32Array(count) : Int32Array.from(bias as Int32Array);
}

/** What a convolution and a fully connected layer have in common, in signed integers. */
function summing(at: Lowering, step: ConvStep | FullyConnectedStep, outputs: number) {
  const shift = unsignedShift(at, step.output);
  return {
    bias: biasOf(step.bias, outputs),
    inputZero: step.inputZero - unsignedShift(at, step.inputs[0] as string),
    outputZero: step.outputZero - shift,
    rescale: deviceRescale(step.rescale) as DeviceRescale,
    clamp: [step.clamp[0] - shift, step.clamp[1] - shift] as const,
  };
}

/** A convolution, with the padding before it that it took in. */
export function lowerConv(at: Lowering, step: ConvStep): void {
  const { node, output } = step;
  const given = step.inputs[0] as string;
  const taken = at.pads.get(given);
  const source = taken?.source ?? given;
  const { shape } = integerValue(at, source);
  const rank = shape.length;
  const input = windowInput(at, source, node);
  const own = deviceWindow(step, rank);
  const window: DeviceWindow =
    taken === undefined
      ? own
      : {
          ...own,
          height: shape[2] as number,
          width: rank === 3 ? 1 : (shape[3] as number),
          pads: [own.pads[0] + taken.pads[0], own.pads[1] + taken.pads[1]],
        };
  makeWindowOutput(at, output);
  const base = { node, inputs: [input.name], output, ...window, ...summing(at, step, step.outChannels) };
  const [kh, kw] = window.kernel;
  const taps = kh * kw;
  const { outChannels } = step;
  const weights = new Int8Array(step.weights.length);
  if (step.kind === "depthwise") {
    for (let o = 0; o < outChannels; o++)
      for (let k = 0; k < taps; k++) weights[k * outChannels + o] = step.weights[o * taps + k] as number;
    at.steps.push({ kind: "depthwise", ...base, weights });
    return;
  }
  const depth = step.channels / step.group;
  for (let o = 0; o < outChannels; o++)
    for (let c = 0; c < depth; c++)
      for (let k = 0; k < taps; k++) weights[(o * taps + k) * depth + c] = step.weights[(o * depth + c) * taps + k] as number;
  at.steps.push({ kind: "conv", ...base, group: step.group, weights });
}

/**
 * A fully connected layer. Where the values that each row reads lie together in another order than the model's (a flattened picture), the weights are
 * put in that order instead.
 */
export function lowerFullyConnected(at: Lowering, step: FullyConnectedStep): void {
  const { node, depth, outputs, rows } = step;
  const name = step.inputs[0] as string;
  const { shape } = integerValue(at, name);
  const held = heldOf(at, name);
  const together = (held.layout.at(-1) ?? []).every((f) => f.stride * f.size <= depth);
  const input = at.values.has(held.name) && together ? held : inOrder(at, name, { order: naturalOrder(shape.length), node });
  const places = placesOf([input.layout.at(-1) ?? []]);
  const weights = new Int8Array(step.weights.length);
  for (let o = 0; o < outputs; o++)
    for (let i = 0; i < depth; i++) weights[o * depth + (places[i] as number)] = step.weights[o * depth + i] as number;
  makeRows(at, step.output, { input, depth, outputs });
  at.steps.push({
    kind: "fullyConnected",
    node,
    inputs: [input.name],
    output: step.output,
    rows,
    depth,
    outputs,
    weights,
    weightsZero: step.weightsZero,
    ...summing(at, step, outputs),
  });
}

/** Makes the output of a fully connected layer, whose rows keep the order in which those of its input lie. */
function makeRows(
  at: Lowering,
  name: string,
  rows: { readonly input: Held; readonly depth: number; readonly outputs: number },
): void {
  const { input, depth, outputs } = rows;
  const { shape } = integerValue(at, name);
  makeValue(at, name, naturalOrder(shape.length));
  const lead = input.layout.slice(0, -1).map((factors) => factors.map((f) => ({ ...f, stride: (f.stride / depth) * outputs })));
  const layout: Layout = [...lead, outputs === 1 ? [] : [{ size: outputs, stride: 1 }]];
  if (layout.length === shape.length) at.held.set(name, { name, layout });
}
