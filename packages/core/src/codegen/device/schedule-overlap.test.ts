import { randomDeviceProgram } from "@tessera/testkit/device-programs";
import { type AnyPlaced, anyPlaced } from "@tessera/testkit/device-schedules";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../base/random.ts";
import type { MemoryBlock } from "../lifetimes.ts";
import { placementFaults } from "../memory-check.ts";
import type { AllowedOverlap } from "../plan/allowed-overlap.ts";
import type { DeviceStep } from "./program.ts";
import { itemsOf } from "./schedule-assemble.ts";
import { scheduleFaults } from "./schedule-check.ts";
import { finishSchedule } from "./schedule-device.ts";

/** A random network with items cut by chance: layers, copies and streams. */
function placedAt(seed: number): AnyPlaced | undefined {
  const scratch = ({ kind }: DeviceStep): number => (kind === "conv" ? 20 : 0);
  return anyPlaced(randomDeviceProgram(seed, { steps: 6 }), seed, { alignment: 1, scratch, pixels: 3 });
}

describe("the check of a schedule's memory plan", () => {
  it("catches every one of 1,000 planted overlaps of values, rings, rows, queues and scratch", () => {
    let planted = 0;
    let tooFar = 0;
    for (let seed = 0; planted < 1000; seed++) {
      const made = placedAt(seed);
      if (made === undefined) continue;
      const { blocks, overlaps } = made.placed.blocks;
      const random = seededRandom(seed);
      for (let i = 0; i < 8; i++) {
        const victim = blocks[random.int(blocks.length)] as MemoryBlock;
        const others = blocks.filter((b) => b !== victim && b.first <= victim.last && victim.first <= b.last);
        const other = others[random.int(Math.max(1, others.length))];
        if (other === undefined) continue;
        const { plan } = made.placed.proven;
        const low = (plan.offsets.get(other.name) as number) - victim.bytes + 1;
        const offset = Math.max(0, low + random.int(victim.bytes + other.bytes - 1));
        const offsets = new Map(plan.offsets).set(victim.name, offset);
        const allowed = overlaps.find(({ over, under }) => isPair([over, under], [victim.name, other.name]));
        if (allowed !== undefined) {
          if (isKept(allowed, offsets)) continue;
          tooFar++;
        }
        planted++;
        const faults = placementFaults(blocks, offsets, { bytes: plan.arenaBytes + 100_000, alignment: 1, overlaps });
        expect(faults.some((f) => f.kind === "overlap" && isPair(f.blocks, [victim.name, other.name]))).toBe(true);
      }
    }
    expect(tooFar).toBeGreaterThan(20);
  });

  it("allows every overlap as far as the rows allow it, and not a byte further", () => {
    const exact = { upward: 0, downward: 0, free: 0, streams: 0 };
    for (let seed = 0; seed < 200; seed++) {
      const made = placedAt(seed);
      if (made === undefined) continue;
      for (const plan of made.placed.plans)
        for (const overlap of plan.overlaps) {
          const { over, under, atMost, atLeast } = overlap;
          const [a, b] = [bytesOf(made, over), bytesOf(made, under)];
          if (atMost !== undefined && atMost < b - 1 && atMost >= -a) {
            expect(faultsAt(made, overlap, atMost)).toEqual([]);
            // Between the two sides of a pixel copy nothing is allowed; a byte beyond one side may already be the other side.
            if ((atLeast === undefined || atMost + 1 < atLeast) && !skipsRows(made.site.program.steps[plan.from] as DeviceStep)) {
              expect(faultsAt(made, overlap, atMost + 1)).not.toEqual([]);
              exact.upward++;
              if ("parts" in plan) exact.streams++;
            }
          }
          if (atLeast !== undefined && atLeast > 1 - a && atLeast <= b) {
            expect(faultsAt(made, overlap, atLeast)).toEqual([]);
            if (atMost === undefined || atLeast - 1 > atMost) {
              expect(faultsAt(made, overlap, atLeast - 1)).not.toEqual([]);
              exact.downward++;
            }
          }
          if (atMost === Number.POSITIVE_INFINITY) {
            for (const distance of [1 - a, 0, b - 1]) expect(faultsAt(made, overlap, distance)).toEqual([]);
            exact.free++;
          }
        }
    }
    for (const [what, count] of Object.entries(exact)) expect(`${what} ${Math.min(count, 10)}`).toBe(`${what} 10`);
  });
});

function isPair(a: readonly [string, string], b: readonly [string, string]): boolean {
  return (a[0] === b[0] && a[1] === b[1]) || (a[0] === b[1] && a[1] === b[0]);
}

function isKept({ over, under, atMost, atLeast }: AllowedOverlap, offsets: ReadonlyMap<string, number>): boolean {
  const distance = (offsets.get(over) as number) - (offsets.get(under) as number);
  return (atMost !== undefined && distance <= atMost) || (atLeast !== undefined && distance >= atLeast);
}

function bytesOf({ placed }: AnyPlaced, name: string): number {
  return placed.blocks.blocks.find((block) => block.name === name)?.bytes ?? 0;
}

/** Pools whose windows leave rows out allow a little more than planned: rows that nobody reads. */
function skipsRows(step: DeviceStep): boolean {
  if (step.kind !== "maxPool" && step.kind !== "averagePool") return false;
  return step.dilations[0] > 1 || step.strides[0] > step.kernel[0];
}

/**
 * What goes wrong in the one item that has the overlap, with its two values at a distance of each other and everything else far away from both and from
 * each other.
 */
function faultsAt({ site, placed }: AnyPlaced, overlap: AllowedOverlap, distance: number): readonly unknown[] {
  const offsets = new Map<string, number>();
  let top = 0;
  for (const { name, bytes } of placed.blocks.blocks) {
    offsets.set(name, top);
    top += bytes;
  }
  const room = bytesOf({ site, placed }, overlap.over) + bytesOf({ site, placed }, overlap.under);
  const base = top + room;
  offsets.set(overlap.under, base);
  offsets.set(overlap.over, base + distance);
  const schedule = finishSchedule(site, placed, 1);
  // Without the check of blocks, which goes by the distances themselves.
  const memory = { ...schedule.memory, offsets, arenaBytes: base + 2 * room };
  return scheduleFaults(site.program, { ...schedule, memory, items: itemsOf(site, placed.plans, memory) });
}

describe("scheduleFaults", () => {
  it("finds blocks that have no place", () => {
    const made = [0, 1, 2, 3, 4].map(placedAt).find((found) => found !== undefined) as AnyPlaced;
    const schedule = finishSchedule(made.site, made.placed, 1);
    const offsets = new Map(schedule.memory.offsets);
    offsets.delete(made.site.program.outputs[0] as string);
    const broken = { ...schedule, memory: { ...schedule.memory, offsets } };
    expect(scheduleFaults(made.site.program, broken)).not.toEqual([]);
  });
});
