import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../base/random.ts";
import { lifetimesOf, type MemoryBlock } from "./lifetimes.ts";
import { placementFaults } from "./memory-check.ts";
import { planMemory } from "./memory-plan.ts";

function randomBlocks(seed: number, count: number): MemoryBlock[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, i) => {
    const first = random.int(count);
    return { name: `b${i}`, bytes: 1 + random.int(5000), first, last: first + random.int(6) };
  });
}

/** A network: each step reads what the last one made, and every third one also reads what came two steps before. */
function chain(steps: number): readonly MemoryBlock[] {
  const sizes = new Map(Array.from({ length: steps + 1 }, (_, i) => [`v${i}`, 1000 + ((i * 7919) % 13) * 700]));
  return lifetimesOf({
    steps: Array.from({ length: steps }, (_, i) => ({
      reads: i % 3 === 2 ? [`v${i}`, `v${i - 2}`] : [`v${i}`],
      writes: [`v${i + 1}`],
    })),
    inputs: ["v0"],
    outputs: [`v${steps}`],
    sizes,
  });
}

/** The smallest arena over every order of placement; for a handful of blocks. */
function bestByForce(blocks: readonly MemoryBlock[]): number {
  let best = Number.POSITIVE_INFINITY;
  const visit = (rest: readonly MemoryBlock[], placed: readonly (MemoryBlock & { at: number })[]): void => {
    const top = Math.max(0, ...placed.map((b) => b.at + b.bytes));
    if (top >= best) return;
    if (rest.length === 0) {
      best = top;
      return;
    }
    for (const block of rest) {
      const beside = placed.filter((b) => b.first <= block.last && block.first <= b.last);
      const free = [0, ...beside.map((b) => b.at + b.bytes)].filter((at) =>
        beside.every((b) => at + block.bytes <= b.at || b.at + b.bytes <= at),
      );
      const others = rest.filter((b) => b !== block);
      visit(others, [...placed, { ...block, at: Math.min(...free) }]);
    }
  };
  visit(blocks, []);
  return best;
}

describe("planMemory", () => {
  it("places any blocks without a fault, never below the live lower bound", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 60 }), fc.constantFrom(1, 4, 16, 64), (seed, count, alignment) => {
        const blocks = randomBlocks(seed, count);
        const plan = planMemory(blocks, { alignment, trials: 50 });
        expect(placementFaults(blocks, plan.offsets, { bytes: plan.arenaBytes, alignment })).toEqual([]);
        expect(plan.arenaBytes).toBeGreaterThanOrEqual(plan.lowerBoundBytes);
        expect(plan.gapBytes).toBe(plan.arenaBytes - plan.lowerBoundBytes);
      }),
      { numRuns: 150 },
    );
  });

  it("finds what trying every order finds", () => {
    for (let seed = 0; seed < 40; seed++) {
      const blocks = randomBlocks(seed, 6);
      expect(planMemory(blocks, { alignment: 1 }).arenaBytes).toBe(bestByForce(blocks));
    }
  });

  it("reaches the lower bound on chains with shortcuts, as networks are", () => {
    for (const steps of [1, 2, 10, 40, 90]) expect(planMemory(chain(steps)).gapBytes).toBe(0);
  });

  it("finds the packing that taking blocks by size misses", () => {
    const blocks = [
      { name: "a", bytes: 30, first: 0, last: 1 },
      { name: "b", bytes: 40, first: 1, last: 2 },
      { name: "c", bytes: 50, first: 2, last: 3 },
      { name: "d", bytes: 20, first: 3, last: 4 },
      { name: "e", bytes: 20, first: 0, last: 3 },
    ];
    const plan = planMemory(blocks, { alignment: 1 });
    expect(plan).toMatchObject({ arenaBytes: 110, lowerBoundBytes: 110, busiestStep: 2 });
  });

  it("gives the same plan for the same seed", () => {
    const blocks = randomBlocks(7, 50);
    expect(planMemory(blocks, { seed: 3 })).toEqual(planMemory(blocks, { seed: 3 }));
  });

  it("plans nothing into nothing", () => {
    expect(planMemory([])).toMatchObject({ arenaBytes: 0, lowerBoundBytes: 0, gapBytes: 0 });
  });

  it.each([
    [{ name: "a", bytes: 0, first: 0, last: 0 }, 16],
    [{ name: "a", bytes: 4, first: 2, last: 1 }, 16],
    [{ name: "a", bytes: 4.5, first: 0, last: 1 }, 16],
    [{ name: "a", bytes: 4, first: 0, last: 1 }, 12],
  ])("refuses %o at alignment %i", (block, alignment) => {
    expect(() => planMemory([block], { alignment })).toThrow(expect.objectContaining({ code: "USAGE" }));
  });

  it("refuses two blocks of one name", () => {
    const block = { name: "a", bytes: 4, first: 0, last: 1 };
    expect(() => planMemory([block, block])).toThrow(/two blocks are called a/);
  });
});

describe("placementFaults", () => {
  it("catches every one of 1,000 planted overlaps", () => {
    let planted = 0;
    for (let seed = 0; planted < 1000; seed++) {
      const random = seededRandom(seed);
      const blocks = randomBlocks(seed, 20);
      const plan = planMemory(blocks, { alignment: 1, trials: 0 });
      const victim = blocks[random.int(blocks.length)] as MemoryBlock;
      const others = blocks.filter((b) => b !== victim && b.first <= victim.last && victim.first <= b.last);
      const other = others[random.int(Math.max(1, others.length))];
      if (other === undefined) continue;
      // Any start at which the two share at least one byte.
      const low = (plan.offsets.get(other.name) as number) - victim.bytes + 1;
      const offset = Math.max(0, low + random.int(victim.bytes + other.bytes - 1));
      const offsets = new Map(plan.offsets).set(victim.name, offset);
      planted++;
      const faults = placementFaults(blocks, offsets, { bytes: plan.arenaBytes + 10_000, alignment: 1 });
      expect(faults.some((f) => f.kind === "overlap" && f.blocks.includes(victim.name))).toBe(true);
    }
  });

  it("names what is missing, outside the arena or misaligned", () => {
    const blocks = ["a", "b", "c"].map((name) => ({ name, bytes: 8, first: 0, last: 0 }));
    const offsets = new Map([
      ["a", 2],
      ["b", 12],
    ]);
    expect(placementFaults(blocks, offsets, { bytes: 16, alignment: 4 })).toEqual([
      { kind: "misaligned", block: "a", offset: 2 },
      { kind: "outside", block: "b", end: 20 },
      { kind: "missing", block: "c" },
    ]);
  });
});

describe("lifetimesOf", () => {
  it("keeps inputs from the start, outputs to the end, and the rest from its writer to its last reader", () => {
    const blocks = lifetimesOf({
      steps: [
        { reads: ["x", "w"], writes: ["a"], scratchBytes: 7 },
        { reads: ["a"], writes: ["b", "unread"] },
        { reads: ["b"], writes: ["y"] },
      ],
      inputs: ["x"],
      outputs: ["a"],
      sizes: new Map([
        ["x", 1],
        ["a", 2],
        ["b", 3],
        ["y", 4],
        ["unread", 5],
      ]),
    });
    expect(blocks).toEqual([
      { name: "a", bytes: 2, first: 0, last: 2 },
      { name: "scratch of step 0", bytes: 7, first: 0, last: 0 },
      { name: "x", bytes: 1, first: 0, last: 0 },
      { name: "b", bytes: 3, first: 1, last: 2 },
      { name: "unread", bytes: 5, first: 1, last: 1 },
      { name: "y", bytes: 4, first: 2, last: 2 },
    ]);
  });

  it("makes one block of values that share memory, through chains of them", () => {
    const blocks = lifetimesOf({
      steps: [
        { reads: ["x"], writes: ["a"] },
        { reads: ["a"], writes: ["b"] },
        { reads: ["b"], writes: ["c"] },
      ],
      inputs: ["x"],
      outputs: ["c"],
      sizes: new Map([
        ["x", 10],
        ["a", 30],
        ["b", 40],
        ["c", 20],
      ]),
      aliases: new Map([
        ["b", "a"],
        ["c", "b"],
      ]),
    });
    expect(blocks).toEqual([
      { name: "a", bytes: 40, first: 0, last: 2 },
      { name: "x", bytes: 10, first: 0, last: 0 },
    ]);
  });
});
