import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "@tessera/core/base/error";
import type { Board } from "./boards.ts";
import { ARM_START, LAB_HEADER, RISCV_START, STRING_HEADER, STRING_SOURCE } from "./c-lab.ts";
import { type ConstantKind, type ImageSizes, imageSizes } from "./image-sizes.ts";
import { parseLinkMap } from "./link-map.ts";
import { type ImageBudget, linkerScript } from "./linker-script.ts";
import { runCommand } from "./run-command.ts";
import type { Tool } from "./toolchains.ts";

/** A memory that an image does not fit. */
export interface Overflow {
  readonly memory: "flash" | "ram";
  readonly bytes: number;
}

/** What came of building. */
export type ImageBuild =
  | {
      readonly kind: "image";
      readonly path: string;
      readonly sizes: ImageSizes;
      /** What the compiler had to say about the model's files; "" when nothing. */
      readonly warnings: string;
      readonly flags: readonly string[];
    }
  | { readonly kind: "overflow"; readonly overflows: readonly Overflow[]; readonly warnings: string };

/** What {@link buildImage} builds. */
export interface ImageSource {
  readonly files: ReadonlyMap<string, string>;
  /** The program with `main`. */
  readonly main: string;
  readonly board: Board;
  readonly compiler: Tool;
  readonly budget: ImageBudget;
  /** Behind the board's own: the optimization, feature macros. */
  readonly flags: readonly string[];
  /** What the linker takes behind the objects, before the C library. */
  readonly libraries: readonly string[];
  readonly constantKind: (symbol: string) => ConstantKind;
}

/** Options of {@link buildImage}. */
export interface BuildOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

const WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes"];
const COMMON = ["-std=gnu99", "-ffunction-sections", "-fdata-sections"];

function labFlags(board: Board): string[] {
  const counter = `-DLAB_COUNTER=0x${(board.counter?.address ?? 0).toString(16)}`;
  return [
    "-O2",
    "-ffreestanding",
    "-fno-tree-loop-distribute-patterns",
    counter,
    ...(board.strictAlignment ? ["-DLAB_STRICT"] : []),
  ];
}

/** Words of ld about memories that are too small: "region `FLASH' overflowed by 12 bytes". */
export function overflowsOf(said: string): Overflow[] {
  const found = [...said.matchAll(/region [`'‘]?(FLASH|RAM)['’]? overflowed by (\d+) bytes/g)];
  return found.map(([, region, bytes]) => ({ memory: region === "FLASH" ? "flash" : "ram", bytes: Number(bytes) }));
}

/**
 * Compiles the C files of a model with a test program for a board and links them into the budget's memories, in the folder `dir`.
 * @throws RUNTIME_FAILED with the compiler's words where it refuses
 */
export async function buildImage(source: ImageSource, dir: string, options: BuildOptions): Promise<ImageBuild> {
  const { board, budget, compiler } = source;
  const riscv = board.family === "riscv";
  const own = new Map([
    ["lab.h", LAB_HEADER],
    ["lab_start.c", riscv ? RISCV_START : ARM_START],
    ["lab_main.c", source.main],
    ["lab.ld", linkerScript(board, budget)],
    ...(riscv
      ? ([
          ["string.h", STRING_HEADER],
          ["lab_string.c", STRING_SOURCE],
        ] as const)
      : []),
  ]);
  for (const [name, text] of [...source.files, ...own]) await writeFile(join(dir, name), text);
  const flags = [...board.cpuFlags, ...COMMON, ...(riscv ? ["-ffreestanding"] : []), ...source.flags];
  const call = async (args: readonly string[]) => runCommand(compiler.path, args, { cwd: dir, ...options });
  let warnings = "";
  const objects: string[] = [];
  for (const name of [...source.files.keys(), ...own.keys()].filter((file) => file.endsWith(".c"))) {
    const object = name.replace(/\.c$/, ".o");
    const lab = own.has(name);
    // The lab's own code is the same in every build, so that its share is, too.
    const level = lab ? labFlags(board) : WARNINGS;
    const { code, stderr } = await call([...flags, ...level, "-I.", "-c", name, "-o", object]);
    if (code !== 0) throw fail("RUNTIME_FAILED", `Cannot compile ${name} for ${board.title}: ${stderr.trim().slice(0, 4000)}`);
    if (!lab) warnings += stderr;
    objects.push(object);
  }
  const libraries = riscv ? ["-nostdlib", "-lgcc"] : ["-nostartfiles", "-lc", "-lgcc"];
  const linked = await call([
    ...flags,
    ...objects,
    ...source.libraries,
    ...libraries,
    "-T",
    "lab.ld",
    "-Wl,--gc-sections",
    "-Wl,--no-warn-rwx-segments",
    "-Wl,-Map=image.map",
    "-o",
    "image.elf",
  ]);
  if (linked.code !== 0) {
    const overflows = overflowsOf(linked.stderr);
    if (overflows.length > 0) return { kind: "overflow", overflows, warnings };
    throw fail("RUNTIME_FAILED", `Cannot link for ${board.title}: ${linked.stderr.trim().slice(0, 4000)}`);
  }
  const map = parseLinkMap(await readFile(join(dir, "image.map"), "utf8"));
  return { kind: "image", path: join(dir, "image.elf"), sizes: imageSizes(map, source.constantKind), warnings, flags };
}
