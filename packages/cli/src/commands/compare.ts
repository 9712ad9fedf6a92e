import { readModelFile } from "../io/model-file.ts";
import { printJson, printLines } from "../ui/print.ts";
import { createProgress } from "../ui/progress.ts";
import { RUN_OPTIONS, runOptions } from "../ui/runtime-options.ts";
import { renderTable } from "../ui/table.ts";
import { numberOption, verb } from "../ui/verb.ts";
import { type CompareReport, compareModels, type ValueDifference } from "../work/compare.ts";

const { threads: _, ...OPTIONS } = RUN_OPTIONS;

export const compare = verb(
  { name: "compare", description: "Compare two models on the same inputs, output by output and layer by layer" },
  {
    reference: { type: "positional", description: "The .onnx or .tflite file to compare with", required: true },
    changed: { type: "positional", description: "The changed one", required: true },
    ...OPTIONS,
    trials: { type: "string", description: "Random inputs", default: "8" },
    top: { type: "string", description: "Layers in the table, the worst first", default: "20" },
  },
  async (args, tools) => {
    const progress = createProgress(tools);
    const trials = numberOption("trials", args.trials, { min: 1, max: 100_000 }) as number;
    const top = numberOption("top", args.top, { min: 0, max: 100_000 }) as number;
    const [reference, changed] = [readModelFile(args.reference), readModelFile(args.changed)];
    const { runtimes, seed } = runOptions({ ...args, threads: "1" });
    const report = await compareModels(reference, changed, {
      runtimes,
      folder: args.inputs,
      trials,
      seed,
      progress,
      signal: tools.signal,
    });
    progress.end();
    if (tools.json) printJson(report);
    else printLines(...compareLines(report, top));
    return 0;
  },
);

function cells({ sqnrDb, cosine, maxAbs }: ValueDifference): readonly string[] {
  return [sqnrDb >= 200 ? "equal" : `${sqnrDb.toFixed(1)} dB`, cosine.toFixed(6), maxAbs.toPrecision(3)];
}

function compareLines(report: CompareReport, top: number): readonly (string | undefined)[] {
  const columns = ["SQNR", "cosine", "largest difference"].map((title) => ({ title, right: true }));
  const worst = report.layers.toSorted((a, b) => a.sqnrDb - b.sqnrDb);
  const [bad] = worst;
  return [
    renderTable(
      [{ title: "output" }, ...columns, { title: "relative", right: true }],
      report.outputs.map((o) => [
        o.changedName === undefined ? o.output : `${o.output} / ${o.changedName}`,
        ...cells(o),
        o.relative === undefined ? "not comparable" : o.relative.toExponential(1),
      ]),
    ),
    "",
    report.layers.length === 0
      ? "no inner value has the same name in both"
      : renderTable(
          [{ title: "worst values first" }, { title: "made by" }, ...columns],
          worst.slice(0, top).map((l) => [l.tensor, l.op, ...cells(l)]),
        ),
    "",
    bad === undefined
      ? undefined
      : `worst: ${bad.tensor} (${bad.op}), ${bad.sqnrDb >= 200 ? "equal" : `${bad.sqnrDb.toFixed(1)} dB`}`,
    `${report.layers.length} values compared, ${report.unmatched} of the reference are not in the other model; ${report.inputs}; ${report.runtime}${report.layersRuntime === undefined ? "" : `; layers: ${report.layersRuntime}`}`,
  ];
}
