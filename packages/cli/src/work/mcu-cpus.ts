import { targetById } from "@tessera/core/targets/table";
import type { Target } from "@tessera/core/targets/target";

/** A processor that C is generated for, as data. */
export interface McuCpu {
  readonly id: string;
  /** One line for help texts and reports. */
  readonly says: string;
  /** Target whose rules hold, and whose budget counts unless the row has one of its own. */
  readonly target: Target["id"];
  readonly isa: "portable" | "dsp" | "mve";
  /** Board of the lab that runs it; "x86" is this machine. */
  readonly board: "m4" | "m7" | "m55" | "rv32" | "x86";
  /** No budget of its own: nothing is refused unless the command line has sizes. */
  readonly unbounded?: true;
}

/** Processors by the name that --cpu takes. */
export const MCU_CPUS = {
  m4: { id: "m4", says: "Cortex-M4: 16-bit products, two an instruction", target: "cortex-m4", isa: "dsp", board: "m4" },
  m7: { id: "m7", says: "Cortex-M7: the same instructions, two at a time", target: "cortex-m7", isa: "dsp", board: "m7" },
  m55: { id: "m55", says: "Cortex-M55: vectors of 16 bytes (Helium)", target: "cortex-m55", isa: "mve", board: "m55" },
  rv32: {
    id: "rv32",
    says: "RV32IMC: portable C",
    target: "cortex-m4",
    isa: "portable",
    board: "rv32",
    unbounded: true,
  },
  generic: {
    id: "generic",
    says: "any 32-bit processor: portable C99",
    target: "cortex-m4",
    isa: "portable",
    board: "x86",
    unbounded: true,
  },
} as const satisfies Readonly<Record<string, McuCpu>>;

/** Names that --cpu takes. */
export type McuCpuId = keyof typeof MCU_CPUS;

/** The processor of a generating target. @throws UNKNOWN_TARGET */
export function cpuOfTarget(id: string): McuCpu | undefined {
  const found = Object.values<McuCpu>(MCU_CPUS).find((cpu) => cpu.target === id && cpu.unbounded === undefined);
  return targetById(id).generates === undefined ? undefined : found;
}
