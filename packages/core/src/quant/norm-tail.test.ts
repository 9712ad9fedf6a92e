import { describe, expect, it } from "vitest";
import type { Model } from "../graph/model.ts";
import { parseGraph } from "../graph/text-parse.ts";
import { findNormTail } from "./norm-tail.ts";

function tail(text: string): readonly string[] {
  const model: Model = {
    kind: "model",
    graph: parseGraph(text),
    domains: new Map(),
    metadata: new Map(),
    producer: { name: "", version: "" },
  };
  return [...findNormTail(model)].sort();
}

describe("findNormTail", () => {
  it("finds unit vectors that are weighed and put side by side", () => {
    const found = tail(`x: f32[1, 4]
z: f32[1, 3]
a = Relu(x)
u = LpNormalization(a) {axis: -1, p: 2}
v = Mul(u, f: f32[1] = [0.8])
n = ReduceL2(z, axes: i64[1] = [1])
w = Div(z, n)
y = Concat(v, w) {axis: -1}
return y`);
    expect(found).toEqual(["n", "u", "v", "w", "y"]);
  });

  it("leaves a concatenation of anything else to the integers", () => {
    expect(tail("x: f32[1, 4]\na = Relu(x)\nb = Sigmoid(x)\ny = Concat(a, b) {axis: -1}\nreturn y")).toEqual([]);
    // A product of two values computes something.
    expect(tail("x: f32[1, 4]\nu = LpNormalization(x) {axis: -1, p: 2}\nv = Sigmoid(x)\ny = Mul(u, v)\nreturn y")).toEqual([]);
  });

  it("finishes where a value is reached in more ways than can be counted", () => {
    const lines = Array.from({ length: 60 }, (_, i) => `a${i + 1} = Concat(a${i}, a${i}) {axis: 0}`);
    expect(tail(`x: f32[1, 4]\na0 = LpNormalization(x) {axis: -1, p: 2}\n${lines.join("\n")}\nreturn a60`)).toContain("a0");
  });
});
