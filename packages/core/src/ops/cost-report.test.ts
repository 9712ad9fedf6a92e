import { describe, expect, test } from "vitest";
import { type Graph, tensorType } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import { f32 } from "../graph/tensor.ts";
import { costReport } from "./cost-report.ts";

// x -> Relu -> a -> Neg -> b; y = a + b: while b is made, a must stay.
const GRAPH: Graph = {
  name: "g",
  inputs: [{ name: "x", type: tensorType("float32", ["N", 10]) }],
  outputs: [{ name: "y", type: tensorType("float32", undefined) }],
  nodes: [
    makeNode("Relu", { inputs: ["x"], outputs: ["a"] }),
    makeNode("Neg", { inputs: ["a"], outputs: ["b"] }),
    makeNode("Add", { inputs: ["a", "b"], outputs: ["s"] }),
    makeNode("Mul", { inputs: ["s", "w"], outputs: ["y"] }),
  ],
  constants: new Map([["w", f32([10], new Array(10).fill(2))]]),
  types: new Map(),
};

describe("the cost of a graph", () => {
  test("counts operations, weights and the activations that live together", () => {
    const report = costReport(GRAPH, { bindings: new Map([["N", 2]]) });
    expect(report.ops).toBe(4 * 20);
    expect(report.macs).toBe(0);
    expect(report.parameters).toBe(10);
    expect(report.weightBytes).toBe(40);
    // a, b and s: x is gone, w is a weight.
    expect(report.peakActivationBytes).toBe(3 * 80);
    expect(report.peakAt).toBe("s");
    expect(report.unknown).toEqual([]);
    expect(report.nodes[3]).toMatchObject({ node: "y", op: "Mul", weightBytes: 40, activationBytes: 80 });
  });
  test("reports what depends on an open size as unknown instead of guessing", () => {
    const report = costReport(GRAPH);
    expect(report.unknown).toEqual(["a", "b", "s", "y"]);
    expect(report.peakActivationBytes).toBeUndefined();
    expect(report.parameters).toBe(10);
  });
  test("operators without a row are unknown", () => {
    const nodes = [makeNode("Exotic", { inputs: ["x"], outputs: ["y"] }, { domain: "com.example" })];
    const graph = { ...GRAPH, nodes, types: new Map([["y", tensorType("float32", [1])]]) };
    expect(costReport(graph, { bindings: new Map([["N", 2]]) }).unknown).toEqual(["y"]);
  });
});
