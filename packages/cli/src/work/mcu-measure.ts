import type { EmittedC } from "@tessera/core/codegen/c/options";
import type { McuVerified } from "@tessera/core/protocol/mcu-report";
import { BOARDS } from "@tessera/runtimes/mcu-lab/boards";
import { buildAndRun, type LabOptions, type LabRun } from "@tessera/runtimes/mcu-lab/build-and-run";
import { emittedCalls } from "@tessera/runtimes/mcu-lab/emitted-calls";
import type { ConstantKind } from "@tessera/runtimes/mcu-lab/image-sizes";
import { memorySize } from "../ui/size-option.ts";
import type { McuCpu } from "./mcu-cpus.ts";
import type { McuVectors } from "./mcu-vectors.ts";

/** What building and running showed. */
export interface McuMeasured {
  /** On the processor's own board; absent when the compiler or emulator is not there. */
  readonly run?: LabRun;
  /** Instructions of each layer over one vector. */
  readonly layers?: LabRun["layers"];
  /** Whether the linker put it into the budget; absent without a budget, and where nothing was linked. */
  readonly linked?: { readonly pass: boolean; readonly says: string };
  readonly verified: readonly McuVerified[];
  /** Why the board was not used. */
  readonly notMeasured?: string;
}

/** Options of {@link measureMcu}. */
export interface McuMeasureOptions {
  /** Bytes; 0 for none. */
  readonly flashBytes: number;
  readonly ramBytes: number;
  readonly stackBytes: number;
  readonly signal: AbortSignal;
}

/** What a constant of the emitted files is, by the letter that the emitter gives its name: biases count with multipliers and shifts. */
export function constantKindOf(symbol: string): ConstantKind {
  const [, letter] = /_([wbmstc])\d+$/.exec(symbol) ?? [];
  if (letter === "w") return "weights";
  return letter === "b" || letter === "m" || letter === "s" ? "tables" : "rodata";
}

/**
 * Builds emitted sources for the processor's board, linked into the budget, and for this machine, runs both on all vectors and holds every output against
 * the integer interpreter's. An image that the budget refuses is linked again into all that the board has, so that its figures are known all the same.
 *
 * @throws RUNTIME_FAILED when a compiler refuses the sources
 */
export async function measureMcu(
  emitted: EmittedC,
  vectors: McuVectors,
  cpu: McuCpu,
  options: McuMeasureOptions,
): Promise<McuMeasured> {
  const { flashBytes, ramBytes, stackBytes, signal } = options;
  const { files } = emitted;
  // Whether outputs are right is told value by value, not by the self-test, which would end the program.
  const { selfTest: _, ...calls } = emittedCalls(emitted);
  const verified: McuVerified[] = [];
  const onBoard = async (lab: LabOptions, inputs: McuVectors["inputs"]) =>
    buildAndRun(
      { files, calls, board: cpu.board, vectors: inputs },
      { stack: stackBytes, signal, constantKind: constantKindOf, ...lab },
    );
  const check = (run: LabRun): void => {
    verified.push(verdictOf(run, vectors));
  };
  const host = await buildAndRun({ files, calls, board: "x86", vectors: vectors.inputs }, { signal });
  if (host.kind === "run") check(host);
  if (cpu.board === "x86") {
    const why = `instructions and sizes are those of a board: name one with --cpu m4, m7, m55 or rv32${host.kind === "skipped" ? `; ${host.reason}` : ""}`;
    return { verified, notMeasured: why };
  }
  const budget = { ...(flashBytes > 0 ? { flash: flashBytes } : {}), ...(ramBytes > 0 ? { ram: ramBytes } : {}) };
  const bounded = flashBytes > 0 || ramBytes > 0;
  let result = await onBoard(budget, vectors.inputs);
  let linked: McuMeasured["linked"];
  if (result.kind === "overflow") {
    const over = result.overflows.map(
      (o) => `${o.memory === "ram" ? "memory" : "flash"} by ${o.bytes.toLocaleString("en-US")} B`,
    );
    linked = { pass: false, says: `The linker refuses: the image exceeds ${over.join(" and ")}` };
    result = await onBoard({}, vectors.inputs);
  } else if (bounded && result.kind === "run") {
    const sizes = [
      flashBytes > 0 ? `${memorySize(flashBytes)} of flash` : "",
      ramBytes > 0 ? `${memorySize(ramBytes)} of memory` : "",
    ];
    linked = {
      pass: true,
      says: `Linked into ${sizes.filter((s) => s !== "").join(" and ")} with the test program and ${memorySize(stackBytes)} of stack, and run there`,
    };
  }
  if (result.kind === "skipped") return { verified, notMeasured: result.reason };
  if (result.kind === "overflow")
    return {
      verified,
      ...(linked === undefined ? {} : { linked }),
      notMeasured: `it is larger than all memory of ${BOARDS[cpu.board].title}`,
    };
  check(result);
  const profiled = await onBoard({ layers: emitted.layers.length }, vectors.inputs.slice(-1));
  return {
    run: result,
    ...(profiled.kind === "run" && profiled.layers !== undefined ? { layers: profiled.layers } : {}),
    ...(linked === undefined ? {} : { linked }),
    verified,
  };
}

function verdictOf(run: LabRun, vectors: McuVectors): McuVerified {
  let different = 0;
  for (const [v, expected] of vectors.outputs.entries()) {
    const got = run.outputs[v];
    for (let i = 0; i < expected.length; i++) if (got?.[i] !== expected[i]) different++;
  }
  const instructions = run.instructions === undefined ? undefined : meanOf(run.instructions);
  return {
    on: `${BOARDS[run.board].title}, ${run.tools.join(", ")}`,
    inputs: vectors.inputs.length,
    compared: vectors.values * vectors.inputs.length,
    different,
    ...(instructions === undefined ? {} : { instructions }),
  };
}

/** Whole instructions of a typical inference: data decide a branch here and there, so that counts differ by a few in a thousand. */
export function meanOf(counts: readonly number[]): number {
  return Math.round(counts.reduce((sum, n) => sum + n, 0) / Math.max(1, counts.length));
}
