import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../base/random.ts";
import { compareAll, genuinePairs, impostorsAtLeast, scoresFor } from "./compare.ts";
import { allPairs, countComparisons, galleryAgainstProbes, locateImpostors } from "./design.ts";
import { type Embeddings, embeddings, normaliseRows, scorePairs, selectEmbeddings, stackEmbeddings } from "./similarity.ts";

function randomSet(count: number, dim: number, seed: number): Embeddings {
  const random = seededRandom(seed);
  return normaliseRows(
    embeddings(
      Float32Array.from({ length: count * dim }, () => random.normal()),
      dim,
    ),
  );
}

/** The definition: a plain sum in storage order, rounded once. */
function dot(set: Embeddings, a: number, other: Embeddings, b: number): number {
  let sum = 0;
  for (let d = 0; d < set.dim; d++) sum += (set.data[a * set.dim + d] ?? 0) * (other.data[b * set.dim + d] ?? 0);
  return Math.fround(sum);
}

describe("comparing embeddings", () => {
  it("scores every mode bit for bit like the plain sum, at every block edge", () => {
    const sizes = fc.tuple(fc.integer({ min: 2, max: 140 }), fc.integer({ min: 1, max: 140 }), fc.integer({ min: 1, max: 9 }));
    fc.assert(
      fc.property(
        sizes,
        fc.constantFrom("unordered", "ordered", "two-lists"),
        fc.integer({ min: 1, max: 20 }),
        ([n, m, dim], kind, people) => {
          const left = randomSet(n, dim, 1);
          const right = kind === "two-lists" ? randomSet(m, dim, 2) : kind === "ordered" ? randomSet(n, dim, 3) : left;
          const subjectOf = (count: number): Int32Array => Int32Array.from({ length: count }, (_, i) => (i * 7) % people);
          const options = { aliases: [[0, people - 1] as const] };
          const design =
            kind === "two-lists"
              ? galleryAgainstProbes(subjectOf(n), subjectOf(m), options)
              : allPairs(subjectOf(n), { ...options, ordered: kind === "ordered" });
          const scores = compareAll(left, design, { probe: right });
          const counts = countComparisons(design);
          expect([scores.genuine.scores.length, scores.impostor.length]).toEqual([counts.genuine, counts.impostor]);
          const places = Uint32Array.from(scores.impostor, (_, k) => k);
          const impostors = locateImpostors(design, places);
          scores.impostor.forEach((score, k) => {
            if (score !== dot(left, impostors.a[k] ?? 0, right, impostors.b[k] ?? 0)) throw new Error(`impostor ${k} differs`);
          });
          scores.genuine.scores.forEach((score, k) => {
            if (score !== dot(left, scores.genuine.a[k] ?? 0, right, scores.genuine.b[k] ?? 0))
              throw new Error(`genuine ${k} differs`);
          });
          expect(scorePairs(left, scores.genuine, { probe: right })).toEqual(scores.genuine.scores);
          expect(genuinePairs(design)).toEqual({ a: scores.genuine.a, b: scores.genuine.b });
        },
      ),
      { numRuns: 60 },
    );
  });

  it("gives the same score in both directions", () => {
    const set = randomSet(9, 33, 4);
    const pairs = { a: Uint32Array.of(0, 3, 8, 2, 1), b: Uint32Array.of(5, 4, 1, 2, 0) };
    expect(scorePairs(set, pairs)).toEqual(scorePairs(set, { a: pairs.b, b: pairs.a }));
  });

  it("computes the cosine of a hand-made pair", () => {
    const set = normaliseRows(stackEmbeddings([Float32Array.of(3, 4), Float32Array.of(4, 3), Float32Array.of(-3, -4)]));
    const scores = scorePairs(set, { a: Uint32Array.of(0, 0), b: Uint32Array.of(1, 2) });
    expect(scores[0]).toBeCloseTo(24 / 25, 6);
    expect(scores[1]).toBeCloseTo(-1, 6);
  });

  it("selects rows in the order asked", () => {
    const set = embeddings(Float32Array.of(1, 2, 3, 4, 5, 6), 2);
    expect([...selectEmbeddings(set, Uint32Array.of(2, 0)).data]).toEqual([5, 6, 1, 2]);
    expect(() => selectEmbeddings(set, Uint32Array.of(3))).toThrow(/embedding 3 of 3/);
  });

  it("lists the impostors that reach a threshold, best first", () => {
    const set = randomSet(60, 4, 5);
    const design = allPairs(Int32Array.from({ length: 60 }, (_, i) => i % 20));
    const scores = compareAll(set, design);
    const found = impostorsAtLeast(scores, 0.8);
    expect(found.scores.length).toBe(scores.impostor.filter((s) => s >= 0.8).length);
    expect(found.scores.length).toBeGreaterThan(10);
    expect([...found.scores]).toEqual([...found.scores].sort((x, y) => y - x));
    expect(scorePairs(set, found)).toEqual(found.scores);
  });

  it("refuses what cannot be compared", () => {
    const set = randomSet(4, 3, 6);
    const design = allPairs(Int32Array.of(0, 0, 1, 1));
    expect(() => compareAll(set, allPairs(Int32Array.of(0, 1)))).toThrow(/4 and 4 embeddings for 2 and 2 items/);
    expect(() => compareAll(set, design, { probe: randomSet(4, 3, 7) })).toThrow(/unordered/);
    expect(() => compareAll(set, design, { maxImpostors: 3 })).toThrow(/maxImpostors/);
    expect(() => scorePairs(set, { a: Uint32Array.of(4), b: Uint32Array.of(0) })).toThrow(/item 4 of 4/);
    expect(() => normaliseRows(embeddings(Float32Array.of(1, 0, 0, 0), 2))).toThrow(/embedding 1 of 2/);
    expect(() => normaliseRows(embeddings(Float32Array.of(1, Number.NaN), 2))).toThrow(/embedding 0 of 1/);
    expect(() => normaliseRows(embeddings(Float32Array.of(1, Number.POSITIVE_INFINITY), 2))).toThrow(/length is Infinity/);
    expect(() => embeddings(new Float32Array(5), 2)).toThrow(/multiple/);
    expect(() => stackEmbeddings([Float32Array.of(1), Float32Array.of(1, 2)])).toThrow(/row 1/);
    expect(() => scoresFor(design, { genuine: new Float32Array(2), impostor: new Float32Array(3) })).toThrow(
      /design makes 2 and 4/,
    );
  });
});
