import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { isTesseraError } from "@tessera/core/base/error";
import type { Board } from "./boards.ts";
import { runCommand } from "./run-command.ts";

/** Outside programs that the lab starts. */
export type ToolName =
  | "gcc"
  | "cc"
  | "clang"
  | "arm-none-eabi-gcc"
  | "riscv64-unknown-elf-gcc"
  | "qemu-system-arm"
  | "qemu-system-riscv32";

/** A program that was found. */
export interface Tool {
  readonly name: ToolName;
  readonly path: string;
  /** Its own first line about itself. */
  readonly version: string;
}

/** What a board needs, or why it cannot be used. */
export type Toolchain =
  | { readonly kind: "toolchain"; readonly compiler: Tool; readonly emulator?: Tool }
  | { readonly kind: "absent"; readonly reason: string };

/** Where a program lies: the first match in the folders of `path` (PATH unless given). */
export function findOnPath(name: string, path: string = process.env["PATH"] ?? ""): string | undefined {
  for (const dir of path.split(delimiter)) {
    if (dir === "") continue;
    const at = join(dir, name);
    if (existsSync(at)) return at;
  }
  return undefined;
}

const known = new Map<string, Promise<Tool | undefined>>();

async function ask(name: ToolName, path: string): Promise<Tool | undefined> {
  try {
    const { code, stdout } = await runCommand(path, ["--version"], { timeoutMs: 20_000 });
    const line = stdout.toString("utf8").split("\n")[0]?.trim();
    return code === 0 && line ? { name, path, version: line } : undefined;
  } catch (error) {
    if (isTesseraError(error)) return undefined;
    throw error;
  }
}

/** A program that is there and starts; asked for its version once. */
export async function findTool(name: ToolName): Promise<Tool | undefined> {
  const path = findOnPath(name);
  if (path === undefined) return undefined;
  const asked = known.get(path) ?? ask(name, path);
  known.set(path, asked);
  return asked;
}

/** The compiler and emulator of a board. `find` looks for a program ({@link findTool} unless given). */
export async function findToolchain(
  board: Board,
  find: (name: ToolName) => Promise<Tool | undefined> = findTool,
): Promise<Toolchain> {
  let compiler: Tool | undefined;
  for (const name of board.compilers) compiler ??= await find(name);
  if (compiler === undefined)
    return { kind: "absent", reason: `no compiler for ${board.title}: looked for ${board.compilers.join(", ")}` };
  if (board.emulator === undefined) return { kind: "toolchain", compiler };
  const emulator = await find(board.emulator.tool);
  if (emulator === undefined)
    return { kind: "absent", reason: `no emulator for ${board.title}: looked for ${board.emulator.tool}` };
  return { kind: "toolchain", compiler, emulator };
}
