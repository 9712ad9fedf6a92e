import {
  type CaseCode,
  type CasePart,
  type KernelDriver,
  kernelDriver,
  sanitizingCompiler,
} from "@tessera/testkit/kernel-driver";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runAdd, runExtremum, runMul, runPrelu } from "../../../interp/integer/elementwise.ts";
import { type Multiplier, multiply, type Rounding } from "../../../interp/integer/multiplier.ts";
import { runAveragePool, runMaxPool, runMean, runResize } from "../../../interp/integer/pool.ts";
import { runL2Normalization, runSoftmax } from "../../../interp/integer/softmax.ts";

const compiler = sanitizingCompiler();

const OPERANDS = `const int a_step = number(), b_step = number(), count = number();
      const int8_t *a = odd(), *b = odd();
      int8_t *y = room((size_t)count);`;

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
  requant: {
    kernels: ["ts_requant", "ts_requant_small", "ts_place"],
    code: `
      const int32_t sum = number(), mult = number();
      const int shift = number(), zero = number(), lo = number(), hi = number();
      const int32_t all[3] = { ts_requant(sum, mult, shift), sum > -0x40000000 && sum < 0x40000000 ? ts_requant_small(sum, mult, shift) : 0, ts_place(sum, zero, lo, hi) };
      give(all, sizeof all);`,
  },
  add: {
    kernels: ["ts_add"],
    code: `${OPERANDS}
      const int subtract = number(), left = number(), a_zero = number(), b_zero = number(), zero = number(), lo = number(), hi = number();
      const int32_t am = number(), bm = number(), m = number();
      const int as = number(), bs = number(), s = number();
      ts_add(a, a_step, b, b_step, count, subtract, left, a_zero, am, as, b_zero, bm, bs, m, s, zero, lo, hi, y);
      give(y, (size_t)count);`,
  },
  mul: {
    kernels: ["ts_mul"],
    code: `${OPERANDS}
      const int a_zero = number(), b_zero = number(), zero = number(), lo = number(), hi = number();
      const int32_t m = number();
      const int s = number();
      ts_mul(a, a_step, b, b_step, count, a_zero, b_zero, m, s, zero, lo, hi, y);
      give(y, (size_t)count);`,
  },
  prelu: {
    kernels: ["ts_prelu"],
    code: `${OPERANDS}
      const int a_zero = number(), b_zero = number(), zero = number(), lo = number(), hi = number();
      const int32_t p = number(), n = number();
      const int ps = number(), ns = number();
      ts_prelu(a, a_step, b, b_step, count, a_zero, b_zero, p, ps, n, ns, zero, lo, hi, y);
      give(y, (size_t)count);`,
  },
  extremum: {
    kernels: ["ts_maximum", "ts_minimum"],
    code: `${OPERANDS}
      ts_maximum(a, a_step, b, b_step, count, y);
      give(y, (size_t)count);
      ts_minimum(a, a_step, b, b_step, count, y);
      give(y, (size_t)count);`,
  },
  table: {
    kernels: ["ts_table", "ts_table_u8"],
    code: `
      const int count = number();
      const int8_t *x = odd(), *table = array();
      int8_t *y = room((size_t)count);
      ts_table(x, count, table, y);
      give(y, (size_t)count);
      ts_table_u8((const uint8_t *)x, count, table, y);
      give(y, (size_t)count);`,
  },
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
  softmax: {
    kernels: ["ts_softmax"],
    code: `
      const int outer = number(), depth = number(), inner = number();
      const int32_t mult = number();
      const int left = number(), least = number();
      const int8_t *x = odd();
      int8_t *y = room((size_t)(outer * depth * inner));
      ts_softmax(x, outer, depth, inner, mult, left, least, NULL, y);
      give(y, (size_t)(outer * depth * inner));`,
  },
  l2: {
    kernels: ["ts_l2_normalization"],
    code: `
      const int outer = number(), depth = number(), inner = number(), zero = number();
      const int8_t *x = odd();
      int8_t *y = room((size_t)(outer * depth * inner));
      ts_l2_normalization(x, outer, depth, inner, zero, y);
      give(y, (size_t)(outer * depth * inner));`,
  },
  resize: {
    kernels: ["ts_resize_bilinear"],
    code: `
      const int h = number(), w = number(), c = number(), oh = number(), ow = number(), align = number(), half = number();
      const int8_t *x = odd();
      int8_t *y = room((size_t)(oh * ow * c));
      ts_resize_bilinear(x, h, w, c, oh, ow, align, half, y);
      give(y, (size_t)(oh * ow * c));`,
  },
  copy: {
    kernels: ["ts_copy"],
    code: `
      const int count = number(), x_step = number(), y_step = number(), bytes = number();
      const int8_t *x = odd();
      int8_t *y = odd();
      ts_copy(x, x_step, y, y_step, count, bytes);
      give(y, (size_t)(((count - 1) * y_step + 1) * bytes));`,
  },
  gather: {
    kernels: ["ts_gather"],
    code: `
      const int outer = number(), depth = number(), run = number(), count = number();
      const int8_t *x = odd();
      const uint16_t *indices = array();
      int8_t *y = room((size_t)(outer * count * run));
      ts_gather(x, outer, depth, run, indices, count, y);
      give(y, (size_t)(outer * count * run));`,
  },
} as const satisfies Record<string, CaseCode>;

type Case = readonly [keyof typeof CASES, ...CasePart[]];
type Checked = readonly [Case, Uint8Array];

const int8 = fc.integer({ min: -128, max: 127 });
const zero = fc.oneof(fc.constantFrom(-128, 127, 0), int8);
const clamp = fc.oneof(
  fc.constant([-128, 127] as const),
  fc.tuple(int8, int8).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const),
);
const value = fc.oneof(fc.constantFrom(2 ** 30, 2 ** 31 - 1), fc.integer({ min: 2 ** 30, max: 2 ** 31 - 1 }));
const toRight = fc.record({ value, shift: fc.integer({ min: -31, max: 0 }) });
const anyMultiplier: fc.Arbitrary<Multiplier> = fc.record({
  value,
  shift: fc.oneof(fc.integer({ min: -12, max: 2 }), fc.integer({ min: -31, max: 30 })),
});

/** A multiplier as kernels take it: the shift to the right. */
const right = ({ shift }: Multiplier): number => -shift;

function bytes(count: number): fc.Arbitrary<Int8Array> {
  return fc.int8Array({ minLength: count, maxLength: count });
}

/** Two operands, of which one may be a single number. */
const operands = fc.integer({ min: 1, max: 40 }).chain((count) =>
  fc.record({
    count: fc.constant(count),
    a: fc.oneof(bytes(count), bytes(count), bytes(1)),
    b: fc.oneof(bytes(count), bytes(count), bytes(1)),
  }),
);

function sent({ count, a, b }: { readonly count: number; readonly a: Int8Array; readonly b: Int8Array }): CasePart[] {
  return [a.length === count ? 1 : 0, b.length === count ? 1 : 0, count, a, b];
}

function spread(data: Int8Array, count: number) {
  return { data, index: data.length === count ? undefined : new Int32Array(count) };
}

const named = { node: "n", inputs: ["a", "b"], output: "y" } as const;

function output(count: number, fill: (out: Int8Array) => void): Uint8Array {
  const out = new Int8Array(count);
  fill(out);
  return new Uint8Array(out.buffer);
}

function joined(...parts: readonly ArrayBufferView[]): Uint8Array {
  return Buffer.concat(parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength)));
}

function requantCase(rule: Rounding): fc.Arbitrary<Checked> {
  const sum = fc.oneof(fc.constantFrom(0, -1, 2 ** 31 - 1, -(2 ** 31)), fc.integer(), fc.integer({ min: -70000, max: 70000 }));
  return fc.tuple(sum, anyMultiplier, zero, clamp).map(([x, by, z, [lo, hi]]) => {
    // The interpreter does not wrap the one left shift that the C shifts away.
    const all = multiply(x, by, rule);
    const placed = Math.max(lo, Math.min(hi, x + z));
    const wanted = Int32Array.of(all, Math.abs(x) < 2 ** 30 ? all : 0, placed);
    return [["requant", x, by.value, right(by), z, lo, hi], joined(wanted)];
  });
}

function elementwiseCase(rule: Rounding): fc.Arbitrary<Checked> {
  const add = fc
    .record({
      of: operands,
      subtract: fc.boolean(),
      leftShift: fc.constantFrom(20, 15, 0),
      zeros: fc.tuple(zero, zero),
      by: fc.tuple(toRight, toRight, toRight),
      plain: fc.boolean(),
      outputZero: zero,
      clamp,
    })
    .map(({ of, by: [ma, mb, m], plain, ...rest }): Checked => {
      // One operand mostly has the multiplier 1/2.
      const first = plain ? { value: 2 ** 30, shift: 0 } : ma;
      const step = { kind: "add", ...named, multipliers: [first, mb], outputMultiplier: m, rounding: rule, ...rest } as const;
      const out = output(of.count, (y) => runAdd(step, spread(of.a, of.count), spread(of.b, of.count), y));
      const numbers = [rest.subtract ? 1 : 0, rest.leftShift, ...rest.zeros, rest.outputZero, ...rest.clamp];
      return [["add", ...sent(of), ...numbers, first.value, mb.value, m.value, right(first), right(mb), right(m)], out];
    });
  const mul = fc
    .record({ of: operands, zeros: fc.tuple(zero, zero), by: anyMultiplier, outputZero: zero, clamp })
    .map(({ of, by, ...rest }): Checked => {
      const rescale = { rule, multipliers: Int32Array.of(by.value), shifts: Int32Array.of(by.shift) };
      const step = { kind: "mul", ...named, rescale, ...rest } as const;
      const out = output(of.count, (y) => runMul(step, spread(of.a, of.count), spread(of.b, of.count), y));
      return [["mul", ...sent(of), ...rest.zeros, rest.outputZero, ...rest.clamp, by.value, right(by)], out];
    });
  const prelu = fc
    .record({
      of: operands,
      zeros: fc.tuple(zero, zero),
      positive: anyMultiplier,
      negative: anyMultiplier,
      outputZero: zero,
      clamp,
    })
    .map(({ of, ...rest }): Checked => {
      const step = { kind: "prelu", ...named, rounding: rule, ...rest } as const;
      const out = output(of.count, (y) => runPrelu(step, spread(of.a, of.count), spread(of.b, of.count), y));
      const { positive, negative } = rest;
      const numbers = [...rest.zeros, rest.outputZero, ...rest.clamp];
      return [["prelu", ...sent(of), ...numbers, positive.value, negative.value, right(positive), right(negative)], out];
    });
  const extremum = operands.map((of): Checked => {
    const one = (kind: "maximum" | "minimum") =>
      output(of.count, (y) => runExtremum({ kind, ...named }, spread(of.a, of.count), spread(of.b, of.count), y));
    return [["extremum", ...sent(of)], joined(one("maximum"), one("minimum"))];
  });
  const table = fc.tuple(fc.int8Array({ minLength: 1, maxLength: 40 }), bytes(256)).map(([x, entries]): Checked => {
    const wanted = joined(
      x.map((q) => entries[q + 128] as number),
      x.map((q) => entries[q & 255] as number),
    );
    return [["table", x.length, x, entries], wanted];
  });
  return fc.oneof(add, mul, prelu, extremum, table);
}

const axis = fc
  .record({
    size: fc.integer({ min: 1, max: 8 }),
    kernel: fc.integer({ min: 1, max: 6 }),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    before: fc.integer({ min: 0, max: 3 }),
    after: fc.integer({ min: 0, max: 3 }),
  })
  .map((of) => {
    const total = of.size + of.before + of.after;
    let { kernel } = of;
    while ((kernel - 1) * of.dilation + 1 > total) kernel--;
    return { ...of, kernel, out: Math.floor((total - (kernel - 1) * of.dilation - 1) / of.stride) + 1 };
  });

/** [channels, plane] to [plane, channels]. */
function channelsLast(planes: Int8Array, channels: number): Int8Array {
  const plane = planes.length / channels;
  return planes.map((_, i) => planes[(i % channels) * plane + Math.floor(i / channels)] as number);
}

/** Whether every window of an average has a value inside: an empty one divides by zero, which no operator means. */
function isCovered(of: {
  readonly size: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly out: number;
}): boolean {
  return Array.from({ length: of.out }, (_, o) =>
    Array.from({ length: of.kernel }, (_, k) => o * of.stride - of.before + k * of.dilation).some(
      (at) => at >= 0 && at < of.size,
    ),
  ).every((inside) => inside);
}

const poolCase: fc.Arbitrary<Checked> = fc
  .record({
    y: axis,
    x: axis,
    channels: fc.integer({ min: 1, max: 5 }),
    clamp,
    inputZero: zero,
    countPadding: fc.boolean(),
    average: fc.boolean(),
  })
  .chain((of) => bytes(of.channels * of.y.size * of.x.size).map((data) => ({ ...of, data })))
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

function meanCase(rule: Rounding): fc.Arbitrary<Checked> {
  const size = fc.integer({ min: 1, max: 6 });
  return fc
    .record({
      sizes: fc.tuple(size, size, size, size, size),
      by: fc.record({ value: fc.integer({ min: 2 ** 27, max: 2 ** 31 - 1 }), shift: fc.integer({ min: -12, max: 3 }) }),
      inputZero: zero,
      outputZero: zero,
      clamp,
    })
    .chain((of) => bytes(of.sizes.reduce((a, b) => a * b)).map((data) => ({ ...of, data })))
    .map(({ sizes, by, data, ...of }) => {
      const [o0, r0, o1, r1, o2] = sizes;
      const count = r0 * r1;
      const rescale = { rule, multipliers: Int32Array.of(by.value), shifts: Int32Array.of(by.shift) };
      const out = output(o0 * o1 * o2, (y) =>
        runMean({ kind: "mean", ...named, sizes, axes: [1, 3], count, rescale, ...of }, data, y),
      );
      return [["mean", ...sizes, of.inputZero * count, by.value, right(by), of.outputZero, ...of.clamp, data], out];
    });
}

const sizes3 = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 3 }));

const softmaxCase: fc.Arbitrary<Checked> = fc
  .record({
    sizes: fc.oneof(sizes3, fc.tuple(fc.constant(1), fc.integer({ min: 400, max: 1100 }), fc.constant(1))),
    value,
    shift: fc.integer({ min: 0, max: 30 }),
    spread: fc.boolean(),
  })
  .chain((of) => bytes(of.sizes.reduce((a, b) => a * b)).map((data) => ({ ...of, data })))
  .map(({ sizes, value: mult, shift, spread: isSpread, data }) => {
    // Nearly equal values fill long sums.
    const x = isSpread ? data : data.map((q) => q >> 6);
    const least = -Math.floor((31 * 2 ** 26) / 2 ** shift);
    const step = { kind: "softmax", ...named, sizes, multiplier: { value: mult, shift }, least } as const;
    return [["softmax", ...sizes, mult, shift, least, x], output(x.length, (y) => runSoftmax(step, x, y))];
  });

function l2Case(rule: Rounding): fc.Arbitrary<Checked> {
  return fc
    .record({ sizes: sizes3, inputZero: zero, still: fc.boolean() })
    .chain((of) => bytes(of.sizes.reduce((a, b) => a * b)).map((data) => ({ ...of, data })))
    .map(({ sizes, inputZero, still, data }) => {
      const x = still ? data.map((q) => Math.max(-128, Math.min(127, inputZero + (q >> 6)))) : data;
      const step = { kind: "l2Normalization", ...named, sizes, inputZero, rounding: rule } as const;
      return [["l2", ...sizes, inputZero, x], output(x.length, (y) => runL2Normalization(step, x, y))];
    });
}

const resizeCase: fc.Arbitrary<Checked> = fc
  .record({
    size: fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 7 })),
    to: fc.tuple(fc.integer({ min: 1, max: 17 }), fc.integer({ min: 1, max: 17 })),
    channels: fc.integer({ min: 1, max: 3 }),
    mode: fc.constantFrom("align", "half", "plain"),
  })
  .chain((of) => bytes(of.channels * of.size[0] * of.size[1]).map((data) => ({ ...of, data })))
  .map(({ size: [height, width], to: [outHeight, outWidth], channels, data, mode }) => {
    const of = { alignCorners: mode === "align", halfPixel: mode === "half" };
    const planes = new Int8Array(channels * outHeight * outWidth);
    const step = {
      kind: "resizeBilinear",
      ...named,
      fine: false,
      planes: channels,
      height,
      width,
      outHeight,
      outWidth,
      ...of,
    } as const;
    runResize(step, data, planes);
    const numbers = [height, width, channels, outHeight, outWidth, of.alignCorners ? 1 : 0, of.halfPixel ? 1 : 0];
    return [["resize", ...numbers, channelsLast(data, channels)], joined(channelsLast(planes, channels))];
  });

const moveCase: fc.Arbitrary<Checked> = fc.oneof(
  fc
    .record({
      count: fc.integer({ min: 1, max: 9 }),
      from: fc.integer({ min: 0, max: 4 }),
      to: fc.integer({ min: 1, max: 4 }),
      size: fc.constantFrom(1, 2, 4),
    })
    .chain((of) =>
      fc
        .tuple(bytes(((of.count - 1) * of.from + 1) * of.size), bytes(((of.count - 1) * of.to + 1) * of.size))
        .map(([x, y]) => ({ ...of, x, y })),
    )
    .map(({ count, from, to, size, x, y }): Checked => {
      const wanted = y.slice();
      for (let i = 0; i < count; i++) wanted.set(x.subarray(i * from * size, (i * from + 1) * size), i * to * size);
      return [["copy", count, from, to, size, x, y], joined(wanted)];
    }),
  fc
    .record({
      outer: fc.integer({ min: 1, max: 3 }),
      depth: fc.integer({ min: 1, max: 5 }),
      run: fc.integer({ min: 1, max: 6 }),
      picks: fc.array(fc.nat(), { minLength: 1, maxLength: 7 }),
    })
    .chain((of) => bytes(of.outer * of.depth * of.run).map((x) => ({ ...of, x })))
    .map(({ outer, depth, run, picks, x }): Checked => {
      const indices = Uint16Array.from(picks, (pick) => pick % depth);
      const runs = Array.from({ length: outer }, (_, o) =>
        Array.from(indices, (i) => x.subarray((o * depth + i) * run, (o * depth + i + 1) * run)),
      ).flat();
      return [["gather", outer, depth, run, indices.length, x, indices], joined(...runs)];
    }),
);

describe.skipIf(compiler === undefined).each(["double", "single"] as const)("kernels of values, %s rounding", (rule) => {
  let driver: KernelDriver;
  beforeAll(() => {
    driver = kernelDriver(compiler as string, CASES, rule);
  }, 120_000);
  afterAll(() => driver.close());

  function holds(cases: fc.Arbitrary<Checked>, batches = 3): void {
    fc.assert(
      fc.property(fc.array(cases, { minLength: 1, maxLength: 150, size: "max" }), (list) => {
        const out = driver.run(list.map(([each]) => each));
        let at = 0;
        for (const [each, wanted] of list) {
          const got = out.subarray(at, at + wanted.length);
          at += wanted.length;
          if (Buffer.compare(got, wanted) !== 0) expect(Array.from(got), String(each)).toEqual(Array.from(wanted));
        }
        expect(at).toBe(out.length);
      }),
      { numRuns: batches },
    );
  }

  test("rescaling equals the integer interpreter for every multiplier and shift", () => holds(requantCase(rule), 20));
  test("elementwise kernels equal the integer interpreter", () => holds(elementwiseCase(rule), 8));
  test("pools equal the integer interpreter in any shape", () => holds(poolCase, 5));
  test("means equal the integer interpreter", () => holds(meanCase(rule)));
  test("softmax equals the integer interpreter at every scale", () => holds(softmaxCase, 5));
  test("L2 normalization equals the integer interpreter", () => holds(l2Case(rule), 5));
  test("bilinear resizing equals the integer interpreter", () => holds(resizeCase));
  test("copies and gathers move what they should and nothing beside", () => holds(moveCase));
});
