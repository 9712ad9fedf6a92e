import type { DeviceProgram } from "@tessera/core/codegen/device/program";
import { estimateFlash, estimateSteps } from "@tessera/core/codegen/estimate";
import type { TflmKernels } from "@tessera/core/codegen/tflm/arena";
import type { McuCycles, McuFlash, McuInstructions, McuTflm } from "@tessera/core/protocol/mcu-report";
import type { McuBuilt } from "./mcu-build.ts";
import type { McuCpu } from "./mcu-cpus.ts";
import type { TflmBuilt } from "./mcu-tflm.ts";

interface CycleModel {
  /** Cycles an instruction. */
  readonly low: number;
  readonly high: number;
  readonly says: string;
}

/**
 * Cycles an instruction by processor; none for those of which nothing is known. Cortex-M4: the interpreter with CMSIS-NN counted under an emulator against MLPerf
 * Tiny v1.1 times of microTVM with CMSIS-NN on a NUCLEO-L4R5ZI at 120 MHz, 1.50 (visual wake words) and 1.56 (keyword spotting), and a little to either side.
 */
const CYCLE_MODELS: Readonly<Record<string, CycleModel>> = {
  m4: { low: 1.3, high: 1.6, says: "calibrated on published times of one Cortex-M4 (NUCLEO-L4R5ZI, MLPerf Tiny v1.1)" },
  m7: {
    low: 0.8,
    high: 1.6,
    says: "from Cortex-M4, less what published times of the same software gain on a Cortex-M7 with caches (MLPerf Tiny v1.2)",
  },
  m55: { low: 1.3, high: 3, says: "from Cortex-M4, twice as much for vectors, which take two cycles or more: no calibration" },
};

/** A range of cycles for a count of instructions, and of times where a clock is given: never a measurement. Absent where no model is known. */
export function cyclesOf(instructions: number, cpu: McuCpu, mhz: number | undefined): McuCycles | undefined {
  const found = Object.hasOwn(CYCLE_MODELS, cpu.id) ? CYCLE_MODELS[cpu.id] : undefined;
  if (found === undefined) return undefined;
  const low = instructions * found.low;
  const high = instructions * found.high;
  return {
    model: `${found.low} to ${found.high} cycles an instruction`,
    low,
    high,
    ...(mhz === undefined ? {} : { time: { mhz, lowMs: low / (mhz * 1000), highMs: high / (mhz * 1000) } }),
    says: `not measured on silicon; ${found.says}`,
  };
}

/** Instructions by the table of rates. */
export function estimatedInstructions(program: DeviceProgram, isa: McuCpu["isa"]): McuInstructions {
  const steps = estimateSteps(program, isa);
  const total = steps.reduce((sum, s) => sum + s.instructions, 0);
  const macs = steps.reduce((sum, s) => sum + s.macs, 0);
  return {
    basis: "estimate",
    total,
    perMac: total / Math.max(1, macs),
    init: 0,
    layers: steps.map((s) => ({
      name: s.node,
      op: s.kind,
      macs: s.macs,
      instructions: s.instructions,
      share: s.instructions / Math.max(1, total),
    })),
    says: `by a table of rates for ${isa} kernels, good to a quarter for whole networks; nothing was compiled or run`,
  };
}

/** Flash from the emitted constants, to the byte, and from the number of functions; biases count with multipliers and shifts. */
export function estimatedFlash({ program, emitted }: Pick<McuBuilt, "program" | "emitted">, isa: McuCpu["isa"]): McuFlash {
  const { weights, bias, multipliers, shifts, tables, constants } = emitted.bytes;
  const functions = new Set(emitted.layers.map((layer) => layer.function)).size;
  const { code } = estimateFlash(program, { isa, functions });
  const parts = { weights, tables: bias + multipliers + shifts, code, rodata: tables + constants };
  return {
    basis: "estimate",
    ...parts,
    total: parts.weights + parts.tables + parts.code + parts.rodata,
    says: "Constants are counted to the byte, code is estimated from the number of functions; nothing was compiled",
  };
}

/** Stack of generated code below the caller of an inference, bytes, before it is measured: more than any measured network took. */
export const STACK_ESTIMATE_BYTES = 512;

/** Bytes of a build of the interpreter without the model, gcc -O2, from images of keyword spotting and visual wake words for Cortex-M4. */
const INTERPRETER = { reference: 43_600, optimised: 85_000 } as const;

/** Its persistent structures, fitted to the two networks to a tenth: multiplier and shift of each output channel, and what each operator and its tensors take. */
const PERSISTENT = { channel: 8, operator: 165 } as const;

/** Its instructions a multiply-accumulate on Cortex-M4, of the same two networks: 2.90 and 3.22 with CMSIS-NN, 16.2 and 13.4 without. */
const PER_MAC = { reference: 14.8, optimised: 3.1 } as const;

/** Kernels of the interpreter that a processor would run. */
export function tflmKernels({ isa }: McuCpu): TflmKernels {
  return isa === "portable" ? "reference" : isa === "dsp" ? "cmsis-nn-dsp" : "cmsis-nn-mve";
}

/** What TensorFlow Lite for Microcontrollers would take for the network as it came in, by its own plan of memory. An estimate from two other builds. */
export function tflmEstimate(
  program: DeviceProgram,
  about: {
    readonly fileBytes: number;
    readonly cpu: McuCpu;
    readonly bundle: TflmBuilt | undefined;
    readonly plainArenaBytes: number;
  },
): McuTflm {
  const { fileBytes, plainArenaBytes, bundle, cpu } = about;
  const optimised = cpu.isa !== "portable";
  const kernels = optimised ? "optimised" : "reference";
  const channels = program.steps.reduce((sum, s) => sum + (s.kind === "conv" || s.kind === "depthwise" ? s.outChannels : 0), 0);
  const macs = estimateSteps(program, cpu.isa).reduce((sum, s) => sum + s.macs, 0);
  // Its instructions are known of convolutions, and of those on Cortex-M4.
  const recurrent = program.steps.some((s) => s.kind === "lstm");
  const arenaBytes =
    bundle === undefined
      ? plainArenaBytes + PERSISTENT.channel * channels + PERSISTENT.operator * program.steps.length
      : bundle.plan.greedyBytes + bundle.arenas[tflmKernels(cpu)].persistentBytes;
  return {
    flashBytes: INTERPRETER[kernels] + fileBytes,
    arenaBytes,
    ...(cpu.isa === "mve" || recurrent ? {} : { instructions: Math.round(macs * PER_MAC[kernels]) }),
    says: optimised ? "with CMSIS-NN" : "with its reference kernels",
    source:
      "TensorFlow Lite for Microcontrollers of July 2026 built by gcc 12.2 -O2 for Cortex-M4 and run under QEMU on the keyword spotting and visual wake words networks of MLPerf Tiny",
  };
}
