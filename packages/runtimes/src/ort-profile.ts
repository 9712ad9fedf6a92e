import { fail } from "@tessera/core/base/error";
import type { OperatorTime, RuntimeProfile } from "@tessera/core/graph/runtime";
import { median } from "./statistics.ts";

/** Options of {@link parseOrtProfile}. */
export interface OrtProfileOptions {
  readonly runtime: string;
  /** Runs at the start of the trace that are left out. */
  readonly warmup?: number;
}

/** One event of the trace (Chrome's trace format); only the fields that are read. */
interface TraceEvent {
  readonly cat?: unknown;
  readonly name?: unknown;
  /** Start, microseconds since the session began. */
  readonly ts?: unknown;
  /** Duration, microseconds. */
  readonly dur?: unknown;
  readonly args?: { readonly op_name?: unknown; readonly output_size?: unknown };
}

const KERNEL = "_kernel_time";

function readEvents(text: string): readonly TraceEvent[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw fail("MALFORMED", "Cannot read the profile: it is not JSON", { cause });
  }
  if (!Array.isArray(parsed)) throw fail("MALFORMED", "Cannot read the profile: it is not a list of events");
  return parsed as TraceEvent[];
}

/**
 * Per-operator times from the JSON trace that ONNX Runtime writes. Each node of the runtime's own, fused graph leaves one event
 * `<node>_kernel_time` a run, with its duration in microseconds; `session.run` events delimit the runs. Operators come in the order of
 * their first execution. `timeUs` is the median over runs of the node's time in a run (a node inside a loop counts all its calls);
 * `totalUs` is the sum of these medians. @throws MALFORMED when the text is no such trace or holds no counted run.
 */
export function parseOrtProfile(text: string, options: OrtProfileOptions): RuntimeProfile {
  const events = readEvents(text);
  const runs: { readonly start: number; readonly end: number }[] = [];
  for (const e of events) {
    if (e.cat === "Session" && e.name === "model_run" && typeof e.ts === "number" && typeof e.dur === "number") {
      runs.push({ start: e.ts, end: e.ts + e.dur });
    }
  }
  runs.sort((a, b) => a.start - b.start);
  const counted = runs.slice(options.warmup ?? 0);
  if (counted.length === 0)
    throw fail("MALFORMED", `Cannot read the profile: it holds ${runs.length} runs and ${options.warmup ?? 0} are warm-up`);

  interface Row {
    readonly op: string;
    readonly perRun: Float64Array;
    calls: number;
    outputBytes: number;
  }
  const rows = new Map<string, Row>();
  for (const e of events) {
    if (e.cat !== "Node" || typeof e.name !== "string" || !e.name.endsWith(KERNEL)) continue;
    if (typeof e.ts !== "number" || typeof e.dur !== "number")
      throw fail("MALFORMED", `Cannot read the profile: event ${e.name} has no time`);
    const { ts } = e;
    const run = counted.findIndex((r) => ts >= r.start && ts <= r.end);
    if (run < 0) continue;
    const name = e.name.slice(0, -KERNEL.length);
    let row = rows.get(name);
    if (!row) {
      row = { op: String(e.args?.op_name ?? "?"), perRun: new Float64Array(counted.length), calls: 0, outputBytes: 0 };
      rows.set(name, row);
    }
    row.perRun[run] = (row.perRun[run] as number) + e.dur;
    row.calls++;
    row.outputBytes = Math.max(row.outputBytes, Number(e.args?.output_size ?? 0) || 0);
  }
  const operators = Array.from(rows, ([name, row]): OperatorTime => {
    const { op, calls, outputBytes } = row;
    return { name, op, timeUs: median([...row.perRun]), calls, ...(outputBytes > 0 ? { outputBytes } : {}) };
  });
  return { runtime: options.runtime, runs: counted.length, operators, totalUs: operators.reduce((sum, o) => sum + o.timeUs, 0) };
}
