import { randomDeviceProgram, randomFeeds } from "@tessera/testkit/device-programs";
import { anySchedule } from "@tessera/testkit/device-schedules";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DeviceProgram, DeviceStep } from "./program.ts";
import { runDevice } from "./run.ts";
import { runSchedule } from "./run-schedule.ts";
import type { Schedule } from "./schedule.ts";
import { scheduleFaults } from "./schedule-check.ts";
import { scheduleDevice } from "./schedule-device.ts";
import { isPointwise } from "./schedule-rows.ts";

const STREAMS = ["never", "auto", "pushed"] as const;

/** Nothing where rows cannot be pushed into the first step. */
function scheduled(program: DeviceProgram, options: Parameters<typeof scheduleDevice>[1]): Schedule | undefined {
  try {
    return scheduleDevice(program, options);
  } catch (error) {
    if (options.stream === "pushed" && (error as { code?: string }).code === "UNSUPPORTED_OP") return undefined;
    throw error;
  }
}

describe("scheduleDevice", () => {
  it("computes the same integers in one arena as every value in memory of its own", () => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(...STREAMS), fc.constantFrom(1, 4, 16), (seed, stream, alignment) => {
        const program = randomDeviceProgram(seed);
        const schedule = scheduled(program, { isa: "portable", stream, alignment, scratch: scratchOf });
        if (schedule === undefined) return;
        const feeds = randomFeeds(program, seed);
        expect(runSchedule(program, schedule, feeds)).toEqual(runDevice(program, feeds));
        expect(schedule.memory.arenaBytes).toBeGreaterThanOrEqual(schedule.provenBytes);
        expect(schedule.provenBytes).toBeGreaterThanOrEqual(schedule.memory.lowerBoundBytes);
      }),
      { numRuns: 60 },
    );
  });

  it("computes the same integers however its steps are cut into items", () => {
    const used = { streams: 0, queues: 0, longQueues: 0, copies: 0, backward: 0, pushed: 0, pushedQueues: 0, overlaps: 0 };
    for (let seed = 0; seed < 200; seed++) {
      const program = randomDeviceProgram(seed);
      const schedule = anySchedule(program, seed, { scratch: scratchOf, pixels: 3, alignment: 1 + 3 * (seed % 2) });
      if (schedule === undefined) continue;
      const feeds = randomFeeds(program, seed);
      expect(runSchedule(program, schedule, feeds)).toEqual(runDevice(program, feeds));
      for (const item of schedule.items) {
        if (item.kind === "layer") {
          used.copies += item.ring !== undefined && isPointwise(item.step) ? 1 : 0;
          used.backward += item.order === "backward" ? 1 : 0;
        } else {
          used.streams++;
          used.pushed += item.pushed ? 1 : 0;
          used.queues += item.stages.filter(({ queue }) => queue !== undefined).length;
          used.longQueues += item.stages.filter(({ queue }) => (queue?.rows ?? 0) > 1).length;
          used.pushedQueues += item.stages.filter(({ queue }) => queue?.from === -1).length;
        }
      }
      const sum = ({ blocks }: Schedule["occupancy"][number]): number => blocks.reduce((total, { bytes }) => total + bytes, 0);
      used.overlaps += schedule.occupancy.some((at) => at.liveBytes < sum(at)) ? 1 : 0;
    }
    for (const [what, count] of Object.entries(used)) expect(`${what} ${Math.min(count, 6)}`).toBe(`${what} 6`);
  });

  it("never needs more with streams and work in place than without", () => {
    const plain = { isa: "portable", scratch: () => 0 } as const;
    for (let seed = 0; seed < 30; seed++) {
      const program = randomDeviceProgram(seed, { size: 20 });
      const never = scheduleDevice(program, plain).memory.arenaBytes;
      const auto = scheduleDevice(program, { ...plain, stream: "auto" }).memory.arenaBytes;
      expect(auto).toBeLessThanOrEqual(never);
    }
  });

  it("gives the same schedule for the same seed", () => {
    const program = randomDeviceProgram(11);
    expect(scheduleDevice(program, { isa: "dsp", stream: "auto", seed: 4 })).toEqual(
      scheduleDevice(program, { isa: "dsp", stream: "auto", seed: 4 }),
    );
  });

  it("takes the least extra work that a budget allows", () => {
    let spared = 0;
    for (let seed = 0; seed < 25; seed++) {
      const program = randomDeviceProgram(seed, { size: 20 });
      const least = scheduleDevice(program, { isa: "portable", stream: "auto" });
      const budgetBytes = Math.ceil(least.memory.arenaBytes * 1.5);
      const roomy = scheduleDevice(program, { isa: "portable", stream: "auto", budgetBytes });
      expect(roomy.memory.arenaBytes).toBeLessThanOrEqual(budgetBytes);
      if (workOf(roomy) < workOf(least)) spared++;
      expect(workOf(roomy)).toBeLessThanOrEqual(workOf(least));
    }
    expect(spared).toBeGreaterThan(2);
  });
});

function scratchOf({ kind }: DeviceStep): number {
  return kind === "conv" ? 20 : 0;
}

/** Steps that work row by row or copy their input. */
function workOf({ items }: Schedule): number {
  return items.reduce((sum, item) => {
    if (item.kind === "stream") return sum + item.stages.length;
    const isCopying =
      item.ring?.rows === 1 && item.step.kind === "conv" && item.step.kernel[0] === 1 && item.step.strides[0] === 1;
    return sum + (isCopying && item.step.kernel[1] === 1 ? 1 : 0);
  }, 0);
}

describe("scheduleFaults", () => {
  it("sees what runs wrong when a block is moved, and nothing where none is", () => {
    let wrong = 0;
    let seen = 0;
    for (let seed = 0; seed < 90; seed++) {
      const program = randomDeviceProgram(seed, { steps: 6, size: 9 });
      const schedule = scheduled(program, { isa: "portable", stream: STREAMS[seed % 3] as "auto", alignment: 1 });
      if (schedule === undefined) continue;
      expect(scheduleFaults(program, schedule)).toEqual([]);
      const names = [...schedule.memory.offsets.keys()];
      const victim = names[seed % names.length] as string;
      const offsets = new Map(schedule.memory.offsets);
      const bytes = blockBytes(schedule, victim);
      offsets.set(
        victim,
        Math.max(0, Math.min(schedule.memory.arenaBytes - bytes, (offsets.get(victim) as number) + ((seed * 7) % 23) - 11)),
      );
      const moved = { ...schedule, memory: { ...schedule.memory, offsets } };
      const feeds = randomFeeds(program, seed);
      const isSame = equal(runSchedule(program, moved, feeds), runDevice(program, feeds));
      const faults = scheduleFaults(program, moved);
      if (faults.length > 0) seen++;
      if (isSame) continue;
      wrong++;
      expect(faults).not.toEqual([]);
    }
    expect(wrong).toBeGreaterThan(10);
    expect(seen).toBeGreaterThanOrEqual(wrong);
  });
});

function blockBytes({ occupancy }: Schedule, name: string): number {
  return occupancy.flatMap(({ blocks }) => blocks).find((block) => block.name === name)?.bytes ?? 0;
}

function equal(a: ReadonlyMap<string, ArrayLike<number>>, b: ReadonlyMap<string, ArrayLike<number>>): boolean {
  return [...a].every(([name, data]) => Array.from(data).every((v, i) => v === b.get(name)?.[i]));
}
