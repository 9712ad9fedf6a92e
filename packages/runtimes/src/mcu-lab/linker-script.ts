import type { Board } from "./boards.ts";

/** What an image may take. */
export interface ImageBudget {
  /** Bytes of flash: code, constants, and the start values of data. */
  readonly flash: number;
  /** Bytes of RAM: data, the arena, the stack. */
  readonly ram: number;
  /** Bytes of the stack, of the RAM. */
  readonly stack: number;
}

/** Name of the arena's section. */
export const ARENA_SECTION = ".bss.tessera_arena";

/**
 * Linker script of a board whose memories are as large as the budget, so that linking itself says whether an image fits. Arm cores fetch their vectors
 * from address 0; on boards whose flash stands elsewhere, those 64 bytes have a region of their own. The stack lies at the front of the RAM: what grows
 * over its end leaves the memory, which faults, instead of writing over the arena.
 */
export function linkerScript(board: Board, budget: ImageBudget): string {
  const { flash, ram } = board;
  if (flash === undefined || ram === undefined) return "";
  const apart = board.family === "arm" && flash.origin !== 0;
  const vectors = apart ? 64 : 0;
  return `MEMORY {
${apart ? "  VECTORS (rx) : ORIGIN = 0, LENGTH = 64\n" : ""}  FLASH (rx) : ORIGIN = 0x${flash.origin.toString(16)}, LENGTH = ${budget.flash - vectors}
  RAM (rw) : ORIGIN = 0x${ram.origin.toString(16)}, LENGTH = ${budget.ram}
}
SECTIONS {
  .vectors : { KEEP(*(.vectors)) } > ${apart ? "VECTORS" : "FLASH"}
  .text : { *(.text .text.*) } > FLASH
  .rodata : { *(.rodata .rodata.* .srodata .srodata.*) . = ALIGN(4); } > FLASH
  .exidx : { *(.ARM.exidx*) } > FLASH
  .stack (NOLOAD) : { . = ALIGN(16); lab_stack_low = .; . += ${budget.stack}; . = ALIGN(16); lab_stack_high = .; } > RAM
  .data : { . = ALIGN(4); lab_data_low = .; *(.data .data.* .sdata .sdata.*) . = ALIGN(4); lab_data_high = .; } > RAM AT > FLASH
  lab_data_load = LOADADDR(.data);
  .bss (NOLOAD) : { . = ALIGN(16); lab_bss_low = .; *(${ARENA_SECTION}) *(.bss .bss.* .sbss .sbss.* COMMON) . = ALIGN(16); lab_bss_high = .; } > RAM
  /DISCARD/ : { *(.comment .ARM.attributes .riscv.attributes .note*) }
}
`;
}
