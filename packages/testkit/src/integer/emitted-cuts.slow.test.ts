import { emitC } from "@tessera/core/codegen/c/emit";
import { scratchBytes } from "@tessera/core/codegen/c/scratch";
import type { Schedule } from "@tessera/core/codegen/device/schedule";
import { describe, expect, it } from "vitest";
import { randomDeviceProgram } from "../device-programs.ts";
import { anySchedule } from "../device-schedules.ts";
import { findCompiler, type HostCase, runOnHost } from "./c-host.ts";
import { runsOf } from "./emitted-cases.ts";

const compiler = findCompiler();

/** Networks that are compiled. */
const NETWORKS = 24;

/** Ways of working that a schedule has: what the least memory seldom asks for. */
function countWays(schedule: Schedule, ways: Record<"backward" | "queues" | "streams" | "pushed", number>): void {
  for (const item of schedule.items)
    if (item.kind === "layer") ways.backward += item.order === "backward" ? 1 : 0;
    else {
      ways.streams++;
      ways.pushed += item.pushed ? 1 : 0;
      ways.queues += item.stages.filter(({ queue }) => queue !== undefined).length;
    }
}

describe.skipIf(compiler === undefined)("emitted C of steps cut by chance (needs a C compiler)", () => {
  it("equals the device program, under the sanitizers", { timeout: 600_000 }, () => {
    const cases: HostCase[] = [];
    const wanted: Uint8Array[][] = [];
    const ways = { backward: 0, queues: 0, streams: 0, pushed: 0 };
    for (let seed = 0; cases.length < NETWORKS; seed++) {
      const program = randomDeviceProgram(seed, { steps: 10 });
      const scratch = (step: Parameters<typeof scratchBytes>[0], asRows: boolean): number =>
        scratchBytes(step, "portable", asRows);
      const schedule = anySchedule(program, seed, { alignment: 16, scratch, pixels: 3 });
      if (schedule === undefined) continue;
      countWays(schedule, ways);
      const runs = runsOf(program, 4, seed);
      cases.push({ emitted: emitC(program, schedule, { name: `cut_${seed}`, isa: "portable" }), vectors: runs.vectors });
      wanted.push(runs.wanted);
    }
    for (const [way, count] of Object.entries(ways)) expect(`${way} ${Math.min(count, 1)}`).toBe(`${way} 1`);
    expect(runOnHost(compiler as string, cases)).toEqual(wanted);
  });
});
