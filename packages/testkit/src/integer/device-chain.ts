import { type Random, seededRandom } from "@tessera/core/base/random";
import type { DeviceConstant, DeviceProgram, DeviceStep, DeviceValue, DeviceWindow } from "@tessera/core/codegen/device/program";
import { quantizeMultiplier } from "@tessera/core/interp/integer/multiplier";

/** A picture on its way: [height, width, channels]. */
type Shape = readonly [number, number, number];

interface Chain {
  readonly random: Random;
  readonly values: Map<string, DeviceValue>;
  readonly constants: Map<string, DeviceConstant>;
  readonly steps: DeviceStep[];
  /** The last value, and those of its shape since the last change of shape. */
  last: string;
  shape: Shape;
  alike: string[];
}

function addValue(chain: Chain, shape: Shape): string {
  const name = `v${chain.values.size}`;
  const bytes = shape[0] * shape[1] * shape[2];
  const zeroPoint = [-128, 0, 5, 50][chain.random.int(4)] as number;
  chain.values.set(name, { name, dtype: "int8", shape, bytes, scale: 0.1, zeroPoint });
  return name;
}

function push(chain: Chain, shape: Shape, make: (output: DeviceValue) => DeviceStep): void {
  const output = addValue(chain, shape);
  chain.steps.push(make(chain.values.get(output) as DeviceValue));
  const isSame = shape.join() === chain.shape.join();
  chain.alike = [...(isSame ? chain.alike : []), output];
  chain.last = output;
  chain.shape = shape;
}

/** Multipliers around 1 / depth, now and then to the left. */
function rescale(chain: Chain, channels: number, depth: number) {
  const { random } = chain;
  const all = Array.from({ length: random.int(3) === 0 ? 1 : channels }, () =>
    quantizeMultiplier(random.int(12) === 0 ? 1 + 3 * random.next() : (0.2 + random.next()) / (16 * Math.sqrt(depth))),
  );
  return {
    rule: "double" as const,
    multipliers: Int32Array.from(all, (m) => m.value),
    shifts: Int32Array.from(all, (m) => m.shift),
  };
}

function integers(random: Random, count: number): Int8Array {
  return Int8Array.from({ length: count }, () => random.int(255) - 127);
}

function window(chain: Chain, outChannels: number, sizes: { kernel: readonly [number, number] }): DeviceWindow {
  const { random, shape } = chain;
  const [height, width, channels] = shape;
  const { kernel } = sizes;
  const dilations = kernel.map((k) => (k > 1 && random.int(4) === 0 ? 2 : 1)) as [number, number];
  const strides = [1 + random.int(3), 1 + random.int(2)] as const;
  const extents = [(kernel[0] - 1) * dilations[0] + 1, (kernel[1] - 1) * dilations[1] + 1] as const;
  const pads = [random.int(extents[0]), random.int(extents[1])] as const;
  const behind = [random.int(extents[0]), random.int(extents[1])] as const;
  const out = (axis: 0 | 1): number =>
    Math.max(1, Math.floor(((shape[axis] as number) + pads[axis] + behind[axis] - extents[axis]) / strides[axis]) + 1);
  return { height, width, channels, outHeight: out(0), outWidth: out(1), outChannels, kernel, strides, dilations, pads };
}

function sums(chain: Chain, output: DeviceValue, { outputs, depth }: { outputs: number; depth: number }) {
  const isRelu = chain.random.int(2) === 0;
  return {
    node: `node ${output.name}`,
    inputs: [chain.last],
    output: output.name,
    bias: Int32Array.from({ length: outputs }, () => chain.random.int(4000) - 2000),
    inputZero: (chain.values.get(chain.last) as DeviceValue).zeroPoint,
    outputZero: output.zeroPoint,
    rescale: rescale(chain, outputs, depth),
    clamp: [isRelu ? output.zeroPoint : -128, chain.random.int(3) === 0 ? Math.max(output.zeroPoint, 90) : 127] as const,
  };
}

type Link = (chain: Chain) => void;

const conv: Link = (chain) => {
  const { random } = chain;
  const channels = chain.shape[2];
  const group = channels % 2 === 0 && random.int(5) === 0 ? 2 : 1;
  const outputs = group * (1 + random.int(6));
  const sizes = window(chain, outputs, { kernel: [1 + random.int(3), 1 + random.int(3)] });
  const depth = (sizes.kernel[0] * sizes.kernel[1] * channels) / group;
  push(chain, [sizes.outHeight, sizes.outWidth, outputs], (output) => ({
    kind: "conv",
    ...sizes,
    group,
    ...sums(chain, output, { outputs, depth }),
    weights: integers(random, outputs * depth),
  }));
};

const depthwise: Link = (chain) => {
  const { random } = chain;
  const outputs = chain.shape[2] * (1 + random.int(2));
  const sizes = window(chain, outputs, { kernel: random.int(2) === 0 ? [3, 3] : [1 + random.int(4), 1 + random.int(4)] });
  const depth = sizes.kernel[0] * sizes.kernel[1];
  push(chain, [sizes.outHeight, sizes.outWidth, outputs], (output) => ({
    kind: "depthwise",
    ...sizes,
    ...sums(chain, output, { outputs, depth }),
    weights: integers(random, outputs * depth),
  }));
};

const pointwise: Link = (chain) => {
  const { random } = chain;
  const [height, width, channels] = chain.shape;
  const outputs = random.int(2) === 0 ? channels : 1 + random.int(9);
  const ones = { kernel: [1, 1], strides: [1, 1], dilations: [1, 1] } as const;
  const sizes = { height, width, channels, outHeight: height, outWidth: width, outChannels: outputs, pads: [0, 0] as const };
  push(chain, [height, width, outputs], (output) => ({
    kind: "conv",
    ...ones,
    ...sizes,
    group: 1,
    ...sums(chain, output, { outputs, depth: channels }),
    weights: integers(random, outputs * channels),
  }));
};

const pool: Link = (chain) => {
  const { random } = chain;
  const channels = chain.shape[2];
  const sizes = window(chain, channels, { kernel: [1 + random.int(3), 1 + random.int(3)] });
  const input = chain.values.get(chain.last) as DeviceValue;
  push(chain, [sizes.outHeight, sizes.outWidth, channels], (output) => {
    const base = {
      node: `node ${output.name}`,
      inputs: [input.name],
      output: output.name,
      ...sizes,
      clamp: [-128, 127] as const,
    };
    if (random.int(2) === 0) return { kind: "maxPool", ...base };
    return { kind: "averagePool", ...base, countPadding: random.int(2) === 0, inputZero: input.zeroPoint };
  });
};

const table: Link = (chain) => {
  const { random, last, shape } = chain;
  push(chain, shape, (output) => ({
    kind: "table",
    node: `node ${output.name}`,
    inputs: [last],
    output: output.name,
    count: output.bytes,
    table: integers(random, 256),
    of: "logistic",
  }));
};

/** An Add with an earlier value of the same shape, a product by channel, a slope, the larger of two. */
const binary: Link = (chain) => {
  const { random, last, shape } = chain;
  const count = shape[0] * shape[1] * shape[2];
  const channels = shape[2];
  const others = chain.alike.filter((name) => name !== last);
  const isChannel = others.length === 0 || random.int(3) === 0;
  const constant = `c${chain.constants.size}`;
  if (isChannel)
    chain.constants.set(constant, { name: constant, dtype: "int8", shape: [channels], data: integers(random, channels) });
  const other = isChannel ? constant : (others[random.int(others.length)] as string);
  const zeroOf = (name: string): number => chain.values.get(name)?.zeroPoint ?? 3;
  const flips = !isChannel && random.int(2) === 0;
  const inputs = flips ? [other, last] : [last, other];
  const broadcast = isChannel
    ? { sizes: [count / channels, channels], strides: [[channels, 1] as const, [0, 1] as const] as const }
    : { sizes: [count], strides: [[1] as const, [1] as const] as const };
  const by = (real: number) => quantizeMultiplier(real);
  push(chain, shape, (output) => {
    const base = { node: `node ${output.name}`, inputs, output: output.name, ...broadcast };
    const rest = { outputZero: output.zeroPoint, clamp: [-128, 127] as const };
    const zeros = inputs.map(zeroOf) as [number, number];
    const which = random.int(4);
    if (which === 0)
      return {
        kind: "mul",
        ...base,
        zeros,
        rescale: { rule: "double", multipliers: Int32Array.of(by(0.01).value), shifts: Int32Array.of(by(0.01).shift) },
        ...rest,
      };
    if (which === 1 && isChannel)
      return { kind: "prelu", ...base, zeros, positive: by(0.9), negative: by(0.004), rounding: "double", ...rest };
    if (which === 2) return { kind: random.int(2) === 0 ? "maximum" : "minimum", ...base };
    return {
      kind: "add",
      ...base,
      subtract: random.int(2) === 0,
      leftShift: 20,
      zeros,
      multipliers: [by(0.4 + random.next() / 2), by(0.4)],
      outputMultiplier: by(2 ** -19 * 0.7),
      rounding: "double",
      ...rest,
    };
  });
};

const LINKS: readonly Link[] = [conv, conv, depthwise, depthwise, pointwise, pointwise, pool, table, binary, binary, binary];

/** A chain of steps that can hand rows to each other, with shortcuts, random sizes, paddings, strides and dilations; the same for the same seed. */
export function deviceChain(seed: number): DeviceProgram {
  const random = seededRandom(seed);
  const shape = [4 + random.int(14), 3 + random.int(10), 1 + random.int(5)] as const;
  const chain: Chain = { random, values: new Map(), constants: new Map(), steps: [], last: "", shape, alike: [] };
  const input = addValue(chain, shape);
  chain.last = input;
  chain.alike = [input];
  for (let left = 3 + random.int(7); left > 0; left--) (LINKS[random.int(LINKS.length)] as Link)(chain);
  const { values, constants, steps, last } = chain;
  return {
    kind: "device-program",
    profile: "tflm-double",
    inputs: [input],
    outputs: [last],
    values,
    views: new Map(),
    constants,
    steps,
  };
}
