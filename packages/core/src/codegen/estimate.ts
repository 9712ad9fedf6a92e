import type { DeviceIsa } from "./c/isa.ts";
import type { DeviceProgram, DeviceStep } from "./device/program.ts";

/** What a step costs on a processor, before anybody compiles it. */
export interface StepEstimate {
  readonly node: string;
  readonly kind: DeviceStep["kind"];
  /** Multiply-accumulates. */
  readonly macs: number;
  /** Values written. */
  readonly values: number;
  readonly instructions: number;
}

/** Instructions that a kind of kernel takes: for each multiply-accumulate, and for each value written. */
interface Rate {
  readonly mac: number;
  readonly value: number;
}

type RateKind =
  | "pointwise"
  | "conv"
  | "group"
  | "depthwise"
  | "dense"
  | "add"
  | "mul"
  | "prelu"
  | "pool"
  | "mean"
  | "byte"
  | "curve"
  | "lstm";

/**
 * Fitted to counts under QEMU of what gcc 12 -O2 made of the two MLPerf Tiny networks and of single kernels; single layers are off by up to
 * a third, whole networks by a quarter, which is enough to tell variants apart and no more.
 */
const RATES: Readonly<Record<DeviceIsa, Readonly<Record<RateKind, Rate>>>> = {
  portable: {
    pointwise: { mac: 3.4, value: 14 },
    conv: { mac: 4.2, value: 25 },
    group: { mac: 6, value: 30 },
    depthwise: { mac: 4, value: 20 },
    dense: { mac: 3.8, value: 24 },
    add: { mac: 0, value: 30 },
    mul: { mac: 0, value: 22 },
    prelu: { mac: 0, value: 24 },
    pool: { mac: 0, value: 3.2 },
    mean: { mac: 0, value: 3.2 },
    byte: { mac: 0, value: 5 },
    curve: { mac: 0, value: 120 },
    lstm: { mac: 4, value: 200 },
  },
  dsp: {
    pointwise: { mac: 0.95, value: 8 },
    conv: { mac: 0.98, value: 16 },
    group: { mac: 6, value: 26 },
    depthwise: { mac: 1.6, value: 13 },
    dense: { mac: 1.7, value: 18 },
    add: { mac: 0, value: 24 },
    mul: { mac: 0, value: 18 },
    prelu: { mac: 0, value: 20 },
    pool: { mac: 0, value: 3.4 },
    mean: { mac: 0, value: 3.4 },
    byte: { mac: 0, value: 5 },
    curve: { mac: 0, value: 110 },
    lstm: { mac: 1.6, value: 225 },
  },
  mve: {
    pointwise: { mac: 0.15, value: 3.8 },
    conv: { mac: 0.4, value: 4 },
    group: { mac: 6, value: 26 },
    depthwise: { mac: 0.9, value: 4 },
    dense: { mac: 0.4, value: 8 },
    add: { mac: 0, value: 8 },
    mul: { mac: 0, value: 6 },
    prelu: { mac: 0, value: 8 },
    pool: { mac: 0, value: 1 },
    mean: { mac: 0, value: 1 },
    byte: { mac: 0, value: 5 },
    curve: { mac: 0, value: 110 },
    lstm: { mac: 0.45, value: 100 },
  },
};

const KINDS: Readonly<Record<DeviceStep["kind"], RateKind>> = {
  conv: "conv",
  depthwise: "depthwise",
  fullyConnected: "dense",
  add: "add",
  mul: "mul",
  prelu: "prelu",
  maximum: "byte",
  minimum: "byte",
  maxPool: "pool",
  averagePool: "pool",
  mean: "mean",
  table: "byte",
  softmax: "curve",
  l2Normalization: "curve",
  resizeBilinear: "curve",
  copy: "byte",
  fill: "byte",
  gather: "byte",
  lstm: "lstm",
};

function rateKind(step: DeviceStep): RateKind {
  if (step.kind !== "conv") return KINDS[step.kind];
  if (step.group > 1) return "group";
  const [kh, kw] = step.kernel;
  return kh === 1 && kw === 1 ? "pointwise" : "conv";
}

/** Instructions that a PRelu takes for each value, where a Relu is a bound of the sum before it and takes none. */
export function preluInstructions(isa: DeviceIsa): number {
  return RATES[isa].prelu.value;
}

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** Multiply-accumulates of a step; 0 for steps that multiply no weights. */
export function stepMacs(step: DeviceStep): number {
  switch (step.kind) {
    case "conv":
      return step.outHeight * step.outWidth * step.outChannels * product(step.kernel) * (step.channels / step.group);
    case "depthwise":
      return step.outHeight * step.outWidth * step.outChannels * product(step.kernel);
    case "fullyConnected":
      return step.rows * step.outputs * step.depth;
    case "lstm": {
      const { time, inputSize, hiddenSize } = step.lstm;
      return time * 4 * hiddenSize * (inputSize + hiddenSize);
    }
    default:
      return 0;
  }
}

/** Values that a step writes, or those that it looks at where it makes few of many. */
function stepValues(step: DeviceStep, program: DeviceProgram): number {
  if (step.kind === "mean") return product(step.sizes);
  if (step.kind === "averagePool" || step.kind === "maxPool")
    return step.outHeight * step.outWidth * step.channels * product(step.kernel);
  if (step.kind === "table" || step.kind === "fill") return step.count;
  if (step.kind === "copy" || step.kind === "add" || step.kind === "mul" || step.kind === "prelu") return product(step.sizes);
  if (step.kind === "lstm") return step.lstm.time * step.lstm.hiddenSize;
  return product(program.values.get(step.output)?.shape ?? []);
}

/**
 * What each step of a program is expected to take, in instructions, on processors with these instructions.
 *
 * @example
 * const total = estimateSteps(program, "dsp").reduce((sum, step) => sum + step.instructions, 0);
 */
export function estimateSteps(program: DeviceProgram, isa: DeviceIsa): readonly StepEstimate[] {
  return program.steps.map((step) => {
    const macs = stepMacs(step);
    const values = stepValues(step, program);
    const { mac, value } = RATES[isa][rateKind(step)];
    return { node: step.node, kind: step.kind, macs, values, instructions: Math.round(macs * mac + values * value) };
  });
}

/** Bytes of flash by what lies in them. */
export interface FlashEstimate {
  readonly weights: number;
  /** Biases, multipliers, shifts. */
  readonly tables: number;
  readonly code: number;
  /** Lookup tables, indices, constants that are no weights. */
  readonly rodata: number;
}

const roundUp4 = (n: number): number => Math.ceil(n / 4) * 4;

/** Bytes of code: of the kernels that are not inlined and everything around, and of each function for a layer shape, fitted as the rates were. */
const CODE: Readonly<Record<DeviceIsa, { readonly fixed: number; readonly function: number }>> = {
  portable: { fixed: 500, function: 690 },
  dsp: { fixed: 3700, function: 170 },
  mve: { fixed: 200, function: 720 },
};

/** Options of {@link estimateFlash}. */
export interface FlashEstimateOptions {
  readonly isa: DeviceIsa;
  /** Functions that the steps share; one for each step unless given. */
  readonly functions?: number;
}

/** What the flash of a program is expected to hold: data to the byte, code by the number of functions. */
export function estimateFlash(program: DeviceProgram, options: FlashEstimateOptions): FlashEstimate {
  let weights = 0;
  let tables = 0;
  let rodata = 0;
  const seen = new Set<object>();
  for (const step of program.steps) {
    if (step.kind === "conv" || step.kind === "depthwise" || step.kind === "fullyConnected") {
      const outputs = step.kind === "fullyConnected" ? step.outputs : step.outChannels;
      weights += step.kind === "depthwise" ? step.weights.length : outputs * roundUp4(step.weights.length / outputs);
      tables += outputs * (4 + 4 + 1);
    } else if (step.kind === "lstm") {
      const { inputSize, hiddenSize } = step.lstm;
      weights += 4 * hiddenSize * (roundUp4(inputSize) + roundUp4(hiddenSize));
      tables += 4 * hiddenSize * 8;
    } else if (step.kind === "table") {
      if (!seen.has(step.table)) rodata += step.table.length;
      seen.add(step.table);
    } else if (step.kind === "gather") rodata += step.indices.length * 2;
  }
  for (const { data } of program.constants.values()) rodata += data.byteLength;
  const code = CODE[options.isa];
  return { weights, tables, code: code.fixed + code.function * (options.functions ?? program.steps.length), rodata };
}
