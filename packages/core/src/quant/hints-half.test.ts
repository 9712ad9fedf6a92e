import { smallModel, smallNode } from "@tessera/testkit/small-model";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHalf } from "../graph/float16.ts";
import type { Model } from "../graph/model.ts";
import type { Feeds } from "../graph/runtime.ts";
import { f32, i64, toNumbers } from "../graph/tensor.ts";
import { interpret } from "../interp/run.ts";
import { computeHalf } from "./half-compute.ts";
import { halfHazards, observeHalf } from "./hints-half.ts";

const open = async (model: Model) => ({
  inputs: [],
  outputs: [],
  run: async (feeds: Feeds) => interpret(model.graph, feeds),
  time: async () => ({ wallMs: [], cpuMs: 0 }),
  close: async () => undefined,
});

/** A pooling of statistics as speaker networks have it: the variance of values in the hundreds. */
const pooling = smallModel({
  x: [1, 4, 8],
  nodes: [
    smallNode("Mul", "x gain", "scaled"),
    smallNode("ReduceMean", "scaled axes", "mean", { keepdims: 1 }),
    smallNode("Sub", "scaled mean", "centred"),
    smallNode("Mul", "centred centred", "squares"),
    smallNode("ReduceMean", "squares axes", "variance", { keepdims: 1 }),
    smallNode("Sqrt", "variance", "deviation"),
    smallNode("Div", "centred deviation", "y"),
  ],
  constants: { gain: f32([], [300]), axes: i64([1], [2]) },
});
const x = f32(
  [1, 4, 8],
  Array.from({ length: 32 }, (_, i) => ((i * 7) % 11) / 2 - 2.5),
);

describe("what float16 cannot hold", () => {
  test("is found where values are squared, with the share that overflows; the nodes around it may be float16", async () => {
    const seen = await observeHalf(pooling, [new Map([["x", x]])], { open });
    const hazards = halfHazards(pooling, seen);
    expect(hazards.map((h) => [h.node, h.kind])).toEqual([
      ["squares", "range"],
      ["variance", "range"],
      ["deviation", "range"],
    ]);
    const squares = toNumbers(interpret(pooling.graph, new Map([["x", x]]), { outputs: ["squares"] }).get("squares") ?? x);
    const over = squares.filter((v) => v > 65504).length;
    expect(over).toBeGreaterThan(0);
    expect(hazards[0]).toMatchObject({ value: "squares", largest: Math.max(...squares), over: over / squares.length });
    expect(seen.overBySample[0]).toBe(
      over +
        toNumbers(interpret(pooling.graph, new Map([["x", x]]), { outputs: ["variance"] }).get("variance") ?? x).filter(
          (v) => v > 65504,
        ).length,
    );
  });

  test("makes the network's own float16 form break, and keeping those nodes in float32 heals it", async () => {
    const seen = await observeHalf(pooling, [new Map([["x", x]])], { open });
    const exact = toNumbers(interpret(pooling.graph, new Map([["x", x]])).get("y") ?? x);
    const run = (model: Model) => toNumbers(interpret(model.graph, new Map([["x", x]])).get("y") ?? x);
    const naive = run(computeHalf(pooling).model);
    expect(Array.from(naive).filter((v) => !Number.isFinite(v) || v === 0).length).toBeGreaterThan(8);
    const kept = computeHalf(pooling, { histograms: seen.histograms });
    expect(kept.report.kept.map((k) => k.node)).toEqual(halfHazards(pooling, seen).map((h) => h.node));
    for (const [i, v] of run(kept.model).entries()) expect(v).toBeCloseTo(exact[i] as number, 2);
  });

  test("is counted as rounding to float16 decides it, value by value", async () => {
    const one = smallModel({ x: [1], nodes: [smallNode("Identity", "x", "y")] });
    await fc.assert(
      fc.asyncProperty(fc.float({ noNaN: true, noDefaultInfinity: true }), async (v) => {
        const { counts } = await observeHalf(one, [new Map([["x", f32([1], [v])]])], { open });
        const bits = toHalf(v) & 0x7fff;
        expect(counts.get("y")).toEqual({
          count: 1,
          over: bits === 0x7c00 ? 1 : 0,
          vanished: v !== 0 && bits === 0 ? 1 : 0,
          weak: v !== 0 && Math.abs(v) < 2 ** -14 ? 1 : 0,
        });
      }),
      { numRuns: 300, examples: [[65519.99609375], [65520], [2 ** -25], [Math.fround(2 ** -25 * 1.001)], [2 ** -14], [0]] },
    );
  });

  test("includes values that drown: small numbers squared", async () => {
    const tiny = smallModel({
      x: [1, 8],
      nodes: [smallNode("Mul", "x k", "a"), smallNode("Mul", "a a", "y")],
      constants: { k: f32([], [1e-4]) },
    });
    const seen = await observeHalf(tiny, [new Map([["x", f32([1, 8], [1, 2, 3, 4, 5, 6, 7, 8])]])], { open });
    const hazard = halfHazards(tiny, seen).find((h) => h.node === "y");
    expect(hazard?.vanished).toBe(1 / 8);
    expect(hazard?.weak).toBe(1);
  });
});
