import { seededRandom } from "@tessera/core/base/random";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { VectorIndex } from "./vector-index.ts";

/** Unit vectors; the nearer to `spread` 0, the more they are alike. */
function people(count: number, dimension: number, options: { readonly seed: number; readonly spread: number }): Float32Array[] {
  const random = seededRandom(options.seed);
  const centre = Array.from({ length: dimension }, () => random.normal());
  return Array.from({ length: count }, () => {
    const raw = centre.map((value) => value * (1 - options.spread) + options.spread * random.normal());
    const length = Math.hypot(...raw);
    return Float32Array.from(raw, (value) => value / length);
  });
}

/** Everything scored, everything sorted: what the index must answer. */
function naive(rows: readonly Float32Array[], query: Float32Array, count: number): { row: number; score: number }[] {
  const scores = rows.map((vector, row) => {
    let score = 0;
    for (let i = 0; i < query.length; i++) score += (vector[i] ?? 0) * (query[i] ?? 0);
    return { row, score };
  });
  return scores.sort((a, b) => b.score - a.score || a.row - b.row).slice(0, count);
}

describe("the vector index", () => {
  it("finds exactly what scoring everything finds, for people alike and unlike, for any size and length", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 100 }),
        fc.constantFrom(1, 0.3, 0.01, 0.0001, 0),
        fc.integer(),
        fc.integer({ min: 0, max: 12 }),
        (dimension, size, spread, seed, count) => {
          const rows = people(size + 1, dimension, { seed, spread });
          const query = rows.pop() ?? new Float32Array(dimension);
          const index = new VectorIndex(dimension);
          for (const row of rows) index.add(row);
          expect(index.best(query, count)).toEqual(naive(rows, query, count));
        },
      ),
      { numRuns: 300 },
    );
  });

  it("finds it across blocks, with removals in between", () => {
    const rows = people(5000, 64, { seed: 1, spread: 1 });
    const index = new VectorIndex(64);
    for (const row of rows) index.add(row);
    const random = seededRandom(2);
    for (let i = 0; i < 900; i++) {
      const gone = random.int(rows.length);
      index.remove(gone);
      const last = rows.pop() ?? new Float32Array(64);
      if (gone < rows.length) rows[gone] = last;
    }
    expect(index.size).toBe(4100);
    for (const query of people(20, 64, { seed: 3, spread: 1 })) expect(index.best(query, 10)).toEqual(naive(rows, query, 10));
    expect(index.vector(17)).toEqual(rows[17]);
    expect(index.score(17, rows[17] ?? new Float32Array(0))).toBeCloseTo(1, 6);
  });

  it("takes queries and rows at the bounds of what 32-bit sums hold", () => {
    for (const dimension of [512, 4096, 8192]) {
      const same = new Float32Array(dimension).fill(1 / Math.sqrt(dimension));
      const index = new VectorIndex(dimension);
      index.add(same);
      index.add(same.map((value) => -value));
      expect(index.best(same, 2).map(({ score }) => score.toFixed(4))).toEqual(["1.0000", "-1.0000"]);
    }
    expect(() => new VectorIndex(8193)).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
  });

  it("leaves nothing in memory when it is wiped", () => {
    const index = new VectorIndex(8);
    index.add(new Float32Array(8).fill(0.35));
    index.wipe();
    expect(index.size).toBe(0);
    index.add(new Float32Array(8));
    expect(index.vector(0)).toEqual(new Float32Array(8));
  });
});
