import type { LinkMap, MapPiece } from "./link-map.ts";
import { ARENA_SECTION } from "./linker-script.ts";

/** Bytes of flash by what they are. */
export interface FlashSizes {
  /** Weights and biases of the model. */
  readonly weights: number;
  /** Multipliers, shifts and tables of the model. */
  readonly tables: number;
  /** Other constants of the model's files, the self-test vector among them. */
  readonly rodata: number;
  /** Code of the model's files. */
  readonly code: number;
  /** What the compiler's libraries add: memcpy, memset, division. */
  readonly libc: number;
  /** Gaps of alignment, and tables of the linker. */
  readonly fill: number;
  /** All of the above: what the model costs. */
  readonly model: number;
  /** Start-up and test program, which an application has instead of its own. */
  readonly lab: number;
  /** The whole image. */
  readonly total: number;
}

/** Bytes of RAM by what they are. */
export interface RamSizes {
  readonly arena: number;
  /** Variables of the model's files. */
  readonly static: number;
  /** Variables of the test program. */
  readonly lab: number;
  /** Reserved for the stack. */
  readonly stack: number;
  readonly total: number;
}

/** Sizes of an image, read from the linker's map. */
export interface ImageSizes {
  readonly flash: FlashSizes;
  readonly ram: RamSizes;
  /** Bytes of flash of each symbol of the model's constants, largest first. */
  readonly symbols: readonly { readonly symbol: string; readonly bytes: number }[];
}

/** What a constant of the model's files is, by the name of its symbol. */
export type ConstantKind = "weights" | "tables" | "rodata";

/** Objects of the test program itself. */
export const LAB_OBJECTS: readonly string[] = ["lab_start.o", "lab_main.o", "lab_string.o"];

const FLASH_SECTIONS = new Set([".vectors", ".text", ".rodata", ".exidx", ".data"]);
const RAM_SECTIONS = new Set([".data", ".bss", ".stack"]);

/** The symbol that a section was made for: ".rodata.kws_w0" -> "kws_w0". */
function symbolOf(input: string): string {
  return /^\.[a-z]+\.(?:cst\d+$|str\d|)(.*)$/.exec(input)?.[1] ?? "";
}

type FlashKind = Exclude<keyof FlashSizes, "model" | "total">;

function flashKind(piece: MapPiece, constantKind: (symbol: string) => ConstantKind): FlashKind {
  if (piece.object === "") return "fill";
  if (piece.archive !== undefined) return "libc";
  // Their own memcpy stands for the library's where there is none.
  if (piece.object === "lab_string.o") return "libc";
  if (LAB_OBJECTS.includes(piece.object)) return "lab";
  if (/crt[a-z0-9]*\.o$/.test(piece.object)) return "libc";
  if (piece.section === ".text") return "code";
  if (piece.section === ".exidx") return "fill";
  return constantKind(symbolOf(piece.input));
}

/** What an image takes, by kinds; `constantKind` tells the model's constants apart. Sums equal the sizes of the linker's sections. */
export function imageSizes(map: LinkMap, constantKind: (symbol: string) => ConstantKind): ImageSizes {
  const flash = { weights: 0, tables: 0, rodata: 0, code: 0, libc: 0, fill: 0, lab: 0 };
  const ram = { arena: 0, static: 0, lab: 0, stack: map.sections.get(".stack") ?? 0 };
  const symbols = new Map<string, number>();
  for (const piece of map.pieces) {
    if (FLASH_SECTIONS.has(piece.section)) {
      const kind = flashKind(piece, constantKind);
      flash[kind] += piece.bytes;
      if (kind === "weights" || kind === "tables" || kind === "rodata") {
        const symbol = symbolOf(piece.input) || piece.input;
        symbols.set(symbol, (symbols.get(symbol) ?? 0) + piece.bytes);
      }
    }
    if (piece.section === ".bss" || piece.section === ".data") {
      if (piece.input === ARENA_SECTION) ram.arena += piece.bytes;
      else if (LAB_OBJECTS.includes(piece.object) || piece.object === "") ram.lab += piece.bytes;
      else ram.static += piece.bytes;
    }
  }
  const sum = (names: Set<string>) => [...names].reduce((total, name) => total + (map.sections.get(name) ?? 0), 0);
  const total = sum(FLASH_SECTIONS);
  // Space that the script takes itself, such as its alignment, is no piece of anything.
  const { lab, ...own } = flash;
  own.fill += total - lab - Object.values(own).reduce((a, b) => a + b, 0);
  ram.lab += sum(RAM_SECTIONS) - ram.arena - ram.static - ram.lab - ram.stack;
  return {
    flash: { ...own, model: total - lab, lab, total },
    ram: { ...ram, total: sum(RAM_SECTIONS) },
    symbols: [...symbols].map(([symbol, bytes]) => ({ symbol, bytes })).sort((a, b) => b.bytes - a.bytes),
  };
}
