import {
  type CheckedCase,
  channelsLast,
  clampRange,
  filled,
  int8,
  joined,
  useKernels,
  windowAxis,
  zeroPoint,
} from "@tessera/testkit/kernel-cases";
import { type CaseCode, sanitizingCompiler } from "@tessera/testkit/kernel-driver";
import fc from "fast-check";
import { describe, test } from "vitest";
import { runConv, runFullyConnected } from "../../../interp/integer/conv.ts";
import type { Rounding } from "../../../interp/integer/multiplier.ts";
import type { ConvStep, FullyConnectedStep } from "../../../interp/integer/program.ts";
import type { DeviceConv, DeviceDepthwise, DeviceFullyConnected } from "../../device/program.ts";
import { scratchBytes } from "../scratch.ts";
import { packSums } from "../sums.ts";

const compiler = sanitizingCompiler();

/** Reads a layer, fills one ring row for each padded input row, and computes the output row by row. */
function sliding(name: string, call: string): CaseCode {
  return {
    kernels: ["ts_ring_fill", name],
    code: `
      const int height = number(), width = number(), channels = number(), kh = number(), kw = number(), sy = number(), sx = number();
      const int dy = number(), dx = number(), top = number(), left = number(), oh = number(), ow = number(), outputs = number(), parts = number();
      const int input_zero = number(), zero = number(), lo = number(), hi = number(), flags = number(), pitch = number(), work = number();
      const int columns = (ow - 1) * sx + (kw - 1) * dx + 1, high = (oh - 1) * sy + (kh - 1) * dy + 1;
      const int8_t *x = odd(), *w = array();
      const int32_t *bias = array(), *mult = array();
      const int8_t *shift = array();
      int8_t *scratch = work > 0 ? room((size_t)work) : NULL, **ring = room((size_t)high * sizeof(int8_t *)), *y = room((size_t)(ow * outputs));
      const int8_t **rows = room((size_t)kh * sizeof(int8_t *));
      (void)parts;
      (void)pitch;
      (void)scratch;
      for (int r = 0; r < high; r++) {
        ring[r] = room((size_t)(columns * channels));
        ts_ring_fill(ring[r], r >= top && r < top + height ? x + (r - top) * width * channels : NULL, width, channels, left, columns, input_zero);
      }
      for (int o = 0; o < oh; o++) {
        for (int k = 0; k < kh; k++)
          rows[k] = ring[o * sy + k * dy];
        ${call}
        give(y, (size_t)(ow * outputs));
      }`,
  };
}

const CASES = {
  conv: sliding(
    "ts_conv_row",
    "ts_conv_row(rows, channels, kh, kw, sx, dx, ow, outputs, w, pitch, bias, mult, shift, zero, lo, hi, scratch, y, flags);",
  ),
  group: sliding(
    "ts_group_conv_row",
    "ts_group_conv_row(rows, channels, parts, kh, kw, sx, dx, ow, outputs, w, pitch, bias, mult, shift, zero, lo, hi, y, flags);",
  ),
  depthwise: sliding(
    "ts_depthwise_row",
    "ts_depthwise_row(rows, channels, outputs / channels, kh, kw, sx, dx, ow, w, bias, mult, shift, zero, lo, hi, scratch, y, flags);",
  ),
  dense: {
    kernels: ["ts_pointwise", "ts_fully_connected"],
    code: `
      const int rows = number(), depth = number(), outputs = number(), weights_zero = number(), zero = number(), lo = number(), hi = number();
      const int flags = number(), pitch = number();
      const int8_t *x = odd(), *w = array();
      const int32_t *bias = array(), *mult = array();
      const int8_t *shift = array();
      int8_t *y = room((size_t)(rows * outputs));
      if (weights_zero == 0)
        ts_pointwise(x, rows, depth, outputs, w, pitch, bias, mult, shift, zero, lo, hi, NULL, y, flags);
      else
        ts_fully_connected(x, rows, depth, outputs, w, pitch, weights_zero, bias, mult, shift, zero, lo, hi, y, flags);
      give(y, (size_t)(rows * outputs));`,
  },
} as const satisfies Record<string, CaseCode>;

/** int8 data that has its ends more often than chance would give. */
function integers(seed: number, count: number): Int8Array {
  let state = seed | 0;
  return Int8Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    const pick = (state >>> 8) % 300;
    return pick < 256 ? pick - 128 : pick < 278 ? -128 : 127;
  });
}

/** Everything about sums but their shape: a multiplier and shift for each channel, a bias, zero points, a clamp. */
const summing = fc.record({
  seed: fc.integer(),
  inputZero: zeroPoint,
  outputZero: zeroPoint,
  relu: fc.boolean(),
  clamp: clampRange,
  open: fc.boolean(),
  shared: fc.boolean(),
  /** Networks have shifts to the right; the whole range that multipliers can have is tried too. */
  shifts: fc.oneof(
    fc.array(fc.integer({ min: -14, max: -4 }), { minLength: 1, maxLength: 4 }),
    fc.array(fc.integer({ min: -31, max: 0 }), { minLength: 1, maxLength: 4 }),
    fc.array(fc.integer({ min: -31, max: 30 }), { minLength: 1, maxLength: 4 }),
  ),
  multipliers: fc.array(fc.oneof(fc.constantFrom(2 ** 30, 2 ** 31 - 1, 0), fc.integer({ min: 2 ** 30, max: 2 ** 31 - 1 })), {
    minLength: 1,
    maxLength: 4,
  }),
  biases: fc.array(fc.oneof(fc.integer({ min: -3000, max: 3000 }), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })), {
    minLength: 1,
    maxLength: 4,
  }),
  plain: fc.boolean(),
});
type Summing = typeof summing extends fc.Arbitrary<infer T> ? T : never;

function constants(of: Summing, rule: Rounding, outputs: number) {
  const turn = <T>(list: readonly T[], i: number): T => list[i % list.length] as T;
  const count = of.shared ? 1 : outputs;
  const low = of.relu ? of.outputZero : of.open ? -128 : of.clamp[0];
  return {
    bias: Int32Array.from({ length: outputs }, (_, i) => (of.plain ? turn(of.biases, i) % 10000 : turn(of.biases, i))),
    inputZero: of.inputZero,
    outputZero: of.outputZero,
    clamp: [low, Math.max(low, of.open ? 127 : of.clamp[1])] as const,
    rescale: {
      rule,
      multipliers: Int32Array.from({ length: count }, (_, i) => turn(of.multipliers, i)),
      shifts: Int32Array.from({ length: count }, (_, i) => turn(of.shifts, i)),
    },
  };
}

const layer = fc.record({
  kind: fc.constantFrom("conv", "group", "depthwise"),
  y: windowAxis,
  x: windowAxis,
  group: fc.integer({ min: 2, max: 3 }),
  channels: fc.integer({ min: 1, max: 9 }),
  /** Outputs of a convolution (of each group), or the multiplier of a depthwise one. */
  outputs: fc.integer({ min: 1, max: 7 }),
  summing,
});

/** A layer as the driver takes it, and what the integer interpreter makes of it, [height, width, channels]. */
function slidingCase(of: typeof layer extends fc.Arbitrary<infer T> ? T : never, rule: Rounding): CheckedCase {
  const { y, x } = of;
  const group = of.kind === "conv" ? 1 : of.kind === "group" ? of.group : of.channels;
  const channels = of.kind === "group" ? group * Math.min(of.channels, 4) : of.channels;
  const outputs = of.kind === "conv" ? of.outputs : group * Math.min(of.outputs, 3);
  const perGroup = channels / group;
  const taps = y.kernel * x.kernel;
  const sums = constants(of.summing, rule, outputs);
  const weights = integers(of.summing.seed ^ 77, outputs * taps * perGroup);
  const input = integers(of.summing.seed, channels * y.size * x.size);
  const shape = {
    node: "n",
    inputs: ["x"],
    output: "y",
    channels,
    height: y.size,
    width: x.size,
    outChannels: outputs,
    outHeight: y.out,
    outWidth: x.out,
    kernel: [y.kernel, x.kernel],
    strides: [y.stride, x.stride],
    dilations: [y.dilation, x.dilation],
    pads: [y.before, x.before],
    group,
  } as const;
  const step: ConvStep = { kind: of.kind === "depthwise" ? "depthwise" : "conv", batch: 1, weights, ...shape, ...sums };
  const planes = new Int8Array(outputs * y.out * x.out);
  runConv(step, input, planes);
  const moved = new Int8Array(weights.length);
  for (let o = 0; o < outputs; o++)
    for (let c = 0; c < perGroup; c++)
      for (let t = 0; t < taps; t++)
        moved[of.kind === "depthwise" ? t * outputs + o : (o * taps + t) * perGroup + c] = weights[
          (o * perGroup + c) * taps + t
        ] as number;
  const device: DeviceConv | DeviceDepthwise =
    of.kind === "depthwise"
      ? { kind: "depthwise", weights: moved, ...shape, ...sums }
      : { kind: "conv", weights: moved, ...shape, ...sums };
  const packed = packSums(device);
  const flags = of.summing.plain ? packed.flags : 0;
  return [
    [
      of.kind,
      ...[
        y.size,
        x.size,
        channels,
        y.kernel,
        x.kernel,
        y.stride,
        x.stride,
        y.dilation,
        x.dilation,
        y.before,
        x.before,
        y.out,
        x.out,
      ],
      // Windows of 1 by 1 go through the kernel of all windows here, which needs its column: strides that no pointwise step has.
      ...[
        outputs,
        group,
        sums.inputZero,
        sums.outputZero,
        ...sums.clamp,
        flags,
        packed.pitch,
        scratchBytes({ ...device, strides: [2, 2] }, "portable"),
      ],
      channelsLast(input, channels),
      ...[packed.weights, packed.bias, packed.multipliers, packed.shifts],
    ],
    joined(channelsLast(planes, outputs)),
  ];
}

const dense = fc.record({
  rows: fc.integer({ min: 1, max: 7 }),
  depth: fc.integer({ min: 1, max: 70 }),
  outputs: fc.integer({ min: 1, max: 11 }),
  weightsZero: fc.oneof(fc.constant(0), int8),
  summing,
});

function denseCase(of: typeof dense extends fc.Arbitrary<infer T> ? T : never, rule: Rounding): CheckedCase {
  const { rows, depth, outputs, weightsZero } = of;
  const sums = constants(of.summing, rule, outputs);
  // The interpreter's sums of this layer do not wrap around.
  const bias = sums.bias.map((b) => Math.trunc(b / 4));
  const input = integers(of.summing.seed, rows * depth);
  const weights = integers(of.summing.seed ^ 99, outputs * depth);
  const shape = {
    node: "n",
    inputs: ["x"],
    output: "y",
    kind: "fullyConnected",
    rows,
    depth,
    outputs,
    weightsZero,
    weights,
  } as const;
  const step: FullyConnectedStep & DeviceFullyConnected = { ...shape, ...sums, bias };
  const out = filled(rows * outputs, (y) => runFullyConnected(step, input, y));
  const packed = packSums(step);
  const flags = of.summing.plain ? packed.flags : 0;
  return [
    [
      "dense",
      ...[rows, depth, outputs, weightsZero, sums.outputZero, ...sums.clamp, flags, packed.pitch],
      input,
      ...[packed.weights, packed.bias, packed.multipliers, packed.shifts],
    ],
    out,
  ];
}

const VARIANTS = [
  ["double", []],
  ["single", []],
  ["double", ["TS_SMALL=1", "TS_FEW_REGISTERS=1"]],
] as const;

describe.skipIf(compiler === undefined).each(VARIANTS)("kernels that sum, %s rounding %s", (rule, defines) => {
  const holds = useKernels(compiler, CASES, rule, defines);
  test("convolutions equal the integer interpreter in any shape", () =>
    holds(
      layer.map((of) => slidingCase(of, rule)),
      10,
    ));
  test("pointwise and fully connected layers equal the integer interpreter in any shape", () =>
    holds(
      dense.map((of) => denseCase(of, rule)),
      5,
    ));
});
