import { at } from "@tessera/core/base/assert";
import type { Model } from "@tessera/core/graph/model";
import { scaleChannels } from "@tessera/core/graph/quantize-channels";
import type { Runtime } from "@tessera/core/graph/runtime";
import { inferTypes } from "@tessera/core/ops/infer-types";
import type { Candidate, OptimizeReport } from "@tessera/core/protocol/report";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { formatRow, raiserOf } from "../io/formats.ts";
import { cardSession } from "./card-terms.ts";
import { batchOf, cropFeeds } from "./embed.ts";
import { compareLayers } from "./layers.ts";
import { computedModel } from "./lifted.ts";
import type { OptimizeJob } from "./request.ts";
import type { Variant } from "./variants.ts";

/** Faces compared layer by layer. */
const LAYER_SAMPLES = 16;

/** Errors by layer and times by operator of the pick, or of the first static variant when the pick is none. */
export async function layersOf(
  variants: readonly Variant[],
  picked: Candidate | undefined,
  job: OptimizeJob,
  { rows, plain }: { readonly rows: readonly number[]; readonly plain: Model },
): Promise<OptimizeReport["layers"]> {
  const changed =
    variants.find((v) => v.id === picked?.id && v.scheme === "static-int8") ?? variants.find((v) => v.scheme === "static-int8");
  if (changed === undefined) return undefined;
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
  const { layers } = await compareLayers(reference, inferTypes(readBack(changed)), {
    runtime: host,
    samples: cropFeeds(card, job.calibration.crops, samples, batch),
    onSample: (done) => progress.at(done),
    signal,
  });
  const profiler = await profilerOf(job);
  const profileOf = async (bytes: Uint8Array) => {
    const session = cardSession(await profiler.load(bytes, { threads: 1 }), card);
    try {
      const [feeds] = [...cropFeeds(card, job.calibration.crops, rows.slice(0, 1), batch)];
      const profile = feeds === undefined ? undefined : await session.profile?.(feeds, 20);
      return (profile?.operators ?? []).map(({ name, op, timeUs }) => ({ name, op, timeUs }));
    } finally {
      await session.close();
    }
  };
  return {
    candidate: changed.id,
    samples: samples.length,
    // JSON has no infinity: a layer that does not differ at all is put at 200 dB.
    layers: layers.map(({ tensor, op, sqnrDb, cosine }) => ({ tensor, op, sqnrDb: Math.min(200, sqnrDb), cosine })),
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
