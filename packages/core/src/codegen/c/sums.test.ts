import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { multiply, quantizeMultiplier } from "../../interp/integer/multiplier.ts";
import type { DeviceFullyConnected } from "../device/program.ts";
import { FLAG_RELU, FLAG_SUM_30BIT, packSums } from "./sums.ts";

/** A fully connected step of one row. */
function dense(
  weights: readonly number[],
  how: Partial<DeviceFullyConnected> & { readonly bias: Int32Array },
): DeviceFullyConnected {
  const outputs = how.bias.length;
  return {
    kind: "fullyConnected",
    node: "fc",
    inputs: ["x"],
    output: "y",
    rows: 1,
    depth: weights.length / outputs,
    outputs,
    weights: Int8Array.from(weights),
    weightsZero: 0,
    inputZero: 0,
    outputZero: 0,
    rescale: { rule: "double", multipliers: Int32Array.of(2 ** 30), shifts: Int32Array.of(-8) },
    clamp: [-128, 127],
    ...how,
  };
}

const WEIGHTS = fc.array(fc.integer({ min: -128, max: 127 }), { minLength: 1, maxLength: 12 });

describe("constants of sums", () => {
  it("give the same sums as weights and bias before folding and padding", () => {
    fc.assert(
      fc.property(
        WEIGHTS,
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        fc.integer({ min: -128, max: 127 }),
        fc.infiniteStream(fc.integer({ min: -128, max: 127 })),
        (weights, bias, inputZero, stream) => {
          fc.pre(weights.some((w) => w !== 0));
          const packed = packSums(dense(weights, { bias: Int32Array.of(bias), inputZero }));
          const x = weights.map(() => stream.next().value as number);
          const wanted = weights.reduce((sum, w, i) => sum + w * ((x[i] as number) - inputZero), bias) | 0;
          const given = x.reduce((sum, q, i) => sum + q * (packed.weights[i] as number), packed.bias[0] as number) | 0;
          expect(given).toBe(wanted);
          expect(packed.pitch % 4).toBe(0);
          expect([...packed.weights.subarray(weights.length)].every((w) => w === 0)).toBe(true);
        },
      ),
    );
  });

  it("promise 30 bits only where the worst input keeps them, and always there", () => {
    fc.assert(
      fc.property(
        WEIGHTS,
        fc.integer({ min: 2 ** 30 - 300_000, max: 2 ** 30 + 300_000 }),
        fc.boolean(),
        (weights, size, minus) => {
          fc.pre(weights.some((w) => w !== 0));
          const bias = minus ? -size : size;
          const packed = packSums(dense(weights, { bias: Int32Array.of(bias) }));
          const worst = (sign: number): number =>
            weights.reduce((sum, w) => sum + Math.max(sign * w * -128, sign * w * 127), sign * bias);
          const fits = worst(1) < 2 ** 30 && worst(-1) < 2 ** 30;
          expect((packed.flags & FLAG_SUM_30BIT) !== 0).toBe(fits);
        },
      ),
    );
  });

  it("promise nothing about shifts to the left", () => {
    const rescale = { rule: "double", multipliers: Int32Array.of(2 ** 30), shifts: Int32Array.of(1) } as const;
    const packed = packSums(dense([1, 2], { bias: Int32Array.of(5), rescale }));
    expect(packed.flags & FLAG_SUM_30BIT).toBe(0);
    expect([...packed.shifts]).toEqual([-1]);
  });

  it("tell where the lowest output is the zero point", () => {
    const flagsOf = (zero: number, low: number): number =>
      packSums(dense([1], { bias: Int32Array.of(0), outputZero: zero, clamp: [low, 127] })).flags & FLAG_RELU;
    expect([flagsOf(-128, -128), flagsOf(3, 3), flagsOf(3, -128)]).toEqual([FLAG_RELU, FLAG_RELU, 0]);
  });

  it("let channels without weights give what they gave, with sums that spoil no proof", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        fc.double({ min: 2 ** -31, max: 4, noNaN: true }),
        fc.constantFrom("double" as const, "single" as const),
        fc.integer({ min: -128, max: 127 }),
        (bias, real, rule, outputZero) => {
          const by = quantizeMultiplier(real);
          const rescale = { rule, multipliers: Int32Array.of(by.value), shifts: Int32Array.of(by.shift) };
          const packed = packSums(dense([0, 0], { bias: Int32Array.of(bias), rescale, outputZero }));
          const clamp = (q: number): number => Math.min(127, Math.max(-128, q));
          const again = { value: packed.multipliers[0] as number, shift: -(packed.shifts[0] as number) };
          const given = clamp(multiply(packed.bias[0] as number, again, rule) + outputZero);
          expect(given).toBe(clamp(multiply(bias, by, rule) + outputZero));
          expect(packed.flags & FLAG_SUM_30BIT).toBe(FLAG_SUM_30BIT);
        },
      ),
      { numRuns: 500 },
    );
  });
});
