import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTesseraError } from "../base/error.ts";
import { seededRandom } from "../base/random.ts";
import { applyFusion, type FusionModel, parseFusion, printFusion } from "./fusion.ts";
import { type FusionTrials, fitFusion } from "./fusion-fit.ts";

const METHODS = ["sum", "logistic", "likelihood-ratio"] as const;

/** Two modalities whose scores are Gaussian; face d' 4, voice d' 2, noisier where the quality is low. */
function trialsOf(count: number, seed: number, options: { readonly qualities?: boolean } = {}): FusionTrials {
  const random = seededRandom(seed);
  const genuine = Uint8Array.from({ length: count }, (_, i) => (i % 5 === 0 ? 1 : 0));
  const column = (apart: number, noisy: boolean) => {
    const qualities = Float64Array.from(genuine, () => random.next());
    const scores = Float64Array.from(genuine, (is, i) => {
      const strength = noisy && options.qualities === true ? (qualities[i] as number) : 1;
      return is * apart * strength + random.normal();
    });
    return options.qualities === true ? { scores, qualities } : { scores };
  };
  return { genuine, modalities: { face: column(4, true), voice: column(2, false) } };
}

/** Share of trials on the wrong side of 0, averaged over the classes. */
function errorOf(model: FusionModel, { genuine, modalities }: FusionTrials, names: readonly string[]): number {
  let [missed, matched, mates] = [0, 0, 0];
  genuine.forEach((is, i) => {
    const scores = Object.fromEntries(
      names.map((name) => {
        const column = modalities[name];
        const quality = column?.qualities?.[i];
        return [name, { score: column?.scores[i] as number, ...(quality === undefined ? {} : { quality }) }];
      }),
    );
    const llr = applyFusion(model, scores) as number;
    mates += is;
    if (is === 1 && llr < 0) missed++;
    if (is === 0 && llr >= 0) matched++;
  });
  return (missed / mates + matched / (genuine.length - mates)) / 2;
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isTesseraError(error)) return error.code;
    throw error;
  }
  return "none";
}

describe("fitFusion", () => {
  for (const method of METHODS)
    it(`errs less with both than with either alone, on people it has not seen (${method})`, () => {
      const model = fitFusion(trialsOf(3000, 1), { method });
      const test = trialsOf(20_000, 2);
      const both = errorOf(model, test, ["face", "voice"]);
      // Gaussians of unit width: the least error is Phi(-d'/2), with d'^2 = 4^2 + 2^2 for both.
      expect(errorOf(model, test, ["face"])).toBeCloseTo(0.0228, 1.6);
      expect(errorOf(model, test, ["voice"])).toBeCloseTo(0.1587, 1.6);
      // The plain sum weighs the modalities alike, which costs something.
      expect(both).toBeLessThan(method === "sum" ? 0.024 : 0.0165);
    });

  for (const method of ["logistic", "likelihood-ratio"] as const)
    it(`gives the true log-likelihood ratio of Gaussians (${method})`, () => {
      const model = fitFusion(trialsOf(40_000, 3), { method, density: "gaussian", ridge: 1e-9 });
      for (const [face, voice] of [
        [2, 1],
        [3, 1.5],
        [1, 1],
      ] as const) {
        // log N(f; 4) / N(f; 0) + log N(v; 2) / N(v; 0).
        const truth = 4 * face - 8 + 2 * voice - 2;
        expect(Math.abs((applyFusion(model, { face: { score: face }, voice: { score: voice } }) as number) - truth)).toBeLessThan(
          0.35,
        );
      }
    });

  for (const method of METHODS)
    it(`errs less when it is told the quality than when it is not (${method})`, () => {
      const trials = trialsOf(8000, 4, { qualities: true });
      const test = trialsOf(20_000, 5, { qualities: true });
      const plain = (from: FusionTrials): FusionTrials => ({
        genuine: from.genuine,
        modalities: Object.fromEntries(Object.entries(from.modalities).map(([name, { scores }]) => [name, { scores }])),
      });
      const told = errorOf(fitFusion(trials, { method }), test, ["face", "voice"]);
      const untold = errorOf(fitFusion(plain(trials), { method }), plain(test), ["face", "voice"]);
      expect(told).toBeLessThan(untold);
    });

  for (const method of METHODS)
    it(`never lets a higher score lower the answer (${method})`, () => {
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 1e6 }),
          fc.boolean(),
          fc.double({ min: 0, max: 1, noNaN: true }),
          (seed, qualities, quality) => {
            const model = fitFusion(trialsOf(150, seed, { qualities }), { method });
            let before = Number.NEGATIVE_INFINITY;
            for (let face = -12; face <= 12; face += 0.5) {
              const llr = applyFusion(model, {
                face: { score: face, quality },
                voice: { score: 0.3, quality: 1 - quality },
              }) as number;
              expect(llr).toBeGreaterThanOrEqual(before - 1e-9);
              before = llr;
            }
          },
        ),
        { numRuns: 25, seed: 7 },
      );
    });

  it("gives a modality that counts backwards no weight", () => {
    const { genuine, modalities } = trialsOf(2000, 6);
    const worse = {
      face: modalities["face"] as never,
      voice: { scores: (modalities["voice"] as { scores: Float64Array }).scores.map((s) => -s) },
    };
    const model = fitFusion({ genuine, modalities: worse });
    const both = model.rules.find((rule) => rule.modalities.length === 2);
    expect(both?.weights[1]).toBe(0);
    expect(both?.weights[0]).toBeGreaterThan(1);
  });

  it("fits a rule of its own for every set, on the trials that have it", () => {
    const { genuine, modalities } = trialsOf(3000, 8);
    const holes = {
      face: { scores: (modalities["face"] as { scores: Float64Array }).scores.map((s, i) => (i % 3 === 0 ? Number.NaN : s)) },
      voice: modalities["voice"] as never,
    };
    const model = fitFusion({ genuine, modalities: holes });
    expect(model.rules.map((rule) => rule.modalities.join("+"))).toEqual(["face", "voice", "face+voice"]);
    const full = fitFusion({ genuine, modalities });
    // The voice rule has seen the same trials in both; the others have seen fewer.
    expect(model.rules[1]).toEqual(full.rules[1]);
    expect(model.rules[0]).not.toEqual(full.rules[0]);
  });

  it("answers only for the sets that were allowed", () => {
    const model = fitFusion(trialsOf(500, 9), { subsets: [["voice", "face"], ["face"]] });
    expect(model.rules.map((rule) => rule.modalities)).toEqual([["face", "voice"], ["face"]]);
    expect(applyFusion(model, { voice: { score: 100 } })).toBeUndefined();
    expect(applyFusion(model, {})).toBeUndefined();
    expect(applyFusion(model, { face: { score: 1 } })).toBeTypeOf("number");
  });

  it("refuses what it cannot fit", () => {
    const { genuine, modalities } = trialsOf(50, 10);
    const face = modalities["face"] as { scores: Float64Array };
    const refused = (given: FusionTrials, options = {}): string => refusal(() => fitFusion(given, options));
    expect(refused({ genuine, modalities: {} })).toBe("SCORES_INVALID");
    expect(refused({ genuine, modalities: { Face: face } })).toBe("SCORES_INVALID");
    expect(refused({ genuine: genuine.slice(1), modalities: { face } })).toBe("SCORES_INVALID");
    expect(refused({ genuine: genuine.fill(1), modalities: { face } })).toBe("SCORES_INVALID");
    expect(refused(trialsOf(50, 10), { subsets: [["gait"]] })).toBe("SCORES_INVALID");
    expect(refused({ genuine, modalities: { face: { ...face, qualities: face.scores } } })).toBe("SCORES_INVALID");
  });
});

describe("applyFusion", () => {
  it("is bounded: no score decides without limit, not even with no spread at all in the fit", () => {
    const genuine = Uint8Array.of(1, 1, 1, 0, 0, 0, 0);
    const scores = Float64Array.of(1, 1, 1, 0, 0, 0, 0);
    for (const density of ["gaussian", "kde"] as const) {
      const model = fitFusion({ genuine, modalities: { face: { scores } } }, { method: "likelihood-ratio", density });
      for (const score of [-1e300, 0, 1, 1e300]) {
        const llr = applyFusion(model, { face: { score } }) as number;
        // n trials without an exception, and a nat for keeping the order.
        expect(llr).toBeGreaterThanOrEqual(-Math.log(4) - 1);
        expect(llr).toBeLessThanOrEqual(Math.log(5) + 1);
      }
      expect(applyFusion(model, { face: { score: 1 } })).toBeGreaterThan(0);
      expect(applyFusion(model, { face: { score: 0 } })).toBeLessThan(0);
    }
    for (const method of METHODS) {
      const model = fitFusion(trialsOf(400, 11), { method });
      const far = applyFusion(model, { face: { score: 1e300 }, voice: { score: -1e300 } });
      expect(Number.isFinite(far)).toBe(true);
    }
  });

  it("holds a score within one width of those seen in the fit", () => {
    for (const method of METHODS) {
      const model = fitFusion(trialsOf(400, 21), { method });
      const { low, high } = (model.modalities[0] as { scores: { low: number; high: number } }).scores;
      const ask = (face: number): unknown => applyFusion(model, { face: { score: face }, voice: { score: 1 } });
      expect(ask(1e9)).toBe(ask(2 * high - low));
      expect(ask(-1e9)).toBe(ask(2 * low - high));
      if (method !== "likelihood-ratio") expect(ask(1e9)).toBeGreaterThan(ask(high) as number);
    }
  });

  it("mixes densities between two bands of quality", () => {
    const model = fitFusion(trialsOf(4000, 22, { qualities: true }), { method: "likelihood-ratio" });
    if (model.method !== "likelihood-ratio") throw new Error("another method");
    const bands = model.modalities[0]?.curves.curves.map((curve) => curve.quality) as [number, number, number];
    expect(bands).toHaveLength(3);
    const ask = (quality: number): number => applyFusion(model, { face: { score: 1.5, quality } }) as number;
    const [a, b] = [ask(bands[0]), ask(bands[1])];
    expect(a).not.toBeCloseTo(b, 2);
    expect(ask((bands[0] + bands[1]) / 2)).toBeCloseTo((a + b) / 2, 9);
    expect(ask(bands[0] + 0.25 * (bands[1] - bands[0]))).toBeCloseTo(0.75 * a + 0.25 * b, 9);
  });

  it("takes the mean quality for one that is not given, and the nearest seen for one outside", () => {
    const model = fitFusion(trialsOf(3000, 12, { qualities: true }), { method: "logistic" });
    const quality = model.modalities[0]?.quality;
    const ask = (q?: number): unknown => applyFusion(model, { face: { score: 2, ...(q === undefined ? {} : { quality: q }) } });
    expect(ask()).toBe(ask(quality?.mean));
    expect(ask(-5)).toBe(ask(quality?.low));
    expect(ask(1)).not.toBe(ask(0));
  });

  it("refuses what is no score and a modality that it does not know, rather than overlook it", () => {
    const model = fitFusion(trialsOf(400, 13));
    expect(refusal(() => applyFusion(model, { face: { score: Number.NaN } }))).toBe("SCORES_INVALID");
    expect(refusal(() => applyFusion(model, { face: { score: 1, quality: Number.NaN } }))).toBe("SCORES_INVALID");
    expect(refusal(() => applyFusion(model, { faces: { score: 1 } }))).toBe("SCORES_INVALID");
    expect(refusal(() => applyFusion(model, JSON.parse('{"__proto__": {"score": 1}}')))).toBe("SCORES_INVALID");
    expect(applyFusion(model, Object.create({ face: { score: 1 } }))).toBeUndefined();
  });
});

describe("parseFusion", () => {
  for (const method of METHODS)
    it(`reads back what was printed (${method})`, () => {
      const model = fitFusion(trialsOf(600, 14, { qualities: true }), { method });
      expect(parseFusion(printFusion(model))).toEqual(model);
    });

  it("refuses every single change that breaks a rule", () => {
    const good = JSON.parse(printFusion(fitFusion(trialsOf(300, 15), { method: "likelihood-ratio" })));
    const broken = (change: (model: Record<string, unknown> & typeof good) => void): string => {
      const copy = structuredClone(good);
      change(copy);
      return refusal(() => parseFusion(JSON.stringify(copy)));
    };
    expect(broken(() => undefined)).toBe("none");
    const changes: readonly ((m: typeof good) => void)[] = [
      (m) => (m.version = 2),
      (m) => (m.method = "product"),
      (m) => (m.extra = 1),
      (m) => (m.modalities[0].name = "constructor "),
      (m) => (m.modalities[0].name = m.modalities[1].name),
      (m) => (m.modalities[0].scores.low = m.modalities[0].scores.high + 1),
      (m) => (m.modalities[0].curves.high = -1),
      (m) => (m.modalities[0].curves.curves = []),
      (m) => m.modalities[0].curves.curves[0].scores.reverse(),
      (m) => m.modalities[0].curves.curves[0].logRatios.reverse(),
      (m) => m.modalities[0].curves.curves[0].logRatios.pop(),
      (m) => (m.rules = []),
      (m) => m.rules.push(m.rules[0]),
      (m) => m.rules[2].modalities.reverse(),
      (m) => (m.rules[0].modalities = ["gait"]),
      (m) => m.rules[0].weights.push(1),
      (m) => (m.rules[0].intercept = "0"),
      (m) => (m.rules[0].intercept = 1e200),
      (m) => (m.trials.genuine = 1.5),
      (m) => delete m.trials,
    ];
    for (const change of changes) expect([change.toString(), broken(change)]).toEqual([change.toString(), "MALFORMED"]);
    expect(refusal(() => parseFusion(" ".repeat(2 ** 20 + 1)))).toBe("LIMIT_EXCEEDED");
  });

  it("gives a model that answers finitely, or refuses, for any JSON", () => {
    const good = printFusion(fitFusion(trialsOf(300, 16, { qualities: true })));
    const random = seededRandom(17);
    let [refused, answered] = [0, 0];
    for (let i = 0; i < 3000; i++) {
      const bytes = [...good];
      for (let k = 0; k <= random.int(3); k++) {
        const place = random.int(bytes.length);
        const chars = '0123456789-eE.,:"{}[] nul';
        if (random.int(3) === 0) bytes.splice(place, random.int(8));
        else bytes[place] = chars[random.int(chars.length)] as string;
      }
      try {
        const model = parseFusion(bytes.join(""));
        const scores = Object.fromEntries(model.modalities.map((m) => [m.name, { score: 1, quality: 0.5 }]));
        const llr = applyFusion(model, scores);
        expect(llr === undefined || Number.isFinite(llr)).toBe(true);
        answered++;
      } catch (error) {
        if (!isTesseraError(error)) throw error;
        expect(["MALFORMED", "LIMIT_EXCEEDED"]).toContain(error.code);
        refused++;
      }
    }
    // Both ways are really taken.
    expect(Math.min(refused, answered)).toBeGreaterThan(300);
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), (json) => {
        expect(refusal(() => parseFusion(json))).toBe("MALFORMED");
      }),
      { numRuns: 200, seed: 18 },
    );
  });
});
