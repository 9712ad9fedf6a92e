import { describe, expect, it } from "vitest";
import type { Model } from "../graph/model.ts";
import type { Feeds } from "../graph/runtime.ts";
import { f32, type Tensor, view } from "../graph/tensor.ts";
import { parseGraph } from "../graph/text-parse.ts";
import { interpret } from "../interp/run.ts";
import { randomFeeds } from "./proof-inputs.ts";
import { rebatch } from "./rebatch.ts";

function modelOf(text: string): Model {
  return { kind: "model", graph: parseGraph(text), domains: new Map(), metadata: new Map(), producer: { name: "", version: "" } };
}

const TWO = modelOf(`x: f32[2, 3, 4]
r = Reshape(x, t: i64[2] = [2, -1])
g = Gemm(r, w: f32[12, 5])
y = Relu(g)
return y`);

function shapeOf(model: Model, output = 0): unknown {
  const type = model.graph.outputs[output]?.type;
  return type?.kind === "tensor" ? type.shape : undefined;
}

describe("rebatch", () => {
  it("makes a batch of 2 one of 1 that gives each row of the old one", () => {
    const single = rebatch(TWO, { batch: 1 });
    expect(shapeOf(single)).toEqual([1, 5]);
    const feeds = randomFeeds(TWO, { seed: 1, trial: 0 });
    const both = view(interpret(TWO.graph, feeds).get("y") as Tensor, "float32");
    const data = view(feeds.get("x") as Tensor, "float32");
    for (const row of [0, 1]) {
      const one: Feeds = new Map([["x", f32([1, 3, 4], data.slice(row * 12, row * 12 + 12))]]);
      expect(view(interpret(single.graph, one).get("y") as Tensor, "float32")).toEqual(both.slice(row * 5, row * 5 + 5));
    }
  });

  it("makes it symbolic, and then runs on any", () => {
    const any = rebatch(TWO, { batch: "N" });
    expect(shapeOf(any)).toEqual(["N", 5]);
    for (const batch of [1, 3]) {
      const feeds: Feeds = new Map([["x", f32([batch, 3, 4], new Float32Array(batch * 12))]]);
      expect(interpret(any.graph, feeds).get("y")?.shape).toEqual([batch, 5]);
    }
  });

  it("refuses, with the value, where a size that embeds the batch is not the first", () => {
    const mixed = modelOf("x: f32[2, 3]\nr = Reshape(x, t: i64[1] = [6])\ny = Relu(r)\nreturn y");
    expect(() => rebatch(mixed, { batch: 1 })).toThrow(/Cannot change the batch from 2 to 1/);
    const turned = modelOf("x: f32[2, 3]\nr = Transpose(x) {perm: [1, 0]}\ny = Relu(r)\nreturn y");
    expect(() => rebatch(turned, { batch: 1 })).toThrow(/output y becomes \[3,1\], expected \[3,2\]/);
  });

  it("refuses inputs that share no batch", () => {
    const two = modelOf("x: f32[2, 3]\nz: f32[4, 3]\ny = Relu(x)\nw = Relu(z)\nreturn y, w");
    expect(() => rebatch(two, { batch: 1 })).toThrow(/2,4/);
    expect(rebatch(two, { batch: 1, inputs: ["x"] }).graph.inputs.map((i) => (i.type as { shape: unknown }).shape)).toEqual([
      [1, 3],
      [4, 3],
    ]);
  });
});
