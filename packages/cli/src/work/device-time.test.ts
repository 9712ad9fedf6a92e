import type { Feeds, Runtime } from "@tessera/core/graph/runtime";
import { f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { readHardware } from "@tessera/runtimes/hardware";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { startAgent } from "@tessera/runtimes/remote/agent";
import { convFile, convInput } from "@tessera/testkit/runtime-models";
import { expect, test } from "vitest";
import { createProgress } from "../ui/progress.ts";
import { TESSERA_VERSION } from "../version.ts";
import { deviceLines, timeOnDevice } from "./device-time.ts";

const token = "Zm9yIHRlc3RzIG9ubHksIG5vdCBhIHNlY3JldA";
const here = await ortNodeRuntime({ worker: false });

/** What this machine says of a device whose outputs are changed. */
async function timedOn(change: (y: Tensor) => Tensor) {
  const there: Runtime = {
    ...here,
    load: async (...args) => {
      const session = await here.load(...args);
      return {
        ...session,
        run: async (feeds: Feeds) => new Map([...(await session.run(feeds))].map(([k, y]) => [k, change(y)] as const)),
      };
    },
  };
  const hardware = await readHardware();
  const agent = await startAgent({ host: "127.0.0.1", port: 0, token, version: TESSERA_VERSION, hardware, runtimes: [there] });
  const bytes = convFile();
  const session = await here.load(bytes);
  try {
    const entry = {
      name: "conv",
      file: { bytes, externalData: new Map() },
      runtime: here,
      open: (runtime: Runtime) => runtime.load(bytes),
      session,
      feeds: new Map([["x", convInput()]]),
    };
    const timing = { threads: 1, rounds: 1, runs: 1, seed: 1, memory: false, progress: createProgress({ quiet: true }) };
    return (await timeOnDevice({ ...agent, token }, [entry], { ...timing, signal: new AbortController().signal })).timedOn;
  } finally {
    await session.close();
    await agent.close();
  }
}

const times = (factor: number) => (y: Tensor) =>
  f32(
    y.shape,
    Float32Array.from(toNumbers(y), (v) => v * factor),
  );

test("a device that computes the same is said to; one that rounds differently is told by how much", async () => {
  expect(await timedOn((y) => y)).toMatchObject({ parity: [{ name: "conv", largestDifference: 0, cosine: 1 }], notes: [] });
  const { parity, notes } = await timedOn(times(1.001));
  expect(parity[0]?.largestDifference).toBeCloseTo(0.001, 6);
  expect(parity[0]?.cosine).toBeCloseTo(1, 9);
  expect(notes).toEqual([]);
});

test("a device that computes something else, or nothing that is a number, is found out", async () => {
  for (const change of [
    (y: Tensor) =>
      f32(
        y.shape,
        Float32Array.from(toNumbers(y), (v, i) => (i % 3 === 0 ? v + 5 : v)),
      ),
    times(-1),
    times(Number.NaN),
    (y: Tensor) => f32([...y.shape, 1], Float32Array.from(toNumbers(y))),
  ]) {
    const found = await timedOn(change);
    expect(found.notes.join()).toContain("conv computes something else on the device");
    expect(deviceLines(found).join("\n")).toContain("note: conv computes something else");
  }
});
