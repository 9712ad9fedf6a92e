import { describe, expect, it } from "vitest";
import { seededRandom } from "../base/random.ts";
import { bootstrapPoints } from "./bootstrap.ts";
import { rankScores, scoresFor } from "./compare.ts";
import { type CrossedTrials, crossedFigures } from "./crossed.ts";
import { listedPairs } from "./design.ts";
import { equalErrorRate } from "./eer.ts";

/** Comparisons among `people`, two samples each, on as many axes as asked; scores of genuine ones one and a half deviations higher. */
function trialsOf(people: number, seed: number, axes: number) {
  const random = seededRandom(seed);
  const a: number[] = [];
  const b: number[] = [];
  for (let i = 0; i < 2 * people; i++)
    for (let j = i + 1; j < 2 * people; j++) {
      a.push(i >> 1);
      b.push(j >> 1);
    }
  const genuine = Uint8Array.from(a, (person, k) => (person === b[k] ? 1 : 0));
  const axis = { people, a: Int32Array.from(a), b: Int32Array.from(b) };
  const scores = Float64Array.from(genuine, (is) => Math.fround(random.normal() + 1.5 * is));
  const trials: CrossedTrials = { genuine, axes: Array.from({ length: axes }, () => axis) };
  return { trials, scores };
}

describe("crossedFigures", () => {
  const { trials, scores } = trialsOf(40, 1, 1);

  it("gives the EER and the TAR that the rest of the room gives, and on one axis its intervals", () => {
    const subjects = Int32Array.from({ length: 80 }, (_, i) => i >> 1);
    const pairs: [number, number][] = [];
    for (let i = 0; i < 80; i++) for (let j = i + 1; j < 80; j++) pairs.push([i, j]);
    const design = listedPairs(subjects, {
      a: Uint32Array.from(pairs, ([i]) => i),
      b: Uint32Array.from(pairs, ([, j]) => j),
      genuine: trials.genuine,
    });
    const all = scoresFor(design, {
      genuine: Float32Array.from(scores.filter((_, k) => trials.genuine[k] === 1)),
      impostor: Float32Array.from(scores.filter((_, k) => trials.genuine[k] === 0)),
    });
    const options = { replicates: 400, seed: 3 };
    const { systems } = crossedFigures(trials, { one: scores }, { ...options, fars: [0.1], reference: "one" });
    const [point] = bootstrapPoints(all, [0.1], options);
    const own = systems.get("one");
    expect(own?.eer.value).toBe(equalErrorRate(rankScores(all)).raw.rate);
    if (point?.kind !== "bootstrapped-point") throw new Error("no point");
    expect(own?.tar[0]?.value).toBeCloseTo(point.point.tar, 12);
    // The same draws of the same people: the same interval.
    expect(own?.tar[0]?.interval.low).toBeCloseTo(point.tarRefitted.low, 12);
    expect(own?.tar[0]?.interval.high).toBeCloseTo(point.tarRefitted.high, 12);
  });

  it("counts a drawn person once on each axis that they are on", () => {
    const width = (axes: number): number => {
      const { systems } = crossedFigures(
        trialsOf(40, 1, axes).trials,
        { one: scores },
        { fars: [], reference: "one", replicates: 300 },
      );
      const { low, high } = systems.get("one")?.eer.interval ?? { low: 0, high: 0 };
      return high - low;
    };
    // Two axes drawn independently make for more doubt than one.
    expect(width(2)).toBeGreaterThan(1.15 * width(1));
  });

  it("covers the truth about as often as it says", () => {
    // The EER of two unit Gaussians 1.5 apart is Phi(-0.75).
    const truth = 0.22663;
    let covered = 0;
    for (let seed = 0; seed < 40; seed++) {
      const { trials: own, scores: values } = trialsOf(25, 100 + seed, 1);
      const { systems } = crossedFigures(own, { one: values }, { fars: [], reference: "one", replicates: 200, seed });
      const { low, high } = systems.get("one")?.eer.interval ?? { low: 0, high: 0 };
      if (low <= truth && truth <= high) covered++;
    }
    expect(covered).toBeGreaterThanOrEqual(34);
  });

  it("holds systems against each other in the same resamples", () => {
    const shifted = scores.map((score) => 3 * score - 7);
    const better = scores.map((score, k) => score + (trials.genuine[k] === 1 ? 1 : 0));
    const { differences } = crossedFigures(
      trials,
      { one: scores, shifted, better },
      { fars: [0.05], reference: "one", replicates: 200 },
    );
    // The same order of comparisons is the same system.
    expect(differences.get("shifted")?.eer).toMatchObject({ value: 0, interval: { low: 0, high: 0 } });
    expect(differences.get("better")?.eer.interval.high).toBeLessThan(0);
    expect(differences.get("better")?.tar[0]?.interval.low).toBeGreaterThan(0);
    expect(differences.has("one")).toBe(false);
  });

  it("rejects all ties of a score that the FAR does not permit", () => {
    const tied: CrossedTrials = {
      genuine: Uint8Array.of(1, 1, 0, 0),
      axes: [{ people: 4, a: Int32Array.of(0, 1, 0, 2), b: Int32Array.of(0, 1, 1, 3) }],
    };
    const { systems } = crossedFigures(
      tied,
      { one: Float64Array.of(2, 1, 1, 0) },
      { fars: [0, 0.5], reference: "one", replicates: 5 },
    );
    expect(systems.get("one")?.tar.map((t) => t.value)).toEqual([0.5, 1]);
  });

  it("refuses one class, lists that do not fit, scores that are none", () => {
    const run = (systems: Record<string, Float64Array>, of = trials): unknown =>
      crossedFigures(of, systems, { fars: [], reference: "one" });
    expect(() => run({ two: scores })).toThrow(/no such system/);
    expect(() => run({ one: scores.slice(1) })).toThrow(/SCORES|scores of one/);
    expect(() => run({ one: scores.map(() => Number.NaN) })).toThrow(/not finite/);
    expect(() => run({ one: scores }, { ...trials, genuine: trials.genuine.map(() => 1) })).toThrow(/both classes/);
    expect(() =>
      run(
        { one: scores },
        {
          ...trials,
          axes: [{ ...(trials.axes[0] as never as { people: number; a: Int32Array }), b: new Int32Array(scores.length) }],
        },
      ),
    ).toThrow(/two people/);
  });
});
