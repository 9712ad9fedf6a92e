import { describe, expect, test } from "vitest";
import { seededRandom } from "../../base/random.ts";
import { placementFaults } from "../memory-check.ts";
import { greedyBySize, type PlannedTensor, plannedWith, planOffline } from "./offline.ts";

function network(seed: number): readonly PlannedTensor[] {
  const random = seededRandom(seed);
  return Array.from({ length: 12 }, (_, i) => {
    const first = random.int(10);
    return { index: 3 * i, bytes: 1 + random.int(4000), first, last: Math.min(9, first + random.int(4)) };
  });
}

const blocksOf = (tensors: readonly PlannedTensor[]) =>
  tensors.map(({ index, bytes, first, last }) => ({ name: String(index), bytes, first, last }));

describe("offsets for an interpreter", () => {
  test("leave no two tensors that live together over each other, and room for the scratch memory", () => {
    for (let seed = 0; seed < 100; seed++) {
      const tensors = network(seed);
      const scratches = [{ step: seed % 10, bytes: 1 + 37 * seed }];
      const plan = planOffline(tensors, scratches);
      const offsets = new Map([...plan.offsets].map(([index, at]) => [String(index), at]));
      expect(placementFaults(blocksOf(tensors), offsets, { bytes: plan.plannedBytes, alignment: 16 })).toEqual([]);
      expect(plannedWith(tensors, plan.offsets, scratches)).toBeLessThanOrEqual(plan.plannedBytes);
      expect(plan.lowerBoundBytes).toBeLessThanOrEqual(plan.plannedBytes);
    }
  });

  test("are better than taking tensors by size where that leaves holes, as the interpreter does", () => {
    // The head of MobileNet 0.25 at 96x96: what the interpreter itself reports is 73,728.
    const tensors = [27648, 18432, 18432, 36864, 9216, 18432].map((bytes, i) => ({
      index: i,
      bytes,
      first: Math.max(0, i - 1),
      last: i,
    }));
    expect(greedyBySize(blocksOf(tensors))).toBe(73728);
    expect(planOffline(tensors, [])).toMatchObject({ plannedBytes: 55296, lowerBoundBytes: 55296, gapBytes: 0 });
  });

  test("scratch memory that finds no hole goes on top", () => {
    const tensors = [
      { index: 0, bytes: 16, first: 0, last: 1 },
      { index: 1, bytes: 16, first: 0, last: 0 },
      { index: 2, bytes: 16, first: 0, last: 1 },
    ];
    const offsets = new Map([
      [0, 0],
      [1, 16],
      [2, 32],
    ]);
    expect(plannedWith(tensors, offsets, [{ step: 1, bytes: 16 }])).toBe(48);
    expect(plannedWith(tensors, offsets, [{ step: 1, bytes: 17 }])).toBe(80);
  });
});
