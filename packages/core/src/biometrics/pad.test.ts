import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bpcerAtApcer, iapar, padAt } from "./pad.ts";

describe("presentation attack detection", () => {
  const scores = {
    bonaFide: Float64Array.of(0.9, 0.8, 0.7, 0.3),
    attacks: new Map([
      ["print", Float64Array.of(0.1, 0.2, 0.1, 0.2)],
      ["replay", Float64Array.of(0.6, 0.1)],
    ]),
  };

  it("reports the worst species, not the mean", () => {
    const point = padAt(scores, 0.5);
    expect(point.apcer).toMatchObject({ species: "replay", rate: 0.5, errors: 1, presentations: 2 });
    expect(point.apcerBySpecies.get("print")?.rate).toBe(0);
    expect(point.bpcer).toMatchObject({ rate: 0.25, errors: 1, presentations: 4 });
    expect(point.legacyAcer).toBe(0.375);
  });

  it("gives exact intervals: none of 42 accepted stays below 7 % one-sided and 8.4 % two-sided", () => {
    const point = padAt({ bonaFide: Float64Array.of(1), attacks: new Map([["mask", new Float64Array(42)]]) }, 0.5);
    expect(point.apcer.upper).toBeLessThan(0.07);
    expect(point.apcer.interval.high).toBeCloseTo(0.084, 3);
  });

  it("names the less certain species when none got in", () => {
    const attacks = new Map([
      ["many", new Float64Array(100)],
      ["few", new Float64Array(10)],
    ]);
    expect(padAt({ bonaFide: Float64Array.of(1), attacks }, 0.5).apcer.species).toBe("few");
  });

  it("finds BPCER at an APCER limit that every species keeps", () => {
    const level = fc
      .array(fc.integer({ min: 0, max: 20 }), { minLength: 30, maxLength: 60 })
      .map((list) => Float64Array.from(list, (v) => v / 20));
    fc.assert(
      fc.property(level, level, level, (bonaFide, a, b) => {
        const point = bpcerAtApcer(
          {
            bonaFide,
            attacks: new Map([
              ["a", a],
              ["b", b],
            ]),
          },
          0.1,
        );
        if (point.kind !== "pad-point") throw new Error(point.says);
        for (const { rate } of point.apcerBySpecies.values()) expect(rate).toBeLessThanOrEqual(0.1);
        // No lower threshold among those that change anything keeps the limit with fewer refusals.
        for (let t = 0; t <= 21; t++) {
          const keeps = [a, b].every((list) => list.filter((s) => s >= t / 20).length <= 0.1 * list.length);
          if (keeps) expect(point.bpcer.rate).toBeLessThanOrEqual(bonaFide.filter((s) => s < t / 20).length / bonaFide.length);
        }
      }),
    );
  });

  it("asks for more attacks where the limit cannot be shown", () => {
    expect(bpcerAtApcer(scores, 0.01)).toMatchObject({ kind: "insufficient-data", species: "print", needsMore: 296 });
    expect(() => bpcerAtApcer(scores, 0)).toThrow(/APCER 0/);
  });

  it("counts silence apart", () => {
    const point = padAt({ ...scores, bonaFideNonResponses: 1, attackNonResponses: new Map([["print", 4]]) }, 0.5);
    expect(point.bpnrr).toMatchObject({ errors: 1, presentations: 5 });
    expect(point.apnrrBySpecies.get("print")).toMatchObject({ rate: 0.5, presentations: 8 });
  });

  it("counts an attack on the system only when both stages accept it", () => {
    const attacks = [
      { species: "print", padPassed: true, matched: false },
      { species: "print", padPassed: false, matched: true },
      { species: "mask", padPassed: true, matched: true },
      { species: "mask", padPassed: false, matched: false },
    ];
    const rates = iapar(attacks, { frr: 0.05 });
    expect(rates.bySpecies.get("print")?.rate).toBe(0);
    expect(rates.worst).toMatchObject({ species: "mask", rate: 0.5 });
    expect(rates.riapar).toBeCloseTo(0.55, 14);
    expect(() => iapar([], { frr: 0 })).toThrow(/no attacks/);
    expect(() => padAt({ bonaFide: Float64Array.of(1), attacks: new Map() }, 0)).toThrow(/no attacks/);
  });
});
