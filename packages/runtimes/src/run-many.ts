import { fail } from "@tessera/core/base/error";
import type { Feeds, LoadOptions, Runtime, Session } from "@tessera/core/graph/runtime";

/** Inputs one after another, from memory or as they are made. */
export type FeedSource = Iterable<Feeds> | AsyncIterable<Feeds>;

/** A session and the end of what it has been asked to do so far. */
interface Lane {
  readonly session: Session;
  tail: Promise<unknown>;
}

/** Inputs taken from the source and not yet given back, per session: one that runs, one that is ready. */
const AHEAD = 2;

function iteratorOf(source: FeedSource): AsyncIterator<Feeds> | Iterator<Feeds> {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
}

async function* stream(lanes: readonly Lane[], source: FeedSource): AsyncGenerator<Feeds, void, undefined> {
  const iterator = iteratorOf(source);
  const pending: Promise<Feeds>[] = [];
  let drained = false;
  let count = 0;
  try {
    for (;;) {
      while (!drained && pending.length < AHEAD * lanes.length) {
        const next = await iterator.next();
        if (next.done) {
          drained = true;
          break;
        }
        // In turn rather than to the first free one: inputs of a model take the same time, and the order needs no further care.
        const lane = lanes[count++ % lanes.length] as Lane;
        const run = lane.tail.then(() => lane.session.run(next.value));
        lane.tail = run.catch(() => undefined);
        pending.push(run);
      }
      const first = pending.shift();
      if (!first) return;
      yield await first;
    }
  } finally {
    if (!drained) await iterator.return?.();
    await Promise.allSettled(pending);
  }
}

/**
 * Runs a session over many inputs and gives the outputs in the same order. The next input is made while the current one runs, and none
 * further than that: memory does not grow with their number. Leaving the loop early stops the source. Errors of the source or of a run
 * end the stream.
 *
 * @example
 * for await (const outputs of runMany(session, inputs)) add(outputs);
 */
export function runMany(session: Session, source: FeedSource): AsyncGenerator<Feeds, void, undefined> {
  return stream([{ session, tail: Promise.resolve() }], source);
}

/** Several sessions of one model. */
export interface SessionPool {
  /** Outputs in the order of the inputs; like {@link runMany}, over all sessions at once. */
  map(source: FeedSource): AsyncGenerator<Feeds, void, undefined>;
  /** The first session, to look at inputs and outputs. */
  readonly session: Session;
  close(): Promise<void>;
}

/** Options of {@link sessionPool}. */
export interface SessionPoolOptions {
  /** Number of sessions; 2 unless given. Each holds the weights once more. */
  readonly workers?: number;
  /** How each session is loaded; keep `threads` at 1, the pool is the parallelism. */
  readonly load?: LoadOptions;
}

/** What {@link SessionPoolOptions} leave out. */
export const SESSION_POOL_DEFAULTS = { workers: 2, load: {} } as const satisfies SessionPoolOptions;

/**
 * Loads a model several times to run independent inputs side by side: throughput for thousands of images.
 * @throws RUNTIME_FAILED as `load` does, or when `workers` is not a whole number above 0.
 */
export async function sessionPool(runtime: Runtime, bytes: Uint8Array, options: SessionPoolOptions = {}): Promise<SessionPool> {
  const workers = options.workers ?? SESSION_POOL_DEFAULTS.workers;
  if (!(Number.isInteger(workers) && workers >= 1))
    throw fail("RUNTIME_FAILED", `Cannot make a session pool: workers must be a whole number above 0, not ${workers}`);
  const loads = await Promise.allSettled(
    Array.from({ length: workers }, () => runtime.load(bytes, options.load ?? SESSION_POOL_DEFAULTS.load)),
  );
  const lanes: Lane[] = [];
  for (const load of loads) if (load.status === "fulfilled") lanes.push({ session: load.value, tail: Promise.resolve() });
  async function close(): Promise<void> {
    await Promise.all(lanes.map(({ session }) => session.close()));
  }
  const refused = loads.find((load) => load.status === "rejected");
  if (refused) {
    await close();
    throw refused.reason;
  }
  return { map: (source) => stream(lanes, source), session: (lanes[0] as Lane).session, close };
}
