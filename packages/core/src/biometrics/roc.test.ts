import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rankScores } from "./compare.ts";
import { equalErrorRate } from "./eer.ts";
import { closestPoint, rocPoints } from "./roc.ts";
import { areaUnderRoc } from "./separation.ts";

const pair = (genuine: readonly number[], impostor: readonly number[]) =>
  rankScores({ genuine: Float64Array.from(genuine), impostor: Float64Array.from(impostor) });

/** Few values, so that scores tie. */
const scores = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 20 });

describe("the points of a ROC curve", () => {
  test("are those of scikit-learn on its own example", () => {
    // roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), as in its documentation.
    expect(rocPoints(pair([0.35, 0.8], [0.1, 0.4]))).toEqual([
      { threshold: Number.POSITIVE_INFINITY, fmr: 0, tar: 0 },
      { threshold: 0.8, fmr: 0, tar: 0.5 },
      { threshold: 0.4, fmr: 0.5, tar: 0.5 },
      { threshold: 0.35, fmr: 0.5, tar: 1 },
      { threshold: 0.1, fmr: 1, tar: 1 },
    ]);
  });

  test("leave out the middle of equal steps on a line, but never the first or the last score", () => {
    const points = rocPoints(pair([5, 6, 7, 8, 9], [1, 2, 3]));
    expect(points.map((p) => p.threshold)).toEqual([Number.POSITIVE_INFINITY, 9, 5, 1]);
  });

  test("have the same area below them, left out or not, as there are ordered pairs", () => {
    fc.assert(
      fc.property(scores, scores, (genuine, impostor) => {
        const ranked = pair(genuine, impostor);
        const points = rocPoints(ranked);
        let area = 0;
        points.slice(1).forEach((b, i) => {
          const a = points[i] as (typeof points)[number];
          area += ((b.fmr - a.fmr) * (a.tar + b.tar)) / 2;
        });
        const ordered = genuine.flatMap((g) => impostor.map((n) => (g > n ? 1 : g === n ? 0.5 : 0)));
        const share = ordered.reduce((sum: number, v) => sum + v, 0) / ordered.length;
        expect(areaUnderRoc(ranked)).toBeCloseTo(share, 12);
        expect(area).toBeCloseTo(share, 12);
      }),
    );
  });

  test("have one where errors are closest: at the best the equal error rate of the curve, and no nearer", () => {
    fc.assert(
      fc.property(scores, scores, (genuine, impostor) => {
        const ranked = pair(genuine, impostor);
        const closest = closestPoint(rocPoints(ranked));
        const { raw } = equalErrorRate(ranked);
        expect(Math.abs(closest.fmr - closest.fnmr)).toBeGreaterThanOrEqual(Math.abs(raw.fmr - raw.fnmr) - 1e-12);
        expect(closest.rate).toBeCloseTo((closest.fmr + closest.fnmr) / 2, 12);
      }),
    );
  });
});
