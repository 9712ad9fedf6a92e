import { at } from "@tessera/core/base/assert";
import type { Model } from "@tessera/core/graph/model";
import { scaleChannels } from "@tessera/core/graph/quantize-channels";
import type { Runtime } from "@tessera/core/graph/runtime";
import { inferTypes } from "@tessera/core/ops/infer-types";
import type { Candidate, OptimizeReport, WorstInput } from "@tessera/core/protocol/report";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { formatRow, raiserOf } from "../io/formats.ts";
import type { EvaluationSet } from "./accuracy.ts";
import { cardSession } from "./card-terms.ts";
import { comparedLayer, worstInputs } from "./compare.ts";
import { type Judged, rowCosines } from "./judge.ts";
import { hintsFor } from "./layer-hints.ts";
import { compareLayers } from "./layers.ts";
import { computedModel } from "./lifted.ts";
import type { OptimizeJob } from "./request.ts";
import { batchOf, sampleFeeds } from "./samples.ts";
import type { Variant } from "./variants.ts";

/** Faces compared layer by layer, and faces named because they fare worst. */
const LAYER_SAMPLES = 16;
const WORST_INPUTS = 8;

/** Errors by layer and times by operator of the pick, or of the first static variant when the pick is none. */
export async function layersOf(
  variants: readonly Variant[],
  picked: Candidate | undefined,
  job: OptimizeJob,
  facts: {
    /** Calibration faces. */
    readonly rows: readonly number[];
    readonly plain: Model;
    /** Embeddings of the variants, in their order, and whose they are: to name the faces that fare worst. */
    readonly judged?: readonly Judged[];
    readonly set?: EvaluationSet;
  },
): Promise<OptimizeReport["layers"]> {
  const changed =
    variants.find((v) => v.id === picked?.id && v.scheme === "static-int8") ?? variants.find((v) => v.scheme === "static-int8");
  if (changed === undefined) return undefined;
  const { rows, plain, judged, set } = facts;
  const { host, runtime, modelCard: card, target, progress, signal } = job;
  progress.stage("comparing layer by layer", LAYER_SAMPLES);
  const samples = rows.slice(0, LAYER_SAMPLES);
  const baseline = at(variants, 0);
  const batch = batchOf(job.model, card);
  const readBack = (variant: Variant): Model =>
    computedModel(raiserOf(formatRow(variant.format), variant.id)(variant.bytes, { externalData: () => undefined }));
  // Where the plan scales channels, the float network scaled likewise is what its values stand for.
  // A TFLite file fuses values away and names others anew: there the network before it was lowered is the reference.
  const float = prepareForIntegers(inferTypes(baseline.format === "onnx" ? readBack(baseline) : plain), target);
  const reference = scaleChannels(float, changed.plan?.channelScales ?? new Map());
  const computed = inferTypes(readBack(changed));
  const feedsOf = () => sampleFeeds(card, job.calibration.samples, samples, batch);
  const { layers, noise } = await compareLayers(reference, computed, {
    runtime: host,
    samples: feedsOf(),
    onSample: (done) => progress.at(done),
    signal,
  });
  const place = variants.indexOf(changed);
  const [mine, theirs] = [judged?.[0], judged?.[place]];
  const worst: WorstInput[] = [];
  if (set !== undefined && mine !== undefined && theirs !== undefined) {
    const cosines = rowCosines(mine.unit, theirs.unit);
    const bad = Array.from(cosines.keys())
      .sort((a, b) => at(cosines, a) - at(cosines, b))
      .slice(0, WORST_INPUTS);
    const faces = bad.map((i) => at(set.rows, i));
    const again = await compareLayers(reference, computed, {
      runtime: host,
      samples: sampleFeeds(card, job.evaluation.samples, faces, batch),
      signal,
    });
    const seen = {
      names: bad.map((i) => at(set.names, i)),
      cosines: bad.map((i) => at(cosines, i)),
      layers,
      // The others to compare with are those of the calibration.
      noise: { rows: [...again.noise.rows, ...noise.rows] },
    };
    worst.push(...worstInputs(seen, WORST_INPUTS));
  }
  progress.stage("trying what would help");
  const hints = await hintsFor({ reference, changed: computed, layers, runtime: host, samples: feedsOf, signal });
  const profiler = await profilerOf(job);
  const profileOf = async (bytes: Uint8Array) => {
    const session = cardSession(await profiler.load(bytes, { threads: 1 }), card);
    try {
      const [feeds] = [...sampleFeeds(card, job.calibration.samples, rows.slice(0, 1), batch)];
      const profile = feeds === undefined ? undefined : await session.profile?.(feeds, 20);
      return (profile?.operators ?? []).map(({ name, op, timeUs }) => ({ name, op, timeUs }));
    } finally {
      await session.close();
    }
  };
  return {
    candidate: changed.id,
    samples: samples.length,
    layers: layers.map((layer) => {
      const { maxAbs: _, ...row } = comparedLayer(layer);
      return row;
    }),
    ...(worst.length === 0 ? {} : { worst }),
    hints,
    ...(profiler === runtime ? {} : { timesRuntime: `${profiler.id} ${profiler.version}` }),
    times: await profileOf(changed.bytes),
    baselineTimes: await profileOf(baseline.bytes),
  };
}

/** What times single operators of the target's files: its own runtime, or another that can. */
async function profilerOf(job: OptimizeJob): Promise<Runtime> {
  const { profiler, runtimes } = formatRow(job.target.format);
  return job.target.runtime === runtimes[0] ? job.runtimes.get(profiler) : job.runtime;
}
