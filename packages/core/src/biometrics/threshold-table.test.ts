import { describe, expect, it } from "vitest";
import { seededRandom } from "../base/random.ts";
import { rankScores, scoresFor } from "./compare.ts";
import { allPairs, countComparisons } from "./design.ts";
import { operatingPoint } from "./rates.ts";
import { thresholdTable } from "./threshold-table.ts";

describe("threshold tables", () => {
  const random = seededRandom(6);
  const design = allPairs(Int32Array.from({ length: 120 }, (_, i) => i % 40));
  const { genuine, impostor } = countComparisons(design);
  const draw = (count: number, mean: number): Float32Array =>
    Float32Array.from({ length: count }, () => mean + 0.1 * random.normal());
  const scores = scoresFor(design, { genuine: draw(genuine, 0.5), impostor: draw(impostor, 0) });
  const table = thresholdTable(scores, { fars: [1e-2, 1e-6], data: "made up", replicates: 60 });

  it("survive JSON unchanged, refusals included", () => {
    expect(JSON.parse(JSON.stringify(table))).toEqual(table);
    expect(table.rows[1]).toMatchObject({ kind: "insufficient-data", far: 1e-6, needsMore: 3_000_000 - impostor });
  });

  it("hold the operating point with counts, people and intervals around it", () => {
    const point = operatingPoint(rankScores(scores), 1e-2);
    const [row] = table.rows;
    if (row?.kind !== "threshold" || point.kind !== "operating-point") throw new Error("too few");
    expect(row).toMatchObject({ threshold: point.threshold, fmr: point.fmr, tar: point.tar, falseMatches: point.falseMatches });
    expect(row.thresholdInterval.low).toBeLessThan(row.threshold);
    expect(row.thresholdInterval.high).toBeGreaterThan(row.threshold);
    expect(table.evidence).toMatchObject({
      genuineComparisons: genuine,
      impostorComparisons: impostor,
      people: 40,
      comparisons: "unordered",
    });
  });
});
