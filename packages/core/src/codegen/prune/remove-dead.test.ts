import { integerLists, randomFeeds } from "@tessera/testkit/integer/run-both";
import { textModel } from "@tessera/testkit/text-model";
import { describe, expect, it } from "vitest";
import type { Encoding, QuantPlan } from "../../graph/plan.ts";
import { compileInteger } from "../../interp/integer/compile.ts";
import { type Pruned, removeDeadChannels } from "./remove-dead.ts";

const SCALE = 1 / 16;

function int8(scale: number, zeroPoint: number): Encoding {
  return { dtype: "int8", scale: [scale], zeroPoint: [zeroPoint], reason: "test" };
}

/** Removes dead channels under a plan with zero point `zero` for the values named, and expects the same outputs on random inputs. */
function prune(text: string, plan: { values: string; weights: string; biases?: string; zero?: number }): Pruned {
  const names = (list = ""): string[] => list.split(" ").filter((name) => name !== "");
  const tensors = new Map<string, Encoding>([
    ...names(plan.values).map((name) => [name, int8(SCALE, plan.zero ?? -128)] as const),
    ...names(plan.weights).map((name) => [name, int8(1, 0)] as const),
    ...names(plan.biases).map((name) => [name, { ...int8(SCALE, 0), dtype: "int32" as const }] as const),
  ]);
  const model = textModel(text);
  const whole: QuantPlan = { kind: "quant-plan", version: 1, target: "tflite", tensors, nodes: new Map() };
  const pruned = removeDeadChannels(model, whole);
  const before = compileInteger(model, whole);
  const after = compileInteger(pruned.model, pruned.plan);
  for (let run = 0; run < 5; run++) {
    const feeds = randomFeeds(before, run);
    expect(integerLists(after, feeds)).toEqual(integerLists(before, feeds));
  }
  return pruned;
}

/** Output channels of each layer, before and after. */
function channels({ report }: Pruned): string[] {
  return report.layers.map((layer) => layer.channels.join(" -> "));
}

describe("removeDeadChannels", () => {
  it("puts what a constant channel adds into the next bias, and makes one where there was none", () => {
    const text = `x : f32[1, 1, 3, 3]
a = Conv(x, w: f32[3, 1, 1, 1] = [1, 0, -1], b: f32[3] = [0.5, 2, 1])
r = Relu(a)
y = Conv(r, v: f32[2, 3, 1, 1] = [1, 3, 1, 1, -2, 1])
return y`;
    const pruned = prune(text, { values: "x r y", weights: "w v", biases: "b" });
    expect(channels(pruned)).toEqual(["3 -> 2", "2 -> 2"]);
    expect(pruned.report.macs).toEqual([27 + 54, 18 + 36]);
    expect(pruned.report.bytes).toEqual([3 + 12 + 6 + 8, 2 + 8 + 4 + 8]);
    const [, conv] = compileInteger(pruned.model, pruned.plan).steps;
    // 2 is 32 steps of 1/16.
    expect(conv?.kind === "conv" && [...(conv.bias ?? [])]).toEqual([3 * 32, -2 * 32]);
  });

  it("finds channels whose sum the activation cuts to one integer", () => {
    const text = `x : f32[1, 2]
a = Gemm(x, w: f32[2, 2] = [1, 1, 0, 1], b: f32[2] = [1, -100]) {transB: 1}
r = Relu(a)
y = Gemm(r, v: f32[2, 2] = [1, 2, 3, 4]) {transB: 1}
return y`;
    expect(channels(prune(text, { values: "x r y", weights: "w v", biases: "b" }))).toEqual(["2 -> 1", "2 -> 2"]);
    // With the zero point in the middle, a sum of 8 may come above it.
    expect(channels(prune(text.replace("-100", "-5"), { values: "x r y", weights: "w v", biases: "b", zero: 0 }))).toEqual([
      "2 -> 2",
      "2 -> 2",
    ]);
  });

  it("goes through a padded depthwise convolution only where the constant is the zero point", () => {
    const text = (bias: number) => `x : f32[1, 1, 4, 4]
a = Conv(x, w: f32[2, 1, 1, 1] = [1, 0], b: f32[2] = [0, ${bias}])
d = Conv(a, k: f32[2, 1, 3, 3] = [1, 2, 1, 0, 1, 0, 1, 1, 1, 1, 2, 1, 0, 1, 0, 1, 1, 1]) {group: 2, pads: [1, 1, 1, 1]}
y = Conv(d, v: f32[1, 2, 1, 1] = [1, 1])
return y`;
    const plan = { values: "x a d y", weights: "w k v", biases: "b", zero: 0 };
    expect(channels(prune(text(0), plan))).toEqual(["2 -> 1", "2 -> 1", "1 -> 1"]);
    expect(channels(prune(text(1), plan))).toEqual(["2 -> 2", "2 -> 2", "1 -> 1"]);
    // Without padding any constant will do.
    expect(channels(prune(text(1).replace(", pads: [1, 1, 1, 1]", ""), plan))).toEqual(["2 -> 1", "2 -> 1", "1 -> 1"]);
  });

  it("keeps a constant in front of a padded sum unless it is the zero point", () => {
    const text = (bias: number) => `x : f32[1, 1, 3, 3]
a = Conv(x, w: f32[2, 1, 1, 1] = [1, 0], b: f32[2] = [0, ${bias}])
y = Conv(a, v: f32[1, 2, 2, 2] = [1, 1, 1, 1, 1, 2, 3, 4]) {pads: [1, 1, 0, 0]}
return y`;
    const plan = { values: "x a y", weights: "w v", biases: "b", zero: 0 };
    expect(channels(prune(text(1), plan))).toEqual(["2 -> 2", "1 -> 1"]);
    expect(channels(prune(text(0), plan))).toEqual(["2 -> 1", "1 -> 1"]);
  });

  it("takes channels of a sum only where both sides are dead, cuts slopes and constants, and goes on to what they read", () => {
    const text = `x : f32[1, 3, 2, 2]
a = Conv(x, w: f32[3, 3, 1, 1] = [0, 0, 0, 0, 0, 0, 1, 1, 1], b: f32[3] = [1, 1, 1])
c = Conv(x, v: f32[3, 3, 1, 1] = [0, 0, 0, 1, 0, 1, 1, 0, 1])
s = Add(a, c)
p = PRelu(s, l: f32[3, 1, 1] = [1, 2, 3])
m = Mul(p, k: f32[1, 3, 1, 1] = [1, 2, 3])
y = Conv(m, u: f32[1, 3, 1, 1] = [1, 1, 1])
return y`;
    const plan = { values: "x a c s p m y l k", weights: "w v u", biases: "b", zero: 0 };
    expect(channels(prune(text, plan))).toEqual(["3 -> 2", "3 -> 2", "1 -> 1"]);
  });

  it("takes channels that no weight reads, back through what made them", () => {
    const text = `x : f32[1, 1, 2, 2]
a = Conv(x, w: f32[2, 1, 1, 1] = [1, 2])
b = Conv(a, v: f32[3, 2, 1, 1] = [1, 0, 1, 0, 1, 1])
d = Sigmoid(b)
f = Flatten(d)
y = Gemm(f, u: f32[1, 12] = [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0]) {transB: 1}
return y`;
    const pruned = prune(text, { values: "x a b d y", weights: "w v u", zero: 3 });
    expect(channels(pruned)).toEqual(["2 -> 1", "3 -> 2", "1 -> 1"]);
    expect(pruned.model.graph.constants.get("u")?.shape).toEqual([1, 8]);
  });

  it("follows channels through concatenations, reshapes, means and transposes", () => {
    const text = `x : f32[1, 1, 2, 2]
a = Conv(x, w: f32[2, 1, 1, 1] = [0, 1], b: f32[2] = [1, 1])
c = Concat(a, x, a) {axis: 1}
t = Transpose(c) {perm: [0, 2, 3, 1]}
r = Reshape(t, s: i64[2] = [1, 20])
y = Gemm(r, v: f32[1, 20] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]) {transB: 1}
g = ReduceMean(c, axes: i64[2] = [2, 3]) {keepdims: 0}
z = Gemm(g, u: f32[1, 5] = [1, 2, 3, 4, 5]) {transB: 1}
return y, z`;
    const pruned = prune(text, { values: "x a c y g z", weights: "w v u", biases: "b", zero: 0 });
    expect(channels(pruned)).toEqual(["2 -> 1", "1 -> 1", "1 -> 1"]);
    expect(pruned.model.graph.constants.get("v")?.shape).toEqual([1, 12]);
  });

  it("stops where a window slides over channels that were turned to another axis", () => {
    const text = `x : f32[1, 1, 2, 3]
a = Conv(x, w: f32[3, 1, 1, 1] = [3, 1, 2])
t = Transpose(a) {perm: [0, 2, 1, 3]}
m = MaxPool(t) {kernel_shape: [2, 1], pads: [1, 0, 0, 0]}
f = Flatten(m)
y = Gemm(f, v: f32[1, 18] = [0, 0, 0, 4, 5, 6, 7, 8, 9, 0, 0, 0, 4, 5, 6, 7, 8, 9]) {transB: 1}
return y`;
    expect(channels(prune(text, { values: "x a m y", weights: "w v", zero: 0 }))).toEqual(["3 -> 3", "1 -> 1"]);
  });

  it("leaves a channel whose part no float bias can hold", () => {
    // The new bias is 2^24 + 1 steps, and float32 has no such number.
    const steps = (n: number) => `${n / 16}`;
    const text = `x : f32[1, 2]
a = Gemm(x, w: f32[2, 2] = [1, 1, 0, 0], b: f32[2] = [0, 1]) {transB: 1}
y = Gemm(a, v: f32[1, 2] = [1, 1], c: f32[1] = [${steps(2 ** 24 - 16 + 1)}]) {transB: 1}
return y`;
    const pruned = prune(text, { values: "x a y", weights: "w v", biases: "b c", zero: 0 });
    expect(channels(pruned)).toEqual(["2 -> 2", "1 -> 1"]);
    expect(pruned.report.refused).toEqual([pruned.model.graph.nodes[1]?.name]);
  });

  it("keeps one channel of a value that is all constant, and every output of the network", () => {
    const text = `x : f32[1, 1, 2, 2]
a = Conv(x, w: f32[3, 1, 1, 1] = [0, 0, 0])
y = Conv(a, v: f32[2, 3, 1, 1] = [0, 0, 0, 1, 1, 1])
return y`;
    expect(channels(prune(text, { values: "x a y", weights: "w v", zero: 0 }))).toEqual(["3 -> 1", "2 -> 2"]);
  });

  it("changes a shared constant only for the node that needs it", () => {
    const text = `x : f32[1, 2, 2, 2]
a = Conv(x, w: f32[2, 2, 1, 1] = [0, 0, 1, 1])
y = Conv(a, w)
z = Conv(x, w)
return y, z`;
    const pruned = prune(text, { values: "x a y z", weights: "w", zero: 0 });
    expect(channels(pruned)).toEqual(["2 -> 1", "2 -> 2", "2 -> 2"]);
    expect(pruned.model.graph.constants.get("w")?.shape).toEqual([2, 2, 1, 1]);
  });

  it("gives a network without dead channels back as it came", () => {
    const text = `x : f32[1, 2]
y = Gemm(x, w: f32[2, 2] = [1, 2, 3, 4]) {transB: 1}
return y`;
    const { model, report } = prune(text, { values: "x y", weights: "w" });
    expect([...model.graph.constants.keys()]).toEqual(["w"]);
    expect([report.channels, report.refused]).toEqual([[2, 2], []]);
  });
});
