import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../base/random.ts";
import type { MemoryBlock } from "../lifetimes.ts";
import { placementFaults } from "../memory-check.ts";
import { planMemory } from "../memory-plan.ts";
import { type AllowedOverlap, pairsApart, sharedBytes } from "./allowed-overlap.ts";
import { packBelow } from "./prove.ts";
import { provePlan } from "./prove-plan.ts";

/** Blocks of a chain of steps, each of which may write over what it reads. */
function chain(seed: number, count: number): { blocks: MemoryBlock[]; overlaps: AllowedOverlap[] } {
  const random = seededRandom(seed);
  const blocks = Array.from({ length: count }, (_, i) => ({
    name: `v${i}`,
    bytes: 1 + random.int(6),
    first: i,
    last: i + 1 + (random.int(4) === 0 ? 1 : 0),
  }));
  const overlaps = blocks.slice(1).flatMap((block, i): AllowedOverlap[] => {
    const before = blocks[i] as MemoryBlock;
    if (before.last !== block.first || random.int(4) === 0) return [];
    const atMost = random.int(block.bytes + before.bytes) - block.bytes;
    if (random.int(3) > 0) return [{ over: block.name, under: before.name, atMost }];
    return [{ over: block.name, under: before.name, atMost, atLeast: random.int(5) - 1 }];
  });
  return { blocks, overlaps };
}

/** Blocks of any lives: their bound is not always to be reached. */
function tangle(seed: number): { blocks: MemoryBlock[]; overlaps: AllowedOverlap[] } {
  const random = seededRandom(seed);
  const blocks = Array.from({ length: 7 }, (_, i) => {
    const first = random.int(5);
    return { name: `v${i}`, bytes: 1 + random.int(4), first, last: first + random.int(3) };
  });
  const overlaps = blocks.slice(1).flatMap((block, i): AllowedOverlap[] => {
    const before = blocks[i] as MemoryBlock;
    return random.int(2) === 0 ? [] : [{ over: block.name, under: before.name, atMost: random.int(6) - 4 }];
  });
  return { blocks, overlaps };
}

/** Whether some offsets keep all blocks within so many bytes, by trying every one. */
function fitsByForce(blocks: readonly MemoryBlock[], overlaps: readonly AllowedOverlap[], bytes: number): boolean {
  const offsets: number[] = [];
  const clash = (i: number, j: number): boolean => {
    const [a, b] = [blocks[i] as MemoryBlock, blocks[j] as MemoryBlock];
    const [x, y] = [offsets[i] as number, offsets[j] as number];
    if (a.first > b.last || b.first > a.last || x + a.bytes <= y || y + b.bytes <= x) return false;
    return !overlaps.some(({ over, under, atMost }) => {
      if (over === a.name && under === b.name) return x - y <= (atMost as number);
      return over === b.name && under === a.name && y - x <= (atMost as number);
    });
  };
  const visit = (i: number): boolean => {
    const block = blocks[i];
    if (block === undefined) return true;
    for (let at = 0; at + block.bytes <= bytes; at++) {
      offsets[i] = at;
      if (!blocks.some((_, j) => j < i && clash(i, j)) && visit(i + 1)) return true;
    }
    return false;
  };
  return visit(0);
}

describe("planMemory with allowed overlaps", () => {
  it("keeps the distances that overlaps ask for, never below the lower bound", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 40 }), fc.constantFrom(1, 2, 16), (seed, count, alignment) => {
        const { blocks, overlaps } = chain(seed, count);
        const plan = planMemory(blocks, { alignment, overlaps, trials: 30 });
        const arena = { bytes: plan.arenaBytes, alignment, overlaps };
        expect(placementFaults(blocks, plan.offsets, arena)).toEqual([]);
        expect(plan.arenaBytes).toBeGreaterThanOrEqual(plan.lowerBoundBytes);
      }),
      { numRuns: 200 },
    );
  });

  it("takes off the bound what a step that writes over its input saves", () => {
    const blocks = [
      { name: "in", bytes: 100, first: 0, last: 1 },
      { name: "out", bytes: 300, first: 1, last: 1 },
    ];
    const over = "out";
    const under = "in";
    expect(planMemory(blocks, { alignment: 1 }).lowerBoundBytes).toBe(400);
    // Upwards, the input has to end where the output does; downwards, it may begin where it does.
    for (const allowed of [{ atMost: -200 }, { atLeast: 0 }]) {
      const plan = planMemory(blocks, { alignment: 1, overlaps: [{ over, under, ...allowed }] });
      expect(plan).toMatchObject({ lowerBoundBytes: 300, arenaBytes: 300 });
    }
    const far = planMemory(blocks, { alignment: 1, overlaps: [{ over, under, atMost: -250 }] });
    expect(far).toMatchObject({ lowerBoundBytes: 350, arenaBytes: 350 });
  });
});

describe("sharedBytes", () => {
  it("is the most that any allowed distance shares", () => {
    for (let a = 1; a < 8; a++)
      for (let b = 1; b < 8; b++)
        for (let low = -a; low <= b; low++)
          for (let high = low; high <= b; high++) {
            let most = 0;
            for (let d = -a; d <= b; d++) if (d <= low || d >= high) most = Math.max(most, Math.min(b, d + a) - Math.max(0, d));
            expect(sharedBytes({ low, high }, a, b)).toBe(most);
          }
  });
});

describe("provePlan", () => {
  it("finds the smallest arena there is, or says that it does not know", () => {
    let proven = 0;
    let better = 0;
    for (let seed = 0; seed < 120; seed++) {
      const { blocks, overlaps } = tangle(seed);
      const start = planMemory(blocks, { alignment: 1, overlaps, trials: 2 });
      const { plan, proof, provenBytes } = provePlan(blocks, start, { alignment: 1, overlaps, nodes: 2000 });
      expect(placementFaults(blocks, plan.offsets, { bytes: plan.arenaBytes, alignment: 1, overlaps })).toEqual([]);
      expect(proof).not.toBe("open");
      expect(fitsByForce(blocks, overlaps, plan.arenaBytes - 1)).toBe(false);
      expect(provenBytes).toBe(plan.arenaBytes);
      if (proof === "gap-proven") proven++;
      if (plan.arenaBytes < start.arenaBytes) better++;
    }
    expect(proven).toBeGreaterThan(0);
    expect(better).toBeGreaterThan(0);
  });

  it("says that it does not know when it may look at nothing", () => {
    for (let seed = 0; ; seed++) {
      const { blocks, overlaps } = chain(seed, 6);
      const start = planMemory(blocks, { alignment: 1, overlaps });
      if (start.gapBytes === 0) continue;
      expect(provePlan(blocks, start, { alignment: 1, overlaps, nodes: 0 }).proof).toBe("open");
      return;
    }
  });
});

describe("packBelow", () => {
  it("finds offsets that no order of lowest places gives", () => {
    const blocks = [
      { name: "a", bytes: 4, first: 0, last: 1 },
      { name: "b", bytes: 2, first: 0, last: 0 },
      { name: "c", bytes: 4, first: 1, last: 2 },
      { name: "d", bytes: 2, first: 2, last: 2 },
    ];
    const overlaps = [{ over: "c", under: "a", atMost: -2 }];
    const sizes = Float64Array.from(blocks, ({ bytes }) => bytes);
    const pairs = pairsApart(blocks, sizes, { overlaps, alignment: 1 });
    const below = (limit: number): string => packBelow({ sizes, pairs, limit, nodes: 1000 }).kind;
    expect([below(5), below(6)]).toEqual(["impossible", "found"]);
  });
});
