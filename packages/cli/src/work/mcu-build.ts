import { emitC } from "@tessera/core/codegen/c/emit";
import type { EmittedC } from "@tessera/core/codegen/c/options";
import { scratchBytes } from "@tessera/core/codegen/c/scratch";
import { lowerToDevice } from "@tessera/core/codegen/device/lower";
import type { DeviceProgram } from "@tessera/core/codegen/device/program";
import type { Schedule } from "@tessera/core/codegen/device/schedule";
import { scheduleDevice } from "@tessera/core/codegen/device/schedule-device";
import { type LegalityFault, mcuFaults } from "@tessera/core/codegen/legality";
import { type PruneReport, removeDeadChannels } from "@tessera/core/codegen/prune/remove-dead";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { compileInteger } from "@tessera/core/interp/integer/compile";
import type { McuMemory } from "@tessera/core/protocol/mcu-report";
import { targetById } from "@tessera/core/targets/table";
import { TESSERA_VERSION } from "../version.ts";
import type { McuCpu } from "./mcu-cpus.ts";
import type { McuSource } from "./mcu-model.ts";

/** Bytes of memory that are kept for the stack of a whole application. */
export const STACK_RESERVE_BYTES = 4096;

/** What {@link buildMcu} is asked to do. */
export interface McuBuildOptions {
  readonly cpu: McuCpu;
  readonly stream: McuMemory["stream"];
  /** Prefix of files and functions. */
  readonly name: string;
  readonly modelSha256: string;
  /** Bytes of memory of the board; 0 for no limit. */
  readonly ramBytes: number;
  /** Build a vector and its answer in, which the interpreter has to compute: not for what is only looked at. */
  readonly selfTest?: boolean;
}

/** A network as C, with everything that led to it. */
export interface McuBuilt {
  /** The network as it came in, on the device: what everything is held against. */
  readonly original: DeviceProgram;
  readonly pruned: PruneReport;
  /** The network that was compiled, dead channels removed. */
  readonly source: { readonly model: Model; readonly plan: QuantPlan };
  readonly program: DeviceProgram;
  readonly schedule: Schedule;
  readonly emitted: EmittedC;
}

/** Faults of a model, and what was built where none of them is an error. */
export interface McuAttempt {
  readonly faults: readonly LegalityFault[];
  readonly built?: McuBuilt;
}

/** Judges a model, and where nothing stands in the way, compiles, lowers, schedules and writes it as C. @throws UNSUPPORTED_OP where rows cannot be pushed */
export function buildMcu({ model, plan }: McuSource, options: McuBuildOptions): McuAttempt {
  const { cpu, stream, name, modelSha256, ramBytes, selfTest = true } = options;
  const { faults, program: integers } = mcuFaults(model, plan, targetById(cpu.target));
  if (integers === undefined) return { faults };
  // Where there is a program there was a plan.
  const pruned = removeDeadChannels(model, plan as QuantPlan);
  const program = lowerToDevice(compileInteger(pruned.model, pruned.plan, { profile: integers.profile }));
  const schedule = scheduleDevice(program, {
    isa: cpu.isa,
    stream,
    // The header holds the portable form of every kernel too.
    scratch: (step, asRows) => Math.max(scratchBytes(step, cpu.isa, asRows), scratchBytes(step, "portable", asRows)),
    // Who pushes rows wants the least memory; otherwise what fits with the least extra work is taken.
    ...(stream !== "pushed" && ramBytes > STACK_RESERVE_BYTES ? { budgetBytes: ramBytes - STACK_RESERVE_BYTES } : {}),
  });
  const source = { model: pruned.model, plan: pruned.plan };
  const emitted = emitC(program, schedule, {
    name,
    isa: cpu.isa,
    modelSha256,
    generator: `tessera ${TESSERA_VERSION}`,
    ...(selfTest ? {} : { selfTest: "none" as const }),
  });
  return { faults, built: { original: lowerToDevice(integers), pruned: pruned.report, source, program, schedule, emitted } };
}
