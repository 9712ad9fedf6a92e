import { fail } from "@tessera/core/base/error";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Dim } from "@tessera/core/graph/dim";
import { rebatch } from "@tessera/core/passes/rebatch";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { convertToOrt } from "@tessera/runtimes/ort-optimized";
import { sha256, writeFile } from "../io/files.ts";
import { readModelFile } from "../io/model-file.ts";
import { bytes } from "../ui/format.ts";
import { printJson, printLines } from "../ui/print.ts";
import { createProgress } from "../ui/progress.ts";
import { choiceOption, numberOption, verb } from "../ui/verb.ts";
import { type Parity, provePair } from "../work/parity.ts";

/** Formats by file ending: those that are written, and why the others are not. */
const FORMATS: Readonly<Record<string, "onnx" | "ort" | { readonly why: string }>> = {
  onnx: "onnx",
  ort: "ort",
  tflite: { why: "this version writes no TFLite" },
  c: { why: "this version generates no C" },
  h: { why: "this version generates no C" },
};

function formatOf(output: string, to: string | undefined): "onnx" | "ort" {
  const name = (to ?? /\.([^./\\]+)$/.exec(output)?.[1] ?? "").toLowerCase();
  const format = Object.hasOwn(FORMATS, name) ? FORMATS[name] : { why: "its ending is not known" };
  if (typeof format === "string") return format;
  throw fail("UNSUPPORTED_FORMAT", `Cannot convert to ${name === "" ? output : `.${name}`}: ${format?.why}`, {
    hint: "Write to a name that ends in .onnx or .ort, or say --to onnx or --to ort",
  });
}

/** What `tessera convert` did; plain JSON. */
interface ConvertReport {
  readonly kind: "tessera-convert-report";
  readonly version: 1;
  readonly input: { readonly file: string; readonly sha256: string; readonly sizeBytes: number; readonly opset: number };
  readonly output: {
    readonly file: string;
    readonly sha256: string;
    readonly sizeBytes: number;
    readonly format: "onnx" | "ort";
    /** Of the graph that was written; an ORT file is made from it. */
    readonly opset: number;
  };
  readonly parity?: Parity;
}

/** The batch that an option asks for: a size, or the name of a free one. @throws USAGE */
function batchOf(text: string | undefined): Dim | undefined {
  if (text === undefined || /^[A-Za-z_]\w*$/.test(text)) return text;
  const size = numberOption("batch", text, { min: 1, max: 65_536 }) as number;
  if (!Number.isInteger(size)) throw fail("USAGE", `Cannot use --batch ${text}: it must be a whole number or a name`);
  return size;
}

export const convert = verb(
  { name: "convert", description: "Write a model in another format, and prove on the runtime that it computes the same" },
  {
    model: { type: "positional", description: "The .onnx file", required: true },
    output: {
      type: "string",
      alias: "o",
      description: "Where to write: the ending chooses the format (.onnx, .ort)",
      required: true,
    },
    to: { type: "string", description: "Format, when the ending does not say it" },
    batch: { type: "string", description: "Another batch size: a number, or a name for one that is chosen at run time" },
    opset: { type: "string", description: "Opset of the result (default: the lowest that can say the model)" },
    optimization: {
      type: "string",
      description: "For .ort: basic, extended (runs anywhere), or all (for this machine's processor only)",
      default: "extended",
    },
    prove: { type: "boolean", description: "Compare with the original on random inputs", default: true },
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
    const file = readModelFile(args.model);
    progress.stage(`writing ${format}`);
    const batch = batchOf(args.batch);
    const model = batch === undefined ? file.model : rebatch(file.model, { batch });
    const onnx = modelToOnnx(model, opset === undefined ? {} : { opset });
    const written = format === "onnx" ? onnx : await convertToOrt(onnx, { optimization });
    tools.signal.throwIfAborted();
    const parity = args.prove ? await parityOf(written, batch) : undefined;
    writeFile(args.output, written);
    progress.end();
    const report: ConvertReport = {
      kind: "tessera-convert-report",
      version: 1,
      input: { file: file.path, sha256: file.sha256, sizeBytes: file.bytes.length, opset: file.model.source?.opset ?? 0 },
      output: {
        file: args.output,
        sha256: sha256(written),
        sizeBytes: written.length,
        format,
        opset: modelFromOnnx(onnx).source?.opset ?? 0,
      },
      ...(parity === undefined ? {} : { parity }),
    };
    if (tools.json) printJson(report);
    else
      printLines(
        `opset ${report.input.opset} to ${report.output.opset}, ${bytes(report.input.sizeBytes)} to ${bytes(report.output.sizeBytes)}`,
        parity === undefined
          ? "parity: switched off"
          : `parity: the same on ${parity.inputs} inputs (${parity.runtime}), largest difference ${parity.worstRelative.toExponential(1)} of the magnitude`,
        `written: ${args.output}`,
      );
    return 0;

    async function parityOf(changed: Uint8Array, size: Dim | undefined): Promise<Parity> {
      progress.stage("comparing with the original");
      const settings = {
        runtime: await ortNodeRuntime({ worker: false }),
        inputs: { folder: args.inputs, trials, seed },
        tolerance,
        signal: tools.signal,
      };
      const pair = (bytes: Uint8Array) => ({ bytes, externalData: new Map<string, Uint8Array>() });
      if (typeof size !== "number") return provePair(file, pair(changed), settings);
      // Two fixed batches take no common input; the same model with a free batch takes those of both.
      const free = pair(modelToOnnx(rebatch(file.model, { batch: "batch" })));
      const first = await provePair(file, free, settings);
      const second = await provePair(pair(changed), free, settings);
      const worse = first.worstRelative > second.worstRelative ? first : second;
      return { ...worse, inputs: first.inputs + second.inputs };
    }
  },
);
