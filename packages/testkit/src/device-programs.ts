import { type Random, seededRandom } from "@tessera/core/base/random";
import type { DeviceConstant, DeviceProgram, DeviceStep, DeviceValue, DeviceWindow } from "@tessera/core/codegen/device/program";

/** A picture in a device's memory. */
interface Picture {
  readonly name: string;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

interface Draft {
  readonly random: Random;
  readonly values: Map<string, DeviceValue>;
  readonly views: Map<string, string>;
  readonly constants: Map<string, DeviceConstant>;
  readonly steps: DeviceStep[];
  readonly pictures: Picture[];
}

/** Options of {@link randomDeviceProgram}. */
export interface RandomProgramOptions {
  readonly steps?: number;
  /** Highest and widest picture, and most channels. */
  readonly size?: number;
  readonly channels?: number;
}

const CLAMP = [-128, 127] as const;

/**
 * A random network as a device computes it: convolutions of all sorts, pools, tables, shortcuts, squeeze-and-excitation, concatenation, a head. Multipliers keep most
 * values inside the range, so that a wrong byte shows at the end.
 */
export function randomDeviceProgram(seed: number, options: RandomProgramOptions = {}): DeviceProgram {
  const { steps = 8, size = 12, channels = 5 } = options;
  const random = seededRandom(seed);
  const draft: Draft = { random, values: new Map(), views: new Map(), constants: new Map(), steps: [], pictures: [] };
  const side = (): number => 2 + random.int(size - 1);
  let picture = addPicture(draft, { name: "input", height: side(), width: side(), channels: 1 + random.int(channels) });
  for (let i = 0; i < steps; i++) {
    const kind = random.int(12);
    if (kind < 3) picture = addConv(draft, picture, 1 + random.int(channels));
    else if (kind < 5) picture = addDepthwise(draft, picture);
    else if (kind < 7) picture = addPointwise(draft, picture, 1 + random.int(channels));
    else if (kind === 7) picture = addPool(draft, picture);
    else if (kind === 8) picture = addTable(draft, picture);
    else if (kind === 9) picture = addShortcut(draft, picture);
    else if (kind === 10) picture = random.int(2) === 0 ? addSlopes(draft, picture) : addScale(draft, picture);
    else picture = addConcat(draft, picture);
  }
  const outputs = [picture.name];
  // Now and then an inner value is wanted too.
  if (random.int(4) === 0) outputs.push((draft.pictures[1 + random.int(draft.pictures.length - 1)] as Picture).name);
  return {
    kind: "device-program",
    profile: "tflm-double",
    inputs: ["input"],
    outputs: [...new Set(outputs)],
    values: draft.values,
    views: draft.views,
    constants: draft.constants,
    steps: draft.steps,
  };
}

/** Integers for each input of a program. */
export function randomFeeds(program: DeviceProgram, seed: number): Map<string, Int8Array> {
  const random = seededRandom(seed);
  const integers = (count: number): Int8Array => Int8Array.from({ length: count }, () => random.int(256) - 128);
  return new Map(program.inputs.map((name) => [name, integers(program.values.get(name)?.bytes ?? 0)]));
}

function addPicture(draft: Draft, { name, height, width, channels }: Picture): Picture {
  const zeroPoint = draft.random.int(256) - 128;
  const bytes = height * width * channels;
  draft.values.set(name, { name, dtype: "int8", shape: [height, width, channels], bytes, scale: 0.5, zeroPoint });
  const picture = { name, height, width, channels };
  draft.pictures.push(picture);
  return picture;
}

function next(draft: Draft, shape: Omit<Picture, "name">): Picture {
  return addPicture(draft, { ...shape, name: `v${draft.values.size}` });
}

function zeroOf(draft: Draft, picture: Picture): number {
  return draft.values.get(picture.name)?.zeroPoint ?? 0;
}

function integers(random: Random, count: number, most: number): Int8Array {
  return Int8Array.from({ length: count }, () => random.int(2 * most + 1) - most);
}

/** Sums of `terms` products come back to about the range of int8. */
function summing(draft: Draft, { input, output, terms }: { input: Picture; output: Picture; terms: number }) {
  const { random } = draft;
  return {
    bias: Int32Array.from({ length: output.channels }, () => random.int(2001) - 1000),
    inputZero: zeroOf(draft, input),
    outputZero: zeroOf(draft, output),
    rescale: {
      rule: "double" as const,
      multipliers: Int32Array.from({ length: output.channels }, () => 2 ** 30 + random.int(2 ** 30)),
      shifts: Int32Array.from({ length: output.channels }, () => -5 - Math.round(Math.log2(terms) / 2)),
    },
    clamp: CLAMP,
  };
}

interface WindowChoice {
  readonly window: Omit<DeviceWindow, "outChannels">;
  readonly output: { readonly height: number; readonly width: number };
}

function randomWindow({ random }: Draft, { height, width, channels }: Picture): WindowChoice {
  const axis = (size: number) => {
    const kernel = 1 + random.int(Math.min(4, size));
    const stride = 1 + random.int(3);
    const dilation = kernel > 1 && (kernel - 1) * 2 < size ? 1 + random.int(2) : 1;
    const extent = (kernel - 1) * dilation + 1;
    const pad = random.int(extent);
    const behind = random.int(extent);
    const out = Math.max(1, Math.floor((size + pad + behind - extent) / stride) + 1);
    return { kernel, stride, dilation, pad, out };
  };
  const [y, x] = [axis(height), axis(width)];
  const window = {
    height,
    width,
    channels,
    outHeight: y.out,
    outWidth: x.out,
    kernel: [y.kernel, x.kernel] as const,
    strides: [y.stride, x.stride] as const,
    dilations: [y.dilation, x.dilation] as const,
    pads: [y.pad, x.pad] as const,
  };
  return { window, output: { height: y.out, width: x.out } };
}

function addConv(draft: Draft, input: Picture, outputs: number): Picture {
  const { window, output: size } = randomWindow(draft, input);
  const group = input.channels % 2 === 0 && outputs % 2 === 0 && draft.random.int(3) === 0 ? 2 : 1;
  const output = next(draft, { ...size, channels: outputs });
  const terms = window.kernel[0] * window.kernel[1] * (input.channels / group);
  draft.steps.push({
    kind: "conv",
    node: `conv ${draft.steps.length}`,
    inputs: [input.name],
    output: output.name,
    ...window,
    outChannels: outputs,
    group,
    weights: integers(draft.random, outputs * terms, 40),
    ...summing(draft, { input, output, terms }),
  });
  return output;
}

/** A window of 3 or 5 that keeps the size: what lies between the ends of a shortcut. */
function sameWindow({ random }: Draft, { height, width, channels }: Picture): WindowChoice {
  const kernel = 3 + 2 * random.int(2);
  const pair = (n: number): readonly [number, number] => [n, n];
  const window = {
    ...{ height, width, channels, outHeight: height, outWidth: width },
    ...{ kernel: pair(kernel), strides: pair(1), dilations: pair(1), pads: pair((kernel - 1) / 2) },
  };
  return { window, output: { height, width } };
}

function addDepthwise(draft: Draft, input: Picture, choice = randomWindow(draft, input)): Picture {
  const { window, output: size } = choice;
  const isMultiplied = size.height !== input.height && draft.random.int(4) === 0;
  const channels = input.channels * (isMultiplied ? 2 : 1);
  const output = next(draft, { ...size, channels });
  const terms = window.kernel[0] * window.kernel[1];
  draft.steps.push({
    kind: "depthwise",
    node: `depthwise ${draft.steps.length}`,
    inputs: [input.name],
    output: output.name,
    ...window,
    outChannels: channels,
    weights: integers(draft.random, channels * terms, 60),
    ...summing(draft, { input, output, terms }),
  });
  return output;
}

function addPointwise(draft: Draft, input: Picture, outputs: number): Picture {
  const { height, width, channels } = input;
  const output = next(draft, { height, width, channels: outputs });
  const one = [1, 1] as const;
  draft.steps.push({
    kind: "conv",
    node: `pointwise ${draft.steps.length}`,
    inputs: [input.name],
    output: output.name,
    ...{ height, width, channels, outHeight: height, outWidth: width, outChannels: outputs },
    ...{ kernel: one, strides: one, dilations: one, pads: [0, 0] as const, group: 1 },
    weights: integers(draft.random, outputs * channels, 60),
    ...summing(draft, { input, output, terms: channels }),
  });
  return output;
}

function addPool(draft: Draft, input: Picture): Picture {
  const { window, output: size } = randomWindow(draft, input);
  const output = next(draft, { ...size, channels: input.channels });
  const common = { node: `pool ${draft.steps.length}`, inputs: [input.name], output: output.name, ...window, clamp: CLAMP };
  const outChannels = input.channels;
  if (draft.random.int(2) === 0) draft.steps.push({ kind: "maxPool", ...common, outChannels });
  else {
    const countPadding = draft.random.int(2) === 0;
    draft.steps.push({ kind: "averagePool", ...common, outChannels, countPadding, inputZero: zeroOf(draft, input) });
  }
  return output;
}

function addTable(draft: Draft, input: Picture): Picture {
  const output = next(draft, input);
  const table = Int8Array.from({ length: 256 }, (_, i) => ((i * 37) % 256) - 128);
  const count = input.height * input.width * input.channels;
  // Now and then through another name for the same memory.
  let name = input.name;
  if (draft.random.int(2) === 0) {
    const value = draft.values.get(name) as DeviceValue;
    name = `view of ${name} ${draft.steps.length}`;
    draft.values.set(name, { ...value, name, shape: [count] });
    draft.views.set(name, input.name);
  }
  draft.steps.push({
    kind: "table",
    node: `table ${draft.steps.length}`,
    inputs: [name],
    output: output.name,
    count,
    table,
    of: "any",
  });
  return output;
}

function adding(draft: Draft, a: Picture, b: Picture) {
  const half = { value: 2 ** 30, shift: 0 };
  return {
    subtract: draft.random.int(3) === 0,
    leftShift: 16,
    zeros: [zeroOf(draft, a), zeroOf(draft, b)] as const,
    multipliers: [half, { value: 2 ** 30 + draft.random.int(2 ** 29), shift: 0 }] as const,
    outputMultiplier: { value: 2 ** 30, shift: -14 },
    rounding: "double" as const,
    clamp: CLAMP,
  };
}

/** Adds an earlier picture of the same size, or the picture before a residual block. */
function addShortcut(draft: Draft, input: Picture): Picture {
  const size = ({ height, width, channels }: Picture): string => `${height} ${width} ${channels}`;
  const known = draft.pictures.filter((other) => size(other) === size(input) && other.name !== input.name);
  const other = (draft.random.int(2) === 0 ? known[draft.random.int(Math.max(1, known.length))] : undefined) ?? input;
  const from = other === input ? addBlock(draft, input) : input;
  const [a, b] = draft.random.int(2) === 0 ? [from, other] : [other, from];
  const output = next(draft, input);
  const count = input.height * input.width * input.channels;
  draft.steps.push({
    kind: "add",
    node: `add ${draft.steps.length}`,
    inputs: [a.name, b.name],
    output: output.name,
    sizes: [count],
    strides: [[1], [1]],
    outputZero: zeroOf(draft, output),
    ...adding(draft, a, b),
  });
  return output;
}

/** Steps that keep the size of a picture: a window, pointwise steps, or both, as residual blocks have them. */
function addBlock(draft: Draft, input: Picture): Picture {
  const wide = draft.random.int(2) === 0 ? input : addPointwise(draft, input, input.channels + 1);
  const slid = draft.random.int(3) === 0 ? wide : addDepthwise(draft, wide, sameWindow(draft, wide));
  return addPointwise(draft, slid, input.channels);
}

/** A slope for each channel, from a constant. */
function addSlopes(draft: Draft, input: Picture): Picture {
  const output = next(draft, input);
  const name = `slopes ${draft.steps.length}`;
  const data = integers(draft.random, input.channels, 127);
  draft.constants.set(name, { name, dtype: "int8", shape: [input.channels], data });
  draft.steps.push({
    kind: "prelu",
    node: `prelu ${draft.steps.length}`,
    inputs: [input.name, name],
    output: output.name,
    sizes: [input.height * input.width, input.channels],
    strides: [
      [input.channels, 1],
      [0, 1],
    ],
    zeros: [zeroOf(draft, input), 0],
    positive: { value: 2 ** 30, shift: 1 },
    negative: { value: 2 ** 30, shift: -6 },
    rounding: "double",
    outputZero: zeroOf(draft, output),
    clamp: CLAMP,
  });
  return output;
}

/** Squeeze and excitation without the middle: each channel by its mean. */
function addScale(draft: Draft, input: Picture): Picture {
  const { height, width, channels } = input;
  const mean = next(draft, { height: 1, width: 1, channels });
  draft.steps.push({
    kind: "mean",
    node: `mean ${draft.steps.length}`,
    inputs: [input.name],
    output: mean.name,
    sizes: [height * width, channels],
    reduced: [true, false],
    count: height * width,
    inputZero: zeroOf(draft, input),
    outputZero: zeroOf(draft, mean),
    rescale: {
      rule: "double",
      multipliers: Int32Array.of(2 ** 30),
      shifts: Int32Array.of(1 - Math.round(Math.log2(height * width))),
    },
    clamp: CLAMP,
  });
  const output = next(draft, input);
  draft.steps.push({
    kind: "mul",
    node: `mul ${draft.steps.length}`,
    inputs: [input.name, mean.name],
    output: output.name,
    sizes: [height * width, channels],
    strides: [
      [channels, 1],
      [0, 1],
    ],
    zeros: [zeroOf(draft, input), zeroOf(draft, mean)],
    rescale: { rule: "double", multipliers: Int32Array.of(2 ** 30 + 5), shifts: Int32Array.of(-5) },
    outputZero: zeroOf(draft, output),
    clamp: CLAMP,
  });
  return output;
}

/** The picture beside a pointwise step of it, along the channels. */
function addConcat(draft: Draft, input: Picture): Picture {
  const other = addPointwise(draft, input, 1 + draft.random.int(3));
  const { height, width } = input;
  const channels = input.channels + other.channels;
  const output = next(draft, { height, width, channels });
  for (const [part, outputOffset] of [[input, 0] as const, [other, input.channels] as const])
    draft.steps.push({
      kind: "copy",
      node: `concat ${draft.steps.length}`,
      inputs: [part.name],
      output: output.name,
      sizes: [height * width, part.channels],
      elementBytes: 1,
      inputOffset: 0,
      inputStrides: [part.channels, 1],
      outputOffset,
      outputStrides: [channels, 1],
    });
  return output;
}
