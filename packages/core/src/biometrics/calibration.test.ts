import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import { calibrated, cllr, fitLogistic, minCllr } from "./calibration.ts";
import { actualDcf, minDcf } from "./dcf.ts";
import { distributionOf } from "./scores.ts";

/** Normal scores of unit deviation with means a and -a: the log-likelihood ratio is 2 a x. */
function gaussians(a: number, options: { readonly genuine: number; readonly impostor: number; readonly seed: number }) {
  const random = seededRandom(options.seed);
  const draw = (count: number, mean: number): Float64Array => Float64Array.from({ length: count }, () => mean + random.normal());
  return { genuine: draw(options.genuine, a), impostor: draw(options.impostor, -a) };
}

/** Cllr of the true ratios 2 a x of these classes, by the trapezoidal rule; both classes cost the same. */
function expectedCost(a: number): number {
  const step = 0.01;
  let sum = 0;
  for (let x = a - 9; x <= a + 9; x += step) {
    const density = Math.exp(-((x - a) ** 2) / 2) / Math.sqrt(2 * Math.PI);
    sum += density * Math.log2(1 + Math.exp(-2 * a * x)) * step;
  }
  return sum;
}

const ranked = ({ genuine, impostor }: { readonly genuine: Float64Array; readonly impostor: Float64Array }) => ({
  genuine: distributionOf(genuine),
  impostor: distributionOf(impostor),
});

describe("calibration of scores", () => {
  test("the line of two normal classes is found, whatever their numbers and the prior", () => {
    const scores = gaussians(1.2, { genuine: 20_000, impostor: 60_000, seed: 3 });
    for (const prior of [0.5, 0.1]) {
      const { scale, offset } = fitLogistic(scores, { prior, ridge: 1e-6 });
      expect(Math.abs(scale - 2.4)).toBeLessThan(0.08);
      expect(Math.abs(offset)).toBeLessThan(0.08);
    }
  });

  test("calibrated scores cost hardly more than the best rising map of them, uncalibrated ones much more", () => {
    const train = gaussians(1, { genuine: 4000, impostor: 4000, seed: 1 });
    const trials = gaussians(1, { genuine: 4000, impostor: 4000, seed: 2 });
    const stretched = (x: number): number => 10 * x + 30;
    const fit = fitLogistic({ genuine: train.genuine.map(stretched), impostor: train.impostor.map(stretched) });
    const apply = (x: number): number => calibrated(fit, stretched(x));
    const least = minCllr(trials);
    const actual = cllr({ genuine: trials.genuine.map(apply), impostor: trials.impostor.map(apply) });
    expect(actual).toBeGreaterThanOrEqual(least);
    expect(actual - least).toBeLessThan(0.01);
    expect(cllr({ genuine: trials.genuine.map(stretched), impostor: trials.impostor.map(stretched) })).toBeGreaterThan(5);
    expect(Math.abs(actual - expectedCost(1))).toBeLessThan(0.02);
  });

  test("ratios that say nothing cost one bit, certainty costs nothing, error is without bound and without overflow", () => {
    expect(cllr({ genuine: Float64Array.of(0, 0), impostor: Float64Array.of(0) })).toBeCloseTo(1, 12);
    expect(cllr({ genuine: Float64Array.of(800), impostor: Float64Array.of(-800) })).toBe(0);
    expect(cllr({ genuine: Float64Array.of(-2000), impostor: Float64Array.of(-2000) })).toBeCloseTo(1000 / Math.LN2, 6);
  });

  test("golden: the least cost of five trials, pooled by hand", () => {
    // Ascending: impostor, genuine, impostor, genuine, genuine: the middle two pool to shares 1/3 and 1/2, ratio 2/3.
    const scores = { genuine: Float64Array.of(2, 4, 5), impostor: Float64Array.of(1, 3) };
    const ratio = Math.log(2 / 3);
    const want = (Math.log1p(Math.exp(-ratio)) / 3 + Math.log1p(Math.exp(ratio)) / 2) / (2 * Math.LN2);
    expect(minCllr(scores)).toBeCloseTo(want, 12);
    expect(minCllr({ genuine: Float64Array.of(1, 1), impostor: Float64Array.of(1, 1, 1) })).toBeCloseTo(1, 12);
    expect(minCllr({ genuine: Float64Array.of(3), impostor: Float64Array.of(1, 2) })).toBe(0);
  });

  test("no line, and no other rising map, costs less than the least", () => {
    const list = fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(
        list,
        list,
        fc.double({ min: 0, max: 3, noNaN: true }),
        fc.double({ min: -3, max: 3, noNaN: true }),
        (a, b, scale, offset) => {
          const scores = { genuine: Float64Array.from(a), impostor: Float64Array.from(b) };
          const least = minCllr(scores);
          for (const map of [(x: number) => scale * x + offset, (x: number) => Math.sign(x - offset) * scale]) {
            expect(cllr({ genuine: scores.genuine.map(map), impostor: scores.impostor.map(map) })).toBeGreaterThanOrEqual(
              least - 1e-9,
            );
          }
          expect(
            minCllr({ genuine: scores.genuine.map((x) => x ** 3), impostor: scores.impostor.map((x) => x ** 3) }),
          ).toBeCloseTo(least, 12);
        },
      ),
    );
  });
});

describe("detection cost", () => {
  test("golden: four trials, costs counted by hand", () => {
    const scores = ranked({ genuine: Float64Array.of(2, 4), impostor: Float64Array.of(1, 3) });
    // Equal prior and costs: a threshold of 4 misses one of two and accepts none: (.5 * .5) / .5.
    expect(minDcf(scores, { prior: 0.5 })).toBeCloseTo(0.5, 12);
    // At 2 no genuine is missed, one of two impostors accepted; as ratios the threshold is 0 for this prior.
    expect(actualDcf(scores, { prior: 0.5 })).toBeCloseTo(1, 12);
    expect(actualDcf(scores, { prior: 0.5, falseAccept: Math.exp(2) })).toBeCloseTo((0.5 * 0 + 0.5 * Math.exp(2) * 0.5) / 0.5, 9);
  });

  test("the actual cost is never below the least one, and near it for true ratios", () => {
    const trials = gaussians(1.5, { genuine: 5000, impostor: 50_000, seed: 9 });
    const ratios = ranked({ genuine: trials.genuine.map((x) => 3 * x), impostor: trials.impostor.map((x) => 3 * x) });
    for (const prior of [0.5, 0.1, 0.01]) {
      const least = minDcf(ratios, { prior });
      expect(actualDcf(ratios, { prior })).toBeGreaterThanOrEqual(least);
      expect(actualDcf(ratios, { prior }) - least).toBeLessThan(0.03);
    }
  });

  test("scores that tell nothing cost as much as deciding blindly, perfect ones nothing", () => {
    const same = Float64Array.of(1, 1, 1);
    expect(minDcf(ranked({ genuine: same, impostor: same }))).toBe(1);
    expect(minDcf(ranked({ genuine: Float64Array.of(2), impostor: same }))).toBe(0);
    expect(() => minDcf(ranked({ genuine: same, impostor: same }), { prior: 1 })).toThrow(
      expect.objectContaining({ code: "SCORES_INVALID" }),
    );
  });
});
