import { seededRandom } from "@tessera/core/base/random";
import { emitC } from "@tessera/core/codegen/c/emit";
import type { DeviceIsa } from "@tessera/core/codegen/c/isa";
import type { EmittedC } from "@tessera/core/codegen/c/options";
import { lowerToDevice } from "@tessera/core/codegen/device/lower";
import type { DeviceProgram } from "@tessera/core/codegen/device/program";
import type { DeviceData } from "@tessera/core/codegen/device/relayout";
import { runDevice } from "@tessera/core/codegen/device/run";
import { scheduleDevice } from "@tessera/core/codegen/device/schedule-device";
import { compileInteger } from "@tessera/core/interp/integer/compile";
import type { HostCase } from "./c-host.ts";
import { CASES_PER_FAMILY, FAMILIES, type FamilyName, integerCase } from "./cases.ts";
import { deviceChain } from "./device-chain.ts";
import { randomNetwork } from "./random-network.ts";
import { compileCase } from "./run-case.ts";

/** Ways to hand rows on, from the most daring to none. */
export const STREAMS = ["pushed", "auto", "never"] as const;

/** Families with 8-bit activations, which is all that devices take. */
export const NARROW = (Object.keys(FAMILIES) as FamilyName[]).filter((family) => !family.includes("16"));

/** Inputs of each case. */
const RUNS = 12;

/** Models to compile and run, and the bytes of all outputs of each by the reference. */
export interface HostCases {
  readonly cases: readonly HostCase[];
  readonly wanted: readonly (readonly Uint8Array[])[];
}

function bytesOf(data: DeviceData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** Random inputs of a program, and its outputs by the reference. */
export function runsOf(program: DeviceProgram, runs: number, seed: number): { vectors: Uint8Array[]; wanted: Uint8Array[] } {
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

/** The code of a program, in portable C unless `isa` says otherwise, with rows handed on as wanted, or with the next less daring way where that is refused. */
function emitted(
  program: DeviceProgram,
  wanted: (typeof STREAMS)[number],
  options: { readonly name: string; readonly isa?: DeviceIsa },
): EmittedC {
  for (const stream of STREAMS.slice(STREAMS.indexOf(wanted))) {
    try {
      const isa = options.isa ?? "portable";
      return emitC(program, scheduleDevice(program, { isa, stream }), { ...options, isa });
    } catch (error) {
      if ((error as { code?: string }).code !== "UNSUPPORTED_OP" || stream === "never") throw error;
    }
  }
  throw new Error("unreachable");
}

/** The first cases of a family that have a batch of one, by turns with pushed rows, streams and plain layers. */
export function familyCases(family: FamilyName, count: number): HostCases {
  const cases: HostCase[] = [];
  const wanted: Uint8Array[][] = [];
  for (let i = 0; cases.length < count && i < CASES_PER_FAMILY; i++) {
    const program = compileCase(integerCase(family, i), "tflm-double");
    if (program.steps.some((step) => "batch" in step && step.batch !== 1)) continue;
    const device = lowerToDevice(program);
    const runs = runsOf(device, RUNS, i);
    const stream = STREAMS[cases.length % STREAMS.length] as (typeof STREAMS)[number];
    cases.push({ emitted: emitted(device, stream, { name: `case_${i}` }), vectors: runs.vectors });
    wanted.push(runs.wanted);
  }
  return { cases, wanted };
}

/** Code for other processors lays its constants in other ways, and must compute the same here. */
const ISAS = ["portable", "dsp", "mve"] as const satisfies readonly DeviceIsa[];

/** The first programs of {@link deviceChain} whose outputs depend on their inputs, by turns for all instruction sets. */
export function chainCases(stream: (typeof STREAMS)[number], count: number): HostCases {
  const cases: HostCase[] = [];
  const wanted: Uint8Array[][] = [];
  for (let seed = 0; cases.length < count; seed++) {
    const program = deviceChain(seed);
    const runs = runsOf(program, RUNS, seed);
    if (new Set(runs.wanted.map((bytes) => bytes.join())).size < RUNS / 2) continue;
    const isa = ISAS[cases.length % ISAS.length] as DeviceIsa;
    cases.push({ emitted: emitted(program, stream, { name: `chain_${seed}`, isa }), vectors: runs.vectors });
    wanted.push(runs.wanted);
  }
  return { cases, wanted };
}

/** The first networks of {@link randomNetwork}, with every kind of step between convolutions. */
export function networkCases(stream: (typeof STREAMS)[number], count: number): HostCases {
  const runs = Array.from({ length: count }, (_, i) => {
    const { model, plan } = randomNetwork(i);
    const program = lowerToDevice(compileInteger(model, plan, { profile: "tflm-double" }));
    return { ...runsOf(program, RUNS, i), emitted: emitted(program, stream, { name: `network_${i}` }) };
  });
  return { cases: runs, wanted: runs.map((run) => run.wanted) };
}
