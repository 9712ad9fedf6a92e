import { describe, expect, it } from "vitest";
import { matrix } from "../../base/matrix.ts";
import { seededRandom } from "../../base/random.ts";
import { scoreSample, trainDetector } from "./detectors.ts";
import {
  attemptsOf,
  CMU_PROTOCOL,
  evaluateDetector,
  halfProtocol,
  type KeystrokeProtocol,
  overUsers,
  userRates,
} from "./protocol.ts";
import { type KeystrokeSet, rowOf, stackRows } from "./samples.ts";

const f64 = (...values: readonly number[]): Float64Array => Float64Array.from(values);

function setOf(subjects: readonly (readonly (readonly number[])[])[]): KeystrokeSet {
  const width = subjects[0]?.[0]?.length ?? 0;
  return {
    kind: "keystroke-set",
    name: "made",
    features: Array.from({ length: width }, (_, i) => ({ name: `H.${i}`, kind: "hold" as const })),
    subjects: subjects.map((rows, i) => ({ id: `s${i}`, samples: stackRows(rows) })),
  };
}

describe("the rates of one person", () => {
  it("joins the ROC points by lines: a case counted by hand", () => {
    // Thresholds down from above all: (miss, alarm) = (1, 0), (2/3, 0) at 6, (1/3, 0) at 5, (1/3, 1/4) at 4, (0, 1/4) at 3.5.
    // The line from (1/3, 1/4) to (0, 1/4) meets miss = alarm at 1/4; no impostor is missed first at 3.5.
    const rates = userRates({ genuine: f64(1, 2, 3, 4), impostor: f64(5, 3.5, 6) });
    expect(rates.eer).toBeCloseTo(1 / 4, 14);
    expect(rates.zeroMissFalseAlarm).toBe(1 / 4);
  });

  it("goes along the slant where genuine and impostor scores tie", () => {
    // (1, 0), then everything at once: (0, 1). The line crosses in the middle.
    expect(userRates({ genuine: f64(2, 2), impostor: f64(2, 2, 2) })).toEqual({ eer: 0.5, zeroMissFalseAlarm: 1 });
    // (1, 0), (1/2, 0) at 3, (0, 1/2) at 2: crossing at 1/4.
    expect(userRates({ genuine: f64(1, 2), impostor: f64(2, 3) }).eer).toBeCloseTo(1 / 4, 14);
  });

  it("is 0 for separated scores and 1 for swapped ones", () => {
    expect(userRates({ genuine: f64(1, 2), impostor: f64(3, 4) })).toEqual({ eer: 0, zeroMissFalseAlarm: 0 });
    expect(userRates({ genuine: f64(3, 4), impostor: f64(1, 2) })).toEqual({ eer: 1, zeroMissFalseAlarm: 1 });
  });

  it("refuses empty lists and scores that are no numbers", () => {
    expect(() => userRates({ genuine: f64(), impostor: f64(1) })).toThrow(expect.objectContaining({ code: "SCORES_INVALID" }));
    expect(() => userRates({ genuine: f64(1), impostor: f64(Number.NaN) })).toThrow(/number 0 is NaN/);
  });
});

describe("the protocol", () => {
  it("is counted out by hand for Manhattan (scaled) on two people with two features", () => {
    const set = setOf([
      [
        [0.1, 0.2],
        [0.3, 0.6],
        [0.25, 0.3],
        [0.9, 0.4],
      ],
      [
        [0.7, 0.5],
        [0.8, 0.4],
        [0.7, 0.4],
        [0.6, 0.6],
      ],
    ]);
    // Person 0 learns from rows 0 and 1: means 0.2 and 0.4, mean absolute deviations 0.1 and 0.2. Genuine rows 2 and 3 score 0.5 + 0.5 and 7 + 0; the
    // impostor row (0.7, 0.5) scores 5 + 0.5. ROC: (1, 0), (1, 1/2) at 7, then (0, 1/2) at 5.5: the line between the two crosses at 1/2.
    // Person 1: means 0.75 and 0.45, deviations 0.05 and 0.05. Genuine: 1 + 1 and 3 + 3; impostor (0.1, 0.2): 13 + 5. Separated.
    const { users, eer, zeroMissFalseAlarm } = evaluateDetector(set, "manhattan-scaled", {
      protocol: { train: 2, impostors: 1 },
    });
    expect(users.map((u) => [u.subject, u.genuine, u.impostor])).toEqual([
      ["s0", 2, 1],
      ["s1", 2, 1],
    ]);
    expect(users[0]?.eer).toBeCloseTo(0.5, 12);
    expect(users[1]?.eer).toBe(0);
    expect(eer.mean).toBeCloseTo(0.25, 12);
    // (0.5, 0): deviation sqrt(2 * 0.25² / 1).
    expect(eer.sd).toBeCloseTo(Math.sqrt(0.125), 12);
    expect(zeroMissFalseAlarm.mean).toBeCloseTo(0.25, 12);
  });

  it("learns from the first repetitions, tests on the later ones, and takes impostors from the first of everybody else", () => {
    const numbered = setOf([0, 1, 2].map((s) => Array.from({ length: 7 }, (_, r) => [s * 10 + r])));
    const values = (rows: readonly Float64Array[]): readonly number[] => rows.map((row) => row[0] as number);
    const [first, second] = attemptsOf(numbered, { train: 4, impostors: 2 });
    expect(Array.from({ length: 4 }, (_, i) => rowOf(first?.train ?? matrix(0, 1), i)[0])).toEqual([0, 1, 2, 3]);
    expect(values(first?.genuine ?? [])).toEqual([4, 5, 6]);
    expect(values(first?.impostor ?? [])).toEqual([10, 11, 20, 21]);
    expect(values(second?.impostor ?? [])).toEqual([0, 1, 20, 21]);
  });

  it("halves a set of 51 repetitions and knows the published split", () => {
    const set = setOf([0, 1].map(() => Array.from({ length: 51 }, () => [1])));
    expect(halfProtocol(set)).toEqual({ train: 25, impostors: 5 });
    expect(CMU_PROTOCOL).toEqual({ train: 200, impostors: 5 });
  });

  it("refuses people with too few repetitions and says who", () => {
    const set = setOf([Array.from({ length: 9 }, () => [1]), Array.from({ length: 4 }, () => [1])]);
    expect(() => attemptsOf(set, { train: 4, impostors: 2 })).toThrow(/person s1 has 4 repetitions/);
    expect(() => attemptsOf(setOf([[[1], [2], [3]]]), { train: 2, impostors: 1 })).toThrow(
      expect.objectContaining({ code: "INSUFFICIENT_DATA" }),
    );
  });
});

describe("on data whose equal error rate is known", () => {
  // Two normal features, genuine variance 1, impostor variance k: squared distances are exponential, exp(-t/2) of the genuine and exp(-t/(2k)) of the
  // impostor ones lie above t. With u = exp(-t/(2k)) the rates are equal where u^k = 1 - u.
  it.each([
    { k: 2, eer: (3 - Math.sqrt(5)) / 2 },
    { k: 3, eer: 1 - 0.6823278038280193 },
  ])("Euclidean on normal features of variance 1 and $k comes to $eer", ({ k, eer }) => {
    const n = 40_000;
    const learned = 4_000;
    const random = seededRandom(k);
    const draw = (count: number, scale: number) =>
      Array.from({ length: count }, () => Float64Array.of(scale * random.normal(), scale * random.normal()));
    const detector = trainDetector("euclidean", stackRows(draw(learned, 1)));
    const scores = (scale: number) => Float64Array.from(draw(n, scale), (x) => scoreSample(detector, x));
    const found = userRates({ genuine: scores(1), impostor: scores(Math.sqrt(k)) }).eer;
    expect(Math.abs(found - eer)).toBeLessThan(bound({ eer, genuine: n, impostor: n, learned }));
  });

  it("Manhattan on one Laplace feature of scale 1 and 2 comes to (3 - sqrt 5) / 2", () => {
    // |x| is exponential: exp(-t) of the genuine and exp(-t/2) of the impostor scores lie above t.
    const eer = (3 - Math.sqrt(5)) / 2;
    const n = 40_000;
    const random = seededRandom(5);
    const laplace = (scale: number): number => (random.next() < 0.5 ? -1 : 1) * -scale * Math.log(1 - random.next());
    const draw = (count: number, scale: number) => Array.from({ length: count }, () => Float64Array.of(laplace(scale)));
    const learned = 4_000;
    const detector = trainDetector("manhattan", stackRows(draw(learned, 1)));
    const scores = (scale: number) => Float64Array.from(draw(n, scale), (x) => scoreSample(detector, x));
    const found = userRates({ genuine: scores(1), impostor: scores(2) }).eer;
    expect(Math.abs(found - eer)).toBeLessThan(bound({ eer, genuine: n, impostor: n, learned }));
  });

  it("the whole protocol on people of two kinds comes to what a quadratic says for each kind", () => {
    // Half of the people have variance 1, half 2. One of the first kind meets impostors of which a share w has variance 1:
    // u² = w (1 - u²) + (1 - w)(1 - u) with u = exp(-t/4), and one of the second kind u = w' (1 - u²) + (1 - w')(1 - u).
    const half = 6;
    const protocol: KeystrokeProtocol = { train: 2000, impostors: 1500 };
    const random = seededRandom(11);
    const rows = (scale: number) => Array.from({ length: 4000 }, () => [scale * random.normal(), scale * random.normal()]);
    const set = setOf([...Array.from({ length: half }, () => rows(1)), ...Array.from({ length: half }, () => rows(Math.SQRT2))]);
    const { users } = evaluateDetector(set, "euclidean", { protocol });
    const root = (a: number, b: number, c: number): number => (-b + Math.sqrt(b * b - 4 * a * c)) / (2 * a);
    const alike = (half - 1) / (2 * half - 1);
    const kinds = [
      { people: users.slice(0, half), u: root(1 + alike, 1 - alike, -1), rate: (u: number) => u * u },
      { people: users.slice(half), u: root(1 - alike, 1 + alike, -1), rate: (u: number) => u },
    ];
    for (const { people, u, rate } of kinds) {
      const mean = people.reduce((sum, user) => sum + user.eer, 0) / half;
      // Genuine attempts of six people are independent; the impostors are the same for all, so that they count once.
      // Impostors of half the variance see the learned centre off by twice as much in their unit.
      const limit = bound({
        eer: rate(u),
        genuine: half * 2000,
        impostor: 2 * half * protocol.impostors,
        learned: protocol.train,
      });
      expect(Math.abs(mean - rate(u))).toBeLessThan(limit);
      // The bound says something: the other kind's rate, and that of no skill, lie outside.
      expect(Math.abs(rate(u) - 0.5)).toBeGreaterThan(limit);
    }
  });
});

/**
 * How far an equal error rate may be from the truth. At the true threshold the two shares are off by binomial errors; where the lines cross again the error is
 * a weighted mean of both, at most the larger: five standard deviations of the smaller sample. The learned centre is off by d with E|d|² <= 2/n per unit
 * variance: it shifts an exponential or normal-square score's tail by at most 0.19 |d|² (a non-central chi-square with two degrees of freedom), and |d|² is
 * below 14/n but for one time in a thousand; for the Laplace feature (variance 2, tail off by at most |d|²/2) that is 6 (2/n) at most.
 */
function bound(of: {
  readonly eer: number;
  readonly genuine: number;
  readonly impostor: number;
  readonly learned: number;
}): number {
  return 5 * Math.sqrt((of.eer * (1 - of.eer)) / Math.min(of.genuine, of.impostor)) + 14 / of.learned;
}

describe("means over people", () => {
  it("has an interval that holds the mean and is a point when all agree", () => {
    const spread = overUsers([0.1, 0.2, 0.3, 0.05, 0.15]);
    expect(spread.mean).toBeCloseTo(0.16, 12);
    expect(spread.interval.low).toBeLessThan(spread.mean);
    expect(spread.interval.high).toBeGreaterThan(spread.mean);
    // The standard error by hand is 0.0430: a 95 % interval is about 3.9 of them wide, less the factor sqrt(4/5) of a bootstrap.
    const width = (spread.interval.high - spread.interval.low) / ((3.92 * spread.sd) / Math.sqrt(5));
    expect(width).toBeGreaterThan(0.75);
    expect(width).toBeLessThan(1.05);
    expect(overUsers([0.2, 0.2, 0.2]).interval).toMatchObject({ low: expect.closeTo(0.2, 12), high: expect.closeTo(0.2, 12) });
  });
});
