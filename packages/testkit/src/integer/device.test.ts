import { seededRandom } from "@tessera/core/base/random";
import { lowerToDevice } from "@tessera/core/codegen/device/lower";
import type { DeviceProgram } from "@tessera/core/codegen/device/program";
import { deviceInput, deviceOutput } from "@tessera/core/codegen/device/relayout";
import { runDevice } from "@tessera/core/codegen/device/run";
import { countOf, fromNumbers, toNumbers } from "@tessera/core/graph/tensor";
import type { IntegerProgram } from "@tessera/core/interp/integer/program";
import { runInteger } from "@tessera/core/interp/integer/run";
import { describe, expect, it } from "vitest";
import { sharedDir } from "../shared.ts";
import { CASES_PER_FAMILY, FAMILIES, type FamilyName, integerCase } from "./cases.ts";
import { INTEGER_MODELS, type IntegerModelName, openIntegerModel } from "./model-runs.ts";
import { compileCase } from "./run-case.ts";

/** Outputs of both interpreters on random integers, as plain lists. */
function runBoth(program: IntegerProgram, device: DeviceProgram, seed: number): readonly [number[][], number[][]] {
  const random = seededRandom(seed);
  const feeds = new Map(
    device.inputs.map((name) => {
      const { dtype, shape } = program.values.get(name) ?? { dtype: "int8", shape: [] };
      const low = dtype === "uint8" ? 0 : -128;
      return [
        name,
        fromNumbers(
          dtype,
          shape,
          Array.from({ length: countOf(shape) }, () => low + random.int(256)),
        ),
      ] as const;
    }),
  );
  const wanted = runInteger(program, feeds, { io: "integer" });
  const made = runDevice(device, new Map([...feeds].map(([name, tensor]) => [name, deviceInput(device, name, tensor)])));
  return [
    device.outputs.map((name) => [...toNumbers(deviceOutput(device, name, made.get(name) ?? new Int8Array()))]),
    program.outputs.map((name) => [...toNumbers(wanted.get(name) ?? fromNumbers("int8", [0], []))]),
  ];
}

/** Families with 8-bit activations, which is all that devices take. */
const NARROW = (Object.keys(FAMILIES) as FamilyName[]).filter((family) => !family.includes("16"));

describe("a device's program equals the integer program bit for bit", () => {
  for (const family of NARROW) {
    it(`on ${family}`, () => {
      for (let i = 0; i < CASES_PER_FAMILY; i++) {
        const program = compileCase(integerCase(family, i), "tflm-double");
        const batched = program.steps.some((step) => "batch" in step && step.batch !== 1);
        if (batched) {
          expect(() => lowerToDevice(program)).toThrow(expect.objectContaining({ code: "TARGET_RULE" }));
          continue;
        }
        const [made, wanted] = runBoth(program, lowerToDevice(program), i);
        expect(made, `${family} ${i}`).toEqual(wanted);
      }
    });
  }
});

const shared = sharedDir();
const RUNS = { kws: 3, vww: 1, lstm: 5 } as const;

describe.skipIf(shared === undefined)("whole models on a device (needs the shared models)", () => {
  for (const name of Object.keys(INTEGER_MODELS) as IntegerModelName[]) {
    it(`gives the same outputs for ${name}`, () => {
      const { program } = openIntegerModel(shared as string, name, "tflm-double");
      const device = lowerToDevice(program);
      expect(device.steps.filter((step) => step.kind === "copy")).toEqual([]);
      for (let i = 0; i < RUNS[name]; i++) {
        const [made, wanted] = runBoth(program, device, i);
        expect(made).toEqual(wanted);
      }
    });
  }
});
