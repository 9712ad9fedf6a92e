import type { Session } from "@tessera/core/graph/runtime";
import { describe, expect, test } from "vitest";
import { type Contestant, measureInterleaved } from "./measure.ts";

/** A session whose runs take what `wall` says, and a log of the calls. */
function scripted(name: string, log: string[], wall: (turn: number, run: number) => number): Contestant {
  let turn = 0;
  const session: Session = {
    inputs: [],
    outputs: [],
    run: () => Promise.reject(new Error("only timed")),
    async time(_, { runs, warmup }) {
      log.push(`${name}${warmup}`);
      const wallMs = Array.from({ length: runs }, (__, i) => wall(turn, i));
      turn++;
      return { wallMs, cpuMs: 2 * wallMs.reduce((a, b) => a + b, 0) };
    },
    close: async () => undefined,
  };
  return { name, session, feeds: new Map() };
}

describe("measureInterleaved", () => {
  test("gives quantiles over all runs and speed-ups within rounds", async () => {
    // A machine that gets ten times slower in the middle: the ratio of 2 holds in every round.
    const load = (turn: number): number => (turn >= 5 ? 10 : 1);
    const report = await measureInterleaved(
      [scripted("a", [], (t, i) => load(t) * (8 + i)), scripted("b", [], (t, i) => (load(t) * (8 + i)) / 2)],
      {
        rounds: 10,
        runs: 3,
      },
    );
    expect(report).toMatchObject({ kind: "latency", rounds: 10, runsPerRound: 3, baseline: "a" });
    const [a, b] = report.rows;
    expect(a).toMatchObject({ name: "a", runs: 30, minMs: 8, cpuMs: 99, speedup: { value: 1, low: 1, high: 1 } });
    expect(b).toMatchObject({
      name: "b",
      minMs: 4,
      speedup: { value: 2, low: 2, high: 2 },
      cpuSpeedup: { value: 2, low: 2, high: 2 },
    });
    expect(a?.p50Ms).toBe(45);
    expect(a?.p99Ms).toBe(100);
    expect(b?.p90Ms).toBe(50);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  test("gives every session one turn a round, in an order that changes and depends on the seed", async () => {
    const orders = async (seed: number): Promise<string[]> => {
      const log: string[] = [];
      await measureInterleaved(
        ["a", "b", "c"].map((n) => scripted(n, log, () => 1)),
        { rounds: 12, runs: 1, warmup: 4, seed },
      );
      return Array.from({ length: 12 }, (_, r) => log.slice(3 * r, 3 * r + 3).join(""));
    };
    const first = await orders(1);
    for (const round of first) expect(round.match(/[abc]4/g)?.toSorted()).toEqual(["a4", "b4", "c4"]);
    expect(new Set(first).size).toBeGreaterThan(2);
    expect(await orders(1)).toEqual(first);
    expect(await orders(2)).not.toEqual(first);
  });

  test("widens the interval when rounds disagree", async () => {
    const noisy = await measureInterleaved([scripted("a", [], () => 4), scripted("b", [], (t) => [1, 2, 4][t % 3] as number)], {
      rounds: 30,
      runs: 1,
    });
    expect(noisy.rows[1]?.speedup.value).toBe(2);
    expect(noisy.rows[1]?.speedup.low).toBeLessThan(2);
    expect(noisy.rows[1]?.speedup.high).toBeGreaterThan(2);
  });

  test("tells about rounds, can be interrupted and refuses nonsense", async () => {
    const seen: number[] = [];
    await measureInterleaved([scripted("a", [], () => 1)], { rounds: 3, onRound: (done) => seen.push(done) });
    expect(seen).toEqual([1, 2, 3]);
    await expect(measureInterleaved([scripted("a", [], () => 1)], { signal: AbortSignal.abort() })).rejects.toThrow();
    await expect(measureInterleaved([])).rejects.toMatchObject({ code: "RUNTIME_FAILED" });
    await expect(measureInterleaved([scripted("a", [], () => 1)], { rounds: 0 })).rejects.toMatchObject({
      code: "RUNTIME_FAILED",
    });
  });
});
