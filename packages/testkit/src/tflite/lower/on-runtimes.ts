import { lowerTflite } from "@tessera/core/convert/tflite/lower";
import type { LowerTfliteOptions } from "@tessera/core/convert/tflite/options";
import type { TfliteDraft } from "@tessera/core/formats/tflite/schema";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import type { Model } from "@tessera/core/graph/model";
import type { Tensor } from "@tessera/core/graph/tensor";
import { interpret } from "@tessera/core/interp/run";
import { vi } from "vitest";
import type { Tolerance } from "../../compare-tensors.ts";
import { openLitert } from "../litert.ts";
import { openTfjsTflite } from "../tfjs-tflite.ts";
import type { TfliteRunner } from "../tflite-runner.ts";
import { caseFeeds, caseModel, describeLowerCase, type LowerCase, outputDifference } from "./prove.ts";

/** The runtimes that tests run files on. */
export type RuntimeName = "LiteRT" | "tfjs-tflite";

/** Both runtimes by name. */
export type Runtimes = Readonly<Record<RuntimeName, TfliteRunner>>;

/** Starts both, without LiteRT's words about a missing graphics device. */
export async function openRuntimes(): Promise<Runtimes> {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  const litert = await openLitert();
  warn.mockRestore();
  return { LiteRT: litert, "tfjs-tflite": await openTfjsTflite() };
}

/** Runs a file; feeds and outputs by tensor name, of the types and shapes that `like` gives for the outputs. */
export async function runFile(
  runner: TfliteRunner,
  file: { readonly bytes: Uint8Array; readonly records: TfliteDraft },
  io: { readonly feeds: ReadonlyMap<string, Tensor>; readonly like: ReadonlyMap<string, Tensor> },
): Promise<Map<string, Tensor>> {
  const [graph] = file.records.subgraphs ?? [];
  const nameOf = (index: number | undefined): string => graph?.tensors?.[index ?? -1]?.name ?? "";
  const values = await runner.run(file.bytes, (input, sizeBytes) => {
    // An input that nothing reads has no memory in tfjs-tflite.
    return new Uint8Array(io.feeds.get(nameOf(graph?.inputs?.[input]))?.bytes ?? []).subarray(0, sizeBytes);
  });
  const outputs = new Map<string, Tensor>();
  values.forEach((bytes, i) => {
    const name = nameOf(graph?.outputs?.[i]);
    const like = io.like.get(name);
    if (like !== undefined) outputs.set(name, { dtype: like.dtype, shape: like.shape, bytes: bytes.slice() });
  });
  return outputs;
}

/** How a case is checked on the runtimes. */
export interface OnRuntimes {
  readonly tolerance?: Tolerance;
  readonly lower?: LowerTfliteOptions;
  /** Runtimes that cannot run it, with the reason. */
  readonly except?: Partial<Record<RuntimeName, string>>;
}

/**
 * Lowers a model and compares what runtimes compute with the reference interpreter on the model as it was. Inputs and outputs keep the canonical order.
 *
 * @returns the names of the operators in the file
 * @throws an Error that names the runtime and what differs
 */
export async function expectOnRuntimes(
  runtimes: Runtimes,
  model: { readonly model: Model; readonly feeds: ReadonlyMap<string, Tensor> },
  how: OnRuntimes = {},
): Promise<readonly string[]> {
  const { records, report } = lowerTflite(model.model, { layout: "nchw", ...how.lower });
  const bytes = writeTflite(records);
  const want = interpret(model.model.graph, model.feeds);
  for (const [name, runner] of Object.entries(runtimes) as [RuntimeName, TfliteRunner][]) {
    if (how.except?.[name] !== undefined) continue;
    // Its interface hands out no memory for 64-bit integers; inside of a model they work.
    if (name === "tfjs-tflite" && [...model.feeds.values(), ...want.values()].some((t) => t.dtype === "int64")) continue;
    const got = await runFile(runner, { bytes, records }, { feeds: model.feeds, like: want });
    const why = outputDifference(got, want, how.tolerance ?? {});
    if (why !== undefined) throw new Error(`on ${name}: ${[...report.operators.keys()]}\n${why}`);
  }
  return [...report.operators.keys()];
}

/** {@link expectOnRuntimes} for one operator. */
export async function expectCase(runtimes: Runtimes, c: LowerCase, how: OnRuntimes = {}): Promise<readonly string[]> {
  try {
    return await expectOnRuntimes(runtimes, { model: caseModel(c), feeds: caseFeeds(c) }, how);
  } catch (error) {
    throw new Error(`${describeLowerCase(c)}\n${error instanceof Error ? error.message : error}`, { cause: error });
  }
}
