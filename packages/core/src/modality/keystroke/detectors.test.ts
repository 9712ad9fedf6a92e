import { describe, expect, it } from "vitest";
import { type Matrix, matrix } from "../../base/matrix.ts";
import { seededRandom } from "../../base/random.ts";
import { DETECTOR_IDS, DETECTORS, type DetectorId, scoreSample, trainDetector } from "./detectors.ts";
import { rowOf, stackRows } from "./samples.ts";

const FEATURES = 6;
const ROWS = 24;
const CENTRE = Float64Array.of(0.11, 0.24, 0.13, 0.31, 0.09, 0.52);

/** Somebody's typing: times around a centre, correlated, so that no covariance is diagonal. */
function typed(seed: number, rows = ROWS): Matrix {
  const random = seededRandom(seed);
  return stackRows(
    Array.from({ length: rows }, () => {
      const common = random.normal();
      return Float64Array.from(CENTRE, (c) => c * (1 + 0.12 * random.normal() + 0.08 * common));
    }),
  );
}

function mapped(samples: Matrix, f: (value: number, column: number) => number): Matrix {
  return matrix(
    samples.rows,
    samples.cols,
    samples.data.map((v, i) => f(v, i % samples.cols)),
  );
}

/** Units of features. The rank of a covariance is judged by its largest eigenvalue: units a factor of a thousand apart would decide what counts as noise. */
const UNITS = [1, 20, 0.3, 7, 3, 0.5];

const probes = typed(99, 40);
const strangers = mapped(typed(98, 40), (v, k) => v * (1 + 0.15 * ((k % 3) - 1)));

function scores(kind: DetectorId, samples: Matrix, of: Matrix): Float64Array {
  const detector = trainDetector(kind, samples);
  return Float64Array.from({ length: of.rows }, (_, i) => scoreSample(detector, rowOf(of, i)));
}

/** Whether two lists rank alike: no pair that is clearly apart in one stands the other way round in the other. */
function ranksAlike(a: Float64Array, b: Float64Array): boolean {
  const spreadOf = (list: Float64Array): number => Math.max(...list) - Math.min(...list) || 1;
  const [wide, wideB] = [spreadOf(a), spreadOf(b)];
  for (let i = 0; i < a.length; i++)
    for (let j = 0; j < i; j++) {
      const x = ((a[i] as number) - (a[j] as number)) / wide;
      const y = ((b[i] as number) - (b[j] as number)) / wideB;
      if (Math.abs(x) > 1e-6 && Math.abs(y) > 1e-6 && x * y < 0) return false;
      if (Math.abs(x) > 1e-3 !== Math.abs(y) > 1e-3 && Math.abs(Math.abs(x) - Math.abs(y)) > 1e-3) return false;
    }
  return true;
}

describe.each(DETECTOR_IDS)("%s", (kind) => {
  const row = DETECTORS[kind];

  it("gives finite scores, the same ones each time, and keeps the samples as they are", () => {
    const samples = typed(1);
    const before = samples.data.slice();
    const once = scores(kind, samples, strangers);
    expect(once.every(Number.isFinite)).toBe(true);
    expect(scores(kind, samples, strangers)).toEqual(once);
    expect(samples.data).toEqual(before);
  });

  it("finds the person's own later samples less anomalous on average than those of somebody who types far more slowly", () => {
    const slow = mapped(typed(3, 40), (v) => 4 * v);
    const mean = (list: Float64Array): number => list.reduce((sum, s) => sum + s, 0) / list.length;
    const samples = typed(1);
    const [genuine, impostor] = [mean(scores(kind, samples, probes)), mean(scores(kind, samples, slow))];
    // The standard network is taught nothing but "yes": by the published table it does worse than chance, and nothing is promised of it.
    if (kind === "network-standard") expect(genuine).not.toBe(impostor);
    else expect(genuine).toBeLessThan(impostor);
  });

  it(
    row.orderFree
      ? "does not care in which order the samples were typed"
      : "is told apart by the order of the samples, as its row says",
    () => {
      const samples = typed(2);
      const turned = stackRows(Array.from({ length: ROWS }, (_, i) => rowOf(samples, (i * 7 + 3) % ROWS)));
      const [a, b] = [scores(kind, samples, probes), scores(kind, turned, probes)];
      const worst = Math.max(...a.map((s, i) => Math.abs(s - (b[i] as number)) / Math.max(1e-9, Math.abs(s))));
      if (row.orderFree) expect(worst).toBeLessThan(1e-5);
      else expect(Number.isFinite(worst)).toBe(true);
    },
  );

  it("stands a feature that never varied and a person who is a robot", () => {
    const still = mapped(typed(5), (v, k) => (k === 2 ? 0.13 : v));
    expect(scores(kind, still, strangers).every(Number.isFinite)).toBe(true);
    const robot = stackRows(Array.from({ length: 8 }, () => CENTRE));
    expect(scores(kind, robot, strangers).every(Number.isFinite)).toBe(true);
  });

  it("refuses a single sample, a number that is none, and a probe of another length", () => {
    expect(() => trainDetector(kind, typed(1, 1))).toThrow(expect.objectContaining({ code: "INSUFFICIENT_DATA" }));
    const broken = typed(1);
    broken.data[2 * FEATURES + 1] = Number.NaN;
    expect(() => trainDetector(kind, broken)).toThrow(/feature 1 of sample 2 is NaN/);
    const detector = trainDetector(kind, typed(1, 8));
    expect(() => scoreSample(detector, [1, 2])).toThrow(expect.objectContaining({ code: "SHAPE_MISMATCH" }));
  });
});

const scaled = (m: Matrix): Matrix => mapped(m, (v, k) => v * (UNITS[k] as number));
const invariantTo = (...kinds: readonly string[]): readonly DetectorId[] =>
  DETECTOR_IDS.filter((kind) => kinds.includes(DETECTORS[kind].invariance));

describe("units", () => {
  it.each(invariantTo("each feature", "all features"))("%s ranks alike when all times are in milliseconds", (kind) => {
    const milli = (m: Matrix): Matrix => mapped(m, (v) => 1000 * v);
    expect(ranksAlike(scores(kind, typed(4), strangers), scores(kind, milli(typed(4)), milli(strangers)))).toBe(true);
  });

  it.each(invariantTo("each feature"))("%s ranks alike when each feature has a unit of its own", (kind) => {
    expect(ranksAlike(scores(kind, typed(4), strangers), scores(kind, scaled(typed(4)), scaled(strangers)))).toBe(true);
  });

  it.each(invariantTo("all features"))("%s ranks otherwise when each feature has a unit of its own", (kind) => {
    expect(ranksAlike(scores(kind, typed(4), strangers), scores(kind, scaled(typed(4)), scaled(strangers)))).toBe(false);
  });
});

/** Four samples whose means, deviations and covariance are round. */
const SMALL = stackRows([
  [1, 4],
  [3, 4],
  [1, 8],
  [3, 8],
]);

describe("by hand", () => {
  // Means 2 and 6; mean absolute deviations 1 and 2; variances 4/3 and 16/3; no covariance.
  const at = (kind: DetectorId, x: readonly number[]): number => scoreSample(trainDetector(kind, SMALL), x);

  it.each([
    ["euclidean", [3, 8], 1 + 4],
    ["euclidean-normed", [6, 8], (16 + 4) / (10 * Math.sqrt(40))],
    ["manhattan", [3, 9], 1 + 3],
    ["manhattan-scaled", [4, 9], 2 + 1.5],
    ["mahalanobis", [4, 10], 4 / (4 / 3) + 16 / (16 / 3)],
    ["mahalanobis-normed", [6, 8], (16 / (4 / 3) + 4 / (16 / 3)) / (10 * Math.sqrt(40))],
    ["nearest-neighbour", [5, 8], Math.sqrt(4 / (4 / 3))],
    ["outlier-count", [2, 6], 0],
    ["outlier-count", [2 + 1.97 * Math.sqrt(4 / 3), 6 - 1.95 * Math.sqrt(16 / 3)], 1],
    ["outlier-count", [2 - 1.97 * Math.sqrt(4 / 3), 6 + 1.97 * Math.sqrt(16 / 3)], 2],
  ] as const)("%s of %j is %d", (kind, x, expected) => {
    expect(at(kind, x)).toBeCloseTo(expected, 10);
  });

  it("filters only times far above the mean, feature by feature", () => {
    // Twenty times 1 and one 22: mean 2, standard deviation sqrt(441 * 20 / 21 / 20) = 4.58, so that 22 lies above 15.7 and goes. The other feature has its
    // outlier below: it stays, and the mean is 0.
    const samples = stackRows([...Array.from({ length: 20 }, () => [1, 1]), [22, -20]]);
    const detector = trainDetector("manhattan-filtered", samples);
    expect(scoreSample(detector, [1, 0])).toBeCloseTo(0, 12);
    expect(scoreSample(trainDetector("manhattan", samples), [2, 0])).toBeCloseTo(0, 12);
  });

  it("takes no account of directions in which the person never varied, as a pseudo-inverse does", () => {
    const line = stackRows([
      [0, 0],
      [1, 1],
      [2, 2],
    ]);
    const detector = trainDetector("mahalanobis", line);
    // Along the line the variance is 2; across it there is none.
    expect(scoreSample(detector, [2, 2])).toBeCloseTo(1, 10);
    expect(scoreSample(detector, [0, 2])).toBeCloseTo(0, 10);
  });

  it("counts memberships of fuzzy sets", () => {
    // All training times are 1/8 s: "fast". 1/4 s belongs to "moderate" only, and half way between on the logarithm half to each.
    const samples = stackRows(Array.from({ length: 3 }, () => [0.125, 0.125]));
    const detector = trainDetector("fuzzy-logic", samples);
    expect(scoreSample(detector, [0.125, 0.25])).toBeCloseTo(0.5, 12);
    expect(scoreSample(detector, [0.125, 0.125 * Math.SQRT2])).toBeCloseTo(0.25, 12);
    expect(scoreSample(detector, [-0.2, 5])).toBeCloseTo(1, 12);
  });

  it("finds three clusters that are there", () => {
    const around = (x: number, y: number) =>
      [
        [-1, 0],
        [1, 0],
        [0, -1],
        [0, 1],
      ].map(([dx, dy]) => [x + 0.01 * (dx as number), y + 0.01 * (dy as number)]);
    const detector = trainDetector("k-means", stackRows([...around(0, 0), ...around(5, 0), ...around(0, 5)]));
    for (const centre of [
      [0, 0],
      [5, 0],
      [0, 5],
    ])
      expect(scoreSample(detector, centre)).toBeCloseTo(0, 10);
    expect(scoreSample(detector, [5, 5])).toBeCloseTo(5, 10);
  });

  it("teaches the auto-associative network towards what it is shown, and the standard one towards 1", () => {
    const samples = typed(7);
    const auto = trainDetector("network-auto", samples);
    const untaught = trainDetector("network-auto", stackRows([new Float64Array(FEATURES), new Float64Array(FEATURES)]));
    const mean = Float64Array.from({ length: FEATURES }, (_, k) => {
      let sum = 0;
      for (let i = 0; i < ROWS; i++) sum += samples.data[i * FEATURES + k] as number;
      return sum / ROWS;
    });
    expect(scoreSample(auto, mean)).toBeLessThan(scoreSample(untaught, mean));
    const standard = trainDetector("network-standard", samples);
    const untaughtStandard = trainDetector("network-standard", samples, { seed: 3 });
    expect(scoreSample(standard, mean)).toBeLessThan(0.5);
    expect(scoreSample(standard, mean)).not.toBe(scoreSample(untaughtStandard, mean));
  });
});
