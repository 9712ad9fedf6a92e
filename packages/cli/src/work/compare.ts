import { at } from "@tessera/core/base/assert";
import type { Model } from "@tessera/core/graph/model";
import type { Feeds, Runtime, Session } from "@tessera/core/graph/runtime";
import { toNumbers } from "@tessera/core/graph/tensor";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { tensorDifference } from "@tessera/core/passes/proof";
import { addDifference, createDifference, type DifferenceSums, differenceOf } from "@tessera/core/quant/compare-tensors";
import type { ModelFile } from "../io/model-file.ts";
import { openRunnable, type RunFile, runnableOf } from "../io/runnable.ts";
import type { Progress } from "../ui/progress.ts";
import { type InputOptions, type Inputs, inputsFor } from "./feeds.ts";
import { compareLayers } from "./layers.ts";
import { computedModel, gridsOf } from "./lifted.ts";
import { runtimesOf } from "./parity.ts";
import type { Runtimes } from "./runtime.ts";

/** Two values that should be alike. Decibels end at 200 (no difference at all), because JSON has no infinity. */
export interface ValueDifference {
  readonly sqnrDb: number;
  readonly cosine: number;
  readonly maxAbs: number;
}

/** An output of two models. */
export interface OutputDifference extends ValueDifference {
  readonly output: string;
  /** Its name in the changed model, when it is another. */
  readonly changedName?: string;
  /** Largest difference, as a share of the reference's largest magnitude; absent when type or shape differ. */
  readonly relative?: number;
}

/** A model file to be compared, and what runs it. */
export interface ComparedFile extends RunFile {
  readonly model: Model;
  readonly runtime: Runtime;
}

/** Two models on the same inputs; plain JSON. */
export interface CompareReport {
  readonly kind: "tessera-compare-report";
  readonly version: 1;
  readonly reference: { readonly file: string; readonly sha256: string };
  readonly changed: { readonly file: string; readonly sha256: string };
  /** What ran the files; both where they differ. */
  readonly runtime: string;
  /** What ran them layer by layer, when it is another: values of a TFLite file can be looked at in its model only, which runs as ONNX. */
  readonly layersRuntime?: string;
  readonly inputs: string;
  /** As both models run on their runtimes, with those' own rewriting. */
  readonly outputs: readonly OutputDifference[];
  /** Values that both models have under one name, in order of the reference graph. */
  readonly layers: readonly (ValueDifference & { readonly tensor: string; readonly op: string })[];
  /** Float values of the reference that the changed model does not have. */
  readonly unmatched: number;
}

const NO_DIFFERENCE_DB = 200;

function plain({ sqnrDb, cosine, maxAbs }: ValueDifference): ValueDifference {
  return { sqnrDb: Math.max(-NO_DIFFERENCE_DB, Math.min(NO_DIFFERENCE_DB, sqnrDb)), cosine, maxAbs };
}

/** Which output of the changed model stands for which of the reference: by name, or by position where no name fits and the number does. */
function outputPairs(reference: Model, changed: Model): readonly (readonly [string, string])[] {
  const names = new Set(changed.graph.outputs.map((o) => o.name));
  const byName = reference.graph.outputs.flatMap((o) => (names.has(o.name) ? [[o.name, o.name] as const] : []));
  if (byName.length > 0 || reference.graph.outputs.length !== changed.graph.outputs.length) return byName;
  return reference.graph.outputs.map((o, i) => [o.name, changed.graph.outputs[i]?.name ?? ""] as const);
}

/** Compares two models on the same inputs: their outputs as they really run, and value by value. */
export async function compareModels(
  reference: ModelFile,
  changed: ModelFile,
  options: InputOptions & { readonly runtimes: Runtimes; readonly progress: Progress; readonly signal: AbortSignal },
): Promise<CompareReport> {
  const { runtimes, progress, signal } = options;
  const rename = renaming(reference.model, changed.model);
  const sides = await Promise.all(
    [reference, changed].map(async (file) => ({
      ...runnableOf(file),
      model: file.model,
      runtime: await runtimes.taking(runnableOf(file)),
    })),
  );
  const grids = gridsOf(reference);
  const { inputs, outputs } = await compareOutputs(at(sides, 0), at(sides, 1), {
    rename,
    open: (session) => inputsFor(session, { ...options, grids }),
    progress,
    signal,
  });
  progress.stage("comparing layer by layer", inputs.count);
  const [a, b] = [inferTypes(computedModel(reference)), inferTypes(computedModel(changed))];
  const layersRuntime = sides.find((side) => side.runtime.formats.includes("onnx"))?.runtime ?? (await runtimes.get("ort-node"));
  const layers = await compareLayers(a, b, {
    runtime: layersRuntime,
    samples: inputs.feeds(),
    changedFeeds: rename,
    onSample: (done) => progress.at(done),
    signal,
  });
  const isFloat = (name: string): boolean => {
    const type = a.graph.types.get(name);
    return type?.kind === "tensor" && type.dtype === "float32";
  };
  const floats = a.graph.nodes.flatMap((node) => node.outputs.filter(isFloat)).length;
  return {
    kind: "tessera-compare-report",
    version: 1,
    reference: { file: reference.path, sha256: reference.sha256 },
    changed: { file: changed.path, sha256: changed.sha256 },
    runtime: runtimesOf(sides),
    ...(sides.every((side) => side.runtime === layersRuntime) ? {} : { layersRuntime: runtimesOf([{ runtime: layersRuntime }]) }),
    inputs: inputs.says,
    outputs,
    layers: layers.map((layer) => ({ tensor: layer.tensor, op: layer.op, ...plain(layer) })),
    unmatched: Math.max(0, floats - layers.length),
  };
}

type Rename = (feeds: Feeds) => Feeds;

/** Feeds under the names that the changed model has for its inputs: by position, where a name does not fit. */
function renaming(reference: Model, changed: Model): Rename {
  const inputsOf = ({ graph }: Model) => graph.inputs.filter((i) => !graph.constants.has(i.name)).map((i) => i.name);
  const [a, b] = [inputsOf(reference), inputsOf(changed)];
  if (a.length !== b.length || a.every((name) => b.includes(name))) return (feeds) => feeds;
  const other = new Map(a.map((name, i) => [name, b[i] ?? name] as const));
  return (feeds) => new Map([...feeds].map(([name, tensor]) => [other.get(name) ?? name, tensor] as const));
}

/** Runs two models, each on its runtime as that optimises it, and compares what comes out. */
export async function compareOutputs(
  reference: ComparedFile,
  changed: ComparedFile,
  options: {
    /** The inputs, given the session of the reference. */
    readonly open: (session: Session) => Promise<Inputs>;
    /** From the names of the reference's inputs to those of the changed model. */
    readonly rename?: Rename;
    readonly progress: Progress;
    readonly signal: AbortSignal;
  },
): Promise<{ readonly inputs: Inputs; readonly outputs: readonly OutputDifference[] }> {
  const { rename, progress, signal } = options;
  const pairs = outputPairs(reference.model, changed.model);
  const sums: DifferenceSums[] = pairs.map(createDifference);
  const relative = pairs.map(() => 0);
  const first = await openRunnable(reference.runtime, reference);
  let second: Session | undefined;
  try {
    second = await openRunnable(changed.runtime, changed);
    const inputs = await options.open(first);
    progress.stage("comparing outputs", inputs.count);
    let done = 0;
    for (const feeds of inputs.feeds()) {
      signal.throwIfAborted();
      const [a, b] = [await first.run(feeds), await second.run(rename?.(feeds) ?? feeds)];
      pairs.forEach(([name, other], i) => {
        const [x, y] = [a.get(name), b.get(other)];
        const fits = x !== undefined && y !== undefined && x.shape.join() === y.shape.join() && x.dtype !== "string";
        relative[i] = Math.max(relative[i] as number, fits ? tensorDifference(x, y) : Number.POSITIVE_INFINITY);
        if (fits) addDifference(sums[i] as DifferenceSums, Float32Array.from(toNumbers(x)), Float32Array.from(toNumbers(y)));
      });
      progress.at(++done);
    }
    const outputs = pairs.map(([output, other], i) => ({
      output,
      ...(other === output ? {} : { changedName: other }),
      ...plain(differenceOf(sums[i] as DifferenceSums)),
      ...(Number.isFinite(relative[i]) ? { relative: relative[i] as number } : {}),
    }));
    return { inputs, outputs };
  } finally {
    await second?.close();
    await first.close();
  }
}
