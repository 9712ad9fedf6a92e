import { fail } from "@tessera/core/base/error";
import type { CalibrationEvidence } from "@tessera/core/graph/plan";
import type { FusionSummary } from "@tessera/core/protocol/report";
import { planToJson } from "@tessera/core/quant/plan-json";
import { targetById } from "@tessera/core/targets/table";
import type { Target } from "@tessera/core/targets/target";
import { namesOf, readCaches, writeCache } from "../io/calibration-file.ts";
import { cardOrNone, findCard } from "../io/card-file.ts";
import { readText, sha256, writeFile } from "../io/files.ts";
import { formatOfName, stemOf } from "../io/formats.ts";
import { readModelFile } from "../io/model-file.ts";
import { openSamples } from "../io/samples.ts";
import { DATA_OPTIONS, dataOf } from "../ui/data-options.ts";
import { bytes, delegationWords } from "../ui/format.ts";
import { printJson, printLines } from "../ui/print.ts";
import { createProgress } from "../ui/progress.ts";
import { renderTable } from "../ui/table.ts";
import { choiceOption, numberOption, verb } from "../ui/verb.ts";
import { calibrationInputs } from "../work/calibration-inputs.ts";
import { cardFor } from "../work/card-terms.ts";
import { EXPORT_KINDS, type Exported, exportKinds, exportLines } from "../work/export.ts";
import { exportAll, planOfText } from "../work/export-plans.ts";
import { inputsFor } from "../work/feeds.ts";
import { computesIntegers, fusionOf } from "../work/fusion.ts";
import { floatOf } from "../work/lifted.ts";
import { type Quantized, type QuantizeRequest, quantizeModel, type Scheme } from "../work/quantize.ts";
import { createRuntimes } from "../work/runtime.ts";
import { embeddingCard } from "../work/samples.ts";
import { SYNTHETIC_SAMPLES, syntheticInputs } from "../work/synthetic.ts";

const SCHEMES = ["static", "int8", "int16x8", "dynamic", "weights", "fp16", "fp16-weights"] as const;

/** What a scheme is where a target's format has but one thing by that name. */
const MEANT: Readonly<Partial<Record<`${Target["format"]} ${(typeof SCHEMES)[number]}`, Scheme>>> = {
  "onnx int8": "static",
  "tflite int8": "static",
  // TFLite files hold halves and never say that they are to be computed with.
  "tflite fp16": "fp16-weights",
};
const METHODS = ["min-max", "percentile", "mse", "entropy"] as const;

/** What `tessera quantize` did; plain JSON. */
interface QuantizeReport {
  readonly kind: "tessera-quantize-report";
  readonly version: 1;
  readonly input: { readonly file: string; readonly sha256: string; readonly sizeBytes: number };
  readonly output: { readonly file: string; readonly sha256: string; readonly sizeBytes: number };
  readonly target: string;
  readonly scheme: string;
  readonly plan?: string;
  readonly notes: readonly string[];
  /** What ranges were taken from: how many samples, and the digest of the data; for a plan made before, what it says of itself. */
  readonly calibration?: CalibrationEvidence;
  /** The calibration cache that was read or written. */
  readonly calibrationCache?: { readonly file: string; readonly did: "read" | "wrote" };
  readonly fusion?: FusionSummary;
  readonly exports?: readonly Exported[];
  /** Against the float model, simplified. */
  readonly compared: string;
  readonly outputs: Quantized["outputs"];
}

const { data: _, calib, ...DATA } = DATA_OPTIONS;

export const quantize = verb(
  { name: "quantize", description: "Quantize a model by one scheme under a target's rules, and check that the runtime follows" },
  {
    model: { type: "positional", description: "The .onnx or .tflite file", required: true },
    output: {
      type: "string",
      alias: "o",
      description: "Where to write the result (default: NAME.SCHEME and the ending of the target's format)",
    },
    scheme: {
      type: "string",
      description: `${SCHEMES.join(", ")} (int8 is static; default: static, or fp16 for a target without integers)`,
    },
    target: { type: "string", description: "Target whose rules hold", default: "ort-x64" },
    ranges: { type: "string", description: `How ranges are chosen: ${METHODS.join(", ")}`, default: "mse" },
    percentile: { type: "string", description: "Share of values inside the range, in percent, for percentile" },
    calib: {
      ...calib,
      description:
        "Folder with manifest.csv and pictures of faces or voices (role calib or cohort, where there are roles), or synthetic: made-up inputs, where there is no data",
    },
    inputs: {
      type: "string",
      description:
        "Folder with .npy or .f32 tensors to calibrate on, for any model; beside --calib synthetic, to measure its cost on",
    },
    "calibration-cache": {
      type: "string",
      description:
        "File with what calibration saw: read instead of pictures (several, with commas, are merged), written where there is none yet",
    },
    "equalize-by": {
      type: "string",
      description: "Equalize channels as this calibration cache did, so that the caches of several sites can be merged",
    },
    "keep-float": { type: "string", description: "Nodes that stay in float (names, with commas between)" },
    wide: {
      type: "string",
      description: "Nodes with 16-bit activations among those with 8 (names, with commas), where the target has kernels for both",
    },
    "few-samples": { type: "boolean", description: "Calibrate on fewer than 10 samples all the same", default: false },
    ...DATA,
    io: {
      type: "string",
      description: "For TFLite: float inputs and outputs, or int8 (whatever integers the network computes in)",
      default: "float",
    },
    plan: {
      type: "string",
      description: "Apply this plan.json, made before and perhaps edited, or encodings of AIMET, instead of calibrating",
    },
    export: { type: "string", description: `Write it for tools that are not here as well: ${EXPORT_KINDS.join(", ")}` },
    simplify: { type: "boolean", description: "Simplify first, with proof", default: true },
    seed: { type: "string", description: "Seed of random inputs where none are given", default: "1" },
  },
  async (args, tools) => {
    const progress = createProgress(tools);
    const target = targetById(args.target);
    const asked = choiceOption("scheme", args.scheme ?? target.noIntegers?.instead ?? "static", SCHEMES);
    if (args.scheme === undefined && target.noIntegers !== undefined)
      progress.note(`${target.id} has no integers (${target.noIntegers.why}): building ${target.noIntegers.instead}`);
    const scheme = MEANT[`${target.format} ${asked}`] ?? (asked as Scheme);
    const border = choiceOption("io", args.io, ["float", "int8"]) === "float" ? "float" : ("integer" as const);
    const method = choiceOption("ranges", args.ranges, METHODS);
    const percentile = numberOption("percentile", args.percentile, { min: 50, max: 100 });
    const seed = numberOption("seed", args.seed, { min: 0 }) as number;
    const file = readModelFile(args.model);
    const { model, notes } = floatOf(file);
    const output = args.output ?? `${stemOf(file.path)}.${scheme}.${target.format}`;
    const ending = formatOfName(output);
    if (ending !== undefined && ending !== target.format)
      throw fail("USAGE", `Cannot write ${output} for ${target.id}: its files are .${target.format}`, {
        hint: ending === "tflite" ? "Use --target litert" : `Write to a name that ends in .${target.format}`,
      });
    const imported = args.plan === undefined ? undefined : planOfText(readText(args.plan), { model, target });
    const plan = imported?.plan;
    const kinds = args.export === undefined ? [] : exportKinds(args.export);
    if (plan !== undefined && scheme !== "static" && scheme !== "int16x8")
      throw fail("USAGE", `Cannot use --plan with --scheme ${scheme}: plans are static`);
    const cachePaths = args["calibration-cache"] === undefined ? [] : namesOf(args["calibration-cache"]);
    if (cachePaths.length > 0 && (plan !== undefined || (scheme !== "static" && scheme !== "int16x8")))
      throw fail("USAGE", "Cannot use --calibration-cache here: it serves the static schemes, without a plan");
    const cache = cachePaths.length === 0 ? undefined : readCaches(cachePaths);
    const equalizeBy = args["equalize-by"] === undefined ? undefined : readCaches(namesOf(args["equalize-by"]));
    if (args["equalize-by"] !== undefined && equalizeBy === undefined)
      throw fail("IO", `Cannot read ${args["equalize-by"]}: there is no such file`);
    if (cache !== undefined && equalizeBy !== undefined)
      throw fail("USAGE", "Cannot use --equalize-by with a calibration cache that is there already: its channels are equalized");
    for (const name of [...namesOf(args["keep-float"] ?? ""), ...namesOf(args.wide ?? "")])
      if (plan !== undefined || (scheme !== "static" && scheme !== "int16x8"))
        throw fail(
          "USAGE",
          `Cannot choose a precision for ${name} here: --keep-float and --wide serve static schemes without a plan`,
        );
    const isSynthetic = args.calib === "synthetic";
    if (isSynthetic && cachePaths.length > 0)
      throw fail("USAGE", "Cannot use --calibration-cache with --calib synthetic: made-up inputs can be made anywhere");
    const runtimes = createRuntimes();
    const host = await runtimes.get(target.format === "onnx" ? target.runtime : "ort-node");
    const calibration = await samplesOf();
    const quantized = await quantizeModel({
      model,
      scheme,
      target,
      host,
      runtime: await runtimes.get(target.runtime),
      simplify: args.simplify,
      ...(calibration === undefined ? {} : { calibration }),
      comparison: comparison(),
      method,
      border,
      ...(percentile === undefined ? {} : { percentile }),
      ...(plan === undefined ? {} : { plan }),
      ...(cache === undefined ? {} : { cache }),
      ...(equalizeBy === undefined ? {} : { equalizeBy }),
      ...(args["keep-float"] === undefined ? {} : { keepFloat: new Map(namesOf(args["keep-float"]).map(keptByUser)) }),
      ...(args.wide === undefined ? {} : { wide: new Set(namesOf(args.wide)) }),
      fewSamples: args["few-samples"],
      progress,
      signal: tools.signal,
    });
    const { variant, compared, outputs } = quantized;
    progress.stage("checking what the runtime fuses");
    const fusion = computesIntegers(variant) ? await fusionOf(variant, target) : undefined;
    tools.signal.throwIfAborted();
    const planFile = variant.plan === undefined ? undefined : `${stemOf(output)}.plan.json`;
    if (variant.plan !== undefined && planFile !== undefined) writeFile(planFile, planToJson(variant.plan));
    const [cachePath] = cachePaths;
    if (cachePath !== undefined && quantized.cache !== undefined) writeCache(cachePath, quantized.cache);
    writeFile(output, variant.bytes);
    const exported = await exportAll({
      kinds,
      model: quantized.model,
      stem: stemOf(output),
      host,
      method,
      ...(percentile === undefined ? {} : { percentile }),
      ...(variant.plan === undefined ? {} : { plan: variant.plan }),
      ...(calibration === undefined ? {} : { calibration }),
      progress,
      signal: tools.signal,
    });
    progress.end();
    const report: QuantizeReport = {
      kind: "tessera-quantize-report",
      version: 1,
      input: { file: file.path, sha256: file.sha256, sizeBytes: file.bytes.length },
      output: { file: output, sha256: sha256(variant.bytes), sizeBytes: variant.bytes.length },
      target: target.id,
      scheme: variant.scheme,
      ...(planFile === undefined ? {} : { plan: planFile }),
      notes: [...notes, ...(imported?.notes ?? []), ...variant.notes],
      ...(variant.plan?.calibration === undefined ? {} : { calibration: variant.plan.calibration }),
      ...(cachePath === undefined
        ? {}
        : { calibrationCache: { file: cachePaths.join(", "), did: cache === undefined ? "wrote" : "read" } as const }),
      ...(fusion === undefined ? {} : { fusion }),
      ...(exported.length === 0 ? {} : { exports: exported }),
      compared,
      outputs,
    };
    if (tools.json) printJson(report);
    else printLines(...quantizeLines(report));
    return 0;

    /** Real inputs where there are any: what made-up ones cost shows on those alone. */
    function comparison(): QuantizeRequest["comparison"] {
      const folder = isSynthetic ? args.inputs : undefined;
      if (folder !== undefined) return (session) => inputsFor(session, { folder, trials: 0, seed });
      return calibration ?? ((session) => inputsFor(session, { folder: undefined, trials: 4, seed }));
    }

    async function samplesOf(): Promise<QuantizeRequest["calibration"]> {
      if (args.calib !== undefined && args.inputs !== undefined && !isSynthetic)
        throw fail("USAGE", "Cannot use --calib and --inputs together");
      const folder = args.inputs;
      if (isSynthetic) {
        const open = (bytes: Uint8Array) => host.load(bytes, { threads: 1 });
        const card = cardOrNone(args.model, args);
        const made = await syntheticInputs({ model, card, open, count: SYNTHETIC_SAMPLES, seed, signal: tools.signal });
        return async () => made;
      }
      if (folder !== undefined) {
        return async (session) => {
          const samples = openSamples(folder, session.inputs);
          return {
            says: `${samples.count} samples of ${folder}`,
            count: samples.count,
            names: samples.names,
            digest: samples.digest,
            feeds: (n) => samples.feeds(n),
          };
        };
      }
      if (args.calib === undefined) return undefined;
      // The card is the file's; what is calibrated is the network in it, which may have its pictures in another layout.
      const card = cardFor(embeddingCard(findCard(args.model, args)), model.graph.inputs);
      const data = await dataOf(args.calib, args, { ...tools, card, runtimes, progress });
      const inputs = calibrationInputs(data, card, model);
      return async () => inputs;
    }
  },
);

function quantizeLines(report: QuantizeReport): readonly (string | undefined)[] {
  const { fusion } = report;
  return [
    ...report.notes,
    fusion === undefined
      ? undefined
      : `\n${renderTable(
          [{ title: `on ${report.target}` }, { title: "integer", right: true }, { title: "of", right: true }],
          fusion.integer.map((row) => [row.op, String(row.integer), String(row.total)]),
        )}`,
    fusion?.delegation === undefined ? undefined : delegationWords(fusion.delegation),
    fusion === undefined
      ? undefined
      : `${fusion.transposes} transposes, ${fusion.quantizeNodes} quantize and dequantize nodes left`,
    ...(fusion?.islands.slice(0, 8) ?? []).map((island) => `in float: ${island.op} ${island.node}: ${island.why}`),
    (fusion?.islands.length ?? 0) > 8 ? `... and ${(fusion?.islands.length ?? 0) - 8} more, see --json` : undefined,
    "",
    report.calibration === undefined ? undefined : evidenceLine(report.calibration),
    ...report.outputs.map(
      (o) => `${o.output} against float: cosine ${o.cosine.toFixed(5)}, SQNR ${o.sqnrDb.toFixed(1)} dB (${report.compared})`,
    ),
    `${bytes(report.input.sizeBytes)} to ${bytes(report.output.sizeBytes)}`,
    `written: ${report.output.file}${report.plan === undefined ? "" : ` and ${report.plan}`}`,
    report.calibrationCache === undefined
      ? undefined
      : `calibration cache ${report.calibrationCache.did === "read" ? "read" : "written"}: ${report.calibrationCache.file}`,
    ...(report.exports ?? []).flatMap(exportLines),
  ];
}

function evidenceLine({ samples, digest, method, synthetic }: CalibrationEvidence): string {
  if (synthetic !== undefined) return `calibrated on ${samples} synthetic inputs (${method} ranges), no data: ${synthetic}`;
  return `calibrated on ${samples} samples (${method} ranges), sha-256 of the data ${digest.slice(0, 16)}...`;
}

function keptByUser(name: string): readonly [string, string] {
  return [name, "kept in float as asked"];
}
