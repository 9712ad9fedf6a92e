import { at } from "@tessera/core/base/assert";
import type { Feeds, Runtime, Session } from "@tessera/core/graph/runtime";
import { toNumbers } from "@tessera/core/graph/tensor";
import type { TimedOn } from "@tessera/core/protocol/report";
import type { Contestant, LatencyReport } from "@tessera/runtimes/measure";
import type { MemoryReport } from "@tessera/runtimes/memory";
import type { AgentAddress } from "@tessera/runtimes/remote/ask";
import { connectDevice, type RemoteDevice } from "@tessera/runtimes/remote/connect";
import type { Presented } from "../io/present.ts";
import type { RunFile } from "../io/runnable.ts";
import type { Progress } from "../ui/progress.ts";
import { TESSERA_VERSION } from "../version.ts";
import { machineOf } from "./machine.ts";

/** A file to be timed on a device, and the same file open here. */
export interface DeviceEntry {
  readonly name: string;
  readonly file: RunFile;
  /** The runtime here; the device's of the same id is used. */
  readonly runtime: Runtime;
  /** Opens the file on any runtime as it is open here. */
  readonly open: (runtime: Runtime) => Promise<Presented>;
  readonly session: Session;
  readonly feeds: Feeds;
}

/** What {@link timeOnDevice} found. */
export interface DeviceTimes {
  readonly latency: LatencyReport;
  /** By entry; none where it was not asked for. */
  readonly memory: readonly MemoryReport[];
  readonly timedOn: TimedOn;
}

/** How {@link timeOnDevice} measures. */
export interface DeviceTiming {
  readonly threads: number;
  readonly rounds: number;
  readonly runs: number;
  readonly seed: number;
  readonly memory: boolean;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Cosine between outputs here and there below which a file computes something else there, whatever rounding does: integers that saturate, say. */
const SAME_COSINE = 0.99;

/** That a device can be had and has the runtimes that are needed, told before long work. @throws AGENT_REFUSED, RUNTIME_FAILED, RUNTIME_MISSING */
export async function checkDevice(address: AgentAddress, runtimes: readonly Runtime[]): Promise<void> {
  const device = await connectDevice(address);
  try {
    for (const { id } of runtimes) device.runtime(id);
  } finally {
    await device.close();
  }
}

/**
 * Times files against each other on a device, the first one being the baseline, and compares one run of each with one here. Nothing of the network is in a
 * figure. @throws as `connectDevice`, RUNTIME_MISSING, RUNTIME_FAILED
 */
export async function timeOnDevice(
  address: AgentAddress,
  entries: readonly DeviceEntry[],
  timing: DeviceTiming,
): Promise<DeviceTimes> {
  const { threads, rounds, runs, seed, progress, signal } = timing;
  const device = await connectDevice(address);
  try {
    const contestants: Contestant[] = [];
    const parity: TimedOn["parity"][number][] = [];
    for (const entry of entries) {
      progress.stage(`sending ${entry.name} to the device`);
      signal.throwIfAborted();
      const { presented, own } = await openThere(device, entry);
      const { feeds } = entry;
      parity.push({ name: entry.name, ...difference(await entry.session.run(feeds), await presented.run(feeds)) });
      contestants.push({ name: entry.name, session: own, feeds: presented.ownFeeds?.(feeds) ?? feeds });
    }
    progress.stage("timing on the device, interleaved", rounds);
    const onRound = (done: number): void => progress.at(done);
    const latency = await device.measure(contestants, { rounds, runs, seed, signal, onRound });
    const memory: MemoryReport[] = [];
    if (timing.memory) {
      progress.stage("weighing memory on the device", entries.length);
      for (const [i, { file, runtime }] of entries.entries()) {
        signal.throwIfAborted();
        const { externalData } = file;
        const load = { threads, ...(externalData.size > 0 ? { externalData } : {}) };
        memory.push(await device.weigh(file.bytes, at(contestants, i).feeds, { runtime: runtime.id, load }));
        progress.at(i + 1);
      }
    }
    return { latency, memory, timedOn: aboutDevice(device, { entries, threads, parity }) };
  } finally {
    await device.close();
  }
}

/** The file as it is fed, and the bare session of the device beneath, which is what is timed. */
async function openThere(
  device: RemoteDevice,
  entry: DeviceEntry,
): Promise<{ readonly presented: Presented; readonly own: Session }> {
  const there = device.runtime(entry.runtime.id);
  const opened: Session[] = [];
  const presented = await entry.open({
    ...there,
    load: async (bytes, options) => {
      const session = await there.load(bytes, options);
      opened.push(session);
      return session;
    },
  });
  return { presented, own: at(opened, 0) };
}

function aboutDevice(
  device: RemoteDevice,
  about: { readonly entries: readonly DeviceEntry[]; readonly threads: number; readonly parity: TimedOn["parity"] },
): TimedOn {
  const used = [...new Map(about.entries.map(({ runtime }) => [runtime.id, runtime])).values()];
  const runtimes = used.map(({ id }) => ({ ...device.runtime(id), id }));
  const notes = used.flatMap(({ id, version }) => {
    const there = device.runtime(id).version;
    return there === version
      ? []
      : [`${id} is ${there} on the device and ${version} here: times are of the former, accuracy of the latter`];
  });
  if (device.version !== TESSERA_VERSION) notes.push(`Tessera is ${device.version} on the device and ${TESSERA_VERSION} here`);
  for (const { name, cosine } of about.parity)
    if (!(cosine >= SAME_COSINE))
      notes.push(
        `${name} computes something else on the device: cosine ${cosine.toFixed(4)} to its outputs here. What was found of its accuracy does not hold there`,
      );
  return { machine: machineOf(device.hardware, { runtimes, threads: about.threads }), parity: about.parity, notes };
}

/** Of all numbers that come out: the largest difference as a share of the largest number, and the least cosine of an output. NaN where one has NaN. */
function difference(here: Feeds, there: Feeds): { readonly largestDifference: number; readonly cosine: number } {
  let largest = 0;
  let cosine = 1;
  for (const [name, a] of here) {
    const b = there.get(name);
    if (a.dtype === "string") continue;
    if (b === undefined || b.dtype !== a.dtype || b.shape.join() !== a.shape.join())
      return { largestDifference: Number.NaN, cosine: Number.NaN };
    const [x, y] = [toNumbers(a), toNumbers(b)];
    let [top, gap, xy, xx, yy] = [0, 0, 0, 0, 0];
    for (let i = 0; i < x.length; i++) {
      const [p, q] = [x[i] as number, y[i] as number];
      // Not Math.max: NaN must stay.
      if (!(Math.abs(p - q) <= gap)) gap = Math.abs(p - q);
      if (!(Math.abs(p) <= top)) top = Math.abs(p);
      xy += p * q;
      xx += p * p;
      yy += q * q;
    }
    const share = gap === 0 ? 0 : gap / top;
    const along = xx === 0 && yy === 0 ? 1 : xy / Math.sqrt(xx * yy);
    if (!(share <= largest)) largest = share;
    if (!(along >= cosine)) cosine = along;
  }
  return { largestDifference: largest, cosine };
}

/** Where times were taken, in lines for a terminal. */
export function deviceLines({ machine, parity, notes }: TimedOn): readonly string[] {
  const worst = parity.reduce<TimedOn["parity"][number] | undefined>(
    (a, b) => (a === undefined || !(b.largestDifference <= a.largestDifference) ? b : a),
    undefined,
  );
  return [
    `timed on the device: ${machine.processor}, ${machine.cores} cores, ${machine.runtimes.map((r) => `${r.id} ${r.version}`).join(", ")}`,
    ...(worst === undefined
      ? []
      : [
          `one run there against one here: largest difference ${worst.largestDifference.toExponential(1)} of the largest value (${worst.name})`,
        ]),
    ...notes.map((note) => `note: ${note}`),
  ];
}
