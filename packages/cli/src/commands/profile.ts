import { fail } from "@tessera/core/base/error";
import type { RuntimeProfile } from "@tessera/core/graph/runtime";
import { readHardware } from "@tessera/runtimes/hardware";
import { formatRow } from "../io/formats.ts";
import { openRunnable, readRunnable } from "../io/runnable.ts";
import { bytes, percent } from "../ui/format.ts";
import { printJson, printLines } from "../ui/print.ts";
import { createProgress } from "../ui/progress.ts";
import { RUN_OPTIONS, runOptions } from "../ui/runtime-options.ts";
import { renderTable } from "../ui/table.ts";
import { numberOption, verb } from "../ui/verb.ts";
import { firstFeeds, inputsFor } from "../work/feeds.ts";
import { machineOf } from "../work/machine.ts";

export const profile = verb(
  { name: "profile", description: "Time every operator of a model as the runtime fused it" },
  {
    model: { type: "positional", description: "The file, .onnx, .ort or .tflite", required: true },
    ...RUN_OPTIONS,
    runs: { type: "string", description: "Profiled runs; times are medians over them", default: "50" },
    top: { type: "string", description: "Nodes in the table", default: "20" },
  },
  async (args, tools) => {
    const progress = createProgress(tools);
    const runs = numberOption("runs", args.runs, { min: 1, max: 100_000 }) as number;
    const top = numberOption("top", args.top, { min: 0, max: 100_000 }) as number;
    const file = readRunnable(args.model);
    const { runtimes, threads, seed } = runOptions(args);
    // Unless one is asked for: the runtime that can tell operators apart.
    const runtime = await (args.runtime === undefined ? runtimes.get(formatRow(file.format).profiler) : runtimes.for(file));
    progress.stage("profiling");
    const session = await openRunnable(runtime, file, { threads });
    try {
      if (session.profile === undefined)
        throw fail("RUNTIME_FAILED", `Cannot profile on ${runtime.id}: it cannot tell operators apart`, {
          hint: `Use --runtime ${formatRow(file.format).profiler}, or time whole runs with \`tessera bench\``,
        });
      const inputs = await inputsFor(session, { folder: args.inputs, trials: 1, seed });
      const found = await session.profile(firstFeeds(inputs), runs);
      tools.signal.throwIfAborted();
      progress.end();
      const byOperator = totals(found);
      if (tools.json) {
        printJson({
          kind: "tessera-profile-report",
          version: 1,
          machine: machineOf(await readHardware(), { runtimes: [runtime], threads }),
          file: file.path,
          sha256: file.sha256,
          inputs: inputs.says,
          runs: found.runs,
          totalUs: found.totalUs,
          byOperator,
          nodes: found.operators,
        });
      } else printLines(...profileLines(found, { byOperator, top, says: inputs.says }));
      return 0;
    } finally {
      await session.close();
    }
  },
);

interface OperatorTotal {
  readonly op: string;
  readonly nodes: number;
  readonly timeUs: number;
  /** Of the sum over all nodes. */
  readonly share: number;
}

/** Times by operator, longest first. */
export function totals(profile: RuntimeProfile): readonly OperatorTotal[] {
  const sums = new Map<string, { nodes: number; timeUs: number }>();
  for (const { op, timeUs } of profile.operators) {
    const sum = sums.get(op) ?? { nodes: 0, timeUs: 0 };
    sums.set(op, { nodes: sum.nodes + 1, timeUs: sum.timeUs + timeUs });
  }
  return [...sums]
    .map(([op, sum]) => ({ op, ...sum, share: profile.totalUs > 0 ? sum.timeUs / profile.totalUs : 0 }))
    .sort((a, b) => b.timeUs - a.timeUs || (a.op < b.op ? -1 : 1));
}

function profileLines(
  profile: RuntimeProfile,
  options: { readonly byOperator: readonly OperatorTotal[]; readonly top: number; readonly says: string },
): readonly string[] {
  const us = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} us`;
  const nodes = profile.operators.toSorted((a, b) => b.timeUs - a.timeUs).slice(0, options.top);
  return [
    renderTable(
      [{ title: "operator" }, ...["nodes", "time", "share"].map((title) => ({ title, right: true }))],
      options.byOperator.map((o) => [o.op, String(o.nodes), us(o.timeUs), percent(o.share, 1)]),
    ),
    "",
    renderTable(
      [{ title: "node" }, { title: "operator" }, ...["time", "share", "output"].map((title) => ({ title, right: true }))],
      nodes.map((n) => [
        n.name,
        n.op,
        us(n.timeUs),
        percent(profile.totalUs > 0 ? n.timeUs / profile.totalUs : 0, 1),
        n.outputBytes === undefined ? "-" : bytes(n.outputBytes),
      ]),
    ),
    "",
    `sum over operators ${(profile.totalUs / 1000).toFixed(3)} ms, medians of ${profile.runs} runs on ${options.says} (${profile.runtime})`,
  ];
}
