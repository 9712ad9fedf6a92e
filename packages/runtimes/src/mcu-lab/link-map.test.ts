import { describe, expect, it } from "vitest";
import { constantKindOf } from "./build-and-run.ts";
import { overflowsOf } from "./build-image.ts";
import { imageSizes } from "./image-sizes.ts";
import { parseLinkMap } from "./link-map.ts";

// What GNU ld 2.40 wrote, shortened.
const MAP = `Archive member included to satisfy reference by file (symbol)

/usr/lib/gcc/arm-none-eabi/12.2.1/../../../arm-none-eabi/lib/thumb/v7e-m+fp/hard/libc.a(lib_a-memcpy.o)
                              tiny.o (memcpy)

Discarded input sections

 .text          0x00000000        0x0 tiny.o
 .rodata.tiny_unused_w1
                0x00000000      0x190 tiny_weights.o
 .comment       0x00000000       0x27 tiny_weights.o

Memory Configuration

Name             Origin             Length             Attributes
FLASH            0x00000000         0x00010000         xr
RAM              0x20000000         0x00004000         rw
*default*        0x00000000         0xffffffff

Linker script and memory map

LOAD tiny.o
LOAD lab_start.o

.vectors        0x00000000       0x40
 *(.vectors)
 .vectors       0x00000000       0x40 lab_start.o
                0x00000000                lab_vectors

.text           0x00000040      0x1b4
 *(.text .text.*)
 .text.tiny_run
                0x00000040       0x70 tiny.o
                0x00000040                tiny_run
 .text.reset    0x000000b0       0x10 lab_start.o
 .text          0x000000c0      0x134 /usr/lib/gcc/arm-none-eabi/12.2.1/../../../arm-none-eabi/lib/thumb/v7e-m+fp/hard/libc.a(lib_a-memcpy.o)
                0x000000c0                memcpy

.glue_7         0x000001f4        0x0
 .glue_7        0x000001f4        0x0 linker stubs

.rodata         0x000001f4       0x28
 *(.rodata .rodata.* .srodata .srodata.*)
 .rodata.tiny_m0
                0x000001f4        0x8 tiny_weights.o
                0x000001f4                tiny_m0
 .rodata.tiny_a_long_name_w0
                0x000001fc        0x9 tiny_weights.o
                0x000001fc                tiny_a_long_name_w0
 *fill*         0x00000205        0x3${" "}
 .rodata.say_hex.str1.4
                0x00000208       0x11 lab_start.o
                0x0000021c                        . = ALIGN (0x4)
 *fill*         0x00000219        0x3${" "}

.exidx
 *(.ARM.exidx*)

.stack          0x20000000      0x800 load address 0x0000021c
                0x20000000                        lab_stack_low = .
                0x20000800                        . = (. + 0x800)
 *fill*         0x20000000      0x800${" "}

.data           0x20000800        0x4 load address 0x0000021c
                0x20000800                        lab_data_low = .
 .data.tiny_runs
                0x20000800        0x4 tiny.o
                0x20000800                tiny_runs

.bss            0x20000810       0x80 load address 0x00000220
 *(.bss.tessera_arena)
 .bss.tessera_arena
                0x20000810       0x64 lab_main.o
 .bss.tiny_z    0x20000874        0xc tiny.o
 .bss.painted_to
                0x20000880        0x4 lab_start.o
 *fill*         0x20000884        0xc${" "}

/DISCARD/
 *(.comment .ARM.attributes .riscv.attributes .note*)
OUTPUT(image.elf elf32-littlearm)
LOAD linker stubs

.debug_line     0x00000000       0xb9
 .debug_line    0x00000000       0xb9 /usr/lib/libc.a(lib_a-memcpy.o)
`;

describe("the linker's map", () => {
  const map = parseLinkMap(MAP);

  it("gives each piece its bytes, its object and its library", () => {
    const named = (input: string) => map.pieces.find((piece) => piece.input === input);
    expect(named(".text.tiny_run")).toEqual({
      section: ".text",
      input: ".text.tiny_run",
      address: 0x40,
      bytes: 0x70,
      object: "tiny.o",
    });
    expect(named(".text")).toMatchObject({ object: "lib_a-memcpy.o", archive: "libc.a", bytes: 0x134 });
    expect(named(".rodata.tiny_unused_w1")).toBeUndefined();
    expect(map.sections.get(".text")).toBe(0x1b4);
    expect([...map.sections.keys()].slice(0, 6)).toEqual([".vectors", ".text", ".rodata", ".stack", ".data", ".bss"]);
  });

  it("is divided into kinds that sum to the sections", () => {
    const { flash, ram, symbols } = imageSizes(map, constantKindOf);
    expect(flash).toEqual({
      weights: 9,
      tables: 8,
      rodata: 4,
      code: 0x70,
      libc: 0x134,
      fill: 6,
      lab: 0x40 + 0x10 + 0x11,
      model: 9 + 8 + 4 + 0x70 + 0x134 + 6,
      total: 0x40 + 0x1b4 + 0x28 + 4,
    });
    expect(ram).toEqual({ arena: 100, static: 16, lab: 16, stack: 2048, total: 2048 + 4 + 128 });
    expect(symbols[0]).toEqual({ symbol: "tiny_a_long_name_w0", bytes: 9 });
  });

  it("has nothing in it when the linker was stopped before", () => {
    expect(parseLinkMap("Discarded input sections\n\n .text 0x0 0x10 a.o\n").pieces).toEqual([]);
  });
});

it("reads from the linker's words what does not fit", () => {
  const said =
    "ld: image.elf section `.text' will not fit in region `FLASH'\nld: region `FLASH' overflowed by 568 bytes\nld: region `RAM' overflowed by 3152 bytes\n";
  expect(overflowsOf(said)).toEqual([
    { memory: "flash", bytes: 568 },
    { memory: "ram", bytes: 3152 },
  ]);
  expect(overflowsOf("undefined reference to `tiny'")).toEqual([]);
});
