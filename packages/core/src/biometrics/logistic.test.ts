import { describe, expect, it } from "vitest";
import { matrix } from "../base/matrix.ts";
import { seededRandom } from "../base/random.ts";
import { fitLogisticRegression } from "./logistic.ts";

/** Two Gaussian classes with one covariance: the log-likelihood ratio is linear, with weights that are known. */
function gaussians(count: number, seed: number) {
  const random = seededRandom(seed);
  const features = matrix(count, 2);
  const genuine = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const is = i % 4 === 0 ? 1 : 0;
    genuine[i] = is;
    features.data[2 * i] = random.normal() * 0.5 + (is ? 1 : 0);
    features.data[2 * i + 1] = random.normal() * 2 + (is ? 3 : 1);
  }
  return { features, genuine };
}

describe("fitLogisticRegression", () => {
  it("finds the log-likelihood ratio of Gaussians, whatever the shares of the classes and the prior", () => {
    const { features, genuine } = gaussians(60_000, 1);
    // (mu1 - mu0) / sigma^2 = 1 / 0.25 and 2 / 4; zero halfway between the means.
    const truth = { weights: [4, 0.5], intercept: -(0.5 * 4 + 2 * 0.5) };
    for (const prior of [0.5, 0.1, 0.9]) {
      const fit = fitLogisticRegression(features, genuine, { prior, ridge: 1e-9 });
      expect(fit.weights[0]).toBeCloseTo(truth.weights[0] as number, 0);
      expect(fit.weights[1]).toBeCloseTo(truth.weights[1] as number, 1);
      expect(Math.abs(fit.intercept - truth.intercept)).toBeLessThan(0.1);
    }
  });

  it.each([0.5, 0.001, 0.999_999])("stands where no small change lowers the loss (prior %s)", (prior) => {
    const { features, genuine } = gaussians(400, 2);
    const fit = fitLogisticRegression(features, genuine, { ridge: 1e-12, prior });
    const odds = Math.log(prior / (1 - prior));
    const mates = genuine.reduce((sum, is) => sum + is, 0);
    const loss = (a: number, b: number, c: number): number => {
      let sum = 0;
      for (let i = 0; i < 400; i++) {
        const z = odds + c + a * (features.data[2 * i] as number) + b * (features.data[2 * i + 1] as number);
        const [share, away] = genuine[i] === 1 ? [prior / mates, -z] : [(1 - prior) / (400 - mates), z];
        sum += share * (away > 0 ? away + Math.log1p(Math.exp(-away)) : Math.log1p(Math.exp(away)));
      }
      return sum;
    };
    const [a, b] = fit.weights as unknown as [number, number];
    const best = loss(a, b, fit.intercept);
    for (const [da, db, dc] of [
      [0.05, 0, 0],
      [-0.05, 0, 0],
      [0, 0.05, 0],
      [0, -0.05, 0],
      [0, 0, 0.05],
      [0, 0, -0.05],
    ] as const)
      expect(loss(a + da, b + db, fit.intercept + dc)).toBeGreaterThan(best);
  });

  it("stays finite on classes that a line parts, and on a feature that never changes", () => {
    const x = matrix(6, 2, Float64Array.of(0, 7, 1, 7, 2, 7, 10, 7, 11, 7, 12, 7));
    const fit = fitLogisticRegression(x, Uint8Array.of(0, 0, 0, 1, 1, 1));
    expect(fit.weights[1]).toBe(0);
    expect(fit.weights[0]).toBeGreaterThan(0);
    expect(Number.isFinite(fit.intercept)).toBe(true);
    // Halfway between the classes neither is likelier.
    expect(fit.intercept + 6 * (fit.weights[0] as number)).toBeCloseTo(0, 6);
  });

  it("does not mind the scale of a feature", () => {
    const { features, genuine } = gaussians(300, 3);
    const scaled = { ...features, data: features.data.map((value, k) => (k % 2 === 0 ? value * 1e6 + 5e6 : value)) };
    const [plain, wide] = [fitLogisticRegression(features, genuine), fitLogisticRegression(scaled, genuine)];
    expect((wide.weights[0] as number) * 1e6).toBeCloseTo(plain.weights[0] as number, 6);
    expect(wide.weights[1]).toBeCloseTo(plain.weights[1] as number, 6);
  });

  it("refuses one class, a feature that is not finite and a prior that cannot be", () => {
    const x = matrix(2, 1, Float64Array.of(0, 1));
    expect(() => fitLogisticRegression(x, Uint8Array.of(1, 1))).toThrow(/2 of 2 trials are genuine/);
    expect(() => fitLogisticRegression(matrix(2, 1, Float64Array.of(0, Number.NaN)), Uint8Array.of(0, 1))).toThrow(/trial 1/);
    expect(() => fitLogisticRegression(x, Uint8Array.of(0, 1), { prior: 1 })).toThrow(/prior 1/);
    expect(() => fitLogisticRegression(x, Uint8Array.of(0, 1), { ridge: 0 })).toThrow(/ridge 0/);
  });
});
