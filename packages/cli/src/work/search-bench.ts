import { at } from "@tessera/core/base/assert";
import { allPairs } from "@tessera/core/biometrics/design";
import { type Embeddings, normaliseRows } from "@tessera/core/biometrics/similarity";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { scaleChannels } from "@tessera/core/graph/quantize-channels";
import type { Feeds } from "@tessera/core/graph/runtime";
import { correctBiases } from "@tessera/core/quant/correct-bias";
import { type InputCovariance, observeCovariances } from "@tessera/core/quant/covariance";
import { embeddingTensor, observeEmbeddingRange } from "@tessera/core/quant/embedding-scale";
import { observeTensors } from "@tessera/core/quant/observe";
import { placeIntegers } from "@tessera/core/quant/placement";
import { covariancePlaces, roundWeights } from "@tessera/core/quant/round-weights";
import { buildPoint, type PointMaterial, type Seen } from "@tessera/core/quant/search/build-point";
import { canonicalJson } from "@tessera/core/quant/search/canonical-json";
import { embeddingJudge, rowsOfEmbeddings } from "@tessera/core/quant/search/embedding-judge";
import type { GroupSensitivity, SearchBench } from "@tessera/core/quant/search/engine";
import { type EqualizeChoice, POINT_DEFAULTS, type SearchPoint } from "@tessera/core/quant/search/point";
import { withUnsignedActivations } from "@tessera/core/quant/search/simulation";
import { measureSensitivity } from "@tessera/core/quant/sensitivity/measure";
import type { EvaluationSet } from "./accuracy.ts";
import type { Calibrated } from "./calibrate.ts";
import { embedAll } from "./embed.ts";
import { fewFaces } from "./few-faces.ts";
import type { OptimizeJob } from "./request.ts";
import { allFeeds, batchOf, sampleFeeds, selectSamples } from "./samples.ts";
import { costOfOne } from "./summary.ts";

/** What a search looks at. */
export interface SearchInputs {
  readonly job: OptimizeJob;
  /** The float network that plans are made for, before it is made ready for integers. */
  readonly plain: Model;
  /** With channels equalized the default way. */
  readonly calibrated: Calibrated;
  /** Rows of the calibration. */
  readonly rows: readonly number[];
  /** The people of the search. */
  readonly set: EvaluationSet;
  readonly reducedRange: boolean;
  readonly hasVnni: boolean | undefined;
}

/** The bench of a search on the host runtime, and what its points are built from. */
export interface HostBench {
  readonly bench: SearchBench;
  readonly material: PointMaterial;
}

/** Samples that bias correction looks at: a pass for each layer. */
const BIAS_SAMPLES = 100;
/** Faces that single groups are judged on: a figure that ranks, not one that decides. */
const SENSITIVITY_FACES = 120;
/** Values kept at cuts of the network at most: those of so many faces in one go. */
const SENSITIVITY_BYTES = 384 * 1024 * 1024;
/** How much faster an accelerated integer kernel is than a float one, as targets with int8 kernels declare it. */
const INTEGER_SPEEDUP = 2;

/** Everything that a search asks of a network, answered by running plans as QDQ on the host runtime. */
export async function hostBench(inputs: SearchInputs): Promise<HostBench> {
  const { job, plain, set } = inputs;
  const material = pointMaterial(inputs);
  const { modelCard: card, host, signal } = job;
  const samples = selectSamples(job.evaluation.samples, set.rows);
  const embed = async (bytes: Uint8Array): Promise<Embeddings> => (await embedAll(host, bytes, { card, samples, signal })).unit;
  const float = await embed(modelToOnnx(plain));
  const options = { far: job.budgets.far };
  const judgeAll = embeddingJudge(float, set.design, options);
  const few = fewFaces(set.subjects, SENSITIVITY_FACES);
  const fewRows = few.map((i) => at(set.rows, i));
  const fewSubjects = Int32Array.from(few, (row) => at(set.subjects, row));
  // Too few for the user's FAR, perhaps: at a larger one the same noise is near the threshold.
  const judgeFew = embeddingJudge(rowsOfEmbeddings(float, few), allPairs(fewSubjects, { aliases: set.aliases }), {
    ...options,
    far: Math.max(options.far, 20 / (few.length * few.length)),
  });
  const bytesOf = async (point: SearchPoint): Promise<Uint8Array> => {
    const { model, plan } = await buildPoint(point, material);
    return modelToOnnx(applyPlan(model, simulated(plan, model, inputs)));
  };
  const bench: SearchBench = {
    judge: async (point) => judgeAll(await embed(await bytesOf(point))),
    sensitivity: async (point, reverts, onGroup) => {
      const { model, plan } = await buildPoint(point, material);
      const {
        float: _,
        integer,
        groups,
      } = await measureSensitivity(model, plan, {
        ...observing(inputs),
        target: job.target,
        apply: (m, p) => applyPlan(m, simulated(p, m, inputs)),
        samples: () => sampleFeeds(card, job.evaluation.samples, fewRows, batchOf(plain, card)),
        count: few.length,
        modes: reverts ? ["alone", "reverted"] : ["alone"],
        cacheBytes: SENSITIVITY_BYTES,
        output: card.output.tensor,
        judge: (rows) => {
          const { spread, flips, nearPairs } = judgeFew(normaliseRows(rows));
          return { spread, flips, nearPairs };
        },
        onProgress: ({ done, total }) => onGroup?.(done, total),
      });
      const shares = timeShares(material.model, groups);
      return groups.map(
        ({ name, op, nodes, tensors, alone = integer, reverted }, i): GroupSensitivity => ({
          name,
          op,
          nodes,
          tensors,
          alone: figures(alone),
          whole: figures(integer),
          ...(reverted === undefined ? {} : { without: figures(reverted) }),
          nearPairs: integer.nearPairs,
          timeShare: at(shares, i),
        }),
      );
    },
    rangesOf: async (point) => {
      const { plan } = await buildPoint({ ...point, rounding: "nearest", correctBias: false }, material);
      return rangesOfPlan(plan);
    },
    embeddingRange: async (point) => {
      const tensor = embeddingTensor(await placementOf(point, material), card.output.tensor);
      if (tensor === undefined) return undefined;
      const { channelScales } = await material.seen(point.equalize);
      const { range } = await observeEmbeddingRange(scaleChannels(material.model, channelScales), tensor, samplesOf(inputs)(), {
        ...observing(inputs),
        ...job.target.activations,
      });
      return { tensor, ...range };
    },
  };
  return { bench, material };
}

function figures({ spread, flips }: { readonly spread: number; readonly flips: number }) {
  return { spread, flips };
}

function samplesOf({ job, plain, rows }: SearchInputs, most = rows.length): () => Generator<Feeds> {
  const { modelCard, calibration } = job;
  return () => allFeeds(modelCard, calibration.samples, rows.slice(0, most), batchOf(plain, modelCard));
}

function observing({ job }: SearchInputs) {
  return {
    open: (model: Model) => job.host.load(modelToOnnx(model), { threads: 1 }),
    signal: job.signal,
  };
}

/** What points are built from, each look at the samples kept: a few maps of numbers, whatever the number of samples. */
function pointMaterial(inputs: SearchInputs): PointMaterial {
  const { job, calibrated, reducedRange } = inputs;
  const { model, channelScales, observations } = calibrated;
  const { target } = job;
  const views = new Map<string, Promise<Seen>>([
    [canonicalJson(POINT_DEFAULTS.equalize), Promise.resolve({ channelScales, observations })],
  ]);
  const covariances = new Map<string, Promise<ReadonlyMap<string, InputCovariance>>>();
  const once = <T>(cache: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> => {
    const known = cache.get(key) ?? make();
    cache.set(key, known);
    return known;
  };
  const look = async (): Promise<Seen> => {
    job.progress.note("search: calibrating once more, channels as they came");
    const { activations } = placeIntegers(model, target);
    return {
      channelScales: new Map(),
      observations: await observeTensors(model, activations, samplesOf(inputs)(), observing(inputs)),
    };
  };
  return {
    model,
    target,
    reducedRange,
    evidence: { samples: observations.samples, digest: job.calibration.digest },
    seen: (equalize: EqualizeChoice) => {
      if (equalize !== false && canonicalJson(equalize) !== canonicalJson(POINT_DEFAULTS.equalize))
        throw new Error("only the default equalization is looked at");
      return once(views, canonicalJson(equalize), look);
    },
    secondOrder: async (source, plan) => {
      const scaled = scaleChannels(source, plan.channelScales ?? new Map());
      const places = covariancePlaces(scaled, plan, scaled);
      const key = canonicalJson([[...(plan.channelScales ?? [])], places.map((p) => p.node)]);
      const seen = await once(covariances, key, () => observeCovariances(scaled, places, samplesOf(inputs)(), observing(inputs)));
      return roundWeights(source, plan, seen).plan;
    },
    correctBias: async (source, plan) => {
      const apply = (m: Model, p: QuantPlan): Model => applyPlan(m, simulated(p, m, inputs));
      const options = { ...observing(inputs), samples: samplesOf(inputs, BIAS_SAMPLES), apply };
      return (await correctBiases(source, plan, options)).plan;
    },
  };
}

async function placementOf(point: SearchPoint, material: PointMaterial) {
  const { channelScales } = await material.seen(point.equalize);
  const kept = new Map(Object.keys(point.keep).map((name) => [name, ""] as const));
  return placeIntegers(scaleChannels(material.model, channelScales), material.target, { keepFloat: kept });
}

/** The plan as the host computes it: on its fast kernels where its processor sums without saturation. */
function simulated(plan: QuantPlan, model: Model, { hasVnni }: SearchInputs): QuantPlan {
  if (hasVnni === false) return plan;
  return withUnsignedActivations(plan, new Set([...model.graph.constants.keys()]));
}

function rangesOfPlan(plan: QuantPlan): ReadonlyMap<string, { readonly min: number; readonly max: number }> {
  const ranges = new Map<string, { readonly min: number; readonly max: number }>();
  for (const [name, { dtype, scale, zeroPoint, axis, range }] of plan.tensors) {
    if (axis !== undefined || range !== undefined || (dtype !== "int8" && dtype !== "uint8")) continue;
    const [step, zero, low] = [at(scale, 0), at(zeroPoint, 0), dtype === "int8" ? -128 : 0];
    ranges.set(name, { min: (low - zero) * step, max: (low + 255 - zero) * step });
  }
  return ranges;
}

/** What each group adds to a run in integers when it computes in float, as a share of that run: by multiply-accumulates. */
function timeShares(model: Model, groups: readonly { readonly nodes: readonly string[] }[]): readonly number[] {
  const cost = costOfOne(model);
  const macs = new Map(cost.nodes.map((n) => [n.node, n.macs ?? 0] as const));
  return groups.map((group) => {
    const own = group.nodes.reduce((sum, name) => sum + (macs.get(name) ?? 0), 0);
    return cost.macs > 0 ? (own / cost.macs) * (INTEGER_SPEEDUP - 1) : 0;
  });
}
