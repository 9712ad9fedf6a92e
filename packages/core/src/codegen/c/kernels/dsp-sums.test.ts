import { type BoardCase, boardMissing, runOnBoard } from "@tessera/testkit/board-driver";
import { type CaseCode, kernelDriver, sanitizingCompiler } from "@tessera/testkit/kernel-driver";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { multiply, type Rounding } from "../../../interp/integer/multiplier.ts";
import type { DeviceConv, DeviceDepthwise, DeviceFullyConnected } from "../../device/program.ts";
import { runConv, runDepthwise, runFullyConnected } from "../../device/run-window.ts";
import { scratchBytes } from "../scratch.ts";
import { FLAG_BEGUN, FLAG_PAIRS, FLAG_SHIFT_MID, packSums, pairRows } from "../sums.ts";

const missing = await boardMissing("m4");

/** Rows with their halo columns lie one behind the other, as the test laid them out. */
function sliding(kernels: readonly string[], call: string, begin = ""): CaseCode {
  return {
    kernels,
    code: `
  const int columns = number(), channels = number(), kh = number(), kw = number(), sy = number(), sx = number(), dy = number(), dx = number();
  const int oh = number(), ow = number(), outputs = number(), pitch = number(), zero = number(), lo = number(), hi = number(), flags = number();
  const int work = number();
  const int8_t *x = odd(), *w = array(), *rows[12];
  const int32_t *bias = array(), *mult = array();
  const int8_t *shift = array();
  int8_t *scratch = work > 0 ? room((size_t)work) : NULL, *y = room((size_t)(ow * outputs));
  (void)pitch;
  ${begin}
  for (int o = 0; o < oh; o++) {
    for (int k = 0; k < kh; k++)
      rows[k] = x + (o * sy + k * dy) * columns * channels;
    ${call}
    give(y, (size_t)(ow * outputs));
  }`,
  };
}

const CASES = {
  conv: sliding(
    ["ts_conv_row"],
    "ts_conv_row(rows, channels, kh, kw, sx, dx, ow, outputs, w, pitch, bias, mult, shift, zero, lo, hi, scratch, y, flags);",
  ),
  depthwise: sliding(
    ["ts_depthwise_begin", "ts_depthwise_row"],
    "ts_depthwise_row(rows, channels, outputs / channels, kh, kw, sx, dx, ow, w, bias, mult, shift, zero, lo, hi, scratch, y, flags);",
    "if ((flags & TS_BEGUN) != 0) ts_depthwise_begin(channels, outputs / channels, kh, kw, sx, dx, w, bias, mult, shift, zero, lo, hi, scratch, flags);",
  ),
  fullyConnected: {
    kernels: ["ts_pointwise"],
    code: `
  const int pixels = number(), depth = number(), outputs = number(), pitch = number(), zero = number(), lo = number(), hi = number();
  const int flags = number(), work = number();
  const int8_t *x = odd(), *w = array();
  const int32_t *bias = array(), *mult = array();
  const int8_t *shift = array();
  int8_t *scratch = work > 0 ? room((size_t)work) : NULL, *y = room((size_t)(pixels * outputs));
  ts_pointwise(x, pixels, depth, outputs, w, pitch, bias, mult, shift, zero, lo, hi, scratch, y, flags);
  give(y, (size_t)(pixels * outputs));`,
  },
  rescale: {
    kernels: ["ts_requant30", "ts_requant", "ts_place"],
    code: `
  const int count = number(), zero = number(), lo = number(), hi = number();
  const int32_t *sum = array(), *mult = array();
  const int8_t *shift = array();
  int8_t *y = room((size_t)count), *z = room((size_t)count);
  for (int i = 0; i < count; i++) {
    y[i] = ts_place(ts_requant(sum[i], mult[i], shift[i]), zero, lo, hi);
    z[i] = ts_place(ts_requant30(sum[i] >> 2, mult[i], shift[i] & 31), zero, lo, hi);
  }
  give(y, (size_t)count);
  give(z, (size_t)count);`,
  },
} as const satisfies Record<string, CaseCode>;

type Summing = DeviceConv | DeviceDepthwise | DeviceFullyConnected;

const zeroPoint = fc.oneof(fc.constantFrom(-128, 127, 0), fc.integer({ min: -128, max: 127 }));

/** What a layer has besides its shape. Most are as networks have them, which is where the fast forms count: shifts of 1 to 22 and no clamp but Relu. */
const summing = fc.record({
  seed: fc.integer(),
  inputZero: zeroPoint,
  outputZero: zeroPoint,
  kind: fc.constantFrom("relu", "relu", "open", "open", "clamped"),
  shifts: fc.oneof(
    { weight: 4, arbitrary: fc.array(fc.integer({ min: -9, max: -4 }), { minLength: 1, maxLength: 5 }) },
    { weight: 4, arbitrary: fc.array(fc.integer({ min: -22, max: -1 }), { minLength: 1, maxLength: 5 }) },
    { weight: 1, arbitrary: fc.array(fc.integer({ min: -31, max: 0 }), { minLength: 1, maxLength: 5 }) },
    { weight: 1, arbitrary: fc.array(fc.integer({ min: -20, max: 12 }), { minLength: 1, maxLength: 5 }) },
  ),
  multipliers: fc.array(fc.oneof(fc.constantFrom(2 ** 30, 2 ** 31 - 1, 0), fc.integer({ min: 2 ** 30, max: 2 ** 31 - 1 })), {
    minLength: 1,
    maxLength: 5,
  }),
  biases: fc.oneof(
    { weight: 3, arbitrary: fc.array(fc.integer({ min: -3000, max: 3000 }), { minLength: 1, maxLength: 5 }) },
    { weight: 2, arbitrary: fc.array(fc.integer({ min: -(2 ** 28), max: 2 ** 28 }), { minLength: 1, maxLength: 5 }) },
    { weight: 1, arbitrary: fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { minLength: 1, maxLength: 5 }) },
  ),
});
type SummingCase = typeof summing extends fc.Arbitrary<infer T> ? T : never;

function constants(of: SummingCase, rule: Rounding, outputs: number) {
  const turn = <T>(list: readonly T[], i: number): T => list[i % list.length] as T;
  const outputZero = of.kind === "relu" ? -128 : of.outputZero;
  return {
    bias: Int32Array.from({ length: outputs }, (_, i) => turn(of.biases, i)),
    inputZero: of.inputZero,
    outputZero,
    clamp: (of.kind === "clamped" ? [Math.min(outputZero, 100), 101] : [-128, 127]) as readonly [number, number],
    rescale: {
      rule,
      multipliers: Int32Array.from({ length: outputs }, (_, i) => turn(of.multipliers, i)),
      shifts: Int32Array.from({ length: outputs }, (_, i) => turn(of.shifts, i)),
    },
  };
}

/** int8 data that has its ends more often than chance would give. */
function integers(seed: number, count: number): Int8Array {
  let state = seed | 0;
  return Int8Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    const pick = (state >>> 8) % 300;
    return pick < 256 ? pick - 128 : pick < 278 ? -128 : 127;
  });
}

/** A case for the board, and what the interpreter of device programs makes of it. */
interface Pair {
  readonly sent: BoardCase;
  readonly wanted: Int8Array;
  readonly step: Summing;
}

const dense = fc.record({
  rows: fc.integer({ min: 1, max: 8 }),
  depth: fc.integer({ min: 1, max: 70 }),
  outputs: fc.integer({ min: 1, max: 13 }),
  paired: fc.boolean(),
  edge: fc.integer({ min: 0, max: 4 }),
  summing,
});

function densePair(of: typeof dense extends fc.Arbitrary<infer T> ? T : never, rule: Rounding): Pair {
  const { rows, depth, outputs } = of;
  const step: DeviceFullyConnected = {
    kind: "fullyConnected",
    ...{ node: "n", inputs: ["x"], output: "y", rows, depth, outputs, weightsZero: 0 },
    ...{ weights: integers(of.summing.seed ^ 99, outputs * depth), ...constants(of.summing, rule, outputs) },
  };
  const x = integers(of.summing.seed, rows * depth);
  const wanted = new Int8Array(rows * outputs);
  runFullyConnected(step, x, wanted);
  // Pieces of a layer may have a single row, too.
  const layer = { ...step, rows: of.paired ? Math.max(rows, 2) : rows };
  const packed = of.paired ? pairRows(layer, packSums(step)) : packSums(step);
  return {
    step,
    wanted,
    sent: {
      name: "fullyConnected",
      edge: of.edge,
      gives: wanted.length,
      parts: [
        ...[rows, depth, outputs, packed.pitch, step.outputZero, ...step.clamp, packed.flags, scratchBytes(layer, "dsp")],
        ...[x, packed.weights, packed.bias, packed.multipliers, packed.shifts],
      ],
    },
  };
}

const axis = fc.record({
  out: fc.integer({ min: 1, max: 7 }),
  kernel: fc.oneof(fc.constant(3), fc.integer({ min: 1, max: 7 }), fc.constantFrom(5, 7, 9)),
  stride: fc.integer({ min: 1, max: 3 }),
  dilation: fc.constantFrom(1, 1, 1, 2),
});

const layer = fc.record({
  kind: fc.constantFrom("conv", "depthwise", "depthwise"),
  y: axis,
  x: axis,
  /** Rows as long as those that are made in several pieces. */
  long: fc.constantFrom(0, 0, 0, 0, 20, 47),
  /** As most networks have it: 3 by 3 with one stride and no dilation. */
  usual: fc.boolean(),
  channels: fc.integer({ min: 1, max: 13 }),
  outputs: fc.integer({ min: 1, max: 9 }),
  multiplier: fc.constantFrom(1, 1, 1, 2),
  begun: fc.boolean(),
  paired: fc.boolean(),
  edge: fc.integer({ min: 0, max: 4 }),
  summing,
});

function slidingPair(of: typeof layer extends fc.Arbitrary<infer T> ? T : never, rule: Rounding): Pair {
  const y = of.usual ? { ...of.y, kernel: 3, stride: of.x.stride, dilation: 1, out: 2 } : { ...of.y, out: Math.min(of.y.out, 3) };
  const x = { ...(of.usual ? { ...of.x, kernel: 3, dilation: 1 } : of.x), out: of.x.out + of.long };
  const { channels } = of;
  const outputs = of.kind === "conv" ? of.outputs : channels * of.multiplier;
  const sizeOf = (a: typeof x): number => (a.out - 1) * a.stride + (a.kernel - 1) * a.dilation + 1;
  const [height, width] = [sizeOf(y), sizeOf(x)];
  const shape = {
    ...{
      node: "n",
      inputs: ["x"],
      output: "y",
      height,
      width,
      channels,
      outHeight: y.out,
      outWidth: x.out,
      outChannels: outputs,
    },
    kernel: [y.kernel, x.kernel],
    strides: [y.stride, x.stride],
    dilations: [y.dilation, x.dilation],
    pads: [0, 0],
    weights: integers(of.summing.seed ^ 77, y.kernel * x.kernel * outputs * (of.kind === "conv" ? channels : 1)),
    ...constants(of.summing, rule, outputs),
  } as const;
  const step: DeviceConv | DeviceDepthwise =
    of.kind === "conv" ? { kind: "conv", group: 1, ...shape } : { kind: "depthwise", ...shape };
  const input = integers(of.summing.seed, height * width * channels);
  const wanted = new Int8Array(y.out * x.out * outputs);
  if (step.kind === "conv") runConv(step, input, wanted);
  else runDepthwise(step, input, wanted);
  const packed = of.paired ? pairRows(step, packSums(step)) : packSums(step);
  const isBegun = of.kind === "depthwise" && of.begun;
  return {
    step,
    wanted,
    sent: {
      name: of.kind,
      edge: of.edge,
      gives: wanted.length,
      parts: [
        ...[width, channels, y.kernel, x.kernel, y.stride, x.stride, y.dilation, x.dilation, y.out, x.out, outputs, packed.pitch],
        ...[step.outputZero, ...step.clamp, packed.flags | (isBegun ? FLAG_BEGUN : 0), scratchBytes(step, "dsp", !isBegun)],
        ...[input, packed.weights, packed.bias, packed.multipliers, packed.shifts],
      ],
    },
  };
}

async function check(pairs: readonly Pair[], rule: Rounding): Promise<void> {
  // Code by hand must be right at every level; each rule takes another one.
  const got = await runOnBoard(
    "m4",
    CASES,
    pairs.map(({ sent }) => sent),
    rule,
    rule === "double" ? "-O2" : "-Os",
  );
  pairs.forEach(({ wanted, step }, i) => {
    const bytes = got[i] as Uint8Array;
    expect(Array.from(new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length)), JSON.stringify(step)).toEqual(
      Array.from(wanted),
    );
  });
}

describe.skipIf(missing !== undefined).each(["double", "single"] as const)(
  `kernels that sum on a Cortex-M4, %s rounding${missing === undefined ? "" : ` (${missing})`}`,
  (rule) => {
    test("matrices equal the device program in any shape", async () => {
      const pairs = fc.sample(dense, { numRuns: 250, seed: 5 }).map((of) => densePair(of, rule));
      const fast = pairs.filter(({ step }) => (packSums(step).flags & FLAG_SHIFT_MID) !== 0);
      expect(fast.length).toBeGreaterThan(100);
      expect(pairs.filter(({ sent }) => ((sent.parts[7] as number) & FLAG_PAIRS) !== 0).length).toBeGreaterThan(20);
      await check(pairs, rule);
    }, 120_000);

    test("rescaling equals the integer interpreter for every multiplier and shift", async () => {
      const int32 = fc.oneof(
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        fc.integer({ min: -70000, max: 70000 }),
        fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, -1, 0),
      );
      const clamps = [
        [0, -128, 127],
        [127, -128, 127],
        [-100, -100, 30],
      ] as const;
      const cases = clamps.map(([zero, lo, hi], seed) => {
        const rows = fc.sample(fc.tuple(int32, summing), { numRuns: 600, seed });
        const sums = Int32Array.from(rows, ([sum]) => sum);
        const multipliers = Int32Array.from(rows, ([, of]) => of.multipliers[0] as number);
        const shifts = Int8Array.from(rows, ([, of]) => -(of.shifts[0] as number));
        const place = (sum: number, i: number, shift: number): number =>
          Math.min(hi, Math.max(lo, multiply(sum, { value: multipliers[i] as number, shift: -shift }, rule) + zero));
        const wanted = [
          ...sums.map((sum, i) => place(sum, i, shifts[i] as number)),
          ...sums.map((sum, i) => place(sum >> 2, i, (shifts[i] as number) & 31)),
        ];
        const parts = [rows.length, zero, lo, hi, sums, multipliers, shifts];
        return { sent: { name: "rescale", edge: 3, gives: wanted.length, parts }, wanted };
      });
      const got = await runOnBoard(
        "m4",
        CASES,
        cases.map(({ sent }) => sent),
        rule,
      );
      cases.forEach(({ wanted }, i) => {
        const bytes = got[i] as Uint8Array;
        expect(Array.from(new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length))).toEqual(wanted);
      });
    }, 120_000);

    test("windows equal the device program in any shape", async () => {
      await check(
        fc.sample(layer, { numRuns: 400, seed: 6 }).map((of) => slidingPair(of, rule)),
        rule,
      );
    }, 120_000);
  },
);

const compiler = sanitizingCompiler();

test.skipIf(compiler === undefined)(
  "matrices with rows in pairs give the same in portable C",
  () => {
    const pairs = fc
      .sample(dense, { numRuns: 250, seed: 7 })
      .map((of) => densePair({ ...of, paired: true }, "double"))
      .filter(({ sent }) => ((sent.parts[7] as number) & FLAG_PAIRS) !== 0);
    expect(pairs.length).toBeGreaterThan(40);
    const driver = kernelDriver(compiler as string, { fullyConnected: CASES.fullyConnected }, "double");
    const got = driver.run(pairs.map(({ sent }) => ["fullyConnected", ...sent.parts]));
    driver.close();
    let at = 0;
    for (const { wanted, step } of pairs) {
      const bytes = new Int8Array(got.buffer, got.byteOffset + at, wanted.length);
      expect(Array.from(bytes), JSON.stringify(step)).toEqual(Array.from(wanted));
      at += wanted.length;
    }
  },
  60_000,
);
