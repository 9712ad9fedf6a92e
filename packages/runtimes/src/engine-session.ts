import { fail } from "@tessera/core/base/error";
import type { Feeds, Session } from "@tessera/core/graph/runtime";
import type { Engine, NamedTensors } from "./engine.ts";
import { Line } from "./engine-line.ts";
import { type Answers, packed, type Request } from "./engine-wire.ts";
import { type EngineSpec, openEngine } from "./engines.ts";
import { type Peer, processPeer, workerPeer } from "./peer.ts";
import { startProcess, startWorker } from "./worker-start.ts";

/** Warm-up runs of {@link Session.time} unless given. */
const WARMUP = 3;

/** What all ways of opening a session need: a model that is ready for the engine, see `checkLoadOptions`. */
export interface OpenRequest extends EngineSpec {
  readonly bytes: Uint8Array;
}

function checkedRuns(runs: number, warmup: number): void {
  if (!(Number.isInteger(runs) && runs >= 1))
    throw fail("RUNTIME_FAILED", `Cannot time the model: runs must be a whole number above 0, not ${runs}`);
  if (!(Number.isInteger(warmup) && warmup >= 0))
    throw fail("RUNTIME_FAILED", `Cannot time the model: warmup must be a whole number, not ${warmup}`);
}

function closedError(): Error {
  return fail("RUNTIME_FAILED", "Cannot use the session: it is closed");
}

const ENDS = new WeakMap<Session, () => Promise<void>>();

/**
 * Ends a session without waiting for what it works on, which fails then: its thread stops once the runtime comes back from the run it is in, its process at
 * once. Sessions in the calling thread cannot be ended so, they are closed.
 */
export async function endSession(session: Session): Promise<void> {
  const end = ENDS.get(session);
  await (end === undefined ? session.close() : end());
}

/** A session in a worker thread of its own. Requests queue up there; tensors are copied once on the way in and moved on the way out. */
export function openInWorker(open: OpenRequest): Promise<Session> {
  return openAt(() => workerPeer(startWorker("./engine-worker")), open);
}

/** A session in a process of its own: starts later, and tensors are copied both ways. */
export function openInProcess(open: OpenRequest): Promise<Session> {
  return openAt(() => processPeer(startProcess("./engine-worker")), open);
}

async function openAt(start: () => Peer, open: OpenRequest): Promise<Session> {
  const { bytes, ...spec } = open;
  async function connect() {
    const line = new Line(start());
    try {
      const copy = new Uint8Array(bytes);
      return { line, info: await line.ask({ kind: "open", bytes: copy, spec }, [copy.buffer]) };
    } catch (error) {
      await line.end();
      throw error;
    }
  }
  const first = await connect();
  const { inputs, outputs, encodings, profiles } = first.info;
  let { line } = first;
  let renewal: Promise<void> | undefined;
  let closing: Promise<void> | undefined;

  /** Asks the engine, a new one after the last fell over. Posts at once where it can: requests keep their order. */
  function ask<R extends Request>(request: R, transfer: ArrayBuffer[]): Promise<Answers[R["kind"]]> {
    if (!line.spent) return line.ask(request, transfer);
    renewal ??= connect()
      .then((fresh) => {
        line = fresh.line;
      })
      .finally(() => {
        renewal = undefined;
      });
    return renewal.then(() => line.ask(request, transfer));
  }

  async function close(): Promise<void> {
    const done = line.spent ? undefined : line.ask({ kind: "close" });
    await Promise.allSettled([done, renewal]);
    await line.end();
  }
  function opened(): void {
    if (closing) throw closedError();
  }

  const session: Session = {
    inputs,
    outputs,
    ...(encodings && { encodings }),
    async run(feeds) {
      opened();
      const { tensors, transfer } = packed([...feeds]);
      return new Map(await ask({ kind: "run", feeds: tensors }, transfer));
    },
    async time(feeds, { runs, warmup = WARMUP }) {
      opened();
      checkedRuns(runs, warmup);
      const { tensors, transfer } = packed([...feeds]);
      return ask({ kind: "time", feeds: tensors, runs, warmup }, transfer);
    },
    ...(profiles && {
      async profile(feeds: Feeds, runs: number) {
        opened();
        checkedRuns(runs, 0);
        const { tensors, transfer } = packed([...feeds]);
        const copy = new Uint8Array(bytes);
        return ask({ kind: "profile", bytes: copy, feeds: tensors, runs }, [copy.buffer, ...transfer]);
      },
    }),
    close() {
      closing ??= close();
      return closing;
    },
  };
  ENDS.set(session, () => {
    closing ??= line.end();
    return line.end();
  });
  return session;
}

/** A session in the calling thread: starts sooner, and blocks the thread for as long as each call takes. */
export async function openHere(open: OpenRequest): Promise<Session> {
  const { bytes, ...spec } = open;
  let engine = await openEngine(bytes, spec);
  const { inputs, outputs, encodings, profiles } = engine;
  let closed = false;
  let last: Promise<unknown> = Promise.resolve();
  /** One at a time, as in a worker; on a new engine after the last fell over. */
  function queued<T>(work: (engine: Engine) => Promise<T>): Promise<T> {
    const next = last.then(async () => {
      if (closed) throw closedError();
      if (engine.broken) engine = await openEngine(bytes, spec);
      return work(engine);
    });
    last = next.catch(() => undefined);
    return next;
  }
  const list = (feeds: Feeds): NamedTensors => [...feeds];
  return {
    inputs,
    outputs,
    ...(encodings && { encodings }),
    run: (feeds) => queued(async (engine) => new Map(await engine.run(list(feeds)))),
    time: (feeds, { runs, warmup = WARMUP }) =>
      queued(async (engine) => {
        checkedRuns(runs, warmup);
        return engine.time(list(feeds), { runs, warmup });
      }),
    ...(profiles && {
      profile: (feeds: Feeds, runs: number) =>
        queued(async (engine) => {
          checkedRuns(runs, 0);
          return engine.profile(list(feeds), { bytes, runs });
        }),
    }),
    async close() {
      await last;
      if (closed) return;
      closed = true;
      await engine.close();
    },
  };
}
