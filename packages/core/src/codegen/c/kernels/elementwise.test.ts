import {
  anyMultiplier,
  type CheckedCase,
  clampRange,
  filled,
  int8Data,
  joined,
  multiplierValue,
  useKernels,
  zeroPoint,
} from "@tessera/testkit/kernel-cases";
import { type CaseCode, type CasePart, sanitizingCompiler } from "@tessera/testkit/kernel-driver";
import fc from "fast-check";
import { describe, test } from "vitest";
import { runAdd, runExtremum, runMul, runPrelu } from "../../../interp/integer/elementwise.ts";
import { type Multiplier, multiply, type Rounding } from "../../../interp/integer/multiplier.ts";

const compiler = sanitizingCompiler();

const OPERANDS = `const int a_step = number(), b_step = number(), count = number();
      const int8_t *a = odd(), *b = odd();
      int8_t *y = room((size_t)count);`;

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
} as const satisfies Record<string, CaseCode>;

/** A multiplier as kernels take it: the shift to the right. */
const right = ({ shift }: Multiplier): number => -shift;

/** Multipliers below 1. */
const toRight = fc.record({ value: multiplierValue, shift: fc.integer({ min: -31, max: 0 }) });

/** Two operands, of which one may be a single number. */
const operands = fc.integer({ min: 1, max: 40 }).chain((count) =>
  fc.record({
    count: fc.constant(count),
    a: fc.oneof(int8Data(count), int8Data(count), int8Data(1)),
    b: fc.oneof(int8Data(count), int8Data(count), int8Data(1)),
  }),
);

function sent({ count, a, b }: { readonly count: number; readonly a: Int8Array; readonly b: Int8Array }): CasePart[] {
  return [a.length === count ? 1 : 0, b.length === count ? 1 : 0, count, a, b];
}

function spread(data: Int8Array, count: number) {
  return { data, index: data.length === count ? undefined : new Int32Array(count) };
}

const named = { node: "n", inputs: ["a", "b"], output: "y" } as const;

function requantCase(rule: Rounding): fc.Arbitrary<CheckedCase> {
  const sum = fc.oneof(fc.constantFrom(0, -1, 2 ** 31 - 1, -(2 ** 31)), fc.integer(), fc.integer({ min: -70000, max: 70000 }));
  return fc.tuple(sum, anyMultiplier, zeroPoint, clampRange).map(([x, by, z, [lo, hi]]) => {
    // The interpreter does not wrap the one left shift that the C shifts away.
    const all = multiply(x, by, rule);
    const placed = Math.max(lo, Math.min(hi, x + z));
    const wanted = Int32Array.of(all, Math.abs(x) < 2 ** 30 ? all : 0, placed);
    return [["requant", x, by.value, right(by), z, lo, hi], joined(wanted)];
  });
}

function elementwiseCase(rule: Rounding): fc.Arbitrary<CheckedCase> {
  const add = fc
    .record({
      of: operands,
      subtract: fc.boolean(),
      leftShift: fc.constantFrom(20, 15, 0),
      zeros: fc.tuple(zeroPoint, zeroPoint),
      by: fc.tuple(toRight, toRight, toRight),
      plain: fc.boolean(),
      outputZero: zeroPoint,
      clamp: clampRange,
    })
    .map(({ of, by: [ma, mb, m], plain, ...rest }): CheckedCase => {
      // One operand mostly has the multiplier 1/2.
      const first = plain ? { value: 2 ** 30, shift: 0 } : ma;
      const step = { kind: "add", ...named, multipliers: [first, mb], outputMultiplier: m, rounding: rule, ...rest } as const;
      const out = filled(of.count, (y) => runAdd(step, spread(of.a, of.count), spread(of.b, of.count), y));
      const numbers = [rest.subtract ? 1 : 0, rest.leftShift, ...rest.zeros, rest.outputZero, ...rest.clamp];
      return [["add", ...sent(of), ...numbers, first.value, mb.value, m.value, right(first), right(mb), right(m)], out];
    });
  const mul = fc
    .record({ of: operands, zeros: fc.tuple(zeroPoint, zeroPoint), by: anyMultiplier, outputZero: zeroPoint, clamp: clampRange })
    .map(({ of, by, ...rest }): CheckedCase => {
      const rescale = { rule, multipliers: Int32Array.of(by.value), shifts: Int32Array.of(by.shift) };
      const step = { kind: "mul", ...named, rescale, ...rest } as const;
      const out = filled(of.count, (y) => runMul(step, spread(of.a, of.count), spread(of.b, of.count), y));
      return [["mul", ...sent(of), ...rest.zeros, rest.outputZero, ...rest.clamp, by.value, right(by)], out];
    });
  const prelu = fc
    .record({
      of: operands,
      zeros: fc.tuple(zeroPoint, zeroPoint),
      positive: anyMultiplier,
      negative: anyMultiplier,
      outputZero: zeroPoint,
      clamp: clampRange,
    })
    .map(({ of, ...rest }): CheckedCase => {
      const step = { kind: "prelu", ...named, rounding: rule, ...rest } as const;
      const out = filled(of.count, (y) => runPrelu(step, spread(of.a, of.count), spread(of.b, of.count), y));
      const { positive, negative } = rest;
      const numbers = [...rest.zeros, rest.outputZero, ...rest.clamp];
      return [["prelu", ...sent(of), ...numbers, positive.value, negative.value, right(positive), right(negative)], out];
    });
  const extremum = operands.map((of): CheckedCase => {
    const one = (kind: "maximum" | "minimum") =>
      filled(of.count, (y) => runExtremum({ kind, ...named }, spread(of.a, of.count), spread(of.b, of.count), y));
    return [["extremum", ...sent(of)], joined(one("maximum"), one("minimum"))];
  });
  const table = fc.tuple(fc.int8Array({ minLength: 1, maxLength: 40 }), int8Data(256)).map(([x, entries]): CheckedCase => {
    const wanted = joined(
      x.map((q) => entries[q + 128] as number),
      x.map((q) => entries[q & 255] as number),
    );
    return [["table", x.length, x, entries], wanted];
  });
  return fc.oneof(add, mul, prelu, extremum, table);
}

const VARIANTS = [
  ["double", []],
  ["single", []],
  ["double", ["TS_FEW_REGISTERS=1"]],
] as const;

describe.skipIf(compiler === undefined).each(VARIANTS)("elementwise kernels, %s rounding %s", (rule, defines) => {
  const holds = useKernels(compiler, CASES, rule, defines);
  test("rescaling equals the integer interpreter for every multiplier and shift", () => holds(requantCase(rule), 20));
  test("elementwise kernels equal the integer interpreter", () => holds(elementwiseCase(rule), 10));
});
