import { at } from "@tessera/core/base/assert";
import { modelFromOnnx } from "@tessera/core/convert/onnx/bytes";
import { scaleChannels } from "@tessera/core/graph/quantize-channels";
import { inferTypes } from "@tessera/core/ops/infer-types";
import type { Candidate, OptimizeReport } from "@tessera/core/protocol/report";
import { unshareWeights } from "@tessera/core/quant/placement";
import { batchOf, cropFeeds } from "./embed.ts";
import { compareLayers } from "./layers.ts";
import type { OptimizeRequest } from "./request.ts";
import type { Variant } from "./variants.ts";

/** Faces compared layer by layer. */
const LAYER_SAMPLES = 16;

/** Errors by layer and times by operator of the pick, or of the first static variant when the pick is none. */
export async function layersOf(
  variants: readonly Variant[],
  picked: Candidate | undefined,
  request: OptimizeRequest,
  rows: readonly number[],
): Promise<OptimizeReport["layers"]> {
  const changed =
    variants.find((v) => v.id === picked?.id && v.scheme === "static-int8") ?? variants.find((v) => v.scheme === "static-int8");
  if (changed === undefined) return undefined;
  const { runtime, card, progress, signal } = request;
  progress.stage("comparing layer by layer", LAYER_SAMPLES);
  const samples = rows.slice(0, LAYER_SAMPLES);
  const baseline = at(variants, 0);
  const batch = batchOf(request.file.model, card);
  // Where the plan scales channels, the float network scaled likewise is what its values stand for.
  const float = unshareWeights(inferTypes(modelFromOnnx(baseline.bytes)), request.target);
  const reference = scaleChannels(float, changed.plan?.channelScales ?? new Map());
  const layers = await compareLayers(reference, inferTypes(modelFromOnnx(changed.bytes)), {
    runtime,
    samples: cropFeeds(card, request.calibration.crops, samples, batch),
    onSample: (done) => progress.at(done),
    signal,
  });
  const profileOf = async (bytes: Uint8Array) => {
    const session = await runtime.load(bytes, { threads: 1 });
    try {
      const [feeds] = [...cropFeeds(card, request.calibration.crops, rows.slice(0, 1), batch)];
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
    times: await profileOf(changed.bytes),
    baselineTimes: await profileOf(baseline.bytes),
  };
}
