import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../base/random.ts";
import { rankScores, type ScorePair } from "./compare.ts";
import { detCurve, onScale, thinDet } from "./det.ts";
import { detHull, equalErrorRate } from "./eer.ts";
import { distributionOf } from "./scores.ts";
import { areaUnderRoc, scoreHistogram, separation } from "./separation.ts";
import { tailCollector } from "./streaming.ts";

const list = fc
  .array(fc.integer({ min: -6, max: 6 }), { minLength: 1, maxLength: 25 })
  .map((values) => Float64Array.from(values));
const pair = fc
  .tuple(list, list)
  .map(([genuine, impostor]) => ({ genuine, impostor, ranked: rankScores({ genuine, impostor }) }));

function rates(genuine: Float64Array, impostor: Float64Array, t: number): [number, number] {
  return [impostor.filter((s) => s >= t).length / impostor.length, genuine.filter((s) => s < t).length / genuine.length];
}

function gaussians(seed: number, counts: [number, number]): ScorePair {
  const random = seededRandom(seed);
  return rankScores({
    genuine: Float32Array.from({ length: counts[0] }, () => 2 + random.normal()),
    impostor: Float32Array.from({ length: counts[1] }, () => random.normal()),
  });
}

describe("DET curves", () => {
  it("pass through the rates of every threshold there is", () => {
    fc.assert(
      fc.property(pair, ({ genuine, impostor, ranked }) => {
        const curve = detCurve(ranked);
        for (const [i, t] of curve.thresholds.entries())
          expect([curve.fmr[i], curve.fnmr[i]]).toEqual(rates(genuine, impostor, t));
        expect([curve.fmr[0], curve.fnmr[0]]).toEqual([1, 0]);
        expect([curve.fmr.at(-1), curve.fnmr.at(-1)]).toEqual([0, 1]);
        // Lossless: the rates at any threshold are a point, or lie between two neighbouring points along one axis.
        for (let t = -7; t <= 7; t += 0.5) {
          const [x, y] = rates(genuine, impostor, t);
          const onLine = [...curve.fmr.keys()].some((i) => {
            const j = Math.min(i + 1, curve.fmr.length - 1);
            const [x0, y0, x1, y1] = [curve.fmr[i] ?? 0, curve.fnmr[i] ?? 0, curve.fmr[j] ?? 0, curve.fnmr[j] ?? 0];
            return (x === x0 && y === y0) || (x <= x0 && x >= x1 && y >= y0 && y <= y1 && (x0 === x1 || y0 === y1));
          });
          expect(onLine).toBe(true);
        }
      }),
    );
  });

  it("never turn back", () => {
    const curve = detCurve(gaussians(3, [400, 9000]));
    for (let i = 1; i < curve.fmr.length; i++) {
      expect(curve.thresholds[i]).toBeGreaterThan(curve.thresholds[i - 1] ?? 0);
      expect(curve.fmr[i]).toBeLessThanOrEqual(curve.fmr[i - 1] ?? 0);
      expect(curve.fnmr[i]).toBeGreaterThanOrEqual(curve.fnmr[i - 1] ?? 0);
    }
  });

  it("thin out without leaving the plotted line", () => {
    const curve = detCurve(gaussians(4, [2000, 50_000]));
    const thin = thinDet(curve, { tolerance: 2e-3 });
    const axis = { scale: "probit", floor: 1e-7 } as const;
    expect(thin.fmr.length).toBeLessThan(curve.fmr.length / 3);
    const range = onScale(1, axis) - onScale(0, axis);
    const plot = (rate: number | undefined): number => onScale(rate ?? 0, axis) / range;
    let k = 0;
    curve.thresholds.forEach((t, i) => {
      while ((thin.thresholds[k + 1] ?? Number.POSITIVE_INFINITY) < t) k++;
      const [x0, y0, x1, y1] = [plot(thin.fmr[k]), plot(thin.fnmr[k]), plot(thin.fmr[k + 1] ?? 0), plot(thin.fnmr[k + 1] ?? 1)];
      const length = Math.hypot(x1 - x0, y1 - y0);
      const [dx, dy] = [plot(curve.fmr[i]) - x0, plot(curve.fnmr[i]) - y0];
      const distance = length === 0 ? Math.hypot(dx, dy) : Math.abs(dx * (y1 - y0) - dy * (x1 - x0)) / length;
      expect(distance).toBeLessThanOrEqual(2e-3 + 1e-12);
    });
  });
});

describe("EER", () => {
  it("differs between step and hull on a hand-made set", () => {
    const eer = equalErrorRate(rankScores({ genuine: Float64Array.of(0.9, 0.8, 0.4), impostor: Float64Array.of(0.5, 0.3, 0.2) }));
    expect(eer.raw).toEqual({ rate: 1 / 3, threshold: 0.5, fmr: 1 / 3, fnmr: 1 / 3 });
    expect(eer.convexHull.rate).toBeCloseTo(1 / 6, 14);
  });

  it("is zero when the classes part and one when they are swapped", () => {
    const low = Float64Array.of(1, 2);
    const high = Float64Array.of(3, 4);
    const apart = equalErrorRate(rankScores({ genuine: high, impostor: low }));
    expect([apart.raw.rate, apart.convexHull.rate]).toEqual([0, 0]);
    const swapped = equalErrorRate(rankScores({ genuine: low, impostor: high }));
    expect(swapped.raw.rate).toBe(1);
    // Randomising between "all" and "none" makes any EER above one half avoidable.
    expect(swapped.convexHull.rate).toBe(0.5);
  });

  it("finds the threshold where the rates are closest, as a search over all thresholds does", () => {
    fc.assert(
      fc.property(pair, ({ genuine, impostor, ranked }) => {
        const eer = equalErrorRate(ranked);
        expect([eer.raw.fmr, eer.raw.fnmr]).toEqual(rates(genuine, impostor, eer.raw.threshold));
        let best = Number.POSITIVE_INFINITY;
        for (let t = -7; t <= 7; t++) {
          const [fmr, fnmr] = rates(genuine, impostor, t);
          best = Math.min(best, Math.abs(fmr - fnmr));
        }
        expect(Math.abs(eer.raw.fmr - eer.raw.fnmr)).toBe(best);
      }),
    );
  });

  it("on the hull is the smallest that mixing two thresholds can reach", () => {
    fc.assert(
      fc.property(pair, ({ genuine, impostor, ranked }) => {
        const points = Array.from({ length: 15 }, (_, i) => rates(genuine, impostor, i - 7));
        let best = 1;
        for (const [x0, y0] of points)
          for (const [x1, y1] of points) {
            if (x0 - y0 === 0) best = Math.min(best, x0);
            if (x0 - y0 > 0 && x1 - y1 < 0) {
              const share = (x0 - y0) / (x0 - y0 - (x1 - y1));
              best = Math.min(best, x0 + share * (x1 - x0));
            }
          }
        expect(equalErrorRate(ranked).convexHull.rate).toBeCloseTo(best, 12);
      }),
    );
  });

  it("has a hull that no point of the curve lies below", () => {
    fc.assert(
      fc.property(pair, ({ ranked }) => {
        const hull = detHull(ranked);
        const curve = detCurve(ranked);
        for (let i = 1; i < hull.fmr.length; i++) {
          const [x0, y0, x1, y1] = [hull.fmr[i - 1] ?? 0, hull.fnmr[i - 1] ?? 0, hull.fmr[i] ?? 0, hull.fnmr[i] ?? 0];
          expect(x1).toBeGreaterThan(x0);
          curve.fmr.forEach((x, k) => {
            if (x < x0 || x > x1) return;
            expect(curve.fnmr[k]).toBeGreaterThanOrEqual(y0 + ((x - x0) / (x1 - x0)) * (y1 - y0) - 1e-12);
          });
        }
      }),
    );
  });

  it("approaches the theory for two normal classes", () => {
    // Unit normals two apart: EER = P(X > 1) = 0.15866, d' = 2, AUC = Phi(sqrt 2) = 0.92135.
    const scores = gaussians(5, [20_000, 200_000]);
    expect(equalErrorRate(scores).raw.rate).toBeCloseTo(0.1587, 2);
    const { dPrime, auc } = separation(scores);
    expect(dPrime).toBeCloseTo(2, 1);
    expect(auc).toBeCloseTo(0.92135, 2);
  });
});

describe("separation", () => {
  it("counts the AUC with half a point for a tie, whichever class is smaller", () => {
    expect(
      areaUnderRoc(rankScores({ genuine: Float64Array.of(0.9, 0.8, 0.4), impostor: Float64Array.of(0.5, 0.3, 0.2) })),
    ).toBeCloseTo(8 / 9, 15);
    fc.assert(
      fc.property(pair, ({ genuine, impostor, ranked }) => {
        let sum = 0;
        for (const g of genuine) for (const i of impostor) sum += g > i ? 1 : g === i ? 0.5 : 0;
        expect(areaUnderRoc(ranked)).toBeCloseTo(sum / (genuine.length * impostor.length), 13);
      }),
    );
  });

  it("counts binned impostors as often as they occur when they are the shorter list", () => {
    const collector = tailCollector(2);
    collector.add(Float32Array.of(0.25, 0.25, 0.25, 0.25, 0.75, 0.875), 6);
    const impostor = collector.finish();
    const genuine = distributionOf(Float32Array.from({ length: 9 }, (_, k) => (k + 0.5) / 9));
    expect(impostor.values.length).toBeLessThan(9);
    // Above 0.25 lie 7 of 9, above 0.75 and 0.875 two and one.
    expect(areaUnderRoc({ genuine, impostor })).toBeCloseTo((4 * 7 + 2 + 1) / 54, 14);
  });

  it("computes d' by hand", () => {
    // Means 3 and 0, variances 1 and 4.
    const { dPrime } = separation(rankScores({ genuine: Float64Array.of(2, 4), impostor: Float64Array.of(-2, 2) }));
    expect(dPrime).toBeCloseTo(3 / Math.sqrt(2.5), 14);
    expect(separation(rankScores({ genuine: Float64Array.of(1), impostor: Float64Array.of(1) })).dPrime).toBe(0);
  });

  it("puts every score into one bin of a histogram", () => {
    const { impostor } = rankScores({ genuine: Float64Array.of(0), impostor: Float64Array.of(-2, -1, -0.5, 0, 0.5, 0.99, 1, 7) });
    expect([...scoreHistogram(impostor, { low: -1, high: 1, bins: 4 }).counts]).toEqual([2, 1, 1, 4]);
  });
});
