import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { matrix } from "../../base/matrix.ts";
import { seededRandom } from "../../base/random.ts";
import { solveOneClass } from "./one-class-svm.ts";

function radial(points: readonly (readonly number[])[], gamma: number) {
  const n = points.length;
  return matrix(
    n,
    n,
    Float64Array.from({ length: n * n }, (_, k) => {
      const [a, b] = [points[Math.floor(k / n)] as readonly number[], points[k % n] as readonly number[]];
      return Math.exp(-gamma * a.reduce((sum, v, i) => sum + (v - (b[i] as number)) ** 2, 0));
    }),
  );
}

describe("the one-class support vector machine", () => {
  it("solves two points by hand: each half, rho the mean kernel", () => {
    const { alpha, rho } = solveOneClass(radial([[0], [1]], Math.LN2), { nu: 1 });
    expect([...alpha]).toEqual([0.5, 0.5]);
    expect(rho).toBeCloseTo((1 + 0.5) / 2, 12);
  });

  it("weighs three points on a line as the quadratic programme does", () => {
    // K = [[1,b,c],[b,1,b],[c,b,1]], alpha = (x, 1 - 2x, x) by symmetry: minimum of 2x²(1 + c) + (1 - 2x)² + 4x(1 - 2x)b at x = (1 - b) / (3 + c - 4b).
    const [b, c] = [Math.exp(-1), Math.exp(-4)];
    const { alpha } = solveOneClass(radial([[0], [1], [2]], 1), { nu: 1 / 3 });
    const x = (1 - b) / (3 + c - 4 * b);
    expect(alpha[0]).toBeCloseTo(x, 7);
    expect(alpha[1]).toBeCloseTo(1 - 2 * x, 7);
    expect(alpha[2]).toBeCloseTo(x, 7);
  });

  it("keeps to the constraints and the optimality conditions, and to the meaning of nu", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 40 }),
        fc.double({ min: 0.1, max: 0.9, noNaN: true }),
        fc.integer(),
        (n, nu, seed) => {
          const random = seededRandom(seed);
          const kernel = radial(
            Array.from({ length: n }, () => [random.normal(), random.normal(), random.normal()]),
            0.4,
          );
          const { alpha, rho, gap } = solveOneClass(kernel, { nu });
          const most = 1 / (nu * n);
          expect(alpha.reduce((sum, a) => sum + a, 0)).toBeCloseTo(1, 9);
          expect(gap).toBeLessThanOrEqual(1e-9);
          let outside = 0;
          let support = 0;
          for (let i = 0; i < n; i++) {
            const a = alpha[i] as number;
            expect(a).toBeGreaterThanOrEqual(0);
            expect(a).toBeLessThanOrEqual(most);
            let decision = -rho;
            for (let j = 0; j < n; j++) decision += (alpha[j] as number) * (kernel.data[i * n + j] as number);
            // Complementary slackness: inside without weight, on the surface between the bounds, outside at the upper bound.
            if (a === 0) expect(decision).toBeGreaterThan(-1e-8);
            else if (a === most) expect(decision).toBeLessThan(1e-8);
            else expect(Math.abs(decision)).toBeLessThan(1e-8);
            if (decision < -1e-8) outside++;
            if (a > 0) support++;
          }
          expect(outside).toBeLessThanOrEqual(nu * n + 1e-9);
          expect(support).toBeGreaterThanOrEqual(nu * n - 1e-9);
        },
      ),
      { numRuns: 60 },
    );
  });
});
