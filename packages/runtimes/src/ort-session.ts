import { fail } from "@tessera/core/base/error";
import type { Feeds, RuntimeProfile, Session } from "@tessera/core/graph/runtime";
import { type NamedTensors, openEngine, profileModel } from "./ort-engine.ts";
import type { OrtFlavour } from "./ort-module.ts";
import type { PreparedModel } from "./ort-options.ts";
import { type Peer, processPeer, workerPeer } from "./ort-peer.ts";
import type { OrtModule } from "./ort-tensor.ts";
import { type AnswerMessage, type Answers, packed, type Request, type RequestMessage } from "./ort-wire.ts";
import { startProcess, startWorker } from "./worker-start.ts";

/** Warm-up runs of {@link Session.time} unless given. */
const WARMUP = 3;

/** What both ways of opening a session need. */
export interface OpenRequest extends PreparedModel {
  readonly flavour: OrtFlavour;
  /** Name of the runtime in profiles. */
  readonly runtime: string;
}

function checkedRuns(runs: number, warmup: number): void {
  if (!(Number.isInteger(runs) && runs >= 1))
    throw fail("RUNTIME_FAILED", `Cannot time the model: runs must be a whole number above 0, not ${runs}`);
  if (!(Number.isInteger(warmup) && warmup >= 0))
    throw fail("RUNTIME_FAILED", `Cannot time the model: warmup must be a whole number, not ${warmup}`);
}

/** Requests to a peer and its answers. Keeps the process alive only while an answer is due. */
class Line {
  readonly #peer: Peer;
  readonly #waiting = new Map<number, { readonly resolve: (value: never) => void; readonly reject: (error: unknown) => void }>();
  #next = 0;
  #end: Error | undefined;

  constructor(peer: Peer) {
    this.#peer = peer;
    peer.onMessage((message) => this.#settle(message as AnswerMessage));
    peer.onGone((why) => this.#fall(fail("RUNTIME_FAILED", `Cannot use the session: ${why}`)));
  }

  ask<K extends Request["kind"]>(request: Request & { readonly kind: K }, transfer: ArrayBuffer[] = []): Promise<Answers[K]> {
    if (this.#end) return Promise.reject(this.#end);
    const id = this.#next++;
    return new Promise<Answers[K]>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#peer.hold(true);
      const message: RequestMessage = { id, request };
      this.#peer.post(message, transfer);
    });
  }

  /** Ends the peer and waits until it is gone. */
  async end(): Promise<void> {
    this.seal();
    await this.#peer.end();
  }

  /** After this no more requests are taken; those under way are answered. */
  seal(): void {
    this.#end ??= fail("RUNTIME_FAILED", "Cannot use the session: it is closed");
  }

  #settle(message: AnswerMessage): void {
    const entry = this.#waiting.get(message.id);
    if (!entry) return;
    this.#waiting.delete(message.id);
    if (this.#waiting.size === 0) this.#peer.hold(false);
    if (message.ok) entry.resolve(message.value as never);
    else {
      const { code, message: words, at, hint, cause } = message.error;
      entry.reject(fail(code, words, { at, hint, cause }));
    }
  }

  #fall(error: Error): void {
    this.#end ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#end);
    this.#waiting.clear();
  }
}

/** A session in a worker thread of its own. Requests queue up there; tensors are copied once on the way in and moved on the way out. */
export function openInWorker(open: OpenRequest): Promise<Session> {
  return openAt(workerPeer(startWorker("./ort-worker")), open);
}

/** A session in a process of its own: starts later, and tensors are copied both ways. */
export function openInProcess(open: OpenRequest): Promise<Session> {
  return openAt(processPeer(startProcess("./ort-worker")), open);
}

async function openAt(peer: Peer, open: OpenRequest): Promise<Session> {
  const { flavour, bytes, options, runtime } = open;
  const line = new Line(peer);
  let info: Answers["open"];
  try {
    const copy = new Uint8Array(bytes);
    info = await line.ask({ kind: "open", flavour, bytes: copy, options }, [copy.buffer]);
  } catch (error) {
    await line.end();
    throw error;
  }
  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    const done = line.ask({ kind: "close" });
    line.seal();
    await done;
    await line.end();
  }
  async function profile(feeds: Feeds, runs: number): Promise<RuntimeProfile> {
    checkedRuns(runs, 0);
    const { tensors, transfer } = packed([...feeds]);
    const copy = new Uint8Array(bytes);
    return line.ask({ kind: "profile", bytes: copy, feeds: tensors, runs, runtime }, [copy.buffer, ...transfer]);
  }
  return {
    inputs: info.inputs,
    outputs: info.outputs,
    async run(feeds) {
      const { tensors, transfer } = packed([...feeds]);
      return new Map(await line.ask({ kind: "run", feeds: tensors }, transfer));
    },
    async time(feeds, { runs, warmup = WARMUP }) {
      checkedRuns(runs, warmup);
      const { tensors, transfer } = packed([...feeds]);
      return line.ask({ kind: "time", feeds: tensors, runs, warmup }, transfer);
    },
    ...(flavour === "node" ? { profile } : {}),
    close() {
      closing ??= close();
      return closing;
    },
  };
}

/** A session in the calling thread: starts sooner, and blocks the thread for as long as each call takes. */
export async function openHere(ort: OrtModule, open: OpenRequest): Promise<Session> {
  const { bytes, options, runtime } = open;
  const engine = await openEngine(ort, bytes, { load: options, flavour: open.flavour });
  let closed = false;
  let last: Promise<unknown> = Promise.resolve();
  /** One at a time, as in a worker. */
  function queued<T>(work: () => Promise<T>): Promise<T> {
    const next = last.then(() => {
      if (closed) throw fail("RUNTIME_FAILED", "Cannot use the session: it is closed");
      return work();
    });
    last = next.catch(() => undefined);
    return next;
  }
  const list = (feeds: Feeds): NamedTensors => [...feeds];
  return {
    inputs: engine.inputs,
    outputs: engine.outputs,
    run: (feeds) => queued(async () => new Map(await engine.run(list(feeds)))),
    time: (feeds, { runs, warmup = WARMUP }) =>
      queued(async () => {
        checkedRuns(runs, warmup);
        return engine.time(list(feeds), { runs, warmup });
      }),
    ...(open.flavour === "node"
      ? {
          profile: (feeds: Feeds, runs: number) =>
            queued(async () => {
              checkedRuns(runs, 0);
              return profileModel(ort, { bytes, options, feeds: list(feeds), runs, runtime });
            }),
        }
      : {}),
    async close() {
      await last;
      if (closed) return;
      closed = true;
      await engine.close();
    },
  };
}
