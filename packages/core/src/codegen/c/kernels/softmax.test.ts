import {
  type CheckedCase,
  filled,
  int8Data,
  joined,
  multiplierValue,
  useKernels,
  zeroPoint,
} from "@tessera/testkit/kernel-cases";
import { type CaseCode, sanitizingCompiler } from "@tessera/testkit/kernel-driver";
import fc from "fast-check";
import { describe, test } from "vitest";
import { expOfNegative, inverseOfOnePlus, inverseSqrt } from "../../../interp/integer/fixed-point.ts";
import type { Rounding } from "../../../interp/integer/multiplier.ts";
import { runL2Normalization, runSoftmax } from "../../../interp/integer/softmax.ts";

const compiler = sanitizingCompiler();

const CASES = {
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
  functions: {
    kernels: ["ts_exp_negative", "ts_inverse_of_one_plus", "ts_inverse_sqrt"],
    code: `
      const int32_t a = number(), b = number();
      int down;
      int32_t all[4] = { ts_exp_negative(a), ts_inverse_of_one_plus(b), ts_inverse_sqrt(b, &down), 0 };
      all[3] = down;
      give(all, sizeof all);`,
  },
} as const satisfies Record<string, CaseCode>;

const named = { node: "n", inputs: ["a", "b"], output: "y" } as const;

const sizes3 = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 3 }));

const softmaxCase: fc.Arbitrary<CheckedCase> = fc
  .record({
    sizes: fc.oneof(sizes3, fc.tuple(fc.constant(1), fc.integer({ min: 400, max: 1100 }), fc.constant(1))),
    value: multiplierValue,
    shift: fc.integer({ min: 0, max: 30 }),
    spread: fc.boolean(),
  })
  .chain((of) => int8Data(of.sizes.reduce((a, b) => a * b)).map((data) => ({ ...of, data })))
  .map(({ sizes, value: mult, shift, spread: isSpread, data }) => {
    // Nearly equal values fill long sums.
    const x = isSpread ? data : data.map((q) => q >> 6);
    const least = -Math.floor((31 * 2 ** 26) / 2 ** shift);
    const step = { kind: "softmax", ...named, sizes, multiplier: { value: mult, shift }, least } as const;
    return [["softmax", ...sizes, mult, shift, least, x], filled(x.length, (y) => runSoftmax(step, x, y))];
  });

function l2Case(rule: Rounding): fc.Arbitrary<CheckedCase> {
  return fc
    .record({ sizes: sizes3, inputZero: zeroPoint, still: fc.boolean() })
    .chain((of) => int8Data(of.sizes.reduce((a, b) => a * b)).map((data) => ({ ...of, data })))
    .map(({ sizes, inputZero, still, data }) => {
      const x = still ? data.map((q) => Math.max(-128, Math.min(127, inputZero + (q >> 6)))) : data;
      const step = { kind: "l2Normalization", ...named, sizes, inputZero, rounding: rule } as const;
      return [["l2", ...sizes, inputZero, x], filled(x.length, (y) => runL2Normalization(step, x, y))];
    });
}

/** Small numbers as often as large ones. */
const magnitude = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 30 })).map(([x, bits]) => x >> bits);

const functionsCase: fc.Arbitrary<CheckedCase> = fc.tuple(magnitude, magnitude).map(([x, b]) => {
  const { value, shift } = inverseSqrt(b);
  return [["functions", -x, b], joined(Int32Array.of(expOfNegative(-x, 5), inverseOfOnePlus(b), value, -shift))];
});

describe.skipIf(compiler === undefined).each(["double", "single"] as const)("kernels in fixed point, %s rounding", (rule) => {
  const holds = useKernels(compiler, CASES, rule);
  test("exponential, reciprocal and root equal the integer interpreter's", () => holds(functionsCase, 20));
  test("softmax equals the integer interpreter at every scale", () => holds(softmaxCase, 8));
  test("L2 normalization equals the integer interpreter", () => holds(l2Case(rule), 8));
});
