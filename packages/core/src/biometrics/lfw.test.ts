import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lfwAccuracy } from "./lfw.ts";

describe("LFW accuracy", () => {
  it("decides each fold by the threshold of the others", () => {
    // Fold 1 alone would choose a threshold in (0.1, 0.2); fold 2 chooses in (0.6, 0.8).
    const scores = Float64Array.of(0.2, 0.1, 0.8, 0.6);
    const result = lfwAccuracy(scores, { genuine: Uint8Array.of(1, 0, 1, 0), folds: Int32Array.of(1, 1, 2, 2) });
    expect(result.folds.map((f) => f.threshold)).toEqual([(0.8 + 0.6) / 2, (0.2 + 0.1) / 2]);
    expect(result.folds.map((f) => f.accuracy)).toEqual([0.5, 0.5]);
    expect(result.mean).toBe(0.5);
    expect(result.standardError).toBe(0);
  });

  it("gives the mean and the standard error over folds", () => {
    const scores = Float64Array.of(0.9, 0.1, 0.9, 0.1, 0.9, 0.95);
    const result = lfwAccuracy(scores, { genuine: Uint8Array.of(1, 0, 1, 0, 1, 0), folds: Int32Array.of(1, 1, 2, 2, 3, 3) });
    expect(result.folds.map((f) => f.accuracy)).toEqual([1, 1, 0.5]);
    expect(result.mean).toBeCloseTo(2.5 / 3, 14);
    // Sample deviation 0.2887 over the root of 3.
    expect(result.standardError).toBeCloseTo(0.166667, 6);
  });

  it("takes the middle one of equally good thresholds", () => {
    // Fold 2 parts at 0.3 | 0.5, and at -0.9..., alone; accepting all or none is right in half of the cases only.
    const scores = Float64Array.of(0, 1, 0.1, 0.5, 0.3, 0.9);
    const labels = { genuine: Uint8Array.of(0, 1, 0, 0, 1, 1), folds: Int32Array.of(1, 1, 2, 2, 2, 2) };
    // Fold 2 ascending: 0.1 impostor, 0.3 genuine, 0.5 impostor, 0.9 genuine: 0.2 and 0.7 are right three times each; the lower of two.
    expect(lfwAccuracy(scores, labels).folds[0]?.threshold).toBeCloseTo(0.2, 14);
  });

  it("finds the best accuracy that any threshold has on the other folds", () => {
    const pair = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.boolean(), fc.boolean());
    fc.assert(
      fc.property(fc.array(pair, { minLength: 2, maxLength: 30 }), (list) => {
        const folds = Int32Array.from(list, ([, , second], k) => (k === 0 ? 1 : k === 1 ? 2 : second ? 2 : 1));
        const genuine = Uint8Array.from(list, ([, mate]) => (mate ? 1 : 0));
        const scores = Float32Array.from(list, ([score]) => score);
        for (const { fold, threshold, accuracy } of lfwAccuracy(scores, { genuine, folds }).folds) {
          const right = (t: number, inside: boolean): number =>
            list.filter(([score], k) => (folds[k] === fold) === inside && score >= t === (genuine[k] === 1)).length;
          const best = Math.max(...Array.from({ length: 12 }, (_, i) => right(i - 0.5, false)));
          expect(right(threshold, false)).toBe(best);
          expect(accuracy).toBe(right(threshold, true) / list.filter((_, k) => folds[k] === fold).length);
        }
      }),
    );
  });

  it("refuses lists that do not fit, one fold only and scores that are no numbers", () => {
    const labels = { genuine: Uint8Array.of(1, 0), folds: Int32Array.of(1, 1) };
    expect(() => lfwAccuracy(Float64Array.of(1, 0), labels)).toThrow(/1 folds/);
    expect(() => lfwAccuracy(Float64Array.of(1), labels)).toThrow(/1 scores with 2 labels/);
    expect(() => lfwAccuracy(Float64Array.of(1, Number.NaN), labels)).toThrow(/number 1 is NaN/);
  });
});
