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

/** Samples one after the other. */
export type Samples = AsyncIterable<Feeds> | Iterable<Feeds>;

/** The error for a tensor with NaN or infinity in it. */
export function nonFinite(name: string, cause?: unknown): Error {
  return fail("CALIBRATION_NONFINITE", `Cannot calibrate ${name}: NaN or infinity among its values`, {
    at: { tensor: name },
    cause,
  });
}

/**
 * Runs samples through a float model and keeps a histogram per named tensor. Streams: two samples are in memory at a time, and the result does not
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
  const visit = (name: string, value: Tensor): void => {
    try {
      observe(histograms.get(name) as Histogram, view(value, "float32"));
    } catch (error) {
      throw nonFinite(name, error);
    }
  };
  const count = await eachSample(exposeValues(model, names), names, samples, { ...options, visit });
  return { samples: count, histograms };
}

/**
 * Runs samples through a model and hands out the named values. While one sample is looked at, a runtime with a thread of its own already runs the
 * next: two samples are in memory at a time, however many there are. Samples must not share memory that changes. Gives their number.
 *
 * @throws CALIBRATION_EMPTY without samples, DATA_MISSING for a value that neither model nor sample has
 */
export async function eachSample(
  model: Model,
  names: readonly string[],
  samples: Samples,
  options: ObserveOptions & { readonly visit: (name: string, value: Tensor, feeds: Feeds) => void | Promise<void> },
): Promise<number> {
  const session = await options.open(model);
  let count = 0;
  const look = async (feeds: Feeds, values: Feeds): Promise<void> => {
    for (const name of names) {
      const value = values.get(name) ?? feeds.get(name);
      if (value === undefined) throw fail("DATA_MISSING", `Cannot observe ${name}: the runtime did not return it`);
      await options.visit(name, value, feeds);
    }
    count++;
    options.onSample?.(count);
  };
  let running: { readonly feeds: Feeds; readonly values: Promise<Feeds> } | undefined;
  try {
    for await (const feeds of samples) {
      options.signal?.throwIfAborted();
      // A session runs one sample at a time: the last one has to be done before the next starts.
      const done = running === undefined ? undefined : { feeds: running.feeds, values: await running.values };
      running = { feeds, values: session.run(feeds) };
      // Its failure is met when its turn comes; should looking fail before, nobody waits for it.
      running.values.catch(() => undefined);
      if (done !== undefined) await look(done.feeds, done.values);
    }
    options.signal?.throwIfAborted();
    if (running !== undefined) await look(running.feeds, await running.values);
  } finally {
    await running?.values.catch(() => undefined);
    await session.close();
  }
  if (count === 0) throw fail("CALIBRATION_EMPTY", "Cannot calibrate: no sample was given");
  return count;
}
