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
  /** Sessions that run samples side by side; 1 unless given. What was seen does not depend on it. */
  readonly sessions?: number;
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
 * Runs samples through a float model and keeps a histogram per named tensor. Streams: few samples are in memory at a time, and the counts do not
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

/** A sample that a session is busy with. */
interface Running {
  readonly feeds: Feeds;
  readonly values: Promise<Feeds>;
}

/**
 * Runs samples through a model and hands out the named values, in the order of the samples. While one sample is looked at, runtimes with threads of
 * their own already run the next ones: one more sample than there are sessions is in memory at a time, however many there are. Samples must not share
 * memory that changes. Gives their number.
 *
 * @throws CALIBRATION_EMPTY without samples, DATA_MISSING for a value that neither model nor sample has
 */
export async function eachSample(
  model: Model,
  names: readonly string[],
  samples: Samples,
  options: ObserveOptions & { readonly visit: (name: string, value: Tensor, feeds: Feeds) => void | Promise<void> },
): Promise<number> {
  const sessions: Session[] = [];
  const running: Running[] = [];
  let started = 0;
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
  try {
    for (let i = 0; i < Math.max(1, options.sessions ?? 1); i++) sessions.push(await options.open(model));
    for await (const feeds of samples) {
      options.signal?.throwIfAborted();
      // A session runs one sample at a time, and they take turns: the one whose turn it is has the oldest sample, which has to be done first.
      const oldest = running.length < sessions.length ? undefined : (running.shift() as Running);
      const done = oldest === undefined ? undefined : { feeds: oldest.feeds, values: await oldest.values };
      const values = (sessions[started++ % sessions.length] as Session).run(feeds);
      // Its failure is met when its turn comes; should looking fail before, nobody waits for it.
      values.catch(() => undefined);
      running.push({ feeds, values });
      if (done !== undefined) await look(done.feeds, done.values);
    }
    options.signal?.throwIfAborted();
    for (let next = running.shift(); next !== undefined; next = running.shift()) await look(next.feeds, await next.values);
  } finally {
    await Promise.allSettled(running.map(({ values }) => values));
    for (const session of sessions) await session.close();
  }
  if (count === 0) throw fail("CALIBRATION_EMPTY", "Cannot calibrate: no sample was given");
  return count;
}
