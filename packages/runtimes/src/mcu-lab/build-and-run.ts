import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail } from "@tessera/core/base/error";
import { buildHost } from "../native/build-host.ts";
import { BOARDS, type Board, type BoardId } from "./boards.ts";
import { buildImage, type Overflow } from "./build-image.ts";
import type { ConstantKind, ImageSizes } from "./image-sizes.ts";
import { runCommand } from "./run-command.ts";
import { runImage } from "./run-image.ts";
import { type ModelCalls, testProgram } from "./test-program.ts";
import { findToolchain, type Toolchain } from "./toolchains.ts";

/** What {@link buildAndRun} is to do. */
export interface LabTask {
  /** Generated files: names without folders, and their text. */
  readonly files: ReadonlyMap<string, string>;
  readonly calls: ModelCalls;
  readonly board: BoardId;
  /** For each run the bytes of all inputs, one behind the other. */
  readonly vectors: readonly Uint8Array[];
}

/** Options of {@link buildAndRun}. */
export interface LabOptions {
  /** Compiler flags besides the board's own; ["-O2"] unless given. */
  readonly flags?: readonly string[];
  /** Bytes of flash and RAM that the image is linked into; all that the board has unless given. */
  readonly flash?: number;
  readonly ram?: number;
  /** Bytes reserved for the stack; 4,096 unless given. */
  readonly stack?: number;
  /** Count the instructions of each inference; true unless given. */
  readonly count?: boolean;
  /** Layers whose instructions are counted apart, by the hook TS_PROFILE; 0 unless given. The image is another one then: take totals from one without. */
  readonly layers?: number;
  /** Run the model's built-in check before the vectors; it takes flash. Always done on the host. False unless given. */
  readonly selfTest?: boolean;
  /** What the linker of a board takes behind all objects, such as ["-lm"]; [] unless given. Emitted C needs none. Nothing to the host. */
  readonly libraries?: readonly string[];
  /** Tells the model's constants apart by their symbols. */
  readonly constantKind?: (symbol: string) => ConstantKind;
  /** The compiler and the emulator are each ended after this time; 300,000 unless given. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** What {@link LabOptions} leave out. */
export const LAB_DEFAULTS = {
  flags: ["-O2"],
  stack: 4096,
  count: true,
  layers: 0,
  selfTest: false,
  libraries: [],
  timeoutMs: 300_000,
  constantKind: constantKindOf,
} as const satisfies LabOptions;

/** What a symbol of the emitted files holds: they end with a letter for the kind and a number. */
export function constantKindOf(symbol: string): ConstantKind {
  if (/_[wb]\d+$/.test(symbol)) return "weights";
  return /_[mst]\d+$/.test(symbol) ? "tables" : "rodata";
}

/** What a board showed. */
export interface LabRun {
  readonly kind: "run";
  readonly board: BoardId;
  /** For each vector the bytes of all outputs, one behind the other. */
  readonly outputs: readonly Uint8Array[];
  /** Executed instructions of each vector; absent on the host, and where nobody asked. */
  readonly instructions?: readonly number[];
  /** Of all vectors together. */
  readonly layers?: readonly { readonly instructions: number; readonly calls: number }[];
  /** Deepest stack of an inference, bytes; absent on the host. */
  readonly stackBytes?: number;
  /** Absent on the host. */
  readonly sizes?: ImageSizes;
  /** Compiler's and emulator's own words about their versions. */
  readonly tools: readonly string[];
  readonly flags: readonly string[];
  /** The compiler's warnings about the model's files; "" when there are none. */
  readonly warnings: string;
  readonly log: string;
}

/** What came of a task. */
export type LabResult =
  | LabRun
  /** The board cannot be used here. */
  | { readonly kind: "skipped"; readonly board: BoardId; readonly reason: string }
  /** The image does not fit the budget. */
  | { readonly kind: "overflow"; readonly board: BoardId; readonly overflows: readonly Overflow[] };

/** Bytes of all inputs, or of all outputs, of one inference. */
export function callBytes(calls: ModelCalls): { readonly input: number; readonly output: number } {
  const sum = (ports: ModelCalls["inputs"]) => ports.reduce((total, port) => total + port.bytes, 0);
  return { input: calls.rows ? calls.rows.count * calls.rows.bytes : sum(calls.inputs), output: sum(calls.outputs) };
}

function checkTask({ files, calls, vectors }: LabTask): void {
  for (const name of files.keys())
    if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name)) throw fail("USAGE", `Cannot build ${name}: not a plain file name`);
  const { input } = callBytes(calls);
  for (const [at, vector] of vectors.entries())
    if (vector.length !== input)
      throw fail("SHAPE_MISMATCH", `Cannot run vector ${at}: it has ${vector.length} bytes, the model takes ${input}`);
}

/** What a step of the work is given. */
interface Site {
  readonly task: LabTask;
  readonly board: Board;
  readonly options: Omit<Required<LabOptions>, "signal" | "flash" | "ram"> & LabOptions;
  readonly tools: Extract<Toolchain, { kind: "toolchain" }>;
  readonly dir: string;
  readonly limits: { readonly timeoutMs: number; readonly signal?: AbortSignal };
}

async function runOnHost({ task, options, tools, dir, limits }: Site): Promise<LabResult> {
  const { calls, vectors } = task;
  const built = await buildHost(task.files, calls, dir, { compiler: tools.compiler, flags: options.flags, ...limits });
  const once = new Uint8Array(Uint32Array.of(1).buffer);
  const input = Buffer.concat(vectors.flatMap((vector) => [once, vector]));
  const { code, stdout, stderr } = await runCommand(built.path, [], { cwd: dir, input, ...limits });
  const log = stderr.trim();
  const answer = 8 + callBytes(calls).output;
  if (code !== 0 || stdout.length !== answer * vectors.length)
    throw fail(
      "RUNTIME_FAILED",
      `Cannot run the model on this machine: the program ended with ${code} ${log.slice(0, 4000)}`.trim(),
    );
  const outputs = vectors.map((_, v) => new Uint8Array(stdout.subarray(v * answer + 8, (v + 1) * answer)));
  const { flags, warnings } = built;
  return { kind: "run", board: task.board, outputs, tools: [tools.compiler.version], flags, warnings, log };
}

async function runOnBoard({ task, board, options, tools, dir, limits }: Site): Promise<LabResult> {
  const { calls, vectors } = task;
  const { layers, count, selfTest } = options;
  if (tools.emulator === undefined || board.flash === undefined || board.ram === undefined)
    throw fail("RUNTIME_MISSING", `Cannot run on ${board.title}: it has no emulator`);
  const hook = layers > 0 ? ["-include", "lab.h", "-DTS_PROFILE(layer)=lab_profile(layer)"] : [];
  const built = await buildImage(
    {
      files: task.files,
      main: testProgram(calls, vectors.length, { layers, selfTest }),
      board,
      compiler: tools.compiler,
      budget: { flash: options.flash ?? board.flash.bytes, ram: options.ram ?? board.ram.bytes, stack: options.stack },
      flags: [...options.flags, ...hook],
      libraries: options.libraries,
      constantKind: options.constantKind,
    },
    dir,
    limits,
  );
  if (built.kind === "overflow") return { kind: "overflow", board: task.board, overflows: built.overflows };
  const outputBytes = callBytes(calls).output;
  const looks = 1 + (calls.rows?.count ?? 0);
  const run = await runImage(
    { path: built.path, board, emulator: tools.emulator, vectors, outputBytes, looks, layers, count },
    dir,
    limits,
  );
  return {
    kind: "run",
    board: task.board,
    outputs: run.outputs,
    ...(count && { instructions: run.instructions }),
    ...(layers > 0 && { layers: run.layers }),
    stackBytes: run.stackBytes,
    sizes: built.sizes,
    tools: [tools.compiler.version, tools.emulator.version],
    flags: built.flags,
    warnings: built.warnings,
    log: run.log,
  };
}

/**
 * Builds generated C for a board, linked into the budget, and runs it on vectors; works in a folder of its own that is gone afterwards. A board whose
 * tools are absent is skipped with the reason.
 * @throws RUNTIME_FAILED when the compiler refuses, the program faults or the time is up; INTERRUPTED; SHAPE_MISMATCH for vectors of a wrong size
 *
 * @example
 * const result = await buildAndRun({ files, calls, board: "m4", vectors }, { flash: 256 << 10, ram: 64 << 10 });
 */
export async function buildAndRun(task: LabTask, given: LabOptions = {}): Promise<LabResult> {
  checkTask(task);
  const options = { ...LAB_DEFAULTS, ...given };
  const board = BOARDS[task.board];
  const tools = await findToolchain(board);
  if (tools.kind === "absent") return { kind: "skipped", board: task.board, reason: tools.reason };
  const limits = { timeoutMs: options.timeoutMs, ...(options.signal && { signal: options.signal }) };
  const dir = await mkdtemp(join(tmpdir(), "tessera-lab-"));
  try {
    const site = { task, board, options, tools, dir, limits };
    return await (board.family === "host" ? runOnHost(site) : runOnBoard(site));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
