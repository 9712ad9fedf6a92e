import { describe, expect, test } from "vitest";
import { type Model, tensorType } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import type { Feeds } from "../graph/runtime.ts";
import { f32, view } from "../graph/tensor.ts";
import { inferTypes } from "../ops/infer-types.ts";
import { observeTensors } from "./observe.ts";

const model: Model = inferTypes({
  kind: "model",
  graph: {
    name: "g",
    inputs: [{ name: "x", type: tensorType("float32", [1]) }],
    outputs: [{ name: "y", type: tensorType("float32", undefined) }],
    nodes: [makeNode("Neg", { inputs: ["x"], outputs: ["y"] }, { name: "neg" })],
    constants: new Map(),
    types: new Map(),
  },
  domains: new Map(),
  metadata: new Map(),
  producer: { name: "", version: "" },
});

const feed = (value: number): Feeds => new Map([["x", f32([1], [value])]]);

/** A runtime in a thread of its own, as far as anybody can tell: a run ends some turns later, and says what happened when. */
function slowRuntime({ failAt = -1 } = {}) {
  const log: string[] = [];
  let busy = false;
  let closed = false;
  const open = async () => ({
    inputs: [],
    outputs: [],
    run: async (feeds: Feeds): Promise<Feeds> => {
      const value = view(feeds.get("x") as never, "float32")[0] as number;
      log.push(`start ${value}`);
      expect(busy).toBe(false);
      busy = true;
      for (let i = 0; i < 5; i++) await new Promise((done) => setImmediate(done));
      busy = false;
      log.push(`end ${value}`);
      if (value === failAt) throw new Error(`broken at ${value}`);
      return new Map([["y", f32([1], [-value])]]);
    },
    time: async () => ({ wallMs: [], cpuMs: 0 }),
    close: async () => {
      expect(busy).toBe(false);
      closed = true;
    },
  });
  return { log, open, isClosed: () => closed };
}

describe("observing samples", () => {
  test("looks at one while the next runs, and never has two running", async () => {
    const { log, open, isClosed } = slowRuntime();
    const seen = await observeTensors(model, ["x", "y"], [1, 2, 3].map(feed), {
      open,
      onSample: (done) => log.push(`seen ${done}`),
    });
    expect(log).toEqual(["start 1", "end 1", "start 2", "seen 1", "end 2", "start 3", "seen 2", "end 3", "seen 3"]);
    expect(seen.samples).toBe(3);
    expect([seen.histograms.get("x")?.max, seen.histograms.get("y")?.min]).toEqual([3, -3]);
    expect(isClosed()).toBe(true);
  });

  test("several sessions run side by side, each one sample at a time, and samples are looked at in their order", async () => {
    const runtimes = [slowRuntime(), slowRuntime({ failAt: 99 })];
    let opened = 0;
    const looked: number[] = [];
    const seen = await observeTensors(model, ["x", "y"], [1, 2, 3, 4, 5].map(feed), {
      open: async () => (runtimes[opened++] as (typeof runtimes)[number]).open(),
      sessions: 2,
      onSample: (done) => looked.push(done),
    });
    expect(runtimes.map(({ log }) => log.filter((line) => line.startsWith("start")))).toEqual([
      ["start 1", "start 3", "start 5"],
      ["start 2", "start 4"],
    ]);
    expect(looked).toEqual([1, 2, 3, 4, 5]);
    const alone = await observeTensors(model, ["x", "y"], [1, 2, 3, 4, 5].map(feed), { open: slowRuntime().open });
    expect(seen).toEqual(alone);
    expect(runtimes.every(({ isClosed }) => isClosed())).toBe(true);
  });

  test("with several sessions, the failure of one closes all of them", async () => {
    const runtimes = [slowRuntime(), slowRuntime({ failAt: 4 })];
    let opened = 0;
    const open = async () => (runtimes[opened++] as (typeof runtimes)[number]).open();
    await expect(observeTensors(model, ["y"], [1, 2, 3, 4, 5].map(feed), { open, sessions: 2 })).rejects.toThrow("broken at 4");
    expect(runtimes.every(({ isClosed }) => isClosed())).toBe(true);
  });

  test("ends with the runtime's failure, and closes it", async () => {
    for (const failAt of [1, 2, 3]) {
      const { open, isClosed } = slowRuntime({ failAt });
      await expect(observeTensors(model, ["y"], [1, 2, 3].map(feed), { open })).rejects.toThrow(`broken at ${failAt}`);
      expect(isClosed()).toBe(true);
    }
  });

  test("ends where a value is not finite, though the next sample runs and fails", async () => {
    const { open, isClosed } = slowRuntime({ failAt: 2 });
    await expect(observeTensors(model, ["x"], [Number.NaN, 2].map(feed), { open })).rejects.toMatchObject({
      code: "CALIBRATION_NONFINITE",
    });
    expect(isClosed()).toBe(true);
  });

  test("stops when asked to, and when there is nothing", async () => {
    const stop = new AbortController();
    const { open, isClosed } = slowRuntime();
    const observed = observeTensors(model, ["y"], [1, 2, 3].map(feed), {
      open,
      signal: stop.signal,
      onSample: () => stop.abort(new Error("enough")),
    });
    await expect(observed).rejects.toThrow("enough");
    expect(isClosed()).toBe(true);
    await expect(observeTensors(model, ["y"], [], { open })).rejects.toMatchObject({ code: "CALIBRATION_EMPTY" });
  });
});
