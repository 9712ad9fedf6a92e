import type { DeviceIsa } from "@tessera/core/codegen/c/isa";
import { BOARDS, type BoardId } from "./boards.ts";
import { buildAndRun, type LabOptions, type LabRun } from "./build-and-run.ts";
import type { Overflow } from "./build-image.ts";
import type { ModelCalls } from "./test-program.ts";

/** One way to build and run a model. */
export interface Rung {
  readonly id: string;
  readonly board: BoardId;
  readonly flags: readonly string[];
  /** Form of the files; that of the board unless given. */
  readonly isa?: DeviceIsa;
  /** Runs the first vectors only, because another rung runs the same kernels on all. */
  readonly few?: boolean;
  /** Runs the model's built-in check too; its size is not asked for then. */
  readonly selfTest?: boolean;
}

/** The rungs from this machine up; each must give the same bytes. */
export const LADDER: readonly Rung[] = [
  {
    id: "x86-sanitized",
    board: "x86",
    flags: ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"],
  },
  { id: "x86-O2", board: "x86", flags: ["-O2"] },
  { id: "x86-O3", board: "x86", flags: ["-O3"] },
  { id: "m0", board: "m0", flags: ["-O2"], few: true, selfTest: true },
  { id: "m4", board: "m4", flags: ["-O2"] },
  // What was laid out for DSP instructions, computed without them; and what never was.
  { id: "m4-no-dsp", board: "m4", flags: ["-O2", "-DTS_NO_DSP"], few: true, selfTest: true },
  { id: "m4-portable", board: "m4", flags: ["-O2"], isa: "portable", few: true },
  { id: "m7", board: "m7", flags: ["-O2"], few: true, selfTest: true },
  { id: "m55", board: "m55", flags: ["-O2"] },
  { id: "rv32", board: "rv32", flags: ["-O2"], few: true, selfTest: true },
];

/** Where two runs first part. */
export interface Difference {
  readonly vector: number;
  /** Byte within the vector's outputs. */
  readonly index: number;
  readonly got: number;
  readonly wanted: number;
}

/** What a rung showed. */
export type RungResult = { readonly rung: Rung } & (
  | { readonly kind: "equal"; readonly vectors: number; readonly run: LabRun }
  | {
      readonly kind: "different";
      readonly vectors: number;
      readonly differing: number;
      readonly first: Difference;
      readonly run: LabRun;
    }
  | { readonly kind: "overflow"; readonly overflows: readonly Overflow[] }
  | { readonly kind: "skipped"; readonly reason: string }
  | { readonly kind: "failed"; readonly why: string }
);

/** What {@link climbLadder} is given. */
export interface LadderTask {
  /** The model's files for an instruction set, and how they are called. */
  readonly emit: (isa: DeviceIsa) => { readonly files: ReadonlyMap<string, string>; readonly calls: ModelCalls };
  readonly vectors: readonly Uint8Array[];
  /** Bytes of all outputs of each vector. */
  readonly expected: readonly Uint8Array[];
}

/** Options of {@link climbLadder}. */
export interface LadderOptions extends Omit<LabOptions, "flags" | "selfTest"> {
  /** {@link LADDER} unless given. */
  readonly rungs?: readonly Rung[];
  /** Vectors that rungs with `few` run; 100 unless given. */
  readonly few?: number;
  /** Told after each rung. */
  readonly onResult?: (result: RungResult) => void;
}

/** What {@link LadderOptions} leave out. */
export const LADDER_DEFAULTS = { rungs: LADDER, few: 100 } as const satisfies LadderOptions;

/** The first byte by which lists of outputs differ, and how many vectors do. A shorter list counts as different from there on. */
export function firstDifference(
  got: readonly Uint8Array[],
  wanted: readonly Uint8Array[],
): { readonly first: Difference; readonly differing: number } | undefined {
  let first: Difference | undefined;
  let differing = 0;
  for (const [vector, want] of wanted.entries()) {
    const have = got[vector] ?? new Uint8Array();
    let index = 0;
    while (index < want.length && have[index] === want[index]) index++;
    if (index === want.length && have.length === want.length) continue;
    differing++;
    first ??= { vector, index, got: have[index] ?? -1, wanted: want[index] ?? -1 };
  }
  return first && { first, differing };
}

async function climb(rung: Rung, task: LadderTask, options: LadderOptions): Promise<RungResult> {
  const count = rung.few ? (options.few ?? LADDER_DEFAULTS.few) : task.vectors.length;
  const vectors = task.vectors.slice(0, count);
  try {
    const { files, calls } = task.emit(rung.isa ?? BOARDS[rung.board].isa);
    const { flags, selfTest = false } = rung;
    const run = await buildAndRun({ files, calls, board: rung.board, vectors }, { ...options, flags, selfTest });
    if (run.kind === "skipped") return { rung, kind: "skipped", reason: run.reason };
    if (run.kind === "overflow") return { rung, kind: "overflow", overflows: run.overflows };
    const difference = firstDifference(run.outputs, task.expected.slice(0, count));
    if (difference === undefined) return { rung, kind: "equal", vectors: vectors.length, run };
    return { rung, kind: "different", vectors: vectors.length, ...difference, run };
  } catch (error) {
    if (options.signal?.aborted || !(error instanceof Error)) throw error;
    return { rung, kind: "failed", why: error.message };
  }
}

/**
 * Builds and runs a model on every rung and compares all outputs byte by byte. A rung that fails does not keep the others from being climbed; rungs without
 * their tools are skipped with the reason. @throws INTERRUPTED
 */
export async function climbLadder(task: LadderTask, options: LadderOptions = {}): Promise<RungResult[]> {
  const results: RungResult[] = [];
  for (const rung of options.rungs ?? LADDER_DEFAULTS.rungs) {
    const result = await climb(rung, task, options);
    options.onResult?.(result);
    results.push(result);
  }
  return results;
}
