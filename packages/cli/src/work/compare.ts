import { at } from "@tessera/core/base/assert";
import { isTesseraError } from "@tessera/core/base/error";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { scaleChannels } from "@tessera/core/graph/quantize-channels";
import type { Feeds, Runtime, Session } from "@tessera/core/graph/runtime";
import { toNumbers } from "@tessera/core/graph/tensor";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { tensorDifference } from "@tessera/core/passes/proof";
import type { MeasuredHint, WorstInput } from "@tessera/core/protocol/report";
import { firstWrong, type SampleNoise } from "@tessera/core/quant/compare-samples";
import {
  addDifference,
  createDifference,
  type DifferenceSums,
  differenceOf,
  mergeDifference,
} from "@tessera/core/quant/compare-tensors";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { targetById } from "@tessera/core/targets/table";
import type { ModelFile } from "../io/model-file.ts";
import { openRunnable, type RunFile, runnableOf } from "../io/runnable.ts";
import type { Progress } from "../ui/progress.ts";
import { type InputOptions, type Inputs, inputsFor } from "./feeds.ts";
import { hintsFor } from "./layer-hints.ts";
import { compareLayers, type LayerDifference } from "./layers.ts";
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

/** A value of both models. */
export interface ComparedLayer extends ValueDifference {
  readonly tensor: string;
  readonly op: string;
  /** Decibels of what the layer adds itself, fed with the reference's values; absent where it adds nothing or cannot be told. */
  readonly localSqnrDb?: number;
  /** Share of the integer levels that occur. */
  readonly rangeUse?: number;
  /** Share of the values that the integers cannot hold, at either end. */
  readonly clippedLow?: number;
  readonly clippedHigh?: number;
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
  readonly layers: readonly ComparedLayer[];
  /** The inputs on which the outputs differ most, the worst first. */
  readonly worst: readonly WorstInput[];
  /** Which change would help, those about the most error first. */
  readonly hints: readonly MeasuredHint[];
  /** Float values of the reference that the changed model does not have. */
  readonly unmatched: number;
}

const NO_DIFFERENCE_DB = 200;

function plain({ sqnrDb, cosine, maxAbs }: ValueDifference): ValueDifference {
  return { sqnrDb: decibels(sqnrDb), cosine, maxAbs };
}

/** A layer as reports have it. */
export function comparedLayer(layer: LayerDifference): ComparedLayer {
  const { tensor, op, localSqnrDb, rangeUse, clippedLow, clippedHigh } = layer;
  return {
    tensor,
    op,
    ...plain(layer),
    ...(localSqnrDb === undefined ? {} : { localSqnrDb: decibels(localSqnrDb) }),
    ...(rangeUse === undefined ? {} : { rangeUse }),
    ...(clippedLow === undefined || clippedHigh === undefined ? {} : { clippedLow, clippedHigh }),
  };
}

/** The inputs with the lowest cosines, and where each first goes wrong. */
export function worstInputs(
  seen: {
    readonly names: readonly string[];
    readonly cosines: ArrayLike<number>;
    readonly noise: SampleNoise;
    readonly layers: readonly LayerDifference[];
  },
  limit: number,
): readonly WorstInput[] {
  const { names, cosines, noise, layers } = seen;
  return Array.from({ length: cosines.length }, (_, i) => i)
    .filter((i) => (cosines[i] as number) < 1)
    .sort((a, b) => (cosines[a] as number) - (cosines[b] as number) || a - b)
    .slice(0, limit)
    .map((i) => {
      const wrong = firstWrong(noise, i);
      const layer = wrong === undefined ? undefined : layers[wrong.layer];
      return {
        input: names[i] ?? String(i),
        cosine: cosines[i] as number,
        ...(wrong === undefined || layer === undefined
          ? {}
          : { firstWrong: { tensor: layer.tensor, op: layer.op, times: wrong.times } }),
      };
    });
}

function decibels(value: number): number {
  return Math.max(-NO_DIFFERENCE_DB, Math.min(NO_DIFFERENCE_DB, value));
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
  options: InputOptions & {
    readonly runtimes: Runtimes;
    /** The plan that the changed file was made by, when it is at hand: it tells which channels it scaled. */
    readonly plan?: QuantPlan | undefined;
    /** Worst inputs to name. */
    readonly worst: number;
    readonly progress: Progress;
    readonly signal: AbortSignal;
  },
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
  const { inputs, outputs, cosines } = await compareOutputs(at(sides, 0), at(sides, 1), {
    rename,
    open: (session) => inputsFor(session, { ...options, grids }),
    progress,
    signal,
  });
  progress.stage("comparing layer by layer", inputs.count);
  const b = inferTypes(computedModel(changed));
  const { model: a, notes } = referenceFor(inferTypes(computedModel(reference)), options.plan ?? changed.plan);
  for (const note of notes) progress.note(note);
  const layersRuntime = sides.find((side) => side.runtime.formats.includes("onnx"))?.runtime ?? (await runtimes.get("ort-node"));
  const { layers, noise } = await compareLayers(a, b, {
    runtime: layersRuntime,
    samples: inputs.feeds(),
    changedFeeds: rename,
    onSample: (done) => progress.at(done),
    signal,
  });
  progress.stage("trying what would help");
  const hints = await hintsFor({
    reference: a,
    changed: b,
    layers,
    runtime: layersRuntime,
    samples: () => inputs.feeds(),
    changedFeeds: rename,
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
    layers: layers.map(comparedLayer),
    hints,
    worst: worstInputs({ names: inputs.names ?? [], cosines, noise, layers }, options.worst),
    unmatched: Math.max(0, floats - layers.length),
  };
}

/** The reference as the plan of the changed model takes it: with the grids of its target, and channels scaled as they are there. */
function referenceFor(model: Model, plan: QuantPlan | undefined): { readonly model: Model; readonly notes: readonly string[] } {
  const scales = plan?.channelScales;
  if (plan === undefined || scales === undefined || scales.size === 0) return { model, notes: [] };
  try {
    const ready = prepareForIntegers(model, targetById(plan.target));
    return { model: inferTypes(scaleChannels(ready, scales)), notes: [] };
  } catch (error) {
    if (!isTesseraError(error)) throw error;
    const note = `${scales.size} values of the changed model have their channels scaled, which the reference cannot follow: ${error.message}`;
    return { model, notes: [note] };
  }
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

/** What comparing outputs gives. */
export interface ComparedOutputs {
  readonly inputs: Inputs;
  readonly outputs: readonly OutputDifference[];
  /** For each input the lowest cosine of any output. */
  readonly cosines: readonly number[];
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
): Promise<ComparedOutputs> {
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
    const cosines: number[] = [];
    let done = 0;
    for (const feeds of inputs.feeds()) {
      signal.throwIfAborted();
      const [a, b] = [await first.run(feeds), await second.run(rename?.(feeds) ?? feeds)];
      let lowest = 1;
      pairs.forEach(([name, other], i) => {
        const [x, y] = [a.get(name), b.get(other)];
        const fits = x !== undefined && y !== undefined && x.shape.join() === y.shape.join() && x.dtype !== "string";
        relative[i] = Math.max(relative[i] as number, fits ? tensorDifference(x, y) : Number.POSITIVE_INFINITY);
        if (!fits) return;
        const alone = createDifference();
        addDifference(alone, Float32Array.from(toNumbers(x)), Float32Array.from(toNumbers(y)));
        mergeDifference(sums[i] as DifferenceSums, alone);
        lowest = Math.min(lowest, differenceOf(alone).cosine);
      });
      cosines.push(lowest);
      progress.at(++done);
    }
    const outputs = pairs.map(([output, other], i) => ({
      output,
      ...(other === output ? {} : { changedName: other }),
      ...plain(differenceOf(sums[i] as DifferenceSums)),
      ...(Number.isFinite(relative[i]) ? { relative: relative[i] as number } : {}),
    }));
    return { inputs, outputs, cosines };
  } finally {
    await second?.close();
    await first.close();
  }
}
