import { fail } from "../base/error.ts";
import { withGraph } from "../graph/edit.ts";
import { type Model, tensorType } from "../graph/model.ts";
import type { Feeds, Session } from "../graph/runtime.ts";
import { type Tensor, view } from "../graph/tensor.ts";
import { createHistogram, type Histogram, observe } from "./histogram.ts";

/** What calibration saw: a histogram for each tensor, and how many samples went in. */
export interface Observations {
  readonly samples: number;
  readonly histograms: ReadonlyMap<string, Histogram>;
}

/** Options of {@link observeTensors}. */
export interface ObserveOptions {
  /** Opens a model on the runtime that calibrates. */
  readonly open: (model: Model) => Promise<Session>;
  readonly onSample?: (done: number) => void;
  readonly signal?: AbortSignal;
}

/** The model with inner float values as further outputs. Values that are inputs or outputs already are not repeated. */
export function exposeValues(model: Model, names: readonly string[]): Model {
  const known = new Set([...model.graph.outputs, ...model.graph.inputs].map((v) => v.name));
  const extra = names.filter((name) => !known.has(name));
  const outputs = extra.map((name) => ({ name, type: model.graph.types.get(name) ?? tensorType("float32", undefined) }));
  return withGraph(model, { ...model.graph, outputs: [...model.graph.outputs, ...outputs] });
}

/**
 * The largest magnitude seen in each channel (axis 1) of some values, over all samples. Streams. Values whose second axis is not `channels` long
 * are refused.
 *
 * @throws CALIBRATION_EMPTY without samples, CALIBRATION_NONFINITE naming the tensor, SHAPE_MISMATCH
 */
export async function observeLargest(
  model: Model,
  places: readonly { readonly tensor: string; readonly before?: string | undefined; readonly channels: number }[],
  samples: Samples,
  options: ObserveOptions,
): Promise<ReadonlyMap<string, Float64Array>> {
  const largest = new Map(
    places.flatMap(({ tensor, before, channels }) =>
      [tensor, ...(before === undefined ? [] : [before])].map((name) => [name, new Float64Array(channels)] as const),
    ),
  );
  await eachSample(model, [...largest.keys()], samples, options, (name, value) => {
    const channels = largest.get(name) as Float64Array;
    if (value.shape[1] !== channels.length)
      throw fail("SHAPE_MISMATCH", `Cannot observe ${name}: it has shape [${value.shape}], not ${channels.length} channels`);
    widen(channels, view(value, "float32"), value.shape[0] as number);
    if (!channels.every(Number.isFinite)) throw nonFinite(name);
  });
  return largest;
}

function widen(largest: Float64Array, values: Float32Array, batch: number): void {
  const inner = values.length / (batch * largest.length);
  for (let i = 0, row = 0; row < batch * largest.length; row++) {
    const c = row % largest.length;
    let most = largest[c] as number;
    for (const end = i + inner; i < end; i++) {
      const v = Math.abs(values[i] as number);
      // Written so that NaN gets in, and is found.
      if (!(v <= most)) most = v;
    }
    largest[c] = most;
  }
}

/** Samples one after the other. */
export type Samples = AsyncIterable<Feeds> | Iterable<Feeds>;

function nonFinite(name: string, cause?: unknown): Error {
  return fail("CALIBRATION_NONFINITE", `Cannot calibrate ${name}: NaN or infinity among its values`, {
    at: { tensor: name },
    cause,
  });
}

/**
 * Runs samples through a float model and keeps a histogram per named tensor. Streams: one sample is in memory at a time, and the result does not
 * depend on the order of the samples.
 *
 * @throws CALIBRATION_EMPTY without samples, CALIBRATION_NONFINITE naming the tensor
 */
export async function observeTensors(
  model: Model,
  names: readonly string[],
  samples: Samples,
  options: ObserveOptions,
): Promise<Observations> {
  const histograms = new Map(names.map((name) => [name, createHistogram()] as const));
  const count = await eachSample(model, names, samples, options, (name, value) => {
    try {
      observe(histograms.get(name) as Histogram, view(value, "float32"));
    } catch (error) {
      throw nonFinite(name, error);
    }
  });
  return { samples: count, histograms };
}

/** Runs samples and hands out the named values, one sample in memory at a time. Gives the number of samples. */
async function eachSample(
  model: Model,
  names: readonly string[],
  samples: Samples,
  options: ObserveOptions,
  visit: (name: string, value: Tensor) => void,
): Promise<number> {
  const session = await options.open(exposeValues(model, names));
  let count = 0;
  try {
    for await (const feeds of samples) {
      options.signal?.throwIfAborted();
      const values = await session.run(feeds);
      for (const name of names) {
        const value = values.get(name) ?? feeds.get(name);
        if (value === undefined) throw fail("DATA_MISSING", `Cannot observe ${name}: the runtime did not return it`);
        visit(name, value);
      }
      count++;
      options.onSample?.(count);
    }
  } finally {
    await session.close();
  }
  if (count === 0) throw fail("CALIBRATION_EMPTY", "Cannot calibrate: no sample was given");
  return count;
}
