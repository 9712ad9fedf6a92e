import { smallModel, smallNode } from "@tessera/testkit/small-model";
import { describe, expect, test } from "vitest";
import { f32, i64 } from "../../graph/tensor.ts";
import { findCuts, graphBetween } from "./cuts.ts";

/** A chain with a residual block, and a branch that another output reads. */
const { graph } = smallModel({
  x: [1, 2, 4],
  nodes: [
    smallNode("Relu", "x", "a"),
    smallNode("Tanh", "a", "b"),
    smallNode("Sigmoid", "b", "c"),
    smallNode("Add", "a c", "d"),
    smallNode("Exp", "d", "other"),
    smallNode("Mul", "d k", "e"),
    smallNode("Reshape", "e shape", "y"),
  ],
  constants: { k: f32([1], [2]), shape: i64([2], [1, -1]) },
  outputs: ["y", "other"],
});

describe("cuts of a graph", () => {
  test("stand where few float tensors cross, and know what a residual keeps alive", () => {
    const cuts = findCuts(graph, { output: "y" });
    expect(cuts).toEqual([
      { position: 0, tensors: ["x"] },
      { position: 1, tensors: ["a"] },
      { position: 2, tensors: ["a", "b"] },
      { position: 3, tensors: ["a", "c"] },
      { position: 4, tensors: ["d"] },
      // What only the other output needs does not cross.
      { position: 5, tensors: ["d"] },
      { position: 6, tensors: ["e"] },
    ]);
    expect(findCuts(graph, { output: "y", maxTensors: 1 }).map((c) => c.position)).toEqual([0, 1, 4, 5, 6]);
    expect(findCuts(graph, { output: "y", never: new Set(["b"]) }).map((c) => c.position)).toEqual([0, 1, 3, 4, 5, 6]);
  });

  test("stop at the node that makes the output", () => {
    expect(findCuts(graph, { output: "d" }).map((c) => c.position)).toEqual([0, 1, 2, 3]);
  });

  test("take no integers across", () => {
    const shaped = smallModel({
      x: [1, 4],
      nodes: [smallNode("Shape", "x", "s"), smallNode("Relu", "x", "r"), smallNode("Reshape", "r s", "y")],
    });
    expect(findCuts(shaped.graph, { output: "y" }).map((c) => c.position)).toEqual([0]);
  });
});

test("The part between two cuts has their nodes, constants and types, and nothing else", () => {
  const part = graphBetween(graph, ["a", "b"], ["e", "a"]);
  expect(part.nodes.map((n) => n.name)).toEqual(["c", "d", "e"]);
  expect(part.inputs.map((i) => i.name)).toEqual(["a", "b"]);
  expect(part.outputs.map((o) => o.name)).toEqual(["e"]);
  expect([...part.constants.keys()]).toEqual(["k"]);
  expect(part.inputs[0]?.type).toMatchObject({ dtype: "float32", shape: [1, 2, 4] });
  expect(graphBetween(graph, ["e"], ["y"]).inputs.map((i) => i.name)).toEqual(["e"]);
});
