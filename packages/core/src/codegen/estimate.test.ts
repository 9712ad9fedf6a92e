import { readFileSync } from "node:fs";
import { join } from "node:path";
import { modelFromTflite } from "@tessera/core/convert/tflite/bytes";
import { sharedDir } from "@tessera/testkit/shared";
import { smallInt8 } from "@tessera/testkit/small-int8";
import { describe, expect, test } from "vitest";
import type { Model } from "../graph/model.ts";
import type { QuantPlan } from "../graph/plan.ts";
import { compileInteger } from "../interp/integer/compile.ts";
import { lowerToDevice } from "./device/lower.ts";
import { estimateFlash, estimateSteps, stepMacs } from "./estimate.ts";

const deviceOf = (model: Model, plan: QuantPlan) => lowerToDevice(compileInteger(model, plan));

describe("estimates of a program", () => {
  const small = smallInt8();
  const program = deviceOf(small.model, small.plan);

  test("count multiply-accumulates exactly", () => {
    // 6 x 6 positions of 8 channels: a 3x3 window over 3 channels, one over the channel itself, 8 channels; then a dense layer.
    expect(program.steps.map(stepMacs).filter((macs) => macs > 0)).toEqual([36 * 8 * 27, 36 * 8 * 9, 36 * 8 * 8, 4 * 8]);
  });

  test("count weights and tables to the byte, rows filled up to words", () => {
    const { weights, tables } = estimateFlash(program, { isa: "dsp" });
    // Rows of 27 become 28.
    expect(weights).toBe(8 * 28 + 9 * 8 + 8 * 8 + 4 * 8);
    expect(tables).toBe((8 + 8 + 8 + 4) * 9);
  });

  test("grow with work, and shrink with better instructions", () => {
    const total = (isa: "portable" | "dsp" | "mve", size: number): number => {
      const { model, plan } = smallInt8({ size });
      return estimateSteps(deviceOf(model, plan), isa).reduce((sum, s) => sum + s.instructions, 0);
    };
    for (const isa of ["portable", "dsp", "mve"] as const) expect(total(isa, 24)).toBeGreaterThan(3 * total(isa, 12));
    expect(total("mve", 12)).toBeLessThan(total("dsp", 12));
    expect(total("dsp", 12)).toBeLessThan(total("portable", 12));
  });

  test("count fewer bytes of code where steps share functions", () => {
    const code = (functions: number): number => estimateFlash(program, { isa: "portable", functions }).code;
    expect(code(2)).toBeLessThan(code(program.steps.length));
    expect(code(program.steps.length)).toBe(estimateFlash(program, { isa: "portable" }).code);
  });
});

const shared = sharedDir();

describe.skipIf(shared === undefined)("estimates of keyword spotting (needs ../shared)", () => {
  test("are right to a quarter on each processor that was counted", () => {
    const file = readFileSync(join(shared ?? "", "models/mcu/mlperf-tiny-kws-dscnn-int8.tflite"));
    const { model, plan } = modelFromTflite(file);
    const program = deviceOf(model, plan as QuantPlan);
    // Counted under QEMU 7.2, gcc 12.2 -O2.
    const counted = { dsp: 3.44e6, mve: 1.18e6, portable: 10.9e6 } as const;
    for (const isa of ["dsp", "mve", "portable"] as const) {
      const estimate = estimateSteps(program, isa).reduce((sum, s) => sum + s.instructions, 0);
      expect(estimate / counted[isa]).toBeGreaterThan(0.75);
      expect(estimate / counted[isa]).toBeLessThan(1.33);
    }
  });
});
