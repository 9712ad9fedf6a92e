import { makeNode } from "@tessera/core/graph/node";
import type { Feeds, Runtime, Session } from "@tessera/core/graph/runtime";
import { f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { onnxFile } from "@tessera/testkit/onnx-file";
import { describe, expect, test } from "vitest";
import { ortNodeRuntime } from "./ort-node.ts";
import { runMany, sessionPool } from "./run-many.ts";

function feed(n: number): Feeds {
  return new Map([["x", f32([1], [n])]]);
}

function value(outputs: Feeds, name: string): number {
  return toNumbers(outputs.get(name) as Tensor)[0] as number;
}

/** Gives its input back after some turns of the event loop, and fails when it is asked to do two things at once. */
function slow(turns: (n: number) => number): Session {
  let busy = false;
  return {
    inputs: [],
    outputs: [],
    async run(feeds) {
      if (busy) throw new Error("two runs at once");
      busy = true;
      const n = value(feeds, "x");
      for (let i = 0; i < turns(n); i++) await new Promise((resolve) => setImmediate(resolve));
      busy = false;
      if (n === 13) throw new Error("thirteen");
      return feeds;
    },
    time: () => Promise.reject(new Error("not timed")),
    close: async () => undefined,
  };
}

function poolRuntime(closed: number[] = []): Runtime {
  let made = 0;
  const load = async (): Promise<Session> => {
    const id = made++;
    if (id === 3) throw new Error("no more than three");
    return { ...slow((n) => (n % 3) * (id + 1)), close: async () => void closed.push(id) };
  };
  return { id: "slow", version: "1.0", formats: ["onnx"], load };
}

async function numbers(outputs: AsyncIterable<Feeds>): Promise<number[]> {
  const out: number[] = [];
  for await (const o of outputs) out.push(value(o, "x"));
  return out;
}

const UP_TO_12 = Array.from({ length: 12 }, (_, i) => i);

describe("runMany", () => {
  test("keeps the order and runs one at a time, from lists and from generators", async () => {
    async function* source() {
      for (const n of UP_TO_12) yield feed(n);
    }
    expect(
      await numbers(
        runMany(
          slow((n) => n % 4),
          source(),
        ),
      ),
    ).toEqual(UP_TO_12);
    expect(
      await numbers(
        runMany(
          slow(() => 0),
          UP_TO_12.map(feed),
        ),
      ),
    ).toEqual(UP_TO_12);
    expect(
      await numbers(
        runMany(
          slow(() => 0),
          [],
        ),
      ),
    ).toEqual([]);
  });

  test("never takes more than two inputs ahead of what was consumed, however many there are", async () => {
    let taken = 0;
    function* source() {
      for (;;) {
        taken++;
        yield feed(taken % 10);
      }
    }
    let consumed = 0;
    for await (const _ of runMany(
      slow(() => 0),
      source(),
    )) {
      consumed++;
      expect(taken - consumed).toBeLessThanOrEqual(2);
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
      expect(taken - consumed).toBeLessThanOrEqual(2);
      if (consumed === 20) break;
    }
    expect(consumed).toBe(20);
  });

  test("ends the source when the loop is left early, when a run fails and when the source fails", async () => {
    const ends: string[] = [];
    function* source(name: string, breakAt = 99) {
      try {
        for (let n = 0; n < 20; n++) {
          if (n === breakAt) throw new Error("broken source");
          yield feed(n);
        }
      } finally {
        ends.push(name);
      }
    }
    for await (const _ of runMany(
      slow(() => 1),
      source("left"),
    ))
      break;
    await expect(
      numbers(
        runMany(
          slow(() => 1),
          source("failed"),
        ),
      ),
    ).rejects.toThrow("thirteen");
    await expect(
      numbers(
        runMany(
          slow(() => 1),
          source("broken", 4),
        ),
      ),
    ).rejects.toThrow("broken source");
    expect(ends).toEqual(["left", "failed", "broken"]);
  });
});

describe("sessionPool", () => {
  test("keeps the order over sessions of different speed, also for two streams at once", async () => {
    const pool = await sessionPool(poolRuntime(), new Uint8Array(0), { workers: 3 });
    expect(await Promise.all([numbers(pool.map(UP_TO_12.map(feed))), numbers(pool.map(UP_TO_12.map(feed)))])).toEqual([
      UP_TO_12,
      UP_TO_12,
    ]);
  });

  test("closes all sessions, also those that were open when another could not be loaded", async () => {
    const closed: number[] = [];
    await (await sessionPool(poolRuntime(closed), new Uint8Array(0))).close();
    expect(closed).toEqual([0, 1]);
    const refused: number[] = [];
    await expect(sessionPool(poolRuntime(refused), new Uint8Array(0), { workers: 4 })).rejects.toThrow("no more than three");
    expect(refused).toEqual([0, 1, 2]);
    await expect(sessionPool(poolRuntime(), new Uint8Array(0), { workers: 0 })).rejects.toMatchObject({ code: "RUNTIME_FAILED" });
  });

  test("works over worker threads of ONNX Runtime", async () => {
    const bytes = onnxFile({
      inputs: { x: ["float32", [1]] },
      outputs: { y: ["float32", [1]] },
      nodes: [makeNode("Mul", { inputs: ["x", "x"], outputs: ["y"] })],
    });
    const pool = await sessionPool(await ortNodeRuntime(), bytes);
    expect(pool.session.inputs.map((i) => i.name)).toEqual(["x"]);
    const out: number[] = [];
    for await (const o of pool.map(UP_TO_12.map(feed))) out.push(value(o, "y"));
    await pool.close();
    expect(out).toEqual(UP_TO_12.map((n) => n * n));
  });
});
