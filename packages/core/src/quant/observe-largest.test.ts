import { smallModel } from "@tessera/testkit/small-model";
import { describe, expect, test } from "vitest";
import type { Model, Node } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import type { Feeds } from "../graph/runtime.ts";
import { f32, type Tensor } from "../graph/tensor.ts";
import { interpret } from "../interp/run.ts";
import { observeLargest } from "./observe-largest.ts";

function model(x: readonly number[], nodes: readonly Node[], constants: Readonly<Record<string, Tensor>> = {}): Model {
  return smallModel({ x, nodes, constants });
}

const neg = (shape: readonly number[], ...more: string[]): Model =>
  model(shape, [
    makeNode("Neg", { inputs: ["x"], outputs: ["h"] }, { name: "neg" }),
    makeNode("Relu", { inputs: ["h"], outputs: ["y"] }, { name: "relu" }),
    ...more.map((name) => makeNode("Relu", { inputs: ["h"], outputs: [name] }, { name })),
  ]);

/** A runtime that counts what it was asked to hand out. */
function runtime() {
  const opened: Model[] = [];
  const open = async (opens: Model) => {
    opened.push(opens);
    return {
      inputs: [],
      outputs: [],
      run: async (feeds: Feeds) => interpret(opens.graph, feeds),
      time: async () => ({ wallMs: [], cpuMs: 0 }),
      close: async () => {},
    };
  };
  return { opened, open };
}

const feed = (shape: readonly number[], values: readonly number[]): Feeds => new Map([["x", f32(shape, values)]]);

describe("the largest magnitudes by channel", () => {
  test("count both signs, and samples before", async () => {
    const { open, opened } = runtime();
    const samples = [feed([1, 2, 1, 3], [1, -5, 2, 0, 0, 0]), feed([1, 2, 1, 3], [4, 0, 0, -0, 0.5, -7])];
    const largest = await observeLargest(neg([1, 2, 1, 3]), [{ tensor: "h", channels: 2 }], samples, { open });
    expect([...(largest.get("h") as Float64Array)]).toEqual([5, 7]);
    expect(opened.length).toBe(1);
    // Nothing of the size of an activation leaves the runtime.
    expect(opened[0]?.graph.outputs.map((o) => o.name)).not.toContain("h");
  });

  test("are those of values without places in rows, and of the value in front of a slope", async () => {
    const { open } = runtime();
    const places = [{ tensor: "y", before: "h", channels: 3 }];
    const largest = await observeLargest(neg([2, 3]), places, [feed([2, 3], [1, 2, 3, -4, -5, 6])], { open });
    expect([...(largest.get("h") as Float64Array)]).toEqual([4, 5, 6]);
    expect([...(largest.get("y") as Float64Array)]).toEqual([4, 5, 0]);
  });

  test("are right where sums overflow, and refused where a value is not finite", async () => {
    const huge = 3e38;
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const { open } = runtime();
      const samples = [feed([1, 1, 1, 3], [huge, huge, 1]), feed([1, 1, 1, 3], [1, bad, 1])];
      const [first] = samples as [Feeds];
      const fine = await observeLargest(neg([1, 1, 1, 3]), [{ tensor: "h", channels: 1 }], [first], { open });
      expect([...(fine.get("h") as Float64Array)]).toEqual([Math.fround(huge)]);
      await expect(observeLargest(neg([1, 1, 1, 3]), [{ tensor: "h", channels: 1 }], samples, { open })).rejects.toMatchObject({
        code: "CALIBRATION_NONFINITE",
      });
    }
  });

  test("do not come from a graph that has values of the names they would like to have", async () => {
    const { open } = runtime();
    const crowded = neg([1, 2, 1, 1], "h_sum", "h_greatest", "h_axes");
    const largest = await observeLargest(crowded, [{ tensor: "h", channels: 2 }], [feed([1, 2, 1, 1], [3, -2])], { open });
    expect([...(largest.get("h") as Float64Array)]).toEqual([3, 2]);
  });

  test("are seen in a value of unknown rank too, and refused for a value with other channels, or without samples", async () => {
    const { open } = runtime();
    const typed = neg([1, 2, 1, 1]);
    const blind = { ...typed, graph: { ...typed.graph, types: new Map() } };
    const samples = [feed([1, 2, 1, 1], [3, -2])];
    const largest = await observeLargest(blind, [{ tensor: "h", channels: 2 }], samples, { open });
    expect([...(largest.get("h") as Float64Array)]).toEqual([3, 2]);
    for (const of of [typed, blind])
      await expect(observeLargest(of, [{ tensor: "h", channels: 3 }], samples, { open })).rejects.toMatchObject({
        code: "SHAPE_MISMATCH",
      });
    await expect(observeLargest(typed, [{ tensor: "h", channels: 2 }], [], { open })).rejects.toMatchObject({
      code: "CALIBRATION_EMPTY",
    });
  });
});
