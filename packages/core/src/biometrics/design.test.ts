import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  allPairs,
  type CrossDesign,
  countComparisons,
  galleryAgainstProbes,
  listedPairs,
  locateImpostors,
  numberSubjects,
  weighImpostors,
} from "./design.ts";

/** Every comparison of a design, the slow and obvious way. */
function enumerate(design: CrossDesign): { genuine: [number, number][]; impostor: [number, number][]; leftOut: number } {
  const genuine: [number, number][] = [];
  const impostor: [number, number][] = [];
  let leftOut = 0;
  for (const [i, a] of design.gallery.entries())
    for (const [j, b] of design.probe.entries()) {
      if (design.kind === "unordered" && j <= i) continue;
      if (design.kind === "ordered" && j === i) continue;
      if (a === b) genuine.push([i, j]);
      else if (design.aliases.some(([x, y]) => (x === a && y === b) || (x === b && y === a))) leftOut++;
      else impostor.push([i, j]);
    }
  return { genuine, impostor, leftOut };
}

const subjects = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 2, maxLength: 30 }).map((list) => Int32Array.from(list));
const aliases = fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 3, max: 6 })), {
  maxLength: 2,
  selector: ([a, b]) => a * 10 + b,
});
const design = fc.oneof(
  fc.tuple(subjects, aliases, fc.boolean()).map(([list, names, ordered]) => allPairs(list, { aliases: names, ordered })),
  fc.tuple(subjects, subjects, aliases).map(([a, b, names]) => galleryAgainstProbes(a, b, { aliases: names })),
);

describe("comparison designs", () => {
  it("count what a nested loop counts", () => {
    fc.assert(
      fc.property(design, (d) => {
        const slow = enumerate(d);
        expect(countComparisons(d)).toEqual({
          genuine: slow.genuine.length,
          impostor: slow.impostor.length,
          leftOut: slow.leftOut,
        });
      }),
    );
  });

  it("weigh impostors by both people as a nested loop does", () => {
    fc.assert(
      fc.property(design, fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 7, maxLength: 7 }), (d, drawn) => {
        const slow = enumerate(d).impostor.reduce(
          (sum, [i, j]) => sum + (drawn[d.gallery[i] ?? 0] ?? 0) * (drawn[d.probe[j] ?? 0] ?? 0),
          0,
        );
        expect(weighImpostors(d, Float64Array.from(drawn))).toBe(slow);
      }),
    );
  });

  it("find the items of any impostor comparison again", () => {
    fc.assert(
      fc.property(design, fc.infiniteStream(fc.boolean()), (d, coin) => {
        const slow = enumerate(d).impostor;
        const places = slow.flatMap((_, k) => (coin.next().value ? [k] : []));
        const found = locateImpostors(d, Uint32Array.from(places));
        expect([...found.a].map((a, n) => [a, found.b[n]])).toEqual(places.map((k) => slow[k]));
      }),
    );
  });

  it("split a pair list and refuse labels that contradict the subjects", () => {
    const { subjects: who } = numberSubjects(["ann", "bob", "ann"]);
    const pairs = { a: Uint32Array.of(0, 0), b: Uint32Array.of(2, 1), genuine: Uint8Array.of(1, 0) };
    const listed = listedPairs(who, pairs);
    expect([...listed.genuine.b]).toEqual([2]);
    expect([...listed.impostor.b]).toEqual([1]);
    expect(countComparisons(listed)).toEqual({ genuine: 1, impostor: 1, leftOut: 0 });
    expect(weighImpostors(listed, Float64Array.of(2, 3))).toBe(6);
    expect(() => listedPairs(who, { ...pairs, genuine: Uint8Array.of(0, 0) })).toThrow(/pair 0.*impostor/);
  });
});
