import { join } from "node:path";
import { fail } from "@tessera/core/base/error";
import { targetById } from "@tessera/core/targets/table";
import { renderReport } from "@tessera/web/report";
import { findCard } from "../io/card-file.ts";
import { writeFile } from "../io/files.ts";
import { readModelFile } from "../io/model-file.ts";
import { basisLines } from "../ui/basis-lines.ts";
import { candidatesTable } from "../ui/candidates-table.ts";
import { DATA_OPTIONS, dataOf } from "../ui/data-options.ts";
import { DEVICE_OPTIONS, deviceOption } from "../ui/device-options.ts";
import { createProgress } from "../ui/progress.ts";
import { searchLines } from "../ui/search-lines.ts";
import { choiceOption, numberList, numberOption, verb } from "../ui/verb.ts";
import { deviceLines } from "../work/device-time.ts";
import { optimizeModel } from "../work/optimize.ts";
import { parseSplitRule } from "../work/people.ts";
import { SEARCH_DEPTH_NAMES } from "../work/request.ts";
import { createRuntimes } from "../work/runtime.ts";
import { embeddingCard } from "../work/samples.ts";

const METHODS = ["min-max", "percentile", "mse", "entropy"] as const;

export const optimize = verb(
  {
    name: "optimize",
    description: "Build variants for a target, judge them on real pairs and the real runtime, pick, and report",
  },
  {
    model: {
      type: "positional",
      description: "The .onnx or .tflite file of an embedding network for faces or voices",
      required: true,
    },
    target: { type: "string", description: "Target to build for", default: "ort-x64" },
    out: { type: "string", alias: "o", description: "Folder for artefacts and report", default: "tessera-out" },
    ...DATA_OPTIONS,
    ...DEVICE_OPTIONS,
    far: { type: "string", description: "FARs to report, the first one is optimised for", default: "1e-3,1e-4" },
    ranges: {
      type: "string",
      description: `Range methods of the static INT8 variants: ${METHODS.join(", ")}`,
      default: "mse",
    },
    search: {
      type: "string",
      description: `How far to search for a better plan: ${SEARCH_DEPTH_NAMES.join(", ")} (auto: all the way where there are people enough)`,
      default: "auto",
    },
    "search-on": {
      type: "string",
      description: "Who searches and is on no report: a column of manifest or pair list, e.g. fold=1,2 (default: a seeded third)",
    },
    "max-drop": { type: "string", description: "Largest loss of TAR at the first FAR, e.g. 0.5%" },
    "max-latency": { type: "string", description: "Largest median latency in milliseconds" },
    "max-size": { type: "string", description: "Largest file in bytes" },
    cohort: { type: "string", description: "Column of the manifest to split people by: what each cohort loses" },
    "max-cohort-drop": { type: "string", description: "Largest loss of TAR at the first FAR of any cohort, e.g. 1%" },
    protocol: { type: "string", description: "all-pairs or pair-list", default: "all-pairs" },
    replicates: { type: "string", description: "Bootstrap replicates of people", default: "500" },
    seed: { type: "string", description: "Seed of bootstrap and timing order", default: "1" },
    rounds: { type: "string", description: "Interleaved timing rounds", default: "30" },
    int16x8: {
      type: "boolean",
      description: "Also build and judge INT16x8 where the target has kernels for it; they are slow ones, some ten times FP32",
      default: false,
    },
    "allow-overlap": {
      type: "boolean",
      description: "Evaluate although people are in calibration and evaluation; the report says so",
      default: false,
    },
    "few-samples": { type: "boolean", description: "Calibrate on fewer than 10 samples all the same", default: false },
    illustration: { type: "string", description: "Words to put on top of the report: why its figures are no accuracy claim" },
  },
  async (args, tools) => {
    const progress = createProgress(tools);
    const target = targetById(args.target);
    const file = readModelFile(args.model);
    const card = embeddingCard(findCard(args.model, args));
    const fars = numberList("far", args.far, { min: 1e-9, max: 0.5 });
    const maxDrop = numberOption("max-drop", args["max-drop"], { min: 0, max: 1 });
    const maxLatencyMs = numberOption("max-latency", args["max-latency"], { min: 0 });
    const maxSizeBytes = numberOption("max-size", args["max-size"], { min: 0 });
    const maxCohortDrop = numberOption("max-cohort-drop", args["max-cohort-drop"], { min: 0, max: 1 });
    if (maxCohortDrop !== undefined && args.cohort === undefined)
      throw fail("USAGE", "Cannot limit what cohorts lose: no column is given", { hint: "Name one with --cohort" });
    const device = deviceOption(args);
    const runtimes = createRuntimes(target.runtime);
    const evaluation = await dataOf(args.data, args, { ...tools, card, runtimes, progress });
    const calibration =
      args.calib === undefined ? evaluation : await dataOf(args.calib, args, { ...tools, card, runtimes, progress });
    const report = await optimizeModel({
      file,
      card,
      target,
      runtimes,
      calibration,
      evaluation,
      outDir: args.out,
      fars,
      budgets: {
        far: fars[0] as number,
        ...(maxDrop === undefined ? {} : { maxDrop }),
        ...(maxLatencyMs === undefined ? {} : { maxLatencyMs }),
        ...(maxSizeBytes === undefined ? {} : { maxSizeBytes }),
      },
      search: {
        depth: choiceOption("search", args.search, SEARCH_DEPTH_NAMES),
        ...(args["search-on"] === undefined ? {} : { on: parseSplitRule(args["search-on"]) }),
      },
      methods: args.ranges.split(",").map((m) => choiceOption("ranges", m, METHODS)),
      ...(args.cohort === undefined
        ? {}
        : { cohort: { column: args.cohort, ...(maxCohortDrop === undefined ? {} : { maxDrop: maxCohortDrop }) } }),
      protocol: choiceOption("protocol", args.protocol, ["all-pairs", "pair-list"]),
      replicates: numberOption("replicates", args.replicates, { min: 10, max: 100_000 }) as number,
      seed: numberOption("seed", args.seed, { min: 0 }) as number,
      timing: { rounds: numberOption("rounds", args.rounds, { min: 3, max: 10_000 }) as number, runs: 5 },
      ...(device === undefined ? {} : { device }),
      wide: args.int16x8,
      allowOverlap: args["allow-overlap"],
      fewSamples: args["few-samples"],
      ...(args.illustration === undefined ? {} : { illustration: args.illustration }),
      now: new Date(),
      progress,
      signal: tools.signal,
    });
    const page = join(args.out, "report.html");
    writeFile(page, renderReport(report));
    progress.end();
    if (tools.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    else {
      const lines = [
        candidatesTable(report),
        "",
        ...report.pick.why,
        ...report.pick.passedOver.map((p) => `  not ${p.id}: ${p.why}`),
        ...searchLines(report),
        ...basisLines(report),
        ...(report.timedOn === undefined ? [] : deviceLines(report.timedOn)),
        ...report.next.map((n) => `next: ${n}`),
        ...(report.illustration === undefined ? [] : ["", `ILLUSTRATION: ${report.illustration}`]),
        "",
        `report: ${page}`,
      ];
      process.stdout.write(`${lines.join("\n")}\n`);
    }
    if (report.pick.id === undefined) return 1;
    if (report.preprocessing?.questioned) progress.note(`warning: ${report.preprocessing.says}`);
    return 0;
  },
);
