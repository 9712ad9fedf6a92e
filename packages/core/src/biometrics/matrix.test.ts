import { describe, expect, it } from "vitest";
import { seededRandom } from "../base/random.ts";
import { compareAll, rankScores } from "./compare.ts";
import { allPairs } from "./design.ts";
import { enrolProbeMatrix } from "./matrix.ts";
import { operatingPoint } from "./rates.ts";
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

  it("refuses two models of one name", () => {
    expect(() => enrolProbeMatrix([...models, { name: "int8", embeddings: int8 }], subjects, { fars: [0.1] })).toThrow(/int8/);
  });
});
