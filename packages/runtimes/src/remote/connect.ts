import { createHash } from "node:crypto";
import { fail } from "@tessera/core/base/error";
import type { Feeds, LoadOptions, Runtime, RuntimeProfile, Session } from "@tessera/core/graph/runtime";
import type { Hardware } from "../hardware.ts";
import {
  type Contestant,
  type LatencyReport,
  latencyReport,
  MEASURE_DEFAULTS,
  type MeasureOptions,
  type RoundTimes,
} from "../measure.ts";
import type { MemoryReport } from "../memory.ts";
import { type AgentAddress, type Asker, agentAsker } from "./ask.ts";
import type { Frame } from "./frame.ts";
import {
  AGENT_PROTOCOL,
  type AgentHello,
  listAt,
  malformed,
  packTensors,
  type RemoteRuntimeInfo,
  type RemoteSessionInfo,
  recordAt,
  textAt,
  timesAt,
  unpackTensors,
  wholeAt,
} from "./wire.ts";

/** A model to be weighed on a device. */
export interface RemoteWeighing {
  /** Id of the runtime on the device, without "remote-". */
  readonly runtime: string;
  readonly load?: LoadOptions;
}

/** A device that was taken: nobody else measures on it until it is closed. */
export interface RemoteDevice {
  /** Version of Tessera there. */
  readonly version: string;
  readonly hardware: Hardware;
  readonly runtimes: readonly RemoteRuntimeInfo[];
  /** One of its runtimes, by its id there; its sessions live on the device. @throws RUNTIME_MISSING */
  runtime(id: string): Runtime;
  /**
   * As `measureInterleaved`, the rounds made on the device as a whole: the network is in no figure and in no ratio. The sessions are those that runtimes of this
   * very device opened. @throws RUNTIME_FAILED for any other
   */
  measure(contestants: readonly Contestant[], options?: MeasureOptions): Promise<LatencyReport>;
  /** As `measureMemory`, in a process of the device. */
  weigh(bytes: Uint8Array, feeds: Feeds, options: RemoteWeighing): Promise<MemoryReport>;
  /** Gives the device back; sessions that are open end. */
  close(): Promise<void>;
}

/** Rounds of one request: few enough that progress shows and that no request takes long. */
const SLICE_MS = 3000;

/**
 * Takes a device on which `tessera agent` runs. Sessions of its runtimes run there and take their times there. Keeps the process alive until it is closed.
 *
 * @throws AGENT_REFUSED for a wrong token, a device in use or another protocol; RUNTIME_FAILED when it cannot be reached
 *
 * @example
 * const device = await connectDevice({ host: "192.168.1.7", port: 7411, token: readToken("pi.token") });
 * const session = await device.runtime("ort-node").load(bytes);
 */
export async function connectDevice(address: AgentAddress): Promise<RemoteDevice> {
  const asker = agentAsker(address);
  try {
    const hello = helloOf((await asker.ask("take", { head: { protocol: AGENT_PROTOCOL }, blobs: [] })).head);
    await asker.hold(hello.lease, () => {});
    return deviceOf(asker, hello);
  } catch (error) {
    asker.end();
    throw error;
  }
}

function helloOf(head: unknown): AgentHello {
  const { protocol, version, hardware, runtimes, limits, lease } = recordAt(head, "the greeting");
  if (protocol !== AGENT_PROTOCOL) throw malformed(`the device speaks protocol ${protocol}, this machine ${AGENT_PROTOCOL}`);
  const { cpu, cores } = recordAt(hardware, "the hardware");
  textAt(cpu, "the processor");
  wholeAt(cores, "the number of cores");
  const infos = listAt(runtimes, "the runtimes").map((entry): RemoteRuntimeInfo => {
    const { id, version: own, formats } = recordAt(entry, "a runtime");
    const known = (["onnx", "ort", "tflite"] as const).filter((f) => listAt(formats, "formats").includes(f));
    return { id: textAt(id, "a runtime"), version: textAt(own, "a version"), formats: known };
  });
  wholeAt(recordAt(limits, "the limits")["requestMs"], "a limit");
  wholeAt(recordAt(limits, "the limits")["modelBytes"], "a limit");
  return {
    protocol: AGENT_PROTOCOL,
    version: textAt(version, "the version"),
    hardware: hardware as AgentHello["hardware"],
    runtimes: infos,
    limits: limits as AgentHello["limits"],
    lease: textAt(lease, "the lease"),
  };
}

/** What the parts of a device share. */
interface Bench {
  readonly numbers: WeakMap<Session, number>;
  /** Files that were sent. */
  send(files: readonly Uint8Array[]): Promise<readonly string[]>;
  ask(path: string, frame: Frame, signal?: AbortSignal): Promise<Frame>;
}

function deviceOf(asker: Asker, hello: AgentHello): RemoteDevice {
  const { lease, limits, version, hardware, runtimes } = hello;
  const ask: Bench["ask"] = (path, frame, signal) =>
    asker.ask(path, frame, { lease, signal, silenceMs: limits.requestMs + 60_000 });
  const send: Bench["send"] = async (files) => {
    const digests = files.map((bytes) => createHash("sha256").update(bytes).digest("hex"));
    const largest = Math.max(...files.map((f) => f.length));
    if (largest > limits.modelBytes)
      throw fail("LIMIT_EXCEEDED", `Cannot send the model: it has ${largest} bytes, the device takes ${limits.modelBytes}`, {
        hint: "Raise --max-model of the agent if the device has the memory",
      });
    const { missing } = recordAt((await ask("missing", { head: { digests }, blobs: [] })).head, "the answer");
    for (const [i, bytes] of files.entries())
      if (listAt(missing, "missing files").includes(digests[i]))
        await ask("put", { head: { sha256: digests[i] }, blobs: [bytes] });
    return digests;
  };
  const bench: Bench = { numbers: new WeakMap(), send, ask };
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await asker.ask("free", { head: {}, blobs: [] }, { lease }).catch(() => undefined);
    asker.end();
  };
  return {
    version,
    hardware,
    runtimes,
    runtime: (id) => {
      const info = runtimes.find((r) => r.id === id);
      if (info === undefined)
        throw fail(
          "RUNTIME_MISSING",
          `Cannot run on ${id}: the device has ${runtimes.map((r) => r.id).join(", ") || "no runtime"}`,
          {
            hint: `Install it there and start the agent with --runtimes ${id}`,
          },
        );
      return remoteRuntime(bench, info);
    },
    measure: (contestants, options) => measureOn(bench, contestants, options),
    async weigh(bytes, feeds, { runtime, load = {} }) {
      const blobs: Uint8Array[] = [];
      const tensors = packTensors(feeds, blobs);
      const head = { runtime, ...(await modelHead(bench, bytes, load)), tensors };
      const { memory } = recordAt((await ask("weigh", { head, blobs })).head, "the answer");
      const { growthBytes, loadMs } = recordAt(memory, "the memory");
      timesAt([growthBytes, loadMs], 2);
      return memory as MemoryReport;
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}

/** A model and how it is loaded, the bytes sent ahead where the device has not got them. */
async function modelHead(bench: Bench, bytes: Uint8Array, load: LoadOptions): Promise<object> {
  const { dims, externalData, ...options } = load;
  const external = [...(externalData ?? [])];
  const [model, ...rest] = await bench.send([bytes, ...external.map(([, data]) => data)]);
  return {
    model,
    external: external.map(([name], i) => [name, rest[i]]),
    options: { ...options, ...(dims === undefined ? {} : { dims: [...dims] }) },
  };
}

function remoteRuntime(bench: Bench, { id, version, formats }: RemoteRuntimeInfo): Runtime {
  // Not the id of the runtime here: what is weighed or looked up by id on this machine is not that of the device.
  const ownId = `remote-${id}`;
  return {
    id: ownId,
    version,
    formats,
    async load(bytes, options = {}) {
      const head = { runtime: id, ...(await modelHead(bench, bytes, options)) };
      return openRemote(bench, (await bench.ask("open", { head, blobs: [] })).head as RemoteSessionInfo, ownId);
    },
  };
}

function openRemote(bench: Bench, info: RemoteSessionInfo, runtime: string): Session {
  const { inputs, outputs, encodings, profiles } = info;
  const number = wholeAt(info.session, "the session");
  let closing: Promise<void> | undefined;
  const asked = async (path: string, more: object, feeds: Feeds): Promise<Frame> => {
    if (closing !== undefined) throw fail("RUNTIME_FAILED", "Cannot use the session: it is closed");
    const blobs: Uint8Array[] = [];
    const tensors = packTensors(feeds, blobs);
    return bench.ask(path, { head: { session: number, ...more, tensors }, blobs });
  };
  const session: Session = {
    inputs,
    outputs,
    ...(encodings === undefined ? {} : { encodings: new Map(encodings) }),
    async run(feeds) {
      const { head, blobs } = await asked("run", {}, feeds);
      return unpackTensors(recordAt(head, "the answer")["tensors"], blobs);
    },
    async time(feeds, wanted) {
      const { wallMs, cpuMs } = recordAt((await asked("time", wanted, feeds)).head, "the answer");
      return { wallMs: timesAt(wallMs, wanted.runs), cpuMs: timesAt([cpuMs], 1)[0] as number };
    },
    ...(profiles && {
      async profile(feeds: Feeds, runs: number) {
        const { profile } = recordAt((await asked("profile", { runs }, feeds)).head, "the answer");
        listAt(recordAt(profile, "the profile")["operators"], "the operators");
        return { ...(profile as RuntimeProfile), runtime };
      },
    }),
    close() {
      // A device that is gone has closed it.
      closing ??= bench.ask("close", { head: { session: number }, blobs: [] }).then(
        () => undefined,
        () => undefined,
      );
      return closing;
    },
  };
  bench.numbers.set(session, number);
  return session;
}

async function measureOn(bench: Bench, contestants: readonly Contestant[], options: MeasureOptions = {}): Promise<LatencyReport> {
  const { rounds, runs, warmup, seed, onRound, signal } = { ...MEASURE_DEFAULTS, ...options };
  const blobs: Uint8Array[] = [];
  const entries = contestants.map(({ session, feeds }) => {
    const number = bench.numbers.get(session);
    if (number === undefined) throw fail("RUNTIME_FAILED", "Cannot measure: a session is not one of this device");
    return { session: number, tensors: packTensors(feeds, blobs) };
  });
  const all = contestants.map((): { wallMs: (readonly number[])[]; cpuMs: number[] } => ({ wallMs: [], cpuMs: [] }));
  for (let done = 0, slice = 1; done < rounds; ) {
    signal?.throwIfAborted();
    const now = Math.min(slice, rounds - done);
    const head = { contestants: entries, rounds: now, runs, warmup, seed: seed + done };
    const start = performance.now();
    const times = roundsOf((await bench.ask("race", { head, blobs }, signal)).head, {
      contestants: all.length,
      rounds: now,
      runs,
    });
    for (const [i, { wallMs, cpuMs }] of times.entries()) {
      all[i]?.wallMs.push(...wallMs);
      all[i]?.cpuMs.push(...cpuMs);
    }
    done += now;
    onRound?.(done, rounds);
    // A guide to how many rounds fit, nothing that is reported.
    const roundMs = (performance.now() - start) / now;
    slice = Math.max(1, Math.floor(SLICE_MS / Math.max(roundMs, 1)));
  }
  return latencyReport(
    contestants.map((c) => c.name),
    all,
    { seed },
  );
}

function roundsOf(
  head: unknown,
  wanted: { readonly contestants: number; readonly rounds: number; readonly runs: number },
): readonly RoundTimes[] {
  const times = listAt(recordAt(head, "the answer")["times"], "times");
  if (times.length !== wanted.contestants) throw malformed("there are not as many times as models");
  return times.map((entry) => {
    const { wallMs, cpuMs } = recordAt(entry, "times");
    const rounds = listAt(wallMs, "rounds");
    if (rounds.length !== wanted.rounds) throw malformed("there are not as many rounds as asked for");
    return { wallMs: rounds.map((r) => timesAt(r, wanted.runs)), cpuMs: timesAt(cpuMs, wanted.rounds) };
  });
}
