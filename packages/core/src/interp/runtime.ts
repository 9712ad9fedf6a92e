import { fail } from "../base/error.ts";
import type { Graph, Model } from "../graph/model.ts";
import type { Feeds, LoadOptions, OperatorTime, Runtime, RuntimeProfile, Session } from "../graph/runtime.ts";
import { interpret } from "./run.ts";

/** What {@link interpRuntime} needs from outside: core reads neither files nor clocks. */
export interface InterpRuntimeOptions {
  /** Turns the bytes of a model file into a model, e.g. the ONNX reader. */
  readonly read: (bytes: Uint8Array, options: LoadOptions) => Model;
  /** A steady clock in milliseconds. Without one, {@link Session.time} throws and there is no profile. */
  readonly nowMs?: () => number;
}

async function timeRuns(
  graph: Graph,
  feeds: Feeds,
  options: { readonly runs: number; readonly warmup: number; readonly nowMs: () => number },
): Promise<number[]> {
  for (let i = 0; i < options.warmup; i++) interpret(graph, feeds);
  const wallMs: number[] = [];
  for (let i = 0; i < options.runs; i++) {
    const start = options.nowMs();
    interpret(graph, feeds);
    wallMs.push(options.nowMs() - start);
    // Lets the caller's timers and signals run between two runs.
    await Promise.resolve();
  }
  return wallMs;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2;
}

function profileRuns(
  graph: Graph,
  feeds: Feeds,
  options: { readonly runs: number; readonly nowMs: () => number },
): RuntimeProfile {
  const rows = new Map<string, { readonly op: string; readonly bytes: number; readonly timesUs: number[] }>();
  for (let i = 0; i < options.runs; i++) {
    let last = options.nowMs();
    interpret(graph, feeds, {
      onNode: (node, outputs) => {
        const now = options.nowMs();
        const bytes = outputs.reduce((sum, t) => sum + (t?.bytes.byteLength ?? 0), 0);
        const row = rows.get(node.name) ?? { op: node.op, bytes, timesUs: [] };
        row.timesUs.push((now - last) * 1000);
        rows.set(node.name, row);
        last = options.nowMs();
      },
    });
  }
  const operators: OperatorTime[] = [...rows].map(([name, row]) => ({
    name,
    op: row.op,
    timeUs: median(row.timesUs),
    calls: row.timesUs.length / Math.max(1, options.runs),
    outputBytes: row.bytes,
  }));
  return {
    runtime: "interp",
    runs: options.runs,
    operators,
    totalUs: operators.reduce((sum, row) => sum + row.timeUs * row.calls, 0),
  };
}

/**
 * Core's own interpreter behind the Runtime interface: slow, exact, one thread, ignores the load options that steer other runtimes.
 *
 * @example
 * const runtime = interpRuntime({ read: readModel });
 * const session = await runtime.load(bytes);
 * const outputs = await session.run(new Map([["input", f32([1, 3, 112, 112], pixels)]]));
 */
export function interpRuntime(options: InterpRuntimeOptions): Runtime {
  const { read, nowMs } = options;
  async function load(bytes: Uint8Array, loadOptions: LoadOptions = {}): Promise<Session> {
    const { graph } = read(bytes, loadOptions);
    const session: Session = {
      inputs: graph.inputs.filter((input) => !graph.constants.has(input.name)),
      outputs: graph.outputs,
      run: async (feeds) => interpret(graph, feeds),
      time: async (feeds, { runs, warmup = 1 }) => {
        if (nowMs === undefined) throw fail("RUNTIME_FAILED", "Cannot time the interpreter: it was made without a clock");
        const start = nowMs();
        const wallMs = await timeRuns(graph, feeds, { runs, warmup, nowMs });
        return { wallMs, cpuMs: nowMs() - start };
      },
      close: async () => {},
    };
    if (nowMs === undefined) return session;
    return { ...session, profile: async (feeds, runs) => profileRuns(graph, feeds, { runs, nowMs }) };
  }
  return { id: "interp", version: "0.1.0", formats: ["onnx"], load };
}
