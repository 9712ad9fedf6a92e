import { modelToTflite } from "@tessera/core/convert/tflite/bytes";
import { targetById } from "@tessera/core/targets/table";
import { smallInt8, smallInt8File } from "@tessera/testkit/small-int8";
import { describe, expect, test } from "vitest";
import { createProgress } from "../ui/progress.ts";
import { mcuTarget } from "./mcu.ts";
import { cpuOfTarget, MCU_CPUS } from "./mcu-cpus.ts";
import { judgeDevices } from "./mcu-variants.ts";
import type { Variant } from "./variants.ts";

const progress = createProgress({ quiet: true });

function variant(id: string, scheme: Variant["scheme"], bytes: Uint8Array): Variant {
  return { id, says: id, scheme, format: "tflite", bytes, notes: [] };
}

const FLOAT = variant("fp32", "float32", modelToTflite(smallInt8().model));
const INT8 = variant("int8", "static-int8", smallInt8File());

describe("variants on a microcontroller", () => {
  test("are not judged for targets that no C is generated for", () => {
    for (const id of ["litert", "cortex-m"]) expect(judgeDevices([INT8], { target: targetById(id), progress })).toBeUndefined();
  });

  test("pass when they are int8 throughout and fit, with flash, memory and instructions; floats never do", () => {
    const [float, int8] = judgeDevices([FLOAT, INT8], { target: targetById("cortex-m4"), progress }) ?? [];
    expect(float?.device).toBeUndefined();
    expect(float?.gate).toMatchObject({ gate: "device", pass: false, says: expect.stringContaining("not int8 throughout") });
    expect(int8?.gate.pass).toBe(true);
    expect(int8?.device?.ramBytes).toBeLessThan(64 * 1024);
    expect(int8?.device?.instructions).toBeGreaterThan(1000);
  });

  test("fail with the figures when the part is too small", () => {
    const large = smallInt8({ size: 220 });
    const bytes = modelToTflite(large.model, { plan: large.plan, io: "integer" });
    const target = targetById("cortex-m4");
    const [judged] = judgeDevices([variant("int8", "static-int8", bytes)], { target, progress }) ?? [];
    expect(judged?.gate).toMatchObject({
      pass: false,
      says: expect.stringMatching(/^it needs .* of memory with 4 KiB of stack, there are 64 KiB$/),
    });
    expect(judged?.device?.ramBytes).toBeGreaterThan(64 * 1024);
  });

  test("fail with the first fault when a part of them stays in float", () => {
    const { model, plan } = smallInt8();
    const nodes = new Map([["p", { precision: "float32" as const, reason: "kept by the user" }]]);
    const bytes = modelToTflite(model, { plan: { ...plan, nodes } });
    const [judged] = judgeDevices([variant("int8", "static-int8", bytes)], { target: targetById("cortex-m4"), progress }) ?? [];
    expect(judged?.device).toBeUndefined();
    expect(judged?.gate.says).toMatch(/float|quantized/);
  });
});

describe("processors", () => {
  test("belong to targets of the same instructions, and take their budget unless they have none", () => {
    for (const id of ["cortex-m4", "cortex-m7", "cortex-m55"]) {
      const cpu = cpuOfTarget(id);
      expect(cpu?.isa).toBe(targetById(id).generates?.isa);
      expect(mcuTarget(cpu as NonNullable<typeof cpu>, {})).toMatchObject({
        id,
        flashBytes: targetById(id).budget?.storageBytes,
        ramBytes: targetById(id).budget?.memoryBytes,
      });
    }
    expect(mcuTarget(MCU_CPUS.rv32, {}).flashBytes).toBe(0);
    expect(mcuTarget(MCU_CPUS.rv32, { flashBytes: 4096 })).toMatchObject({ flashBytes: 4096, ramBytes: 0 });
    expect(mcuTarget(MCU_CPUS.m4, { ramBytes: 2048 }).budget).toContain("the command line");
  });
});
