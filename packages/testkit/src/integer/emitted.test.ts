import { seededRandom } from "@tessera/core/base/random";
import { emitC } from "@tessera/core/codegen/c/emit";
import type { EmittedC } from "@tessera/core/codegen/c/options";
import { lowerToDevice } from "@tessera/core/codegen/device/lower";
import type { DeviceProgram } from "@tessera/core/codegen/device/program";
import type { DeviceData } from "@tessera/core/codegen/device/relayout";
import { runDevice } from "@tessera/core/codegen/device/run";
import { scheduleDevice } from "@tessera/core/codegen/device/schedule-device";
import { describe, expect, it } from "vitest";
import { findCompiler, type HostCase, runOnHost } from "./c-host.ts";
import { FAMILIES, type FamilyName, integerCase } from "./cases.ts";
import { compileCase } from "./run-case.ts";

const compiler = findCompiler();

/** Cases of each family, and inputs of each case. */
const CASES = 3;
const RUNS = 12;

const NARROW = (Object.keys(FAMILIES) as FamilyName[]).filter((family) => !family.includes("16"));

function bytesOf(data: DeviceData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** Random inputs of a program, and its outputs by the reference. */
function runsOf(program: DeviceProgram, runs: number, seed: number): { vectors: Uint8Array[]; wanted: Uint8Array[] } {
  const random = seededRandom(seed);
  const vectors: Uint8Array[] = [];
  const wanted: Uint8Array[] = [];
  for (let run = 0; run < runs; run++) {
    const feeds = new Map(
      program.inputs.map((name) => {
        const { bytes, dtype } = program.values.get(name) ?? { bytes: 0, dtype: "int8" };
        const raw = Uint8Array.from({ length: bytes }, () => random.int(256));
        return [name, dtype === "uint8" ? raw : new Int8Array(raw.buffer)] as const;
      }),
    );
    vectors.push(joined(program.inputs.map((name) => bytesOf(feeds.get(name) ?? new Int8Array()))));
    const outputs = runDevice(program, feeds);
    wanted.push(joined(program.outputs.map((name) => bytesOf(outputs.get(name) ?? new Int8Array()))));
  }
  return { vectors, wanted };
}

/** The code of a program with rows pushed where that is possible, by turns with plain layers and streams. */
function emitted(program: DeviceProgram, name: string, turn: number): EmittedC {
  const streams = (["pushed", "auto", "never"] as const).slice(turn % 3);
  for (const stream of streams) {
    try {
      return emitC(program, scheduleDevice(program, { isa: "portable", stream }), { name, isa: "portable" });
    } catch (error) {
      if ((error as { code?: string }).code !== "UNSUPPORTED_OP" || stream === "never") throw error;
    }
  }
  throw new Error("unreachable");
}

describe.skipIf(compiler === undefined)("emitted C equals the device program on this machine (needs a C compiler)", () => {
  for (const family of NARROW) {
    it(`on ${family}, under the sanitizers`, { timeout: 240_000 }, () => {
      const cases: HostCase[] = [];
      const all: Uint8Array[][] = [];
      for (let i = 0, found = 0; found < CASES && i < 40; i++) {
        const program = compileCase(integerCase(family, i), "tflm-double");
        if (program.steps.some((step) => "batch" in step && step.batch !== 1)) continue;
        const device = lowerToDevice(program);
        const { vectors, wanted } = runsOf(device, RUNS, i);
        cases.push({ emitted: emitted(device, `case_${i}`, found), vectors });
        all.push(wanted);
        found++;
      }
      expect(runOnHost(compiler as string, cases)).toEqual(all);
    });
  }
});
