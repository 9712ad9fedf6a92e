import { basename } from "node:path";
import { readHardware } from "@tessera/runtimes/hardware";
import { readRunnable } from "../io/runnable.ts";
import { DEVICE_OPTIONS, deviceOption } from "../ui/device-options.ts";
import { bytes, ms } from "../ui/format.ts";
import { printJson, printLines } from "../ui/print.ts";
import { createProgress } from "../ui/progress.ts";
import { RUN_OPTIONS, runOptions } from "../ui/runtime-options.ts";
import { renderTable } from "../ui/table.ts";
import { numberOption, verb } from "../ui/verb.ts";
import { type BenchReport, benchFiles } from "../work/bench.ts";
import { deviceLines } from "../work/device-time.ts";

export const bench = verb(
  {
    name: "bench",
    description: "Time models against each other, interleaved in one run: the first one is the baseline",
    rest: true,
  },
  {
    model: {
      type: "positional",
      description: "The baseline, .onnx, .ort or .tflite; further files are compared with it",
      required: true,
    },
    ...RUN_OPTIONS,
    ...DEVICE_OPTIONS,
    rounds: { type: "string", description: "Turns of each model, in random order", default: "30" },
    runs: { type: "string", description: "Timed runs in a turn", default: "5" },
    memory: { type: "boolean", description: "Weigh each model in a process of its own", default: true },
  },
  async (args, tools) => {
    const progress = createProgress(tools);
    const rounds = numberOption("rounds", args.rounds, { min: 1, max: 100_000 }) as number;
    const runs = numberOption("runs", args.runs, { min: 1, max: 100_000 }) as number;
    const files = [args.model, ...tools.rest].map((path) => readRunnable(path));
    const { runtimes, threads, seed } = runOptions(args);
    const device = deviceOption(args);
    const report = await benchFiles(files, {
      runtimes,
      threads,
      seed,
      rounds,
      runs,
      folder: args.inputs,
      memory: args.memory,
      ...(device === undefined ? {} : { device }),
      hardware: await readHardware(),
      progress,
      signal: tools.signal,
    });
    progress.end();
    if (tools.json) printJson(report);
    else printLines(...benchLines(report));
    return 0;
  },
);

function benchLines(report: BenchReport): readonly string[] {
  const { machine, timedOn } = report;
  const numeric = ["size", "load", "p50", "p90", "p99", "CPU", "memory", "speed-up (95 %)"];
  const rows = report.models.map((m) => [
    basename(m.file),
    bytes(m.sizeBytes),
    m.memory === undefined ? "-" : ms(m.memory.loadMs),
    ms(m.p50Ms),
    ms(m.p90Ms),
    ms(m.p99Ms),
    ms(m.cpuMs),
    m.memory === undefined ? "-" : bytes(m.memory.growthBytes),
    m.baseline ? "1" : `${m.speedup.value.toFixed(2)} (${m.speedup.low.toFixed(2)}..${m.speedup.high.toFixed(2)})`,
  ]);
  return [
    renderTable([{ title: "model" }, ...numeric.map((title) => ({ title, right: true }))], rows),
    "",
    `${report.rounds} rounds of ${report.runsPerRound} runs, interleaved, on ${report.inputs}`,
    ...(timedOn === undefined ? [] : deviceLines(timedOn)),
    `${timedOn === undefined ? "" : "this machine, which took no time: "}${machine.processor}, ${machine.cores} cores, ${machine.threads} thread${machine.threads === 1 ? "" : "s"}, ${machine.runtimes.map((r) => `${r.id} ${r.version}`).join(", ")}`,
  ];
}
