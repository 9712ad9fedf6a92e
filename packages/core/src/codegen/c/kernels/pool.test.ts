import {
  type CheckedCase,
  channelsLast,
  clampRange,
  filled,
  int8Data,
  joined,
  useKernels,
  type WindowAxis,
  windowAxis,
  zeroPoint,
} from "@tessera/testkit/kernel-cases";
import { type CaseCode, sanitizingCompiler } from "@tessera/testkit/kernel-driver";
import fc from "fast-check";
import { describe, test } from "vitest";
import type { Rounding } from "../../../interp/integer/multiplier.ts";
import { runAveragePool, runMaxPool, runMean } from "../../../interp/integer/pool.ts";

const compiler = sanitizingCompiler();

/** Every padded row of a pool as one call; rows outside the picture are not handed over. */
function pool(name: string, extra: string): CaseCode {
  return {
    kernels: [name],
    code: `
      const int height = number(), width = number(), channels = number(), kh = number(), kw = number(), sy = number(), sx = number();
      const int dy = number(), dx = number(), top = number(), left = number(), oh = number(), ow = number();
      const int count_padding = number(), input_zero = number(), lo = number(), hi = number();
      const int8_t *x = odd(), **rows = room((size_t)kh * sizeof(int8_t *));
      int8_t *y = room((size_t)(ow * channels));
      (void)count_padding;
      (void)input_zero;
      for (int o = 0; o < oh; o++) {
        int valid = 0;
        for (int k = 0; k < kh; k++) {
          const int r = o * sy + k * dy - top;
          if (r >= 0 && r < height)
            rows[valid++] = x + r * width * channels;
        }
        ${name}(rows, valid, width, channels, ${extra} lo, hi, y);
        give(y, (size_t)(ow * channels));
      }`,
  };
}

const CASES = {
  maxPool: pool("ts_max_pool_row", "kw, sx, dx, left, ow,"),
  averagePool: pool("ts_average_pool_row", "kh, kw, sx, dx, left, ow, count_padding, input_zero,"),
  mean: {
    kernels: ["ts_mean"],
    code: `
      const int o0 = number(), r0 = number(), o1 = number(), r1 = number(), o2 = number();
      const int32_t less = number(), mult = number();
      const int shift = number(), zero = number(), lo = number(), hi = number();
      const int8_t *x = odd();
      int8_t *y = room((size_t)(o0 * o1 * o2));
      ts_mean(x, o0, r0, o1, r1, o2, less, mult, shift, zero, lo, hi, y);
      give(y, (size_t)(o0 * o1 * o2));`,
  },
} as const satisfies Record<string, CaseCode>;

const named = { node: "n", inputs: ["a", "b"], output: "y" } as const;

/** Whether every window of an average has a value inside: an empty one divides by zero, which no operator means. */
function isCovered(of: WindowAxis): boolean {
  return Array.from({ length: of.out }, (_, o) =>
    Array.from({ length: of.kernel }, (_, k) => o * of.stride - of.before + k * of.dilation).some(
      (at) => at >= 0 && at < of.size,
    ),
  ).every((inside) => inside);
}

const poolCase: fc.Arbitrary<CheckedCase> = fc
  .record({
    y: windowAxis,
    x: windowAxis,
    channels: fc.integer({ min: 1, max: 5 }),
    clamp: clampRange,
    inputZero: zeroPoint,
    countPadding: fc.boolean(),
    average: fc.boolean(),
  })
  .chain((of) => int8Data(of.channels * of.y.size * of.x.size).map((data) => ({ ...of, data })))
  .map(({ y, x, channels, data, ...of }) => {
    const window = {
      ...named,
      batch: 1,
      channels,
      height: y.size,
      width: x.size,
      outChannels: channels,
      outHeight: y.out,
      outWidth: x.out,
      kernel: [y.kernel, x.kernel],
      strides: [y.stride, x.stride],
      dilations: [y.dilation, x.dilation],
      pads: [y.before, x.before],
      clamp: of.clamp,
    } as const;
    const planes = new Int8Array(channels * y.out * x.out);
    const average = of.average && ((isCovered(y) && isCovered(x)) || of.countPadding);
    if (average)
      runAveragePool({ kind: "averagePool", ...window, countPadding: of.countPadding, inputZero: of.inputZero }, data, planes);
    else runMaxPool({ kind: "maxPool", ...window }, data, planes);
    const sizes = [
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
    ];
    const numbers = [...sizes, of.countPadding ? 1 : 0, of.inputZero, ...of.clamp];
    return [
      [average ? "averagePool" : "maxPool", ...numbers, channelsLast(data, channels)],
      joined(channelsLast(planes, channels)),
    ];
  });

function meanCase(rule: Rounding): fc.Arbitrary<CheckedCase> {
  const size = fc.integer({ min: 1, max: 6 });
  return fc
    .record({
      sizes: fc.tuple(size, size, size, size, size),
      by: fc.record({ value: fc.integer({ min: 2 ** 27, max: 2 ** 31 - 1 }), shift: fc.integer({ min: -12, max: 3 }) }),
      inputZero: zeroPoint,
      outputZero: zeroPoint,
      clamp: clampRange,
    })
    .chain((of) => int8Data(of.sizes.reduce((a, b) => a * b)).map((data) => ({ ...of, data })))
    .map(({ sizes, by, data, ...of }) => {
      const [o0, r0, o1, r1, o2] = sizes;
      const count = r0 * r1;
      const rescale = { rule, multipliers: Int32Array.of(by.value), shifts: Int32Array.of(by.shift) };
      const out = filled(o0 * o1 * o2, (y) =>
        runMean({ kind: "mean", ...named, sizes, axes: [1, 3], count, rescale, ...of }, data, y),
      );
      return [["mean", ...sizes, of.inputZero * count, by.value, -by.shift, of.outputZero, ...of.clamp, data], out];
    });
}

describe.skipIf(compiler === undefined).each(["double", "single"] as const)(
  "kernels that take values together, %s rounding",
  (rule) => {
    const holds = useKernels(compiler, CASES, rule);
    test("pools equal the integer interpreter in any shape", () => holds(poolCase, 8));
    test("means equal the integer interpreter", () => holds(meanCase(rule), 5));
  },
);
