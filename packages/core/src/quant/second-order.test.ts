import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import { ENUMERATE_AT_MOST, enumerateRounding } from "./enumerate-rounding.ts";
import { descend } from "./round-descent.ts";
import { nearestPlane, planeOrder } from "./round-nearest-plane.ts";
import { dampedForm, nearestIntegers, type QuadraticForm, quadraticError, roundingError } from "./round-quadratic.ts";
import { filterRounder } from "./second-order.ts";

/** Mean products of inputs that lean on each other, as neighbouring pixels do: `count` draws of `size` values with a common part. */
function correlated(size: number, seed: number, count = 4 * size): QuadraticForm {
  const random = seededRandom(seed);
  const data = new Float64Array(size * size);
  for (let n = 0; n < count; n++) {
    const common = random.normal();
    const x = Float64Array.from({ length: size }, (_, i) => common + (0.2 + i / size) * random.normal());
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++)
        data[i * size + j] = (data[i * size + j] as number) + ((x[i] as number) * (x[j] as number)) / count;
  }
  return { size, data };
}

function weights(size: number, seed: number, limit: number): Float64Array {
  const random = seededRandom(seed);
  return Float64Array.from({ length: size }, () => Math.max(-limit, Math.min(limit, (random.normal() * limit) / 2)));
}

/** The least error of all ways to choose integers from lists, tried one by one and each summed anew. */
function exhaustive(exact: Float64Array, form: QuadraticForm, choices: (value: number) => readonly number[]): number {
  let least = Number.POSITIVE_INFINITY;
  const integers = new Float64Array(exact.length);
  const visit = (i: number): void => {
    if (i === exact.length) {
      least = Math.min(least, roundingError({ exact, form }, integers));
      return;
    }
    for (const choice of choices(exact[i] as number)) {
      integers[i] = choice;
      visit(i + 1);
    }
  };
  visit(0);
  return least;
}

const seeds = fc.integer({ min: 0, max: 1 << 30 });

describe("a quadratic form", () => {
  test("gives the mean squared error of the output", () => {
    const rows = [
      [1, 2],
      [3, -1],
    ];
    const data = Float64Array.from([5, -0.5, -0.5, 2.5]);
    const e = [0.5, -0.25];
    const outputs = rows.map((x) => (x[0] as number) * (e[0] as number) + (x[1] as number) * (e[1] as number));
    expect(quadraticError({ size: 2, data }, e)).toBeCloseTo(outputs.reduce((a, b) => a + b * b, 0) / 2, 12);
  });

  test("of inputs that were always zero becomes the identity when damped", () => {
    expect([...dampedForm({ size: 2, data: new Float64Array(4) }, 0.01).data]).toEqual([1, 0, 0, 1]);
  });

  test("is damped by a share of its mean diagonal", () => {
    const data = Float64Array.from([4, 1, 1, 2]);
    expect([...dampedForm({ size: 2, data }, 0.1).data]).toEqual([4.3, 1, 1, 2.3]);
  });
});

describe("enumeration", () => {
  test("finds the best of all roundings up or down, limits included", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 9 }), fc.constantFrom(3, 7, 127), (seed, size, limit) => {
        const form = correlated(size, seed);
        const exact = weights(size, seed + 1, limit);
        const found = enumerateRounding({ exact, limit, form });
        const choices = (v: number): number[] => [...new Set([Math.floor(v), Math.ceil(v)])];
        expect(found.every((q, i) => choices(exact[i] as number).includes(q))).toBe(true);
        expect(roundingError({ exact, form }, found)).toBeCloseTo(exhaustive(exact, form, choices), 9);
      }),
      { numRuns: 60 },
    );
  });

  test("holds weights beyond the limits at them", () => {
    const form = correlated(3, 1);
    expect([...enumerateRounding({ exact: Float64Array.of(9.4, -9.4, 7), limit: 7, form })]).toEqual([7, -7, 7]);
  });

  test("refuses more weights than it can try", () => {
    const size = ENUMERATE_AT_MOST + 1;
    const problem = { exact: new Float64Array(size).fill(0.5), limit: 7, form: correlated(size, 1) };
    expect(() => enumerateRounding(problem)).toThrow(expect.objectContaining({ code: "PLAN_INVALID" }));
  });
});

describe("the nearest plane", () => {
  test("is the nearest integer where inputs do not lean on each other", () => {
    const form: QuadraticForm = { size: 3, data: Float64Array.from([3, 0, 0, 0, 1, 0, 0, 0, 2]) };
    const exact = Float64Array.of(0.4, -1.6, 2.5);
    expect([...nearestPlane({ exact, limit: 7 }, planeOrder(form))]).toEqual([0, -2, 2]);
  });

  test("makes the decisions of second-order rounding with the inverse form, as GPTQ states them", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 2, max: 12 }), (seed, size) => {
        const form = dampedForm(correlated(size, seed), 0.05);
        const exact = weights(size, seed + 1, 7);
        const plane = planeOrder(form);
        expect([...nearestPlane({ exact, limit: 7 }, plane)]).toEqual([...byInverse(exact, form, [...plane.order].reverse())]);
      }),
      { numRuns: 40 },
    );
  });
});

/** Second-order rounding in its textbook form: round one weight, spread its error over the open ones by the inverse of their form, go on. */
function byInverse(exact: Float64Array, { size, data }: QuadraticForm, order: readonly number[]): Float64Array {
  const open = [...order];
  const wanted = Float64Array.from(exact);
  const integers = new Float64Array(size);
  while (open.length > 0) {
    const inverse = inverseOf(open.map((i) => open.map((j) => data[i * size + j] as number)));
    const first = open.shift() as number;
    const integer = Math.max(-7, Math.min(7, Math.round(wanted[first] as number)));
    integers[first] = integer;
    const error = ((wanted[first] as number) - integer) / ((inverse[0] as number[])[0] as number);
    for (const [k, j] of open.entries()) wanted[j] = (wanted[j] as number) - error * ((inverse[0] as number[])[k + 1] as number);
  }
  return integers;
}

/** Gauss and Jordan. */
function inverseOf(a: readonly (readonly number[])[]): number[][] {
  const n = a.length;
  const rows = a.map((row, i) => [...row, ...Array.from({ length: n }, (_, j) => (i === j ? 1 : 0))]);
  for (let i = 0; i < n; i++) {
    const own = rows[i] as number[];
    const pivot = own[i] as number;
    for (let k = 0; k < 2 * n; k++) own[k] = (own[k] as number) / pivot;
    for (const [j, row] of rows.entries()) {
      const factor = row[i] as number;
      if (j !== i) for (let k = 0; k < 2 * n; k++) row[k] = (row[k] as number) - factor * (own[k] as number);
    }
  }
  return rows.map((row) => row.slice(n));
}

describe("descent", () => {
  test("never makes it worse, and ends where no single change helps", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 20 }), fc.constantFrom(1, 7, 127), (seed, size, limit) => {
        const form = dampedForm(correlated(size, seed), 0.01);
        const exact = weights(size, seed + 1, limit);
        const start = nearestIntegers({ exact, limit });
        const { integers: end, error } = descend({ exact, limit, form }, start);
        expect(error).toBeCloseTo(roundingError({ exact, form }, end), 6);
        expect(error).toBeLessThanOrEqual(roundingError({ exact, form }, start) * (1 + 1e-9) + 1e-12);
        for (let i = 0; i < size; i++) {
          for (const step of [-1, 1]) {
            const changed = Float64Array.from(end);
            changed[i] = (changed[i] as number) + step;
            if (Math.abs(changed[i] as number) > limit) continue;
            expect(roundingError({ exact, form }, changed)).toBeGreaterThanOrEqual(error * (1 - 1e-6) - 1e-7);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("a filter", () => {
  test("is never rounded worse than to the nearest integers, whatever its size", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 40 }), fc.constantFrom(7, 127), (seed, size, limit) => {
        const form = dampedForm(correlated(size, seed), 0.01);
        const exact = weights(size, seed + 1, limit);
        const { integers, error } = filterRounder(form)(exact, limit);
        expect(integers.every((q) => Number.isInteger(q) && Math.abs(q) <= limit)).toBe(true);
        expect(error).toBeCloseTo(roundingError({ exact, form }, integers), 9);
        const nearest = roundingError({ exact, form }, nearestIntegers({ exact, limit }));
        expect(error).toBeLessThanOrEqual(nearest * (1 + 1e-9));
      }),
      { numRuns: 80 },
    );
  });

  test("of few weights is rounded as well as trying every integer nearby finds", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 4 }), (seed, size) => {
        const form = dampedForm(correlated(size, seed), 0.01);
        const exact = weights(size, seed + 1, 7);
        const { error } = filterRounder(form)(exact, 7);
        const upOrDown = exhaustive(exact, form, (v) => [Math.floor(v), Math.ceil(v)].filter((q) => Math.abs(q) <= 7));
        const around = exhaustive(exact, form, (v) =>
          [-2, -1, 0, 1, 2, 3].map((d) => Math.floor(v) + d).filter((q) => Math.abs(q) <= 7),
        );
        expect(error).toBeLessThanOrEqual(upOrDown + 1e-9);
        expect(error).toBeGreaterThanOrEqual(around - 1e-9);
      }),
      { numRuns: 40 },
    );
  });

  test("of many weights with inputs that lean on each other errs much less than with the nearest integers", () => {
    let nearest = 0;
    let chosen = 0;
    for (let seed = 0; seed < 20; seed++) {
      const form = dampedForm(correlated(32, seed), 0.01);
      const exact = weights(32, seed + 100, 7);
      nearest += roundingError({ exact, form }, nearestIntegers({ exact, limit: 7 }));
      chosen += filterRounder(form)(exact, 7).error;
    }
    expect(chosen).toBeLessThan(0.5 * nearest);
  });

  test("gets the same integers each time", () => {
    const form = dampedForm(correlated(24, 5), 0.01);
    const exact = weights(24, 6, 127);
    const once = filterRounder(form)(exact, 127);
    expect(filterRounder(form)(exact, 127)).toEqual(once);
  });
});
