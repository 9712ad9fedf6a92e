import { fail } from "@tessera/core/base/error";
import { TRAIN_DEFAULTS } from "@tessera/core/modality/keystroke/detector";
import { DETECTOR_IDS } from "@tessera/core/modality/keystroke/detectors";
import { formatOfName } from "../io/formats.ts";
import { bytes } from "../ui/format.ts";
import { printJson, printLines } from "../ui/print.ts";
import { createProgress } from "../ui/progress.ts";
import { renderTable } from "../ui/table.ts";
import { choiceOption, numberOption, verb } from "../ui/verb.ts";
import { evaluateKeystrokes, FEATURE_CHOICES, type KeystrokeReport } from "../work/keystroke.ts";

export const keystroke = verb(
  {
    name: "keystroke",
    description: "Compare keystroke detectors on a table of typed passwords, and export one person's as a small ONNX network",
  },
  {
    table: {
      type: "positional",
      description:
        "The CMU table (DSL-StrongPasswordData.csv), the MEU-Mobile table, or a folder with a manifest.csv that names one",
      required: true,
    },
    detector: { type: "string", description: `Detectors, comma-separated: ${DETECTOR_IDS.join(", ")} (default: all)` },
    features: {
      type: "string",
      description: "timing: hold, down-down and up-down times; all: pressure and the rest of a touch screen too",
      default: "timing",
    },
    train: { type: "string", description: "First repetitions of a person to learn from (default: half; 200 of CMU's 400)" },
    impostors: { type: "string", description: "First repetitions of everybody else that are impostor attempts (default: 5)" },
    seed: { type: "string", description: "Seed of what is drawn at random", default: String(TRAIN_DEFAULTS.seed) },
    export: { type: "string", description: "Write the best of these detectors, trained for --user, to this .onnx file" },
    user: { type: "string", description: "The person whose detector is exported" },
    calibration: {
      type: "string",
      description: "Folder to write that person's calibration inputs to, for `tessera quantize --inputs`",
    },
  },
  async (args, tools) => {
    const progress = createProgress(tools);
    const whole = (name: "train" | "impostors" | "seed", min: number): number | undefined => {
      const value = numberOption(name, args[name], { min, max: 2 ** 31 });
      if (value !== undefined && !Number.isInteger(value))
        throw fail("USAGE", `Cannot use --${name} ${args[name]}: it must be a whole number`);
      return value;
    };
    if ((args.export === undefined) !== (args.user === undefined))
      throw fail("USAGE", "Cannot export a detector: --export FILE and --user ID belong together");
    if (args.export !== undefined && (formatOfName(args.export) ?? "onnx") !== "onnx")
      throw fail("USAGE", `Cannot write ${args.export}: a detector is exported as .onnx`, {
        hint: "Convert that with tessera convert",
      });
    if (args.calibration !== undefined && args.export === undefined)
      throw fail("USAGE", "Cannot write calibration inputs: --calibration belongs to --export");
    const report = await evaluateKeystrokes(
      {
        path: args.table,
        detectors:
          args.detector === undefined
            ? DETECTOR_IDS
            : args.detector.split(",").map((id) => choiceOption("detector", id, DETECTOR_IDS)),
        features: choiceOption("features", args.features, FEATURE_CHOICES),
        train: whole("train", 2),
        impostors: whole("impostors", 1),
        seed: whole("seed", 0) as number,
        ...(args.export === undefined || args.user === undefined
          ? {}
          : { export: { file: args.export, user: args.user, calibration: args.calibration } }),
      },
      { progress, signal: tools.signal },
    );
    progress.end();
    if (tools.json) printJson(report);
    else printLines(...keystrokeLines(report));
    return 0;
  },
);

const rate = (value: number): string => value.toFixed(3);

function keystrokeLines(report: KeystrokeReport): readonly string[] {
  const { set, protocol, rows, best, exported } = report;
  const right = ["EER (sd)", "95 %", "zero-miss (sd)", "CMU 2009 EER (sd)", "zero-miss (sd)"].map((title) => ({
    title,
    right: true,
  }));
  const pair = ([mean, sd]: readonly [number, number]): string => `${rate(mean)} (${rate(sd)})`;
  return [
    renderTable(
      [{ title: "detector" }, ...right],
      rows.map(({ detector, eer, zeroMissFalseAlarm, published }) => [
        detector,
        pair([eer.mean, eer.sd]),
        `${rate(eer.interval.low)}..${rate(eer.interval.high)}`,
        pair([zeroMissFalseAlarm.mean, zeroMissFalseAlarm.sd]),
        pair(published.eer),
        pair(published.zeroMissFalseAlarm),
      ]),
    ),
    "",
    `best: ${best}`,
    `${set.name}: ${set.people} people, ${set.samples} samples of ${set.features} features; learned from the first ${protocol.train} of each, impostors the first ${protocol.impostors} of everybody else`,
    report.convention,
    ...(exported === undefined
      ? []
      : [
          `written: ${exported.file} (${bytes(exported.sizeBytes)}), ${exported.detector} of ${exported.user}`,
          ...(exported.calibration === undefined
            ? []
            : [`written: ${exported.calibration.folder}, ${exported.calibration.samples} calibration inputs`]),
        ]),
  ];
}
