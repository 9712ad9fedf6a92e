import { readFileSync } from "node:fs";
import { join } from "node:path";
import { randomDeviceProgram, randomFeeds } from "@tessera/testkit/device-programs";
import { sharedDir } from "@tessera/testkit/shared";
import { describe, expect, it } from "vitest";
import { modelFromTflite } from "../../convert/tflite/bytes.ts";
import { compileInteger } from "../../interp/integer/compile.ts";
import { removeDeadChannels } from "../prune/remove-dead.ts";
import { lowerToDevice } from "./lower.ts";
import type { DeviceProgram } from "./program.ts";
import { runDevice } from "./run.ts";
import { runSchedule } from "./run-schedule.ts";
import type { Schedule } from "./schedule.ts";
import { scheduleDevice } from "./schedule-device.ts";

const shared = sharedDir();
const MODELS = {
  kws: "mlperf-tiny-kws-dscnn-int8.tflite",
  vww: "mlperf-tiny-vww-mobilenet-int8.tflite",
  lstm: "tflm-mnist-lstm-int8.tflite",
} as const;

function programOf(name: keyof typeof MODELS, isPruned: boolean): DeviceProgram {
  const source = modelFromTflite(readFileSync(join(shared as string, "models", "mcu", MODELS[name])));
  if (source.plan === undefined) throw new Error(`${MODELS[name]} is not quantized`);
  const { model, plan } = isPruned ? removeDeadChannels(source.model, source.plan) : { model: source.model, plan: source.plan };
  return lowerToDevice(compileInteger(model, plan, { profile: "tflm-double" }));
}

function expectEqualRuns(program: DeviceProgram, schedule: Schedule, seeds: readonly number[]): void {
  for (const seed of seeds) {
    const feeds = randomFeeds(program, seed);
    expect(runSchedule(program, schedule, feeds)).toEqual(runDevice(program, feeds));
  }
}

describe.skipIf(shared === undefined)("schedules of the int8 models in ../shared/models", () => {
  for (const isa of ["portable", "dsp", "mve"] as const)
    it(`reach the live lower bound or a proven gap, and compute the same, for ${isa} kernels`, { timeout: 600_000 }, () => {
      for (const name of ["kws", "vww", "lstm"] as const)
        for (const isPruned of [false, true]) {
          const program = programOf(name, isPruned);
          for (const stream of ["never", "auto", "pushed"] as const) {
            if (name === "lstm" && stream === "pushed") continue;
            const schedule = scheduleDevice(program, { isa, stream });
            expect(`${name} ${stream} ${schedule.proof}`).toBe(`${name} ${stream} bound-reached`);
            expectEqualRuns(program, schedule, [1]);
          }
        }
    });

  it("stay within the memory that was asked for", () => {
    for (const isa of ["portable", "dsp", "mve"] as const) {
      const bytes = (name: keyof typeof MODELS, stream: "never" | "auto" | "pushed"): number =>
        scheduleDevice(programOf(name, false), { isa, stream }).memory.arenaBytes;
      expect(bytes("kws", "never")).toBeLessThanOrEqual(17_400);
      expect(bytes("vww", "never")).toBeLessThanOrEqual(59_200);
      expect(bytes("vww", "auto")).toBeLessThanOrEqual(40_848);
      expect(bytes("vww", "pushed")).toBeLessThanOrEqual(16_500);
    }
  });
});

describe("scheduleDevice on larger random networks", () => {
  it("computes the same integers in one arena", { timeout: 600_000 }, () => {
    for (let seed = 0; seed < 150; seed++) {
      const program = randomDeviceProgram(seed, { steps: 25, size: 24, channels: 8 });
      const schedule = scheduleDevice(program, { isa: "portable", stream: "auto" });
      expectEqualRuns(program, schedule, [seed]);
    }
  });
});
