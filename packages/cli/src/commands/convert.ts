import { fail } from "@tessera/core/base/error";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Dim } from "@tessera/core/graph/dim";
import { rebatch } from "@tessera/core/passes/rebatch";
import { sha256, writeFile } from "../io/files.ts";
import { FORMATS, type FormatId, formatRow } from "../io/formats.ts";
import { type ModelFile, readModelFile } from "../io/model-file.ts";
import { runnableOf } from "../io/runnable.ts";
import { dimsOf } from "../ui/dims-option.ts";
import { bytes, count, ms } from "../ui/format.ts";
import { printJson, printLines } from "../ui/print.ts";
import { createProgress } from "../ui/progress.ts";
import { choiceOption, numberOption, verb } from "../ui/verb.ts";
import { type Converted, convertModel } from "../work/convert.ts";
import { type Parity, type ParityRequest, provePair } from "../work/parity.ts";
import { createRuntimes, type Runtimes } from "../work/runtime.ts";
import { type SideBySide, sideBySide } from "../work/side-by-side.ts";
import { tfliteFacts } from "../work/tflite-facts.ts";

/** File endings that are not written here, and why. */
const NOT_WRITTEN: Readonly<Record<string, string>> = {
  c: "C is several files, which `tessera mcu` writes",
  h: "C is several files, which `tessera mcu` writes",
};

function formatOf(output: string, to: string | undefined): FormatId {
  const name = (to ?? /\.([^./\\]+)$/.exec(output)?.[1] ?? "").toLowerCase();
  if (Object.hasOwn(FORMATS, name)) return name as FormatId;
  const why = Object.hasOwn(NOT_WRITTEN, name) ? NOT_WRITTEN[name] : "its ending is not known";
  throw fail("UNSUPPORTED_FORMAT", `Cannot convert to ${name === "" ? output : `.${name}`}: ${why}`, {
    hint: "Write to a name that ends in .onnx, .tflite or .ort, or say --to onnx, --to tflite or --to ort",
  });
}

/** What `tessera convert` did; plain JSON. */
interface ConvertReport {
  readonly kind: "tessera-convert-report";
  readonly version: 1;
  readonly input: {
    readonly file: string;
    readonly sha256: string;
    readonly sizeBytes: number;
    readonly format: FormatId;
    /** 0 for a format that has none. */
    readonly opset: number;
  };
  readonly output: {
    readonly file: string;
    readonly sha256: string;
    readonly sizeBytes: number;
    readonly format: FormatId;
    /** Of the graph that was written; an ORT file is made from it. 0 for a format that has none. */
    readonly opset: number;
  };
  /** What was repaired or fixed on the way, in sentences. */
  readonly notes: readonly string[];
  readonly parity?: Parity;
  readonly sideBySide?: SideBySide;
}

/** The batch that an option asks for: a size, or the name of a free one. @throws USAGE */
function batchOf(text: string | undefined): Dim | undefined {
  if (text === undefined || /^[A-Za-z_]\w*$/.test(text)) return text;
  const size = numberOption("batch", text, { min: 1, max: 65_536 }) as number;
  if (!Number.isInteger(size)) throw fail("USAGE", `Cannot use --batch ${text}: it must be a whole number or a name`);
  return size;
}

export const convert = verb(
  { name: "convert", description: "Write a model in another format, and prove on the runtimes that it computes the same" },
  {
    model: { type: "positional", description: "The .onnx or .tflite file", required: true },
    output: {
      type: "string",
      alias: "o",
      description: "Where to write: the ending chooses the format (.onnx, .tflite, .ort)",
      required: true,
    },
    to: { type: "string", description: "Format, when the ending does not say it" },
    batch: { type: "string", description: "Another batch size: a number, or a name for one that is chosen at run time" },
    dims: {
      type: "string",
      description: "For .tflite: sizes that the model leaves open, as NAME=SIZE,NAME=SIZE (default: 1)",
    },
    opset: { type: "string", description: "For .onnx: opset of the result (default: the lowest that can say the model)" },
    optimization: {
      type: "string",
      description: "For .ort: basic, extended (runs anywhere), or all (for this machine's processor only)",
      default: "extended",
    },
    weights: {
      type: "string",
      description:
        "For .tflite: float32, float16, or dynamic-int8, where ranges of the rest are taken at run time (default: float16 where the file stores them so, else float32)",
    },
    layout: { type: "string", description: "For .tflite: nhwc or nchw pictures at inputs and outputs", default: "nhwc" },
    io: {
      type: "string",
      description: "For a quantized .tflite: float inputs and outputs, or int8 (whatever integers the network computes in)",
      default: "float",
    },
    slim: { type: "boolean", description: "For .tflite: leave out names and other things that no runtime reads", default: false },
    simplify: { type: "boolean", description: "From or to .tflite: simplify on the way", default: true },
    prove: { type: "boolean", description: "Compare with the original on random inputs", default: true },
    "side-by-side": {
      type: "boolean",
      description: "Also run both files against each other, each on its runtime: differences and times",
      default: false,
    },
    inputs: { type: "string", description: "Compare on the .npy or .f32 samples of this folder instead" },
    trials: { type: "string", description: "Random inputs of the comparison", default: "3" },
    seed: { type: "string", description: "Seed of the random inputs", default: "1" },
    tolerance: { type: "string", description: "Largest difference, as a share of an output's magnitude", default: "1e-4" },
  },
  async (args, tools) => {
    const progress = createProgress(tools);
    const format = formatOf(args.output, args.to);
    const opset = numberOption("opset", args.opset, { min: 1, max: 1000 });
    const trials = numberOption("trials", args.trials, { min: 1, max: 1000 }) as number;
    const seed = numberOption("seed", args.seed, { min: 0 }) as number;
    const tolerance = numberOption("tolerance", args.tolerance, { min: 0, max: 1 }) as number;
    const optimization = choiceOption("optimization", args.optimization, ["basic", "extended", "all"]);
    const io = choiceOption("io", args.io, ["float", "int8"]);
    const file = readModelFile(args.model);
    const tflite = {
      weights: choiceOption("weights", args.weights ?? storedAs(file), ["float32", "float16", "dynamic-int8"]),
      layout: choiceOption("layout", args.layout, ["nhwc", "nchw"]),
      io: io === "float" ? io : ("integer" as const),
      slim: args.slim,
    };
    const batch = batchOf(args.batch);
    progress.stage(`writing ${format}`);
    const converted = await convertModel(file, format, {
      ...(opset === undefined ? {} : { opset }),
      ...(batch === undefined ? {} : { batch }),
      dims: dimsOf(args.dims),
      optimization,
      simplify: args.simplify,
      tflite,
      tolerance,
    });
    tools.signal.throwIfAborted();
    const runtimes = createRuntimes();
    const inputs = { folder: args.inputs, trials, seed, grids: converted.inputGrids };
    const request: ParityRequest = {
      inputs,
      bounds: converted.bounds,
      outputGrids: converted.outputGrids,
      signal: tools.signal,
    };
    if (args.prove) progress.stage("comparing with the original");
    const parity = args.prove ? await parityOf(file, converted, { format, batch, runtimes, request }) : undefined;
    const beside = args["side-by-side"]
      ? await sideBySide(
          { file: runnableOf(file), runtime: await runtimes.taking(runnableOf(file)) },
          { file: converted.file, runtime: await runtimes.for({ format }) },
          { inputs, seed, progress, signal: tools.signal },
        )
      : undefined;
    writeFile(args.output, converted.bytes);
    progress.end();
    const report: ConvertReport = {
      kind: "tessera-convert-report",
      version: 1,
      input: {
        file: file.path,
        sha256: file.sha256,
        sizeBytes: file.bytes.length,
        format: file.format,
        opset: file.model.source?.opset ?? 0,
      },
      output: {
        file: args.output,
        sha256: sha256(converted.bytes),
        sizeBytes: converted.bytes.length,
        format,
        opset: converted.opset ?? 0,
      },
      notes: converted.notes,
      ...(parity === undefined ? {} : { parity }),
      ...(beside === undefined ? {} : { sideBySide: beside }),
    };
    if (tools.json) printJson(report);
    else printLines(...convertLines(report));
    return 0;
  },
);

/** How a file stores its weights, as far as a form of TFLite says the same. */
function storedAs(file: ModelFile): "float32" | "float16" {
  return file.format === "tflite" && tfliteFacts(file.bytes).quantization.kind === "float16 weights" ? "float16" : "float32";
}

/** Compares the result with the file that came in, each on its own runtime. */
async function parityOf(
  file: ModelFile,
  converted: Converted,
  about: {
    readonly format: FormatId;
    readonly batch: Dim | undefined;
    readonly runtimes: Runtimes;
    readonly request: ParityRequest;
  },
): Promise<Parity> {
  const { format, batch, runtimes, request } = about;
  const original = runnableOf(file);
  const reference = { file: original, runtime: await runtimes.taking(original) };
  const changed = { file: converted.file, runtime: await runtimes.for({ format }) };
  if (typeof batch !== "number" || formatRow(file.format).ownTerms || formatRow(format).ownTerms)
    return provePair(reference, changed, request);
  // Two fixed batches take no common input; the same model with a free batch takes those of both.
  const free = {
    file: { bytes: modelToOnnx(rebatch(file.model, { batch: "batch" })), externalData: new Map<string, Uint8Array>() },
    runtime: changed.runtime,
  };
  const first = await provePair(reference, free, request);
  const second = await provePair(changed, free, request);
  const worse = first.worstRelative > second.worstRelative ? first : second;
  return { ...worse, inputs: first.inputs + second.inputs };
}

function opsets({ input, output }: ConvertReport): string {
  if (input.opset > 0 && output.opset > 0) return `opset ${input.opset} to ${output.opset}`;
  const name = ({ format, opset }: ConvertReport["input"]): string => (opset === 0 ? format : `${format} opset ${opset}`);
  return `${name(input)} to ${name(output)}`;
}

function paritySentence({ inputs, runtime, worstRelative, worstAbsolute, cosine, steps }: Parity): string {
  const alike = [
    `largest difference ${worstRelative.toExponential(1)} of the magnitude${worstAbsolute === undefined ? "" : ` (at most ${worstAbsolute.toExponential(1)} as it is)`}`,
    cosine === undefined ? undefined : `least cosine ${cosine.toFixed(6)}`,
    steps === undefined
      ? undefined
      : steps.worst === 0
        ? "every output value bit-equal"
        : `${count(Math.round(steps.compared * (1 - steps.equalShare)))} of ${count(steps.compared)} output values differ, by at most ${steps.worst} step${steps.worst === 1 ? "" : "s"} of their grid`,
  ].filter((part) => part !== undefined);
  return `parity: the same on ${inputs} inputs (${runtime}), ${alike.join(", ")}`;
}

function convertLines(report: ConvertReport): readonly (string | undefined)[] {
  const { parity, sideBySide: beside } = report;
  return [
    `${opsets(report)}, ${bytes(report.input.sizeBytes)} to ${bytes(report.output.sizeBytes)}`,
    ...report.notes.map((note) => `note: ${note}`),
    parity === undefined ? "parity: switched off" : paritySentence(parity),
    ...(beside === undefined
      ? []
      : [
          ...beside.outputs.map(
            (o) => `side by side: ${o.output} cosine ${o.cosine.toFixed(6)}, largest difference ${o.maxAbs.toPrecision(3)}`,
          ),
          `side by side: ${ms(beside.reference.p50Ms)} on ${beside.reference.runtime}, ${ms(beside.changed.p50Ms)} on ${beside.changed.runtime}; the result takes ${beside.ratio.median.toFixed(2)} times as long (${beside.ratio.low.toFixed(2)}..${beside.ratio.high.toFixed(2)}), interleaved on this machine`,
        ]),
    `written: ${report.output.file}`,
  ];
}
