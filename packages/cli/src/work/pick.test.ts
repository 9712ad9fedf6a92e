import type { Candidate } from "@tessera/core/protocol/report";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Budgets, paretoFront, pickCandidate } from "./pick.ts";

const FAR = 1e-3;

interface Facts {
  readonly id: string;
  readonly ms: number;
  readonly size: number;
  readonly tar: number;
  readonly gate?: boolean;
  readonly baseline?: boolean;
  /** The loss cannot be told. */
  readonly untold?: boolean;
  /** Half width of the timing's interval, as a factor. */
  readonly spread?: number;
}

const BASE_TAR = 0.98;

function candidate({ id, ms, size, tar, gate = true, baseline = false, untold = false, spread = 1 }: Facts): Candidate {
  const estimate = (value: number) => ({ value, low: value - 0.01, high: value + 0.01, confidence: 0.95, method: "m" });
  return {
    id,
    says: id.toUpperCase(),
    scheme: "float32",
    file: `${id}.onnx`,
    sha256: "",
    sizeBytes: size,
    sizeRatio: 1,
    baseline,
    latency: {
      p50Ms: ms,
      p90Ms: ms,
      p99Ms: ms,
      cpuMs: ms,
      loadMs: 1,
      ratioToBaseline: { median: ms / 10, low: ms / (10 * spread), high: (ms * spread) / 10 },
      runs: 1,
      threads: 1,
    },
    accuracy: {
      tarAtFar: [{ kind: "figure", far: FAR, tar: estimate(tar), threshold: 0.3, falseMatches: 0, falseNonMatches: 0 }],
      eer: { raw: 0, convexHull: 0 },
      dPrime: 5,
      scoringMs: 1,
    },
    ...(baseline
      ? {}
      : {
          versus: {
            cosineMean: 1,
            cosineMin: 1,
            tarDifference: untold ? [] : [{ far: FAR, difference: estimate(tar - BASE_TAR) }],
            realisedFar: [],
            flips: [],
            worstScoreShift: 0,
            impostorMeanShift: 0,
          },
        }),
    gates: [{ gate: "collapse", pass: gate, says: gate ? "fine" : "it maps everybody to one point" }],
    curves: { det: [], histogram: { from: 0, to: 1, genuine: [], impostor: [] } },
    notes: [],
  };
}

const fp32 = candidate({ id: "fp32", ms: 10, size: 4e6, tar: BASE_TAR, baseline: true });
const fp16 = candidate({ id: "fp16", ms: 10.1, size: 2e6, tar: BASE_TAR });
const int8 = candidate({ id: "int8", ms: 5, size: 1.2e6, tar: 0.977 });
const rash = candidate({ id: "rash", ms: 4, size: 1e6, tar: 0.94 });
const broken = candidate({ id: "broken", ms: 1, size: 1e5, tar: 0.99, gate: false });

describe("the pick", () => {
  test("is the fastest that passes gates and budgets, and says why each other one is not it", () => {
    const pick = pickCandidate([fp32, fp16, int8, rash, broken], { far: FAR, maxDrop: 0.01 });
    expect(pick.id).toBe("int8");
    expect(pick.why[0]).toContain("INT8 is the fastest variant that passes every gate and loses at most 1.00 % TAR");
    expect(pick.why[1]).toContain("-0.30 %");
    expect(pick.why[2]).toContain("more people are needed");
    expect(Object.fromEntries(pick.passedOver.map((p) => [p.id, p.why]))).toEqual({
      fp32: "it is 2.00 times slower",
      fp16: "it is 2.02 times slower",
      rash: "it loses 4.00 % TAR at FAR 0.001, the budget is 1.00 %",
      broken: "it maps everybody to one point",
    });
  });

  test("at equal speed is the smaller file, then the better TAR", () => {
    expect(pickCandidate([fp32, fp16], { far: FAR }).id).toBe("fp16");
    const same = candidate({ id: "same", ms: 10, size: 2e6, tar: 0.981 });
    expect(pickCandidate([fp16, same], { far: FAR }).id).toBe("same");
  });

  test("is nobody when no candidate passes, with a reason for each", () => {
    const pick = pickCandidate([fp32, int8], { far: FAR, maxLatencyMs: 2 });
    expect(pick.id).toBeUndefined();
    expect(pick.why).toEqual(["No candidate passes the gates and the budgets"]);
    expect(pick.passedOver.map((p) => p.why)).toEqual([
      "it takes 10.0 ms, the budget is 2.00 ms",
      "it takes 5.00 ms, the budget is 2.00 ms",
    ]);
  });

  test("is the smaller one where noisy timing cannot tell which is faster", () => {
    const fast = candidate({ id: "fast", ms: 5, size: 50, tar: BASE_TAR, spread: 1.2 });
    const small = candidate({ id: "small", ms: 5.5, size: 20, tar: BASE_TAR, spread: 1.2 });
    const slow = candidate({ id: "slow", ms: 8, size: 10, tar: BASE_TAR, spread: 1.2 });
    const pick = pickCandidate([fp32, fast, small, slow], { far: FAR });
    expect(pick.id).toBe("small");
    expect(pick.why[0]).toContain("smallest of the 2 fastest variants that pass every gate");
  });

  test("is never one whose loss the data cannot tell", () => {
    const untold = candidate({ id: "untold", ms: 1, size: 1, tar: 0.99, untold: true });
    expect(pickCandidate([fp32, untold], { far: FAR }).id).toBe("fp32");
  });

  const facts = fc.record({
    ms: fc.double({ min: 0.1, max: 20, noNaN: true }),
    size: fc.integer({ min: 1, max: 1e6 }),
    tar: fc.double({ min: 0.5, max: 1, noNaN: true }),
    gate: fc.boolean(),
  });
  const candidates = fc
    .array(facts, { minLength: 1, maxLength: 8 })
    .map((list) => list.map((f, i) => candidate({ ...f, id: `c${i}`, baseline: i === 0 })));
  const optional = (max: number) => fc.option(fc.double({ min: 0, max, noNaN: true }), { nil: undefined });
  const budgets = fc.tuple(optional(0.5), optional(20), optional(1e6)).map(
    ([maxDrop, maxLatencyMs, maxSizeBytes]): Budgets => ({
      far: FAR,
      ...(maxDrop === undefined ? {} : { maxDrop }),
      ...(maxLatencyMs === undefined ? {} : { maxLatencyMs }),
      ...(maxSizeBytes === undefined ? {} : { maxSizeBytes }),
    }),
  );

  function fits(c: Candidate, b: Budgets): boolean {
    const loss = -(c.versus?.tarDifference[0]?.difference.value ?? 0);
    return (
      c.gates.every((g) => g.pass) &&
      loss <= (b.maxDrop ?? Number.POSITIVE_INFINITY) &&
      c.latency.p50Ms <= (b.maxLatencyMs ?? Number.POSITIVE_INFINITY) &&
      c.sizeBytes <= (b.maxSizeBytes ?? Number.POSITIVE_INFINITY)
    );
  }

  test("respects every gate and budget, is nobody only when nobody fits, and nobody who fits is much faster", () => {
    fc.assert(
      fc.property(candidates, budgets, (list, b) => {
        const pick = pickCandidate(list, b);
        const allowed = list.filter((c) => fits(c, b));
        const picked = list.find((c) => c.id === pick.id);
        expect(picked === undefined).toBe(allowed.length === 0);
        if (picked !== undefined) {
          expect(fits(picked, b)).toBe(true);
          for (const c of allowed)
            expect(picked.latency.ratioToBaseline.median).toBeLessThanOrEqual(c.latency.ratioToBaseline.median * 1.03 + 1e-12);
        }
        expect(pick.passedOver.map((p) => p.id)).toEqual(list.filter((c) => c !== picked).map((c) => c.id));
        for (const p of pick.passedOver) expect(p.why).not.toBe("");
      }),
    );
  });

  test("a loss that its interval cannot tell from none does not keep a slow, large variant on the Pareto front", () => {
    const lucky = candidate({ id: "lucky", ms: 9, size: 90, tar: BASE_TAR + 0.002 });
    const good = candidate({ id: "good", ms: 5, size: 50, tar: BASE_TAR - 0.002 });
    const lossy = candidate({ id: "lossy", ms: 2, size: 20, tar: BASE_TAR - 0.05 });
    expect(paretoFront([fp32, lucky, good, lossy], FAR)).toEqual(["good", "lossy"]);
  });

  test("the Pareto front holds the smallest, one about as fast as the fastest and one that loses least, and nobody on it beats another clearly", () => {
    fc.assert(
      fc.property(candidates, (list) => {
        const front = paretoFront(list, FAR);
        const on = list.filter((c) => front.includes(c.id));
        const loss = (c: Candidate): number => {
          const difference = c.versus?.tarDifference[0]?.difference;
          return difference === undefined || (difference.low <= 0 && difference.high >= 0) ? 0 : -difference.value;
        };
        const least = <T>(of: readonly T[], figure: (item: T) => number): number => Math.min(...of.map(figure));
        expect(least(on, (c) => c.sizeBytes)).toBe(least(list, (c) => c.sizeBytes));
        expect(least(on, loss)).toBe(least(list, loss));
        const ratio = (c: Candidate): number => c.latency.ratioToBaseline.median;
        expect(least(on, ratio)).toBeLessThanOrEqual(least(list, ratio) * 1.03 ** list.length);
        for (const a of on)
          for (const b of on) expect(a.sizeBytes < b.sizeBytes && ratio(a) < ratio(b) && loss(a) < loss(b)).toBe(false);
      }),
    );
  });
});
