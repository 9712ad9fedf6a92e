import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "@tessera/core/base/error";
import { type Board, ICOUNT_SHIFT } from "./boards.ts";
import { runCommand } from "./run-command.ts";
import { LOOP_INSTRUCTIONS, OUTPUTS_FILE, REPORT_FILE, VECTORS_FILE } from "./test-program.ts";
import type { Tool } from "./toolchains.ts";

/** What a test program on a board came to. */
export interface ImageRun {
  /** Bytes of all outputs of each vector. */
  readonly outputs: readonly Uint8Array[];
  /** Executed instructions of each vector. */
  readonly instructions: readonly number[];
  /** Deepest stack of an inference below its caller, bytes. */
  readonly stackBytes: number;
  /** Of all vectors together; each call is off by one at most. */
  readonly layers: readonly { readonly instructions: number; readonly calls: number }[];
  /** What it said. */
  readonly log: string;
}

/** What {@link runImage} runs. */
export interface ImageTask {
  readonly path: string;
  readonly board: Board;
  readonly emulator: Tool;
  readonly vectors: readonly Uint8Array[];
  readonly outputBytes: number;
  /** Measurements of each vector: one, and one for each pushed row. */
  readonly looks: number;
  readonly layers: number;
  /** Count instructions exactly; without, the emulator is faster. */
  readonly count: boolean;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts as Uint8Array[]);
}

function emulatorArgs(task: ImageTask): string[] {
  const count = task.count ? ["-icount", `shift=${ICOUNT_SHIFT},align=off,sleep=off`] : [];
  const bios = task.board.family === "riscv" ? ["-bios", "none"] : [];
  return [
    ...["-M", task.board.emulator?.machine ?? "none", ...bios, "-display", "none", "-monitor", "none", "-serial", "none"],
    ...["-semihosting-config", "enable=on,target=native", ...count, "-kernel", task.path],
  ];
}

/** Ticks for each instruction, as the program's own loop shows. @throws RUNTIME_FAILED when the counter does not count what it should */
function counterRate(board: Board, loopTicks: number): number {
  const seen = loopTicks / LOOP_INSTRUCTIONS;
  const rate = board.counter?.ticksPerInstruction.find((ticks) => Math.abs(seen / ticks - 1) < 0.01);
  if (rate !== undefined) return rate;
  throw fail("RUNTIME_FAILED", `Cannot count instructions on ${board.title}: its counter ticks ${seen} times for each`);
}

/**
 * Runs an image on its emulated board in the folder `dir`, where its files lie then.
 * @throws RUNTIME_FAILED when the program faults or ends early, or the time is up
 */
export async function runImage(
  task: ImageTask,
  dir: string,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<ImageRun> {
  const { board, vectors, layers } = task;
  await writeFile(join(dir, VECTORS_FILE), concat(vectors));
  const { code, stdout, stderr } = await runCommand(task.emulator.path, emulatorArgs(task), { cwd: dir, ...options });
  const log = `${stdout.toString("utf8")}${stderr}`.trim();
  if (code !== 0)
    throw fail("RUNTIME_FAILED", `Cannot run the model on ${board.title}: the program ended with ${code} ${log}`.trim());
  const bytes = await readFile(join(dir, OUTPUTS_FILE));
  const raw = await readFile(join(dir, REPORT_FILE));
  const looks = vectors.length * task.looks;
  const words = 4 + looks + 3 * layers + 1;
  if (bytes.length !== vectors.length * task.outputBytes || raw.length !== 4 * words)
    throw fail("RUNTIME_FAILED", `Cannot run the model on ${board.title}: it wrote ${bytes.length} and ${raw.length} bytes`);
  const word = (at: number) => raw.readUInt32LE(4 * at);
  const perTick = task.count ? 1 / counterRate(board, word(2)) : 0;
  const outputs = vectors.map((_, v) => new Uint8Array(bytes.subarray(v * task.outputBytes, (v + 1) * task.outputBytes)));
  const hook = Math.round(word(3) * perTick);
  // Each measurement is rounded by itself: a look at the counter is a fraction of an instruction off.
  const idle = Math.round(word(1) * perTick);
  const spent = (v: number) => {
    let sum = 0;
    for (let look = 0; look < task.looks; look++) sum += Math.round(word(4 + v * task.looks + look) * perTick) - idle;
    return sum;
  };
  return {
    outputs,
    instructions: task.count ? vectors.map((_, v) => spent(v)) : [],
    stackBytes: word(words - 1),
    layers: Array.from({ length: layers }, (_, k) => {
      const at = 4 + looks + 3 * k;
      const calls = word(at + 2);
      const all = Math.round((word(at) + 2 ** 32 * word(at + 1)) * perTick);
      return { instructions: all - hook * calls, calls };
    }),
    log,
  };
}
