import { existsSync } from "node:fs";
import { fail } from "@tessera/core/base/error";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { planFromJson } from "@tessera/core/quant/plan-json";
import { readText } from "../io/files.ts";
import { readModelFile } from "../io/model-file.ts";
import { halfLines } from "../ui/half-lines.ts";
import { printJson, printLines } from "../ui/print.ts";
import { createProgress } from "../ui/progress.ts";
import { RUN_OPTIONS, runOptions } from "../ui/runtime-options.ts";
import { renderTable } from "../ui/table.ts";
import { numberOption, verb } from "../ui/verb.ts";
import { type ComparedLayer, type CompareReport, compareModels, type ValueDifference } from "../work/compare.ts";
import { findHalfHazards } from "../work/half-hazards.ts";

const { threads: _, ...OPTIONS } = RUN_OPTIONS;

export const compare = verb(
  { name: "compare", description: "Compare two models on the same inputs, output by output and layer by layer" },
  {
    reference: { type: "positional", description: "The .onnx or .tflite file to compare with", required: true },
    changed: { type: "positional", description: "The changed one; none with --fp16", required: false },
    fp16: {
      type: "boolean",
      description:
        "Compare the model with itself in float16: what overflows or drowns on these inputs, and what to keep in float32",
      default: false,
    },
    ...OPTIONS,
    trials: { type: "string", description: "Random inputs", default: "8" },
    plan: { type: "string", description: "Plan that the changed file was made by (default: NAME.plan.json next to it)" },
    worst: { type: "string", description: "Inputs to name, those on which the outputs differ most first", default: "5" },
    top: { type: "string", description: "Layers in the table, the worst first", default: "20" },
  },
  async (args, tools) => {
    const progress = createProgress(tools);
    const trials = numberOption("trials", args.trials, { min: 1, max: 100_000 }) as number;
    const top = numberOption("top", args.top, { min: 0, max: 100_000 }) as number;
    const worst = numberOption("worst", args.worst, { min: 0, max: 100_000 }) as number;
    const { runtimes, seed } = runOptions({ ...args, threads: "1" });
    const given = { runtimes, folder: args.inputs, trials, seed, progress, signal: tools.signal };
    if (args.fp16) {
      if (args.changed !== undefined) throw fail("USAGE", "Cannot compare two files with --fp16: it takes one");
      const found = await findHalfHazards(readModelFile(args.reference), given);
      progress.end();
      if (tools.json) printJson(found);
      else printLines(...halfLines(found, top));
      return found.hazards.some((h) => h.kind === "range") ? 1 : 0;
    }
    if (args.changed === undefined)
      throw fail("USAGE", "Cannot compare: no second file is given", {
        hint: "Give one, or --fp16 to compare the model with itself in float16",
      });
    const [reference, changed] = [readModelFile(args.reference), readModelFile(args.changed)];
    const report = await compareModels(reference, changed, {
      ...given,
      worst,
      plan: planOf(args.changed, args.plan),
    });
    progress.end();
    if (tools.json) printJson(report);
    else printLines(...compareLines(report, top));
    return 0;
  },
);

/** The plan that is named, or that lies beside the file. */
function planOf(changed: string, named: string | undefined): QuantPlan | undefined {
  const beside = changed.replace(/\.[^./\\]+$/, ".plan.json");
  if (named !== undefined) return planFromJson(readText(named));
  return beside !== changed && existsSync(beside) ? planFromJson(readText(beside)) : undefined;
}

/** A name short enough for a table: TensorFlow joins the names of everything that was fused into a value. */
const short = (name: string): string => {
  const [first = name] = name.split(";");
  return first.length <= 60 ? first : `${first.slice(0, 28)}...${first.slice(-29)}`;
};

const decibels = (db: number): string => (db >= 200 ? "equal" : `${db.toFixed(1)} dB`);
const share = (value: number | undefined): string =>
  value === undefined ? "" : value === 0 ? "0" : value < 1e-4 ? "<0.01 %" : `${(value * 100).toFixed(2)} %`;

function cells({ sqnrDb, cosine, maxAbs }: ValueDifference): readonly string[] {
  return [decibels(sqnrDb), cosine.toFixed(6), maxAbs.toPrecision(3)];
}

function layerCells(layer: ComparedLayer): readonly string[] {
  const { localSqnrDb, rangeUse, clippedLow, clippedHigh } = layer;
  return [
    short(layer.tensor),
    layer.op,
    ...cells(layer),
    localSqnrDb === undefined ? "" : decibels(localSqnrDb),
    rangeUse === undefined ? "" : `${Math.round(rangeUse * 100)} %`,
    clippedLow === undefined && clippedHigh === undefined ? "" : `${share(clippedLow)} / ${share(clippedHigh)}`,
  ];
}

function worstLines(worst: CompareReport["worst"]): readonly string[] {
  if (worst.length === 0) return [];
  const rows = worst.map((w) => [
    w.input,
    w.cosine.toFixed(6),
    w.firstWrong === undefined
      ? "no layer stands out"
      : `${short(w.firstWrong.tensor)} (${w.firstWrong.op}), ${w.firstWrong.times.toFixed(1)} times the usual error`,
  ]);
  return [
    "",
    renderTable(
      [{ title: "worst inputs" }, { title: "cosine of the output", right: true }, { title: "first goes wrong at" }],
      rows,
    ),
  ];
}

function hintLines(hints: CompareReport["hints"]): readonly string[] {
  const gain = ({ measured: m }: (typeof hints)[number]): number => (m === undefined ? -1e9 : m.sqnrDb - m.sqnrDbBefore);
  return hints
    .toSorted((a, b) => gain(b) - gain(a))
    .flatMap((hint, i) => {
      const { at, says, evidence, measured: m } = hint;
      const brings = gain(hint) >= 0.05 ? `brings ${gain(hint).toFixed(1)} dB` : "does not help by itself";
      return [
        ...(i === 0 ? [""] : []),
        `hint: ${at === undefined ? "" : `${short(at)}: `}${says} (${evidence})`,
        m === undefined
          ? "  not tried"
          : `  tried on ${m.samples} inputs, ${brings}: output ${decibels(m.sqnrDbBefore)} to ${decibels(m.sqnrDb)}, cosine ${m.cosineBefore.toFixed(6)} to ${m.cosine.toFixed(6)}`,
      ];
    });
}

function compareLines(report: CompareReport, top: number): readonly (string | undefined)[] {
  const columns = ["SQNR", "cosine", "largest difference"].map((title) => ({ title, right: true }));
  const worst = report.layers.toSorted((a, b) => a.sqnrDb - b.sqnrDb);
  // What a layer adds itself tells more than what has piled up by then, which is always worst at the end.
  const ownFirst = report.layers.toSorted((a, b) => (a.localSqnrDb ?? 200) - (b.localSqnrDb ?? 200) || a.sqnrDb - b.sqnrDb);
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
          [
            { title: "values, largest error of their own first" },
            { title: "made by" },
            ...columns,
            { title: "of its own", right: true },
            { title: "levels used", right: true },
            { title: "clipped low / high", right: true },
          ],
          ownFirst.slice(0, top).map(layerCells),
        ),
    ...worstLines(report.worst),
    ...hintLines(report.hints),
    "",
    bad === undefined ? undefined : `worst: ${short(bad.tensor)} (${bad.op}), ${decibels(bad.sqnrDb)}`,
    `${report.layers.length} values compared, ${report.unmatched} of the reference are not in the other model; ${report.inputs}; ${report.runtime}${report.layersRuntime === undefined ? "" : `; layers: ${report.layersRuntime}`}`,
  ];
}
