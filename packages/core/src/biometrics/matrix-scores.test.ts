import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { at } from "../base/assert.ts";
import { seededRandom } from "../base/random.ts";
import { compareAll } from "./compare.ts";
import { allPairs, locateImpostors } from "./design.ts";
import { scoreCell } from "./matrix-scores.ts";
import { embeddings } from "./similarity.ts";

describe("the scores kept of a cell", () => {
  it("are every genuine one and the best impostors with all ties of the last, whatever the depth and however many tie", () => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(1, 7, 600, 5000), fc.boolean(), fc.boolean(), (seed, depth, ordered, coarse) => {
        const random = seededRandom(seed);
        // Coarse components make nearly all scores tie.
        const draw = (): number => (coarse ? random.int(3) - 1 : random.normal());
        const set = () =>
          embeddings(
            Float32Array.from({ length: 120 * 3 }, () => draw()),
            3,
          );
        const gallery = set();
        const probe = ordered ? set() : gallery;
        const subjects = Int32Array.from({ length: 120 }, () => random.int(50));
        const design = allPairs(subjects, { ordered, aliases: [[0, 1]] });
        const plain = compareAll(gallery, design, { probe });
        const thresholds = [0.5, -1];
        const cell = scoreCell({ gallery, probe, design }, { depth, thresholds });

        expect(Array.from(cell.view.genuine)).toEqual(Array.from(plain.genuine.scores).sort((a, b) => a - b));
        expect(cell.impostorCount).toBe(plain.impostor.length);
        for (const t of thresholds) expect(cell.reaching.get(t)).toBe(plain.impostor.filter((score) => score >= t).length);

        const best = Array.from(plain.impostor.keys()).sort((x, y) => at(plain.impostor, y) - at(plain.impostor, x) || x - y);
        const { tail, tailLeft, tailRight, tailIsAll } = cell.view;
        expect(tail.length).toBeGreaterThanOrEqual(Math.min(depth, best.length));
        expect(tailIsAll).toBe(tail.length === best.length);
        const kept = best.slice(0, tail.length);
        expect(Array.from(tail)).toEqual(kept.map((k) => at(plain.impostor, k)));
        if (tail.length < best.length) expect(at(plain.impostor, at(best, tail.length))).toBeLessThan(at(tail, tail.length - 1));
        const places = Uint32Array.from(kept).sort();
        const located = locateImpostors(design, places);
        const peopleAt = new Map(
          Array.from(places, (place, n) => [place, [subjects[at(located.a, n)], subjects[at(located.b, n)]]]),
        );
        kept.forEach((place, n) => {
          expect([tailLeft[n], tailRight[n]]).toEqual(peopleAt.get(place));
        });
      }),
      { numRuns: 12 },
    );
  });
});
