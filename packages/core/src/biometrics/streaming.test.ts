import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../base/random.ts";
import { compareAll, rankScores } from "./compare.ts";
import { allPairs } from "./design.ts";
import { equalErrorRate } from "./eer.ts";
import { operatingPoint, thresholdAtFar } from "./rates.ts";
import { countAtLeast, distributionOf, kthLargest, moments } from "./scores.ts";
import { areaUnderRoc } from "./separation.ts";
import { embeddings, normaliseRows } from "./similarity.ts";
import { compareStreaming, tailCollector } from "./streaming.ts";

describe("streamed comparisons", () => {
  it("keep the tail exactly and err to the strict side below it", () => {
    const scores = fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(scores, fc.integer({ min: 2, max: 60 }), fc.integer({ min: 1, max: 50 }), (list, capacity, batch) => {
        const all = Float32Array.from(list, (s) => s / 100);
        const collector = tailCollector(capacity);
        for (let from = 0; from < all.length; from += batch)
          collector.add(all.subarray(from), Math.min(batch, all.length - from));
        const streamed = collector.finish();
        const exact = distributionOf(all);
        expect(streamed.count).toBe(all.length);
        expect([...streamed.values]).toEqual([...streamed.values].sort((a, b) => a - b));
        for (let t = -1.005; t < 1.01; t += 0.01) {
          const counted = countAtLeast(streamed, t);
          if (t >= streamed.exactFrom) expect(counted).toBe(countAtLeast(exact, t));
          expect(counted).toBeGreaterThanOrEqual(countAtLeast(exact, t));
          expect(counted).toBeLessThanOrEqual(countAtLeast(exact, t - 8e-6));
        }
        for (let rank = 0; rank < all.length; rank++) {
          const want = kthLargest(exact, rank);
          const got = kthLargest(streamed, rank);
          if (got >= streamed.exactFrom) expect(got).toBe(want);
          expect(got).toBeGreaterThanOrEqual(want);
          expect(got).toBeLessThanOrEqual(want + 8e-6);
        }
      }),
    );
  });

  it("part two neighbouring numbers exactly", () => {
    const [low, high] = [0.5, 0.5 + 2 ** -24];
    const collector = tailCollector(2);
    collector.add(Float32Array.of(low, high), 2);
    const streamed = collector.finish();
    expect([streamed.exactFrom, countAtLeast(streamed, high), countAtLeast(streamed, low)]).toEqual([high, 1, 2]);
    expect([...streamed.values]).toEqual([low, high]);
  });

  it("answer like the full comparison", () => {
    const random = seededRandom(1);
    const [count, dim] = [300, 8];
    const subjects = Int32Array.from({ length: count }, (_, i) => i % 60);
    const centres = Float32Array.from({ length: 60 * dim }, () => random.normal());
    const set = normaliseRows(
      embeddings(
        Float32Array.from(
          { length: count * dim },
          (_, k) => (centres[(Math.floor(k / dim) % 60) * dim + (k % dim)] ?? 0) + 0.4 * random.normal(),
        ),
        dim,
      ),
    );
    const design = allPairs(subjects, { aliases: [[1, 2]] });
    const full = compareAll(set, design);
    const exact = rankScores(full);
    const streamed = compareStreaming(set, design, { tailCapacity: 4096 });
    expect(streamed.pairs).toEqual(full.genuine);
    expect(streamed.impostor.count).toBe(exact.impostor.count);
    expect(operatingPoint(streamed, 1e-2)).toEqual(operatingPoint(exact, 1e-2));
    const deep = operatingPoint(streamed, 0.5);
    expect(deep).toMatchObject({ exact: false });
    expect(thresholdAtFar(streamed.impostor, 0.5)).toBeGreaterThanOrEqual(thresholdAtFar(exact.impostor, 0.5));
    expect(areaUnderRoc(streamed)).toBeCloseTo(areaUnderRoc(exact), 4);
    expect(equalErrorRate(streamed).raw.rate).toBeCloseTo(equalErrorRate(exact).raw.rate, 4);
    expect(moments(streamed.impostor).mean).toBeCloseTo(moments(exact.impostor).mean, 4);
  });

  it("refuse scores that no cosine has", () => {
    expect(() => tailCollector(8).add(Float32Array.of(0, Number.NaN), 2)).toThrow(/NaN/);
    expect(() => tailCollector(8).add(Float32Array.of(2), 1)).toThrow(/score 2/);
    expect(() => tailCollector(8).finish()).toThrow(/none/);
  });
});
