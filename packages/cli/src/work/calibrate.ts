import { fail } from "@tessera/core/base/error";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import { scaleChannels } from "@tessera/core/graph/quantize-channels";
import type { Feeds, Session } from "@tessera/core/graph/runtime";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { type CalibrationCache, cachedSamples } from "@tessera/core/quant/calibration-cache";
import { equalizablePlaces, equalizingScales } from "@tessera/core/quant/equalize";
import { type Observations, type ObserveOptions, observeTensors } from "@tessera/core/quant/observe";
import { observeLargest } from "@tessera/core/quant/observe-largest";
import { type Placement, placeIntegers } from "@tessera/core/quant/placement";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { type Widened, widenNodes } from "@tessera/core/quant/widen";
import type { Target } from "@tessera/core/targets/target";
import { networkDigest } from "../io/calibration-file.ts";

/** A float model made ready for static quantization, and what calibration saw. */
export interface Calibrated {
  readonly model: Model;
  /** Channels that are brought to one range before quantization; placement and observations are those of the scaled model. */
  readonly channelScales: ReadonlyMap<string, readonly number[]>;
  readonly placement: Placement;
  readonly observations: Observations;
  /** Largest magnitude of each channel of the values that may be equalized, before they are. */
  readonly largest: ReadonlyMap<string, Float64Array>;
}

/** What calibration runs on. */
export interface CalibrateOptions {
  readonly open: (bytes: Uint8Array) => Promise<Session>;
  /** The samples, from the first each time. Not asked for beside a cache. */
  readonly samples: () => Iterable<Feeds>;
  readonly keepFloat?: ReadonlyMap<string, string>;
  /** Nodes with 16-bit activations among those with 8, where a target has kernels for both: see widenNodes. */
  readonly wide?: ReadonlySet<string>;
  /** What was seen before, instead of running samples. */
  readonly cache?: CalibrationCache;
  /** Factors of channels that were chosen elsewhere, instead of by these samples. */
  readonly equalizeBy?: ReadonlyMap<string, readonly number[]>;
  /** Sessions that run samples side by side; 2 unless given. */
  readonly sessions?: number;
  readonly onSample?: (done: number) => void;
  readonly signal?: AbortSignal;
}

/** Sessions side by side unless said otherwise: while one computes, the values of the other are counted. */
const SESSIONS = 2;

/** The graph that a target's rules would have, and where it is integer. */
function placed(
  { model, wideNodes }: Widened,
  target: Target,
  about: Pick<CalibrateOptions, "keepFloat"> & Pick<Calibrated, "channelScales">,
) {
  const scaled = scaleChannels(model, about.channelScales);
  const { keepFloat } = about;
  return { scaled, placement: placeIntegers(scaled, target, { wideNodes, ...(keepFloat === undefined ? {} : { keepFloat }) }) };
}

/** The model as a target's rules want it, with islands of 16 bits where asked. @throws TARGET_RULE */
export function preparedFor(typed: Model, target: Target, wide: ReadonlySet<string> = new Set()): Widened {
  const model = prepareForIntegers(typed, target);
  return wide.size === 0 ? { model, wideNodes: wide } : widenNodes(model, target, wide);
}

/**
 * Runs calibration samples through the model twice: for the range of each channel, which is then equalized, and for every tensor that the rules of one
 * of the targets make integer. Targets that are two schemes of one device share both looks; the first one's rules decide what is equalized. With a
 * cache nothing is run.
 *
 * @returns what was seen, for each target in order
 * @throws CALIBRATION_CACHE when the cache is of another network or lacks a tensor; what observing throws
 */
export async function calibrateAll<const T extends readonly [Target, ...Target[]]>(
  model: Model,
  targets: T,
  options: CalibrateOptions,
): Promise<{ readonly [K in keyof T]: Calibrated }> {
  const { cache } = options;
  if (cache !== undefined) checkNetwork(cache, model);
  const typed = inferTypes(model);
  const observing: ObserveOptions = {
    open: (exposed: Model) => options.open(modelToOnnx(exposed)),
    sessions: options.sessions ?? SESSIONS,
    ...(options.onSample === undefined ? {} : { onSample: options.onSample }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  const ready = targets.map((target) => preparedFor(typed, target, options.wide));
  const { model: first } = ready[0] as Widened;
  const places = equalizablePlaces(first, targets[0]);
  const largest =
    cache?.largest ?? (places.length === 0 ? new Map() : await observeLargest(first, places, options.samples(), observing));
  const channelScales: ReadonlyMap<string, readonly number[]> =
    cache?.channelScales ?? options.equalizeBy ?? (places.length === 0 ? new Map() : equalizingScales(first, largest));
  const rows = targets.map((target, i) => ({
    model: (ready[i] as Widened).model,
    ...placed(ready[i] as Widened, target, { ...options, channelScales }),
  }));
  if (cache !== undefined) {
    const observations = { samples: cachedSamples(cache), histograms: cache.histograms };
    for (const { placement } of rows) checkTensors(cache, placement);
    const known = rows.map((row) => ({ model: row.model, channelScales, placement: row.placement, observations, largest }));
    return known as unknown as { readonly [K in keyof T]: Calibrated };
  }
  const main = (rows[0] as (typeof rows)[number]).scaled;
  const there = new Set([...main.graph.inputs.map((i) => i.name), ...main.graph.nodes.flatMap((n) => n.outputs)]);
  // Values that integers only pass through are looked at too: with a node in float behind or before them they need a grid of their own.
  const wanted = new Set(
    rows.flatMap(({ placement }) => [...placement.activations, ...placement.shared.keys()].filter((name) => there.has(name))),
  );
  const seen = await observeTensors(main, [...wanted], options.samples(), observing);
  const all: Calibrated[] = [];
  for (const { model: own, scaled, placement } of rows) {
    // A scheme may move values onto grids that the first one does not: those are looked at in its own graph.
    const complete = placement.activations.every((name) => seen.histograms.has(name));
    const observations = complete ? seen : await observeTensors(scaled, placement.activations, options.samples(), observing);
    all.push({ model: own, channelScales, placement, observations, largest });
  }
  return all as unknown as { readonly [K in keyof T]: Calibrated };
}

/** {@link calibrateAll} for one target. */
export async function calibrate(model: Model, target: Target, options: CalibrateOptions): Promise<Calibrated> {
  const [only] = await calibrateAll(model, [target], options);
  return only;
}

/** What was seen as a cache: of the first of some targets, with every tensor that any of them looked at. */
export function cacheOf(
  calibrated: readonly [Calibrated, ...Calibrated[]],
  about: Pick<CalibrationCache, "tool" | "target"> & { readonly model: Model; readonly digest: string },
): CalibrationCache {
  const [first] = calibrated;
  const { largest, channelScales, observations } = first;
  return {
    kind: "tessera-calibration-cache",
    version: 1,
    tool: about.tool,
    network: networkDigest(about.model),
    target: about.target,
    sources: [{ samples: observations.samples, digest: about.digest }],
    largest,
    channelScales,
    histograms: new Map(calibrated.flatMap((c) => [...c.observations.histograms])),
  };
}

/** Refuses a cache of another network. @throws CALIBRATION_CACHE */
export function checkNetwork(cache: CalibrationCache, model: Model): void {
  const own = networkDigest(model);
  if (own === cache.network) return;
  throw fail(
    "CALIBRATION_CACHE",
    `Cannot use the calibration cache: it is of the network ${cache.network.slice(0, 12)}, and this one is ${own.slice(0, 12)}`,
    {
      hint: `Give the model that was calibrated, as ${cache.tool} simplifies it and with the same --simplify, or calibrate this one where the images are`,
    },
  );
}

function checkTensors(cache: CalibrationCache, placement: Placement): void {
  const missing = placement.activations.find((name) => !cache.histograms.has(name));
  if (missing === undefined) return;
  throw fail("CALIBRATION_CACHE", `Cannot use the calibration cache: it has no histogram of ${missing}`, {
    at: { tensor: missing },
    hint: `It was made for ${cache.target}: calibrate for this target where the images are`,
  });
}
