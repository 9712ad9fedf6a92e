import { deviceFaults, lowerToDevice } from "@tessera/core/codegen/device/lower";
import { compileInteger } from "@tessera/core/interp/integer/compile";
import type { ProfileName } from "@tessera/core/interp/integer/profile";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sharedDir } from "../shared.ts";
import { CASES_PER_FAMILY, FAMILIES, type FamilyName, integerCase } from "./cases.ts";
import { INTEGER_MODELS, type IntegerModelName, openIntegerModel } from "./model-runs.ts";
import { randomNetwork } from "./random-network.ts";
import { deviceLists, integerLists, randomFeeds } from "./run-both.ts";
import { compileCase } from "./run-case.ts";

/** Families with 8-bit activations, which is all that devices take. */
const NARROW = (Object.keys(FAMILIES) as FamilyName[]).filter((family) => !family.includes("16"));

describe("a device's program equals the integer program bit for bit", () => {
  for (const family of NARROW) {
    it(`on ${family}`, () => {
      let compared = 0;
      for (let i = 0; i < CASES_PER_FAMILY; i++) {
        const profile: ProfileName = i % 4 === 3 ? "single" : "tflm-double";
        const program = compileCase(integerCase(family, i), profile);
        const batched = program.steps.some((step) => "batch" in step && step.batch !== 1);
        if (batched) {
          expect(() => lowerToDevice(program)).toThrow(expect.objectContaining({ code: "TARGET_RULE" }));
          continue;
        }
        compared++;
        const feeds = randomFeeds(program, i);
        expect(deviceLists(lowerToDevice(program), feeds), `${family} ${i}`).toEqual(integerLists(program, feeds));
      }
      expect(compared).toBeGreaterThan(CASES_PER_FAMILY / 4);
    });
  }

  it("on networks of random operators, lying in any order", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const { model, plan } = randomNetwork(seed);
        const program = compileInteger(model, plan);
        // Plans keep some operators in float, which no device computes.
        fc.pre(deviceFaults(program).length === 0);
        const device = lowerToDevice(program);
        const feeds = randomFeeds(program, seed);
        expect(deviceLists(device, feeds)).toEqual(integerLists(program, feeds));
      }),
      { numRuns: 120 },
    );
  });
});

const shared = sharedDir();
const RUNS = { kws: 3, vww: 2, lstm: 5 } as const;

describe.skipIf(shared === undefined)("whole models on a device (needs the shared models)", () => {
  for (const name of Object.keys(INTEGER_MODELS) as IntegerModelName[]) {
    it(`gives the same outputs for ${name}, and moves nothing by itself`, () => {
      const { program } = openIntegerModel(shared as string, name, "tflm-double");
      const device = lowerToDevice(program);
      expect(device.steps.map((step) => step.kind)).not.toContain("copy");
      for (let i = 0; i < RUNS[name]; i++) {
        const feeds = randomFeeds(program, i);
        expect(deviceLists(device, feeds)).toEqual(integerLists(program, feeds));
      }
    });
  }
});
