import { fail } from "@tessera/core/base/error";
import type { Feeds, LoadOptions, Runtime, Session } from "@tessera/core/graph/runtime";
import { endSession } from "../engine-session.ts";
import { interleavedTimes } from "../measure.ts";
import { measureMemory } from "../memory.ts";
import type { Frame } from "./frame.ts";
import type { Lease } from "./lease.ts";
import type { AgentLimits } from "./limits.ts";
import { guardedOnnx } from "./model-guard.ts";
import {
  digestAt,
  listAt,
  malformed,
  packTensors,
  type RemoteSessionInfo,
  recordAt,
  textAt,
  unpackTensors,
  wholeAt,
} from "./wire.ts";

/** Runtimes that models from the network may run on, each inside a worker thread or a process of its own. */
export const AGENT_RUNTIMES = ["ort-node", "ort-web", "litert"] as const;

/** What work is done with. */
export interface WorkBench {
  readonly runtimes: readonly Runtime[];
  readonly limits: AgentLimits;
}

/** A request for work. */
export interface Work extends WorkBench {
  readonly lease: Lease;
  readonly head: Readonly<Record<string, unknown>>;
  readonly blobs: readonly Uint8Array[];
}

/** What can be asked by whoever has the device, by the last part of the path. */
export const WORK: Readonly<Record<string, (work: Work) => Promise<Frame>>> = {
  async missing({ lease, head }) {
    const digests = listAt(head["digests"], "digests").map((d) => digestAt(d, "a digest"));
    return { head: { missing: digests.filter((d) => !lease.shelf.has(d)) }, blobs: [] };
  },
  async put({ lease, head, blobs }) {
    const [bytes] = blobs;
    if (bytes === undefined || blobs.length !== 1) throw malformed("there is not one file");
    lease.shelf.put(digestAt(head["sha256"], "sha256"), bytes);
    return { head: {}, blobs: [] };
  },
  open: openModel,
  async run(work) {
    const outputs = await sessionAt(work, work.head["session"]).run(feedsAt(work, work.head["tensors"]));
    const blobs: Uint8Array[] = [];
    return { head: { tensors: packTensors(outputs, blobs) }, blobs };
  },
  async time(work) {
    const { head } = work;
    const warmup = head["warmup"] === undefined ? undefined : wholeAt(head["warmup"], "warmup");
    const runs = wholeAt(head["runs"], "runs");
    checkRuns(runs + (warmup ?? 0), work.limits);
    const options = { runs, ...(warmup === undefined ? {} : { warmup }) };
    return { head: await sessionAt(work, head["session"]).time(feedsAt(work, head["tensors"]), options), blobs: [] };
  },
  async race(work) {
    const { head, limits, lease } = work;
    const contestants = listAt(head["contestants"], "contestants").map((entry) => {
      const { session, tensors } = recordAt(entry, "a contestant");
      return { session: sessionAt(work, session), feeds: feedsAt(work, tensors) };
    });
    const whole = (name: "rounds" | "runs" | "warmup" | "seed"): number => wholeAt(head[name], name);
    const [rounds, runs, warmup, seed] = [whole("rounds"), whole("runs"), whole("warmup"), whole("seed")];
    checkRuns(contestants.length * rounds * (runs + warmup), limits);
    const times = await interleavedTimes(contestants, { rounds, runs, warmup, seed, signal: lease.gone });
    return { head: { times }, blobs: [] };
  },
  async profile(work) {
    const { head } = work;
    const runs = wholeAt(head["runs"], "runs");
    checkRuns(runs, work.limits);
    const session = sessionAt(work, head["session"]);
    return { head: { profile: await session.profile?.(feedsAt(work, head["tensors"]), runs) }, blobs: [] };
  },
  async weigh(work) {
    const { lease, head, limits } = work;
    const { runtime, bytes, load } = modelAt(work);
    const id = AGENT_RUNTIMES.find((known) => known === runtime.id);
    if (id === undefined) throw fail("RUNTIME_MISSING", "Cannot measure memory: not on this runtime");
    const options = { runtime: id, load, signal: lease.gone, timeoutMs: limits.requestMs };
    return { head: { memory: await measureMemory(bytes, feedsAt(work, head["tensors"]), options) }, blobs: [] };
  },
  async close({ lease, head }) {
    const id = wholeAt(head["session"], "session");
    const session = lease.sessions.get(id);
    lease.sessions.delete(id);
    await session?.close();
    return { head: {}, blobs: [] };
  },
};

async function openModel(work: Work): Promise<Frame> {
  const { lease, limits } = work;
  if (lease.sessions.size >= limits.sessions)
    throw fail("LIMIT_EXCEEDED", `Cannot open the model: ${limits.sessions} are open already`);
  const { runtime, bytes, load } = modelAt(work);
  const session = await runtime.load(bytes, load);
  if (lease.gone.aborted) {
    await endSession(session);
    throw fail("AGENT_REFUSED", "Cannot use the device: it was given up meanwhile");
  }
  const id = lease.next();
  lease.sessions.set(id, session);
  const { inputs, outputs, encodings } = session;
  const info: RemoteSessionInfo = {
    session: id,
    inputs,
    outputs,
    ...(encodings === undefined ? {} : { encodings: [...encodings] }),
    profiles: session.profile !== undefined,
  };
  return { head: info, blobs: [] };
}

/** The model that a request names, ready to load. Nothing in it or beside it makes the runtime open a file of the device. */
function modelAt({ lease, head, runtimes, limits }: Work): {
  readonly runtime: Runtime;
  readonly bytes: Uint8Array;
  readonly load: LoadOptions;
} {
  const id = textAt(head["runtime"], "runtime");
  const runtime = runtimes.find((r) => r.id === id);
  if (runtime === undefined)
    throw fail(
      "RUNTIME_MISSING",
      `Cannot run models on ${JSON.stringify(id.slice(0, 40))}: the device has ${runtimes.map((r) => r.id).join(", ")}`,
      {
        hint: "Start the agent with --runtimes",
      },
    );
  const { dims, externalData: _, ...rest } = recordAt(head["options"] ?? {}, "options");
  if (typeof rest["threads"] === "number" && rest["threads"] > limits.threads)
    throw fail("LIMIT_EXCEEDED", `Cannot load the model: the device gives a session ${limits.threads} threads at most`);
  const sizes = listAt(dims ?? [], "dims").map((entry) => {
    const [name, size] = listAt(entry, "a dimension");
    if (typeof size !== "number") throw malformed("a dimension has no size");
    return [textAt(name, "a dimension"), size] as const;
  });
  const external = listAt(head["external"] ?? [], "external data").map((entry) => {
    const [name, sha256] = listAt(entry, "external data");
    return [textAt(name, "a name of external data"), lease.shelf.get(digestAt(sha256, "external data"))] as const;
  });
  const model = lease.shelf.get(digestAt(head["model"], "model"));
  const isOrt = String.fromCharCode(...model.subarray(4, 8)) === "ORTM";
  const names = new Set(external.map(([name]) => name));
  return {
    runtime,
    bytes: runtime.formats.includes("onnx") && !isOrt ? guardedOnnx(model, names) : model,
    load: {
      ...rest,
      ...(sizes.length === 0 ? {} : { dims: new Map(sizes) }),
      ...(external.length === 0 ? {} : { externalData: new Map(external) }),
    },
  };
}

function sessionAt({ lease }: Work, number: unknown): Session {
  const session = lease.sessions.get(wholeAt(number, "session"));
  if (session === undefined) throw fail("RUNTIME_FAILED", "Cannot use the session: it is closed");
  return session;
}

function feedsAt({ blobs }: Work, tensors: unknown): Feeds {
  return unpackTensors(tensors, blobs);
}

function checkRuns(runs: number, limits: AgentLimits): void {
  if (runs > limits.runs) throw fail("LIMIT_EXCEEDED", `Cannot run models ${runs} times in one request: ${limits.runs} at most`);
}
