import type { DeviceIsa } from "@tessera/core/codegen/c/isa";
import type { ToolName } from "./toolchains.ts";

/** A piece of a board's memory. */
export interface BoardMemory {
  readonly origin: number;
  /** What the emulated board has: the most that a budget may ask for. */
  readonly bytes: number;
}

/** Where generated C is built for and run on; plain data. */
export interface Board {
  readonly id: BoardId;
  readonly title: string;
  /** Which start-up code and linker script. "host" programs are processes of this machine. */
  readonly family: "host" | "arm" | "riscv";
  /** Form of the kernels that its compiler picks. */
  readonly isa: DeviceIsa;
  /** Compilers, the first that is there is taken. */
  readonly compilers: readonly ToolName[];
  /** What tells the compiler the processor. */
  readonly cpuFlags: readonly string[];
  /** The emulator and its machine; absent on the host. */
  readonly emulator?: { readonly tool: ToolName; readonly machine: string };
  /** Whether the program asks for a fault at words that are not aligned. */
  readonly strictAlignment?: boolean;
  /** Vectors lie at address 0 of Arm boards and count as flash. */
  readonly flash?: BoardMemory;
  readonly ram?: BoardMemory;
  /**
   * A free-running 32-bit counter: its address (0 for a register), and its ticks for each instruction when one takes 2^ICOUNT_SHIFT ns of emulated time.
   * Emulators of several versions differ in it where there is more than one number.
   */
  readonly counter?: { readonly address: number; readonly ticksPerInstruction: readonly number[] };
}

/** Name of a row of {@link BOARDS}. */
export type BoardId = "x86" | "m0" | "m4" | "m7" | "m55" | "rv32";

/** `-icount shift`: an instruction takes 2 to this power ns. Long enough that every board's counter ticks more than twice, so that counts are exact. */
export const ICOUNT_SHIFT = 7;

const MIB = 1 << 20;

/** The up-counter of the FPGA's register block in the boards with Arm cores; it runs as soon as there is power. */
function fpgaCounter(
  block: number,
  hertz: number,
): { readonly address: number; readonly ticksPerInstruction: readonly number[] } {
  return { address: block + 0x18, ticksPerInstruction: [(hertz * 2 ** ICOUNT_SHIFT) / 1e9] };
}

/** Boards by name. The Arm ones and RV32 are emulated: instructions are counted exactly, cycles are not modelled. */
export const BOARDS: Readonly<Record<BoardId, Board>> = {
  x86: { id: "x86", title: "this machine", family: "host", isa: "portable", compilers: ["gcc", "cc", "clang"], cpuFlags: [] },
  // Its code on the next larger core, which is told to fault where words are not aligned as M0+ would.
  m0: {
    id: "m0",
    title: "Cortex-M0+ (mps2-an385)",
    family: "arm",
    isa: "portable",
    compilers: ["arm-none-eabi-gcc"],
    cpuFlags: ["-mcpu=cortex-m0plus", "-mthumb", "-mfloat-abi=soft"],
    emulator: { tool: "qemu-system-arm", machine: "mps2-an385" },
    flash: { origin: 0, bytes: 4 * MIB },
    ram: { origin: 0x20000000, bytes: 4 * MIB },
    counter: fpgaCounter(0x40028000, 25e6),
    strictAlignment: true,
  },
  m4: {
    id: "m4",
    title: "Cortex-M4F (mps2-an386)",
    family: "arm",
    isa: "dsp",
    compilers: ["arm-none-eabi-gcc"],
    cpuFlags: ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"],
    emulator: { tool: "qemu-system-arm", machine: "mps2-an386" },
    flash: { origin: 0, bytes: 4 * MIB },
    ram: { origin: 0x20000000, bytes: 4 * MIB },
    counter: fpgaCounter(0x40028000, 25e6),
  },
  m7: {
    id: "m7",
    title: "Cortex-M7 (mps2-an500)",
    family: "arm",
    isa: "dsp",
    compilers: ["arm-none-eabi-gcc"],
    cpuFlags: ["-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-d16", "-mfloat-abi=hard"],
    emulator: { tool: "qemu-system-arm", machine: "mps2-an500" },
    flash: { origin: 0, bytes: 4 * MIB },
    ram: { origin: 0x20000000, bytes: 4 * MIB },
    counter: fpgaCounter(0x40028000, 25e6),
  },
  m55: {
    id: "m55",
    title: "Cortex-M55 with MVE (mps3-an547)",
    family: "arm",
    isa: "mve",
    compilers: ["arm-none-eabi-gcc"],
    cpuFlags: ["-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"],
    emulator: { tool: "qemu-system-arm", machine: "mps3-an547" },
    // The tightly coupled memories hold 512 KiB; the board's DDR stands for larger flash and RAM.
    flash: { origin: 0x60000000, bytes: 16 * MIB },
    ram: { origin: 0x70000000, bytes: 16 * MIB },
    counter: fpgaCounter(0x49302000, 20e6),
  },
  rv32: {
    id: "rv32",
    title: "RV32IMC (virt)",
    family: "riscv",
    isa: "portable",
    compilers: ["riscv64-unknown-elf-gcc"],
    cpuFlags: ["-march=rv32imc_zicsr", "-mabi=ilp32"],
    emulator: { tool: "qemu-system-riscv32", machine: "virt" },
    flash: { origin: 0x80000000, bytes: 16 * MIB },
    ram: { origin: 0x81000000, bytes: 16 * MIB },
    // QEMU 7.2 counts emulated nanoseconds in minstret.
    counter: { address: 0, ticksPerInstruction: [2 ** ICOUNT_SHIFT, 1] },
  },
};
