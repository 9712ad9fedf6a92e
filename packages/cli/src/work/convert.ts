import { fail } from "@tessera/core/base/error";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { modelToTflite } from "@tessera/core/convert/tflite/bytes";
import type { LowerTfliteOptions } from "@tessera/core/convert/tflite/options";
import type { Dim } from "@tessera/core/graph/dim";
import type { Model } from "@tessera/core/graph/model";
import type { Encoding, QuantPlan } from "@tessera/core/graph/plan";
import { rebatch } from "@tessera/core/passes/rebatch";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { convertToOrt } from "@tessera/runtimes/ort-optimized";
import { type FormatId, formatRow } from "../io/formats.ts";
import type { ModelFile } from "../io/model-file.ts";
import { type Wanted, wantedBy } from "../io/present.ts";
import type { RunFile } from "../io/runnable.ts";
import { closedSizes, computedModel, liftedOf, planGrids } from "./lifted.ts";
import type { ParityBounds } from "./parity.ts";

/** What a conversion may be told. */
export interface ConvertOptions {
  /** Opset of an ONNX result; the lowest that can say the model unless given. */
  readonly opset?: number;
  readonly optimization: "basic" | "extended" | "all";
  readonly batch?: Dim;
  /** Sizes of symbolic dimensions by name, for a format that wants them known. */
  readonly dims: ReadonlyMap<string, number>;
  /**
   * Simplify where a TFLite file is made, whose operators want shapes that are known and affine layers folded, and where one is left, whose files
   * spell out what ONNX has a name for.
   */
  readonly simplify: boolean;
  readonly tflite: Required<Pick<LowerTfliteOptions, "weights" | "layout" | "slim" | "io">>;
}

/** A model in another format. */
export interface Converted {
  readonly bytes: Uint8Array;
  /** Of the graph that was written, for ONNX and ORT. */
  readonly opset: number | undefined;
  /** The result as a file to be run, fed in the terms of {@link Converted.model}. */
  readonly file: RunFile;
  /** The canonical model that the result says. */
  readonly model: Model;
  readonly plan: QuantPlan | undefined;
  readonly bounds: ParityBounds;
  /** Grids of inputs and outputs that compute in integers. */
  readonly inputGrids: ReadonlyMap<string, Encoding>;
  readonly outputGrids: ReadonlyMap<string, Encoding>;
  readonly notes: readonly string[];
}

const NO_DATA: ReadonlyMap<string, Uint8Array> = new Map();

/** Least cosine of a quantized network to itself on a runtime with other rounding. Where both run on one runtime, a step of the grid is the bound. */
const OTHER_ROUNDING = { cosine: 0.98 } as const satisfies ParityBounds;
const ONE_STEP = { steps: 1 } as const satisfies ParityBounds;
/** What two runtimes' kernels for sigmoids and the like may differ by. */
const KERNEL_ROUNDING = 1e-6;

/** What a form of the weights costs by itself: halves about a thousandth, ranges taken at run time about a percent. A wrong layout costs far more. */
const LOSSES: Readonly<Record<ConvertOptions["tflite"]["weights"], (tolerance: number) => ParityBounds>> = {
  float32: (relative) => ({ relative }),
  float16: (tolerance) => ({ relative: Math.max(tolerance, 1e-2) }),
  "dynamic-int8": () => ({ cosine: 0.95 }),
};

interface Source {
  readonly model: Model;
  readonly plan: QuantPlan | undefined;
  readonly notes: readonly string[];
}

/** What each format is made of, and with what bounds. */
interface WriterRow {
  /** Whether integers stand beside the graph for it, rather than in it. */
  readonly takesPlan: boolean;
  write(source: Source, options: ConvertOptions): Promise<{ readonly bytes: Uint8Array; readonly opset?: number }>;
}

async function writeOnnx({ model, plan }: Source, { opset }: ConvertOptions) {
  const bytes = modelToOnnx(computedModel({ model, plan }), opset === undefined ? {} : { opset });
  return { bytes, opset: modelFromOnnx(bytes).source?.opset ?? 0 };
}

const WRITERS: Readonly<Record<FormatId, WriterRow>> = {
  onnx: { takesPlan: false, write: writeOnnx },
  ort: {
    takesPlan: false,
    write: async (source, options) => {
      const onnx = await writeOnnx(source, options);
      return { bytes: await convertToOrt(onnx.bytes, { optimization: options.optimization }), opset: onnx.opset };
    },
  },
  tflite: {
    takesPlan: true,
    write: async ({ model, plan }, { tflite }) => ({
      bytes: modelToTflite(model, { ...tflite, ...(plan === undefined ? {} : { plan }) }),
    }),
  },
};

/** The model that is to be written, and what was done to it before. */
async function sourceOf(file: ModelFile, to: FormatId, options: ConvertOptions): Promise<Source> {
  const { takesPlan } = WRITERS[to];
  const fromOwn = formatRow(file.format).ownTerms;
  const lifted: Source = takesPlan || fromOwn ? liftedOf(file) : { model: file.model, plan: undefined, notes: file.notes };
  const { batch } = options;
  const batched = batch === undefined ? lifted.model : rebatch(lifted.model, { batch });
  if (!takesPlan && !fromOwn) return { ...lifted, model: batched };
  const { model, dims } = takesPlan ? closedSizes(batched, options.dims) : { model: batched, dims: new Map<string, number>() };
  const notes = [...lifted.notes];
  if (dims.size > 0)
    notes.push(`sizes that were free are fixed: ${[...dims].map(([name, size]) => `${name} = ${size}`).join(", ")}`);
  // Passes know nothing of a plan beside the graph.
  if (lifted.plan !== undefined || !options.simplify) return { model, plan: lifted.plan, notes };
  // Unproved: what is written is compared with the original as a whole.
  return { model: (await simplifyModel(model, { prove: false })).model, plan: undefined, notes };
}

/** What the result may differ by from its reference. */
function boundsOf(source: Source, file: ModelFile, to: FormatId, options: ConvertOptions, tolerance: number): ParityBounds {
  if (source.plan !== undefined)
    return formatRow(file.format).runtimes[0] === formatRow(to).runtimes[0] ? ONE_STEP : OTHER_ROUNDING;
  const { ownTerms } = formatRow(file.format);
  const floor = ownTerms || formatRow(to).ownTerms ? { absolute: KERNEL_ROUNDING } : {};
  return { ...(to === "tflite" ? LOSSES[options.tflite.weights](tolerance) : { relative: tolerance }), ...floor };
}

function asRun(format: FormatId, bytes: Uint8Array, wanted: Wanted): RunFile {
  return { bytes, externalData: NO_DATA, ...(formatRow(format).ownTerms ? { wanted } : {}) };
}

/**
 * Writes a model in another format.
 *
 * @throws UNSUPPORTED_OP and TARGET_RULE naming every node that the format cannot say, UNSUPPORTED_OPSET, SHAPE_MISMATCH for a batch that cannot be
 *   changed, USAGE for what makes no sense
 */
export async function convertModel(
  file: ModelFile,
  to: FormatId,
  options: ConvertOptions & { readonly tolerance: number },
): Promise<Converted> {
  const source = await sourceOf(file, to, options);
  if (options.tflite.io === "integer" && source.plan === undefined)
    throw fail("USAGE", "Cannot write integer inputs and outputs: the model computes in floats", {
      hint: "Quantize it first: tessera quantize --target litert --io int8",
    });
  const { bytes, opset } = await WRITERS[to].write(source, options);
  const names = (values: Model["graph"]["inputs"]): readonly string[] => values.map((v) => v.name);
  return {
    bytes,
    opset,
    file: asRun(to, bytes, wantedBy(source.model)),
    model: source.model,
    plan: source.plan,
    bounds: boundsOf(source, file, to, options, options.tolerance),
    inputGrids: planGrids(source.plan, names(source.model.graph.inputs)),
    outputGrids: planGrids(source.plan, names(source.model.graph.outputs)),
    notes: source.notes,
  };
}
