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
  readonly scheme?: Candidate["scheme"];
  readonly searched?: Candidate["searched"];
  readonly fusion?: Candidate["fusion"];
  readonly device?: Candidate["device"];
  /** Half width of the interval of the TAR difference. */
  readonly doubt?: number;
}

const BASE_TAR = 0.98;

function candidate({ id, ms, size, tar, gate = true, baseline = false, untold = false, spread = 1, ...more }: Facts): Candidate {
  const { scheme = "float32", searched, fusion, device, doubt = 0.01 } = more;
  const estimate = (value: number) => ({ value, low: value - doubt, high: value + doubt, confidence: 0.95, method: "m" });
  return {
    id,
    says: id.toUpperCase(),
    scheme,
    ...(searched === undefined ? {} : { searched }),
    ...(fusion === undefined ? {} : { fusion }),
    ...(device === undefined ? {} : { device }),
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

describe("the pick after a search", () => {
  const plain = candidate({ id: "plain", ms: 5, size: 1.2e6, tar: 0.979, scheme: "static-int8", searched: "plain" });
  const found = candidate({ id: "found", ms: 5.05, size: 1.21e6, tar: 0.978, scheme: "static-int8", searched: 0 });

  test("prefers what the search found where speed, size and the loss that people can show are the same", () => {
    const pick = pickCandidate([fp32, plain, found], { far: FAR, maxDrop: 0.01 });
    expect(pick.id).toBe("found");
    expect(pick.passedOver.find((p) => p.id === "plain")?.why).toContain("the search found a plan that loses less");
  });

  test("heeds the whole interval of the loss: a slightly slower variant that is surely within the budget comes first", () => {
    const unsure = candidate({ id: "unsure", ms: 5, size: 1.2e6, tar: 0.976, scheme: "static-int8", searched: 0 });
    const sure = candidate({ id: "sure", ms: 5.8, size: 1.3e6, tar: 0.979, scheme: "static-int8", searched: 1, doubt: 0.002 });
    const pick = pickCandidate([fp32, unsure, sure], { far: FAR, maxDrop: 0.005 });
    expect(pick.id).toBe("sure");
    expect(pick.why[0]).toContain("the whole interval of its loss lies within the budget");
    const slow = candidate({ id: "slow", ms: 6.5, size: 1.3e6, tar: 0.979, scheme: "static-int8", searched: 1, doubt: 0.002 });
    const other = pickCandidate([fp32, unsure, slow], { far: FAR, maxDrop: 0.005 });
    expect(other.id).toBe("unsure");
    expect(other.why.at(-1)).toContain("The interval reaches beyond the budget");
  });

  test("says that integers would be slower, how much, and for want of which kernel", () => {
    const islands = Array.from({ length: 3 }, (_, i) => ({ node: `p${i}`, op: "PRelu", why: "no kernel" }));
    const fusion = { integer: [], transposes: 0, quantizeNodes: 0, islands: [...islands, { node: "t", op: "Tanh", why: "" }] };
    const slow = candidate({ id: "slow", ms: 24, size: 1e6, tar: 0.98, scheme: "static-int8", fusion });
    const pick = pickCandidate([fp32, slow], { far: FAR });
    expect(pick.why).toContain(
      "Computing in INT8 would be 2.4x slower here because PRelu (3 of them) has no integer kernel; picked FP32",
    );
    const delegation = {
      delegated: 1,
      total: 4,
      runtime: "r",
      fallback: [
        { op: "RESHAPE", count: 9 },
        { op: "PRELU", count: 2 },
      ],
    };
    const lite = candidate({
      id: "lite",
      ms: 20,
      size: 1e6,
      tar: 0.98,
      scheme: "static-int8",
      fusion: { ...fusion, delegation },
    });
    expect(pickCandidate([fp32, lite], { far: FAR }).why.join()).toContain("2.0x slower here because PRELU (2 of them)");
    expect(pickCandidate([fp32, int8], { far: FAR }).why.join()).not.toContain("slower");
  });

  test("by instructions where candidates are for a microcontroller, whatever their times here", () => {
    const device = (instructions: number) => ({ basis: "estimate", flashBytes: 1000, ramBytes: 500, instructions }) as const;
    const { id, why, passedOver } = pickCandidate(
      [
        candidate({ id: "base", ms: 10, size: 100, tar: BASE_TAR, baseline: true, gate: false }),
        candidate({ id: "quick-here", ms: 1, size: 50, tar: BASE_TAR, device: device(2_000_000) }),
        candidate({ id: "few", ms: 5, size: 50, tar: BASE_TAR, device: device(1_000_000) }),
      ],
      { far: FAR },
    );
    expect(id).toBe("few");
    expect(why[0]).toContain("about 1,000,000 instructions a sample, about 1.0 kB of flash, 500 B of memory");
    expect(passedOver.find((p) => p.id === "quick-here")?.why).toBe("it takes 2.00 times the instructions");
  });
});
