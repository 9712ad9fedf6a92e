import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import type { Feeds } from "@tessera/core/graph/runtime";
import { toNumbers } from "@tessera/core/graph/tensor";
import { interpret } from "@tessera/core/interp/run";
import { costReport } from "@tessera/core/ops/cost-report";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { addDifference, createDifference, differenceOf } from "@tessera/core/quant/compare-tensors";
import { computeHalf } from "@tessera/core/quant/half-compute";
import { type HalfHazard, halfHazards, observeHalf } from "@tessera/core/quant/hints-half";
import type { ModelFile } from "../io/model-file.ts";
import type { Progress } from "../ui/progress.ts";
import { type InputOptions, inputsFor } from "./feeds.ts";
import { closedSizes, floatOf } from "./lifted.ts";
import type { Runtimes } from "./runtime.ts";

/** What becomes of a network's outputs in float16. */
export interface HalfOutcome {
  /** Least cosine of any output; 0 where numbers are not finite. */
  readonly cosine: number;
  /** Share of the output numbers that are NaN or infinite. */
  readonly notFinite: number;
}

/** Whether a network can compute in float16, on what was seen; plain JSON. */
export interface HalfReport {
  readonly kind: "tessera-half-report";
  readonly version: 1;
  readonly file: string;
  readonly sha256: string;
  readonly inputs: string;
  readonly nodes: number;
  /** Nodes that may compute in float16. */
  readonly half: number;
  /** Nodes that must stay in float32, in running order. */
  readonly hazards: readonly HalfHazard[];
  /** Values that lose more than a hundredth of their numbers below what float16 can tell from zero, though no node has to stay for it. */
  readonly vanishing: readonly { readonly value: string; readonly vanished: number; readonly weak: number }[];
  /** The input on which the most numbers overflow; absent when none does. */
  readonly worstInput?: { readonly input: string; readonly overflows: number };
  /** Tried with exact float16 numbers, each kernel rounding its result: everything in float16, and with those nodes kept. */
  readonly tried?: { readonly samples: number; readonly everything: HalfOutcome; readonly kept: HalfOutcome };
  /** Why it was not tried. */
  readonly untried?: string;
}

/** The interpreter computes every product by itself: networks with more than this take minutes. */
const MOST_MACS = 4e8;
const TRIED = 2;
const VANISHING = 0.01;

/** Runs inputs through a float network and finds what float16 would break. @throws as `inputsFor` and `observeHalf` */
export async function findHalfHazards(
  file: ModelFile,
  options: InputOptions & { readonly runtimes: Runtimes; readonly progress: Progress; readonly signal: AbortSignal },
): Promise<HalfReport> {
  const { runtimes, progress, signal } = options;
  const model = inferTypes(floatOf(file).model);
  const runtime = await runtimes.get("ort-node");
  const asked = await runtime.load(modelToOnnx(model), { optimization: "none" });
  const inputs = await inputsFor(asked, options);
  await asked.close();
  progress.stage("looking for what float16 cannot hold", inputs.count);
  const seen = await observeHalf(model, inputs.feeds(), {
    open: (exposed) => runtime.load(modelToOnnx(exposed), { optimization: "none" }),
    onSample: (done) => progress.at(done),
    signal,
  });
  const hazards = halfHazards(model, seen);
  const kept = computeHalf(model, { histograms: seen.histograms });
  const held = new Set(hazards.map((h) => h.node));
  const heldValues = new Set(model.graph.nodes.filter((n) => held.has(n.name)).flatMap((n) => [...n.inputs, ...n.outputs]));
  const vanishing = [...seen.counts].flatMap(([value, c]) =>
    heldValues.has(value) || c.vanished / Math.max(1, c.count) < VANISHING
      ? []
      : [{ value, vanished: c.vanished / c.count, weak: c.weak / c.count }],
  );
  const most = seen.overBySample.reduce((best, n, i) => (n > (seen.overBySample[best] ?? 0) ? i : best), 0);
  const overflows = seen.overBySample[most] ?? 0;
  const small = closedSizes(model).model;
  const { macs } = costReport(inferTypes(small).graph);
  const untried =
    macs > MOST_MACS
      ? `it has ${(macs / 1e6).toFixed(0)} M multiply-accumulates, which the interpreter takes too long for`
      : undefined;
  const samples = untried === undefined ? chosen(inputs.feeds(), new Set([most, 0, 1])) : [];
  if (samples.length > 0) progress.stage("computing in float16");
  return {
    kind: "tessera-half-report",
    version: 1,
    file: file.path,
    sha256: file.sha256,
    inputs: inputs.says,
    nodes: model.graph.nodes.length,
    half: kept.report.half,
    hazards,
    vanishing,
    ...(overflows === 0 ? {} : { worstInput: { input: inputs.names?.[most] ?? String(most), overflows } }),
    ...(untried === undefined
      ? {
          tried: {
            samples: samples.length,
            everything: outcome(model, computeHalf(model).model, samples),
            kept: outcome(model, kept.model, samples),
          },
        }
      : { untried }),
  };
}

function chosen(feeds: Iterable<Feeds>, places: ReadonlySet<number>): readonly Feeds[] {
  const found: Feeds[] = [];
  let place = 0;
  for (const sample of feeds) {
    if (places.has(place++)) found.push(sample);
    if (found.length === Math.min(places.size, TRIED)) break;
  }
  return found;
}

function outcome(exact: Model, half: Model, samples: readonly Feeds[]): HalfOutcome {
  let cosine = 1;
  let bad = 0;
  let all = 0;
  for (const feeds of samples) {
    const [a, b] = [interpret(exact.graph, feeds), interpret(half.graph, feeds)];
    for (const { name } of exact.graph.outputs) {
      const [x, y] = [a.get(name), b.get(name)];
      if (x === undefined || y === undefined || x.dtype !== "float32") continue;
      const values = Float32Array.from(toNumbers(y));
      const notFinite = values.reduce((n, v) => n + (Number.isFinite(v) ? 0 : 1), 0);
      all += values.length;
      bad += notFinite;
      const sums = createDifference();
      addDifference(sums, Float32Array.from(toNumbers(x)), values);
      cosine = notFinite > 0 ? 0 : Math.min(cosine, differenceOf(sums).cosine);
    }
  }
  return { cosine, notFinite: all === 0 ? 0 : bad / all };
}
