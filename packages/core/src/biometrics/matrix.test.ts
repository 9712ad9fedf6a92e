import { describe, expect, it } from "vitest";
import { at } from "../base/assert.ts";
import { seededRandom } from "../base/random.ts";
import { bootstrapPoints } from "./bootstrap.ts";
import { compareAll, rankScores } from "./compare.ts";
import { allPairs } from "./design.ts";
import { enrolProbeMatrix } from "./matrix.ts";
import { type OperatingPoint, operatingPoint, pointAtThreshold } from "./rates.ts";
import { type Embeddings, embeddings, normaliseRows } from "./similarity.ts";

const [people, images, dim] = [40, 4, 24];
const subjects = Int32Array.from({ length: people * images }, (_, i) => i % people);

function base(): Float32Array {
  const random = seededRandom(21);
  const centres = Float32Array.from({ length: people * dim }, () => random.normal());
  return Float32Array.from(
    { length: subjects.length * dim },
    (_, k) => (centres[(Math.floor(k / dim) % people) * dim + (k % dim)] ?? 0) + 0.5 * random.normal(),
  );
}

function unit(data: Float32Array): Embeddings {
  return normaliseRows(embeddings(data, dim));
}

/** Unit embeddings of people who are in no test. */
function fitSet(count: number): Embeddings {
  const random = seededRandom(77);
  return unit(Float32Array.from({ length: count * dim }, () => random.normal()));
}

function operatingPointOf(set: Embeddings): OperatingPoint {
  const point = operatingPoint(rankScores(compareAll(set, allPairs(subjects))), 1e-2);
  if (point.kind !== "operating-point") throw new Error("too few");
  return point;
}

describe("enrol x probe matrix", () => {
  const random = seededRandom(5);
  const fp32 = unit(base());
  const int8 = unit(base().map((value) => value + 0.02 * random.normal()));
  // Another embedding space: components turned by one place.
  const other = unit(base().map((_, k, all) => all[k - (k % dim) + ((k + 1) % dim)] ?? 0));
  const models = [
    { name: "fp32", embeddings: fp32 },
    { name: "int8", embeddings: int8 },
    { name: "other", embeddings: other },
  ];
  const matrix = enrolProbeMatrix(models, subjects, { fars: [1e-2, 1e-6], maxDrop: 0.05 });

  it("has the all-pairs figures on its diagonal", () => {
    const point = matrix.cells[0]?.[0]?.points[0];
    if (point?.kind !== "matrix-point") throw new Error("too few");
    expect(point.own).toEqual(operatingPoint(rankScores(compareAll(fp32, allPairs(subjects))), 1e-2));
    expect(point).toMatchObject({ drop: 0, verdict: "templates stay" });
  });

  it("compares both directions between two models", () => {
    const point = matrix.cells[0]?.[1]?.points[0];
    if (point?.kind !== "matrix-point") throw new Error("too few");
    expect(point.own.genuineCount).toBe(people * images * (images - 1));
    expect(point.own.impostorCount).toBe(people * images * (people - 1) * images);
  });

  it("tells models that mix from models that do not", () => {
    expect(matrix.cells[0]?.[1]?.verdict).toBe("templates stay");
    expect(matrix.cells[1]?.[0]?.verdict).toBe("templates stay");
    expect(matrix.cells[0]?.[2]?.verdict).toBe("re-enrol");
  });

  it("wants another threshold where only the scale of the scores moved", () => {
    // A constant component added to both sides raises every score alike.
    const raised = unit(base().map((value, k) => (k % dim === 0 ? 6 : value)));
    const milder = unit(base().map((value, k) => (k % dim === 0 ? 4 : value)));
    const cell = enrolProbeMatrix(
      [
        { name: "mild", embeddings: milder },
        { name: "raised", embeddings: raised },
      ],
      subjects,
      { fars: [1e-2], maxDrop: 0.05 },
    ).cells[0]?.[1];
    expect(cell?.verdict).toBe("re-fit threshold");
  });

  it("measures a mixed cell by the worse of its two models", () => {
    const noise = seededRandom(6);
    const weak = unit(base().map((value) => value + 0.9 * noise.normal()));
    const { cells } = enrolProbeMatrix(
      [
        { name: "fp32", embeddings: fp32 },
        { name: "weak", embeddings: weak },
      ],
      subjects,
      { fars: [1e-2] },
    );
    const [strong, mixed, own] = [cells[0]?.[0], cells[0]?.[1], cells[1]?.[1]].map((cell) => cell?.points[0]);
    if (strong?.kind !== "matrix-point" || mixed?.kind !== "matrix-point" || own?.kind !== "matrix-point")
      throw new Error("too few");
    expect(own.own.tar).toBeLessThan(mixed.own.tar);
    expect(mixed.own.tar).toBeLessThan(strong.own.tar - 0.01);
    expect(mixed.drop).toBe(own.own.tar - mixed.own.tar);
    expect(mixed.verdict).not.toBe("re-enrol");
  });

  it("leaves unanswered what too few comparisons cannot say, and gives intervals on request", () => {
    expect(matrix.cells[0]?.[1]?.points[1]).toMatchObject({ kind: "insufficient-data", far: 1e-6 });
    expect(enrolProbeMatrix(models.slice(0, 1), subjects, { fars: [1e-6] }).cells[0]?.[0]?.verdict).toBe("insufficient data");
    const withIntervals = enrolProbeMatrix(models.slice(0, 1), subjects, { fars: [1e-2], replicates: 50 }).cells[0]?.[0]
      ?.points[0];
    if (withIntervals?.kind !== "matrix-point") throw new Error("too few");
    expect(withIntervals.tarInterval?.low).toBeLessThanOrEqual(withIntervals.own.tar);
    expect(withIntervals.tarInterval?.method).toBe("subject-bootstrap");
  });

  it("maps templates into another space by what was fitted to other people, and says that this suffices", () => {
    // The space of fp32 seen through a turn that no threshold undoes.
    const turned = (set: Embeddings): Embeddings => unit(set.data.map((_, k, all) => all[k - (k % dim) + ((k + 5) % dim)] ?? 0));
    const others = fitSet(60);
    const cells = enrolProbeMatrix(
      [
        { name: "old", embeddings: fp32, fit: others },
        { name: "new", embeddings: turned(fp32), fit: turned(others) },
      ],
      subjects,
      { fars: [1e-2, 1e-6], maxDrop: 0.005, replicates: 40 },
    ).cells;
    const cell = cells[0]?.[1];
    expect(cell?.verdict).toBe("adapter suffices");
    expect(cell?.points[0]).toMatchObject({ verdict: "re-enrol" });
    expect(cell?.adapter).toMatchObject({ suffices: true, adapter: { kind: "orthogonal", from: dim, to: dim } });
    expect(cell?.adapter?.gain?.interval?.low).toBeGreaterThan(0);
    const point = cell?.adapter?.points[0];
    if (point?.kind !== "matrix-point") throw new Error("too few");
    // A perfect turn: what the model reaches on its own.
    expect(point.own.tar).toBeCloseTo(operatingPointOf(fp32).tar, 2);
    expect(point.dropInterval?.low).toBeLessThanOrEqual(point.drop);
    expect(cell?.adapter?.points[1]).toMatchObject({ kind: "insufficient-data" });
    expect(cells[1]?.[0]?.verdict).toBe("adapter suffices");
  });

  it("lets spaces of different dimensions meet through an adapter only, and asks to enrol again where it does not suffice", () => {
    const half = (set: Embeddings): Embeddings =>
      normaliseRows(
        embeddings(
          set.data.filter((_, k) => k % dim < dim / 2),
          dim / 2,
        ),
      );
    const others = fitSet(60);
    const noise = seededRandom(9);
    const spread = (count: number): Embeddings =>
      normaliseRows(
        embeddings(
          Float32Array.from({ length: count * 8 }, () => noise.normal()),
          8,
        ),
      );
    // As good a model of the same people, but nothing in it follows from the other one.
    const centres = spread(people);
    const unrelated = normaliseRows(
      embeddings(
        Float32Array.from({ length: subjects.length * 8 }, (_, k) =>
          at(centres.data, (Math.floor(k / 8) % people) * 8 + (k % 8)),
        ),
        8,
      ),
    );
    const { cells } = enrolProbeMatrix(
      [
        { name: "wide", embeddings: fp32, fit: others },
        { name: "narrow", embeddings: half(fp32), fit: half(others) },
        { name: "unrelated", embeddings: unrelated, fit: spread(60) },
      ],
      subjects,
      { fars: [1e-2], maxDrop: 0.02 },
    );
    expect(cells[0]?.[1]).toMatchObject({ points: [], verdict: "adapter suffices" });
    expect(cells[0]?.[1]?.adapter?.gain).toBeUndefined();
    expect(cells[1]?.[0]?.adapter?.adapter).toMatchObject({ from: dim / 2, to: dim });
    for (const cell of [cells[0]?.[2], cells[2]?.[0]])
      expect(cell).toMatchObject({ points: [], verdict: "re-enrol", adapter: { suffices: false } });
  });

  it("says why there is no adapter", () => {
    const few = fitSet(dim - 1);
    const two = (fit?: Embeddings) => [
      { name: "fp32", embeddings: fp32, ...(fit === undefined ? {} : { fit }) },
      { name: "other", embeddings: other, ...(fit === undefined ? {} : { fit }) },
    ];
    const reason = (fit?: Embeddings) => enrolProbeMatrix(two(fit), subjects, { fars: [1e-2] }).cells[0]?.[1];
    expect(reason()).toMatchObject({ verdict: "re-enrol", noAdapter: expect.stringContaining("no embeddings of other people") });
    expect(reason(few)).toMatchObject({ verdict: "re-enrol", noAdapter: expect.stringContaining(`${dim - 1} samples`) });
  });

  it("fits adapters between all models only when asked to", () => {
    const with_ = [fp32, int8].map((set, i) => ({ name: `${i}`, embeddings: set, fit: i === 0 ? fitSet(60) : fitSet(60) }));
    const cell = (adapters: "needed" | "always") =>
      enrolProbeMatrix(with_, subjects, { fars: [1e-2], maxDrop: 0.05, adapters }).cells[0]?.[1];
    expect(cell("needed")).toMatchObject({ verdict: "templates stay" });
    expect(cell("needed")?.adapter).toBeUndefined();
    expect(cell("always")?.adapter?.tried.map(({ kind }) => kind)).toEqual(["orthogonal", "affine"]);
    expect(cell("always")?.verdict).toBe("templates stay");
  });

  it("gives the figures and intervals of the plain way, which keeps every score", () => {
    const { cells: found } = enrolProbeMatrix(models.slice(0, 2), subjects, { fars: [1e-2], replicates: 60, seed: 3 });
    const scores = compareAll(fp32, allPairs(subjects, { ordered: true }), { probe: int8 });
    const [plain] = bootstrapPoints(scores, [1e-2], { replicates: 60, seed: 3 });
    const self = operatingPointOf(fp32);
    for (const [i, j] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const point = found[i]?.[j]?.points[0];
      if (point?.kind !== "matrix-point" || plain?.kind !== "bootstrapped-point") throw new Error("too few");
      expect(point.own).toEqual(plain.point);
      expect(point.tarInterval).toEqual(plain.tarRefitted);
    }
    const point = found[0]?.[1]?.points[0];
    if (point?.kind !== "matrix-point") throw new Error("too few");
    expect(point.atThresholdInUse).toEqual(pointAtThreshold(rankScores(scores), { threshold: self.threshold, far: 1e-2 }));
  });

  it("refuses two models of one name", () => {
    expect(() => enrolProbeMatrix([...models, { name: "int8", embeddings: int8 }], subjects, { fars: [0.1] })).toThrow(/int8/);
  });
});
