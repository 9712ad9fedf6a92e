import { describe, expect, it } from "vitest";
import { seededRandom } from "../../base/random.ts";
import { bestCuts, type Choice, leastPeak } from "./schedule-cuts.ts";
import type { LayerPlan } from "./schedule-layer.ts";

/** Made-up items: one for each step, and some over several. */
function randomChoices(seed: number): Choice[][] {
  const random = seededRandom(seed);
  const count = 1 + random.int(7);
  return Array.from({ length: count }, (_, to) =>
    Array.from({ length: to + 1 }, (_, from) => from).flatMap((from) => {
      if (from < to && random.int(3) === 0) return [];
      const plan: LayerPlan = { from, to, stages: 1, blocks: [], overlaps: [], inner: new Set() };
      return [{ plan, bytes: random.int(50), effort: to - from + random.int(2) }];
    }),
  );
}

/** Every way to cut, by its largest item and its effort. */
function allCuts(choices: readonly (readonly Choice[])[], to = choices.length): { bytes: number; effort: number }[] {
  if (to === 0) return [{ bytes: 0, effort: 0 }];
  return (choices[to - 1] ?? []).flatMap((choice) =>
    allCuts(choices, choice.plan.from).map(({ bytes, effort }) => ({
      bytes: Math.max(bytes, choice.bytes),
      effort: effort + choice.effort,
    })),
  );
}

function effortOf(items: readonly Choice[]): number {
  return items.reduce((sum, { effort }) => sum + effort, 0);
}

describe("bestCuts", () => {
  it("finds the smallest peak, and the least effort of all ways that have it", () => {
    for (let seed = 0; seed < 300; seed++) {
      const choices = randomChoices(seed);
      const all = allCuts(choices);
      const peak = Math.min(...all.map(({ bytes }) => bytes));
      const effort = Math.min(...all.filter(({ bytes }) => bytes === peak).map((way) => way.effort));
      expect(leastPeak(choices)).toBe(peak);
      const found = bestCuts(choices);
      expect(found?.bytes).toBe(peak);
      expect(effortOf(found?.items ?? [])).toBe(effort);
    }
  });

  it("finds the least effort below a limit, and nothing where no way stays below it", () => {
    let none = 0;
    for (let seed = 0; seed < 300; seed++) {
      const choices = randomChoices(seed);
      const limit = 15 + (seed % 40);
      const below = allCuts(choices).filter(({ bytes }) => bytes <= limit);
      const found = bestCuts(choices, limit);
      if (below.length === 0) {
        expect(found).toBeUndefined();
        none++;
      } else {
        expect(found?.bytes).toBeLessThanOrEqual(limit);
        expect(effortOf(found?.items ?? [])).toBe(Math.min(...below.map(({ effort }) => effort)));
      }
    }
    expect(none).toBeGreaterThan(10);
  });
});
