import { lowerTflite } from "@tessera/core/convert/tflite/lower";
import type { FilePort, LowerReport, LowerTfliteOptions } from "@tessera/core/convert/tflite/options";
import { TENSOR_TYPES } from "@tessera/core/formats/tflite/enums";
import { readTflite } from "@tessera/core/formats/tflite/read";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import type { DType } from "@tessera/core/graph/dtype";
import { type Model, tensorType } from "@tessera/core/graph/model";
import { makeNode } from "@tessera/core/graph/node";
import type { Tensor } from "@tessera/core/graph/tensor";
import { interpret } from "@tessera/core/interp/run";
import type { Tolerance } from "../../compare-tensors.ts";
import { openLitert } from "../litert.ts";
import { openTfjsTflite } from "../tfjs-tflite.ts";
import type { TfliteRunner } from "../tflite-runner.ts";
import { caseFeeds, caseModel, describeLowerCase, type LowerCase, outputDifference } from "./prove.ts";

/** Runtimes that lowered files are run on: LiteRT of today, and the TensorFlow Lite of 2023. */
export const LOWER_RUNTIMES = { litert: openLitert, tfjs: openTfjsTflite } as const;

/** Name of one of {@link LOWER_RUNTIMES}. */
export type LowerRuntime = keyof typeof LOWER_RUNTIMES;

const opened = new Map<LowerRuntime, Promise<TfliteRunner>>();

/** The runtime, started once for each process. */
export function lowerRuntime(name: LowerRuntime): Promise<TfliteRunner> {
  const known = opened.get(name) ?? LOWER_RUNTIMES[name]();
  opened.set(name, known);
  return known;
}

/** A tensor with its axes in another order. */
export function permuted(t: Tensor, perm: readonly number[]): Tensor {
  if (perm.every((axis, i) => axis === i)) return t;
  const node = makeNode("Transpose", { inputs: ["x"], outputs: ["y"] }, { attributes: { perm: [...perm] } });
  const type = tensorType(t.dtype, undefined);
  const graph = {
    name: "t",
    inputs: [{ name: "x", type }],
    outputs: [{ name: "y", type }],
    nodes: [node],
    constants: new Map(),
    types: new Map(),
  };
  return interpret(graph, new Map([["x", t]])).get("y") as Tensor;
}

const TYPES = new Map<number, DType>(
  (["float32", "int32", "uint8", "int64", "bool", "int16", "int8", "float64"] as const).map((dtype) => [
    TENSOR_TYPES[dtype.toUpperCase() as keyof typeof TENSOR_TYPES],
    dtype,
  ]),
);

/** A lowered model: its file, and what was done to get there. */
export interface LoweredFile {
  readonly file: Uint8Array;
  readonly report: LowerReport;
}

/** Lowers a model and writes the file. */
export function loweredFile(model: Model, options: LowerTfliteOptions = {}): LoweredFile {
  const { records, report } = lowerTflite(model, options);
  return { file: writeTflite(records), report };
}

/** Runs a lowered file on values in canonical order, and gives its outputs in canonical order. */
export async function runLowered(
  lowered: LoweredFile,
  feeds: ReadonlyMap<string, Tensor>,
  runtime: LowerRuntime,
): Promise<Map<string, Tensor>> {
  const { file, report } = lowered;
  const graph = readTflite(file).subgraphs?.[0];
  const runner = await lowerRuntime(runtime);
  const outputs = await runner.run(file, (i, size) => {
    const port = report.inputs[i] as FilePort;
    const bytes = permuted(feeds.get(port.name) as Tensor, port.order).bytes;
    if (bytes.length !== size) throw new Error(`${port.name} has ${bytes.length} bytes, the file wants ${size}`);
    return bytes;
  });
  return new Map(
    report.outputs.map((port, i) => {
      const record = graph?.tensors?.[graph.outputs?.[i] as number];
      const dtype = TYPES.get(record?.type ?? 0) as DType;
      const physical = { dtype, shape: [...(record?.shape ?? [])], bytes: outputs[i] as Uint8Array };
      const back = port.order.map((_, axis) => port.order.indexOf(axis));
      return [port.name, permuted(physical, back)] as const;
    }),
  );
}

/** Options of {@link proveLowered}. */
export interface ProveLoweredOptions extends LowerTfliteOptions {
  readonly tolerance?: Tolerance;
  /** Both unless given. */
  readonly runtimes?: readonly LowerRuntime[];
}

/**
 * Lowers a case and runs it on real runtimes, against the reference interpreter.
 *
 * @throws an Error that shows the case and what differs, or why it was refused
 */
export async function proveLowered(c: LowerCase, options: ProveLoweredOptions = {}): Promise<LowerReport> {
  const { tolerance = {}, runtimes = ["litert", "tfjs"], ...lowering } = options;
  return proveLoweredModel(caseModel(c), caseFeeds(c), { tolerance, runtimes, ...lowering, says: () => describeLowerCase(c) });
}

/** The same for a whole model. */
export async function proveLoweredModel(
  model: Model,
  feeds: ReadonlyMap<string, Tensor>,
  options: ProveLoweredOptions & { readonly says?: () => string } = {},
): Promise<LowerReport> {
  const { tolerance = {}, runtimes = ["litert", "tfjs"], says = () => "", ...lowering } = options;
  const want = interpret(model.graph, feeds);
  let lowered: LoweredFile;
  try {
    lowered = loweredFile(model, lowering);
  } catch (error) {
    throw new Error(`${says()}\n${error}`, { cause: error });
  }
  for (const runtime of runtimes) {
    let got: ReadonlyMap<string, Tensor>;
    try {
      got = await runLowered(lowered, feeds, runtime);
    } catch (error) {
      throw new Error(`${says()}\non ${runtime}, with ${[...lowered.report.operators.keys()]}: ${error}`, { cause: error });
    }
    const why = outputDifference(got, want, tolerance);
    if (why !== undefined) throw new Error(`${says()}\non ${runtime}, with ${[...lowered.report.operators.keys()]}: ${why}`);
  }
  return lowered.report;
}
