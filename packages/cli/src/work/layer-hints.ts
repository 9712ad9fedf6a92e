import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import type { Feeds, Runtime } from "@tessera/core/graph/runtime";
import { toNumbers } from "@tessera/core/graph/tensor";
import type { MeasuredHint } from "@tessera/core/protocol/report";
import { valuePairs } from "@tessera/core/quant/compare-pairs";
import { addDifference, createDifference, differenceOf, mergeDifference } from "@tessera/core/quant/compare-tensors";
import { findHints, type Hint, type LayerFacts } from "@tessera/core/quant/hints";
import { trialModel, weightSpreadOf } from "@tessera/core/quant/hints-trial";
import type { LayerDifference } from "./layers.ts";

/** Inputs that a trial is measured on, and trials that are made. */
const TRIAL_SAMPLES = 16;
const MOST_TRIALS = 8;

/** What {@link hintsFor} needs: two models whose layers were compared. */
export interface HintsRequest {
  readonly reference: Model;
  readonly changed: Model;
  readonly layers: readonly LayerDifference[];
  readonly runtime: Runtime;
  /** The inputs, from the first. */
  readonly samples: () => Iterable<Feeds>;
  readonly changedFeeds?: (feeds: Feeds) => Feeds;
  readonly onTrial?: (done: number, of: number) => void;
  readonly signal?: AbortSignal;
}

/** Which changes the figures of a quantized model call for, and what those that can be tried at once bring at its outputs. */
export async function hintsFor(request: HintsRequest): Promise<readonly MeasuredHint[]> {
  const { reference, changed } = request;
  const hints = findHints({ layers: factsOf(request), islands: islandsOf(changed) });
  const tried = triedOf(hints);
  if (tried.length === 0) return hints.map((hint) => saidOf(hint));
  const outputs = outputsOf(reference, changed);
  if (outputs.length === 0) return hints.map((hint) => saidOf(hint));
  const exact = await runAll(
    request,
    reference,
    (feeds) => feeds,
    outputs.map(([own]) => own),
  );
  const rename = request.changedFeeds ?? ((feeds: Feeds) => feeds);
  const others = outputs.map(([, other]) => other);
  const before = differenceTo(exact, await runAll(request, changed, rename, others));
  const measured = new Map<Hint, MeasuredHint["measured"]>();
  for (const [done, hint] of tried.entries()) {
    request.onTrial?.(done, tried.length);
    const model = triedModel(request, hint);
    if (model === undefined) continue;
    const after = differenceTo(exact, await runAll(request, model, rename, others));
    measured.set(hint, {
      samples: exact.length,
      sqnrDb: Math.min(200, after.sqnrDb),
      sqnrDbBefore: Math.min(200, before.sqnrDb),
      cosine: after.cosine,
      cosineBefore: before.cosine,
    });
  }
  return hints.map((hint) => saidOf(hint, measured.get(hint)));
}

function inputsOf({ graph }: Model): readonly string[] {
  return graph.inputs.filter((i) => !graph.constants.has(i.name)).map((i) => i.name);
}

/** The outputs of both, by name or, where none fits, by position. */
function outputsOf(reference: Model, changed: Model): readonly (readonly [string, string])[] {
  const [mine, theirs] = [reference, changed].map((m) => m.graph.outputs.map((o) => o.name)) as [string[], string[]];
  const same = mine.filter((name) => theirs.includes(name));
  if (same.length > 0 || mine.length !== theirs.length) return same.map((name) => [name, name]);
  return mine.map((name, i) => [name, theirs[i] as string]);
}

/** What is tried: the first of each rule before the second of any. */
function triedOf(hints: readonly Hint[]): readonly Hint[] {
  const seen = new Map<string, number>();
  return hints
    .filter((h) => h.trial !== undefined)
    .map((hint) => {
      const place = seen.get(hint.rule) ?? 0;
      seen.set(hint.rule, place + 1);
      return { hint, place };
    })
    .sort((a, b) => a.place - b.place)
    .slice(0, MOST_TRIALS)
    .map(({ hint }) => hint);
}

/** The model with the change that a hint asks for, at all of its values; undefined where none of them can be changed so. */
function triedModel({ reference, changed, layers }: HintsRequest, hint: Hint): Model | undefined {
  const { trial: kind, at, tensors = at === undefined ? [] : [at] } = hint;
  if (kind === undefined) return undefined;
  let model: Model | undefined;
  for (const tensor of tensors) {
    const layer = layers.find((l) => l.tensor === tensor);
    if (layer === undefined) continue;
    const { min, max, channelLargest: largest, channelError: meanError } = layer;
    const named = layer.op === "input" ? inputsOf(changed)[inputsOf(reference).indexOf(tensor)] : undefined;
    const known = named === undefined || inputsOf(changed).includes(tensor) ? {} : { named };
    model = trialModel(model ?? changed, reference, { kind, tensor, ...known, min, max, largest, meanError }) ?? model;
  }
  return model;
}

function saidOf({ rule, at, says, evidence }: Hint, measured?: MeasuredHint["measured"]): MeasuredHint {
  return { rule, ...(at === undefined ? {} : { at }), says, evidence, ...(measured === undefined ? {} : { measured }) };
}

function factsOf({ reference, changed, layers }: HintsRequest): readonly LayerFacts[] {
  const all = layers.reduce((sum, l) => sum + (l.localNoise ?? 0), 0);
  const grids = new Map(valuePairs(reference, changed).map((p) => [p.name, p.grid] as const));
  return layers.map((layer): LayerFacts => {
    const { localNoise, ...figures } = layer;
    const grid = grids.get(layer.tensor);
    const weightSpread = weightSpreadOf(changed, layer.node);
    return {
      ...figures,
      ...(localNoise === undefined ? {} : { localNoise }),
      share: all > 0 ? (localNoise ?? 0) / all : 0,
      ...(grid === undefined ? {} : { grid }),
      ...(weightSpread === undefined ? {} : { weightSpread }),
    };
  });
}

/** Float nodes that read what was rounded and whose result is rounded again. */
function islandsOf({ graph }: Model): readonly { readonly node: string; readonly op: string }[] {
  const rounded = new Set(graph.nodes.filter((n) => n.op === "DequantizeLinear").flatMap((n) => n.outputs));
  const floats = new Set(
    graph.nodes
      .filter((n) => n.op !== "QuantizeLinear" && n.op !== "DequantizeLinear" && !n.inputs.some((i) => rounded.has(i)))
      .flatMap((n) => n.outputs),
  );
  // A node behind another float node and in front of integers is part of an island: what came from a DequantizeLinear would have been quantized there.
  const made = new Map(graph.nodes.flatMap((n) => n.outputs.map((o) => [o, n] as const)));
  return graph.nodes
    .filter((n) => n.op === "QuantizeLinear" && floats.has(n.inputs[0] as string))
    .flatMap((n) => {
      const maker = made.get(n.inputs[0] as string);
      return maker === undefined ? [] : [{ node: maker.name, op: maker.op }];
    });
}

async function runAll(
  { runtime, samples, signal }: HintsRequest,
  model: Model,
  rename: (feeds: Feeds) => Feeds,
  names: readonly string[],
): Promise<readonly (readonly Float32Array[])[]> {
  const session = await runtime.load(modelToOnnx(model), { optimization: "none" });
  const found: Float32Array[][] = [];
  try {
    for (const feeds of samples()) {
      signal?.throwIfAborted();
      const values = await session.run(rename(feeds));
      found.push(
        names.map((name) => {
          const value = values.get(name);
          return value === undefined ? new Float32Array(0) : Float32Array.from(toNumbers(value));
        }),
      );
      if (found.length >= TRIAL_SAMPLES) break;
    }
  } finally {
    await session.close();
  }
  return found;
}

/** Noise over all outputs, and the mean over the samples of the lowest cosine of any output. */
function differenceTo(
  exact: readonly (readonly Float32Array[])[],
  changed: readonly (readonly Float32Array[])[],
): { readonly sqnrDb: number; readonly cosine: number } {
  const all = createDifference();
  let sum = 0;
  exact.forEach((outputs, i) => {
    const cosines = outputs.map((values, k) => {
      const alone = createDifference();
      addDifference(alone, values, changed[i]?.[k] ?? new Float32Array(values.length));
      mergeDifference(all, alone);
      return differenceOf(alone).cosine;
    });
    sum += Math.min(1, ...cosines);
  });
  return { sqnrDb: differenceOf(all).sqnrDb, cosine: exact.length === 0 ? 1 : sum / exact.length };
}
