import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import { scaleChannels } from "@tessera/core/graph/quantize-channels";
import type { Feeds, Session } from "@tessera/core/graph/runtime";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { equalizablePlaces, equalizingScales } from "@tessera/core/quant/equalize";
import { type Observations, observeTensors } from "@tessera/core/quant/observe";
import { observeLargest } from "@tessera/core/quant/observe-largest";
import { type Placement, placeIntegers } from "@tessera/core/quant/placement";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import type { Target } from "@tessera/core/targets/target";

/** A float model made ready for static quantization, and what calibration saw. */
export interface Calibrated {
  readonly model: Model;
  /** Channels that are brought to one range before quantization; placement and observations are those of the scaled model. */
  readonly channelScales: ReadonlyMap<string, readonly number[]>;
  readonly placement: Placement;
  readonly observations: Observations;
}

/** What calibration runs on. */
export interface CalibrateOptions {
  readonly open: (bytes: Uint8Array) => Promise<Session>;
  /** The samples, from the first each time. */
  readonly samples: () => Iterable<Feeds>;
  readonly keepFloat?: ReadonlyMap<string, string>;
  readonly onSample?: (done: number) => void;
  readonly signal?: AbortSignal;
}

/** The graph that a target's rules would have, and where it is integer. */
function placed(model: Model, target: Target, about: Pick<CalibrateOptions, "keepFloat"> & Pick<Calibrated, "channelScales">) {
  const scaled = scaleChannels(model, about.channelScales);
  const { keepFloat } = about;
  return { scaled, placement: placeIntegers(scaled, target, keepFloat === undefined ? {} : { keepFloat }) };
}

/**
 * Runs calibration samples through the model twice: for the range of each channel, which is then equalized, and for every tensor that the rules of one
 * of the targets make integer. Targets that are two schemes of one device share both looks; the first one's rules decide what is equalized.
 *
 * @returns what was seen, for each target in order
 */
export async function calibrateAll<const T extends readonly [Target, ...Target[]]>(
  model: Model,
  targets: T,
  options: CalibrateOptions,
): Promise<{ readonly [K in keyof T]: Calibrated }> {
  const typed = inferTypes(model);
  const observing = {
    open: (exposed: Model) => options.open(modelToOnnx(exposed)),
    ...(options.onSample === undefined ? {} : { onSample: options.onSample }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  const ready = targets.map((target) => prepareForIntegers(typed, target));
  const first = ready[0] as Model;
  const places = equalizablePlaces(first, targets[0]);
  const channelScales: ReadonlyMap<string, readonly number[]> =
    places.length === 0 ? new Map() : equalizingScales(first, await observeLargest(first, places, options.samples(), observing));
  const rows = targets.map((target, i) => ({
    model: ready[i] as Model,
    ...placed(ready[i] as Model, target, { ...options, channelScales }),
  }));
  const main = (rows[0] as (typeof rows)[number]).scaled;
  const there = new Set([...main.graph.inputs.map((i) => i.name), ...main.graph.nodes.flatMap((n) => n.outputs)]);
  const wanted = new Set(rows.flatMap((row) => row.placement.activations.filter((name) => there.has(name))));
  const seen = await observeTensors(main, [...wanted], options.samples(), observing);
  const all: Calibrated[] = [];
  for (const { model: own, scaled, placement } of rows) {
    // A scheme may move values onto grids that the first one does not: those are looked at in its own graph.
    const complete = placement.activations.every((name) => seen.histograms.has(name));
    const observations = complete ? seen : await observeTensors(scaled, placement.activations, options.samples(), observing);
    all.push({ model: own, channelScales, placement, observations });
  }
  return all as unknown as { readonly [K in keyof T]: Calibrated };
}

/** {@link calibrateAll} for one target. */
export async function calibrate(model: Model, target: Target, options: CalibrateOptions): Promise<Calibrated> {
  const [only] = await calibrateAll(model, [target], options);
  return only;
}
