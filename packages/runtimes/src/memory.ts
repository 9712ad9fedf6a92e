import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fail } from "@tessera/core/base/error";
import type { Feeds, LoadOptions } from "@tessera/core/graph/runtime";
import type { NamedTensors } from "./engine.ts";
import type { EngineName, EngineSpec } from "./engines.ts";
import { checkLoadOptions, type PreparedModel } from "./load-options.ts";
import { prepareModel } from "./ort-options.ts";
import { startProcess } from "./worker-start.ts";

/** Memory and start of a model in a process of its own; plain JSON. */
export interface MemoryReport {
  readonly kind: "memory";
  /** Resident set of Node with the runtime loaded, before the model, bytes. */
  readonly baselineRssBytes: number;
  /** Highest resident set from there to the end, bytes. */
  readonly peakRssBytes: number;
  /** `peakRssBytes - baselineRssBytes`: what the model costs, the heap of its own included where the runtime is WebAssembly. */
  readonly growthBytes: number;
  /** Loading the file into a session, milliseconds. */
  readonly loadMs: number;
  /** The first run, which allocates, milliseconds. */
  readonly firstRunMs: number;
}

/** What the child process is asked to do. */
export interface MemoryTask {
  readonly spec: EngineSpec;
  readonly path: string;
  readonly feeds: NamedTensors;
  readonly runs: number;
}

/** What it says. */
export type MemoryAnswer = { readonly ok: true; readonly report: MemoryReport } | { readonly ok: false; readonly why: string };

/** Options of {@link measureMemory}. */
export interface MemoryOptions {
  /** Which runtime, by its id; "ort-node" unless given. */
  readonly runtime?: EngineName;
  readonly load?: LoadOptions;
  /** Runs after loading; 5 unless given. */
  readonly runs?: number;
  /** The child is ended after this time; 120,000 unless given. */
  readonly timeoutMs?: number;
  /** Ends the child, and with it the measurement. */
  readonly signal?: AbortSignal;
}

/** What {@link MemoryOptions} leave out. */
export const MEMORY_DEFAULTS = { runtime: "ort-node", load: {}, runs: 5, timeoutMs: 120_000 } as const satisfies MemoryOptions;

async function ask(
  task: MemoryTask,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal | undefined },
): Promise<MemoryAnswer> {
  const child = startProcess("./memory-child");
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-2000);
  });
  const kill = (): void => void child.kill("SIGKILL");
  const timer = setTimeout(kill, timeoutMs);
  signal?.addEventListener("abort", kill);
  try {
    return await new Promise<MemoryAnswer>((resolve, reject) => {
      let answer: MemoryAnswer | undefined;
      child.once("message", (message) => {
        answer = message as MemoryAnswer;
      });
      child.once("error", reject);
      child.once("close", (code, signal) => {
        const why = `the measuring process ended with ${signal ?? `code ${code}`} ${said.trim().split("\n").at(-1) ?? ""}`.trim();
        resolve(answer ?? { ok: false, why });
      });
      child.send(task, (error) => {
        if (error) reject(error);
      });
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", kill);
    kill();
  }
}

function prepared(bytes: Uint8Array, engine: EngineName, load: LoadOptions): PreparedModel {
  if (engine === "ort-node" || engine === "ort-web") return prepareModel(bytes, load);
  checkLoadOptions(load);
  return { bytes, options: load };
}

/**
 * Peak memory, load time and first-run time of a model, taken in a fresh process (allocators keep what earlier models used, so that no
 * process can be measured twice). @throws RUNTIME_FAILED when the runtime refuses the model or the process dies.
 */
export async function measureMemory(bytes: Uint8Array, feeds: Feeds, options: MemoryOptions = {}): Promise<MemoryReport> {
  const { runtime: engine = MEMORY_DEFAULTS.runtime, runs = MEMORY_DEFAULTS.runs } = options;
  const model = prepared(bytes, engine, options.load ?? MEMORY_DEFAULTS.load);
  const dir = await mkdtemp(join(tmpdir(), "tessera-memory-"));
  try {
    // ONNX Runtime goes by the ending.
    const path = join(dir, String.fromCharCode(...model.bytes.subarray(4, 8)) === "ORTM" ? "model.ort" : "model.onnx");
    await writeFile(path, model.bytes);
    for (const [name, data] of model.options.externalData ?? []) {
      if (basename(name) !== name)
        throw fail("EXTERNAL_DATA", `Cannot measure the model: external data ${name} is not a plain file name`);
      await writeFile(join(dir, name), data);
    }
    const task: MemoryTask = { spec: { engine, options: model.options }, path, feeds: [...feeds], runs };
    const answer = await ask(task, { timeoutMs: options.timeoutMs ?? MEMORY_DEFAULTS.timeoutMs, signal: options.signal });
    if (!answer.ok) throw fail("RUNTIME_FAILED", `Cannot measure the memory of the model: ${answer.why}`);
    return answer.report;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
