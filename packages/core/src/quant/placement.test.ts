import { smallNode } from "@tessera/testkit/small-model";
import { describe, expect, test } from "vitest";
import type { DType } from "../graph/dtype.ts";
import { type Model, type Node, tensorType } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import { f32, fromNumbers, i64, type Tensor } from "../graph/tensor.ts";
import { inferTypes } from "../ops/infer-types.ts";
import { ORT_ARM, ORT_X64 } from "../targets/ort.ts";
import { createHistogram, observe } from "./histogram.ts";
import { type Placement, placeIntegers } from "./placement.ts";
import { unshareWeights } from "./prepare.ts";
import { staticPlan } from "./static-plan.ts";

const ones = (...shape: number[]): Tensor => f32(shape, Array(shape.reduce((a, b) => a * b, 1)).fill(1));

function built(
  nodes: readonly Node[],
  constants: Readonly<Record<string, Tensor>> = {},
  {
    outputs = ["y"],
    inputs = { x: [1, 4, 8, 8] } as Readonly<Record<string, readonly number[]>>,
    dtype = "float32" as DType,
  } = {},
): Model {
  const model: Model = {
    kind: "model",
    graph: {
      name: "g",
      inputs: Object.entries(inputs).map(([name, shape]) => ({ name, type: tensorType(dtype, [...shape]) })),
      outputs: outputs.map((name) => ({ name, type: tensorType("float32", undefined) })),
      nodes,
      constants: new Map(Object.entries(constants)),
      types: new Map(),
    },
    domains: new Map(),
    metadata: new Map(),
    producer: { name: "", version: "" },
  };
  return inferTypes(model);
}

const node = (op: string, inputs: string, outputs: string, attributes = {}): Node =>
  smallNode(op, inputs, outputs, attributes, `${op}:${outputs}`);
const conv = (x: string, y: string, w = "w"): Node => node("Conv", `${x} ${w}`, y);
const W = { w: ones(4, 4, 1, 1) };

function place(model: Model, target = ORT_X64): Placement & { readonly integer: readonly string[] } {
  const placement = placeIntegers(model, target);
  const integer = [...placement.choices].filter(([, c]) => c.precision === "int8").map(([name]) => name);
  expect([...placement.choices.keys()].sort()).toEqual(model.graph.nodes.map((n) => n.name).sort());
  return { ...placement, integer };
}

function why(model: Model, name: string): string {
  const choice = placeIntegers(model, ORT_X64).choices.get(name);
  expect(choice?.precision).toBe("float32");
  return choice?.reason ?? "";
}

describe("integers are placed", () => {
  test("on both operands and the result of a residual Add", () => {
    const p = place(built([conv("x", "a"), node("Add", "a x", "y")], W));
    expect(p.activations).toEqual(["x", "a", "y"]);
    expect(p.integer).toEqual(["Conv:a", "Add:y"]);
    expect(p.weights).toEqual([{ node: "Conv:a", op: "Conv", weight: "w", bias: undefined, input: "x" }]);
  });

  test("behind a Relu or Clip, one after the other too, and not before", () => {
    const nodes = [conv("x", "a"), node("Relu", "a", "b"), node("Clip", "b - hi", "c"), conv("c", "y", "w2")];
    const p = place(built(nodes, { ...W, w2: ones(4, 4, 1, 1), hi: f32([], [6]) }));
    expect(p.activations).toEqual(["x", "c", "y"]);
    expect(p.integer.length).toBe(4);
  });

  for (const [what, nodes, outputs] of [
    ["somebody else reads what stands before the Relu", [conv("x", "a"), node("Relu", "a", "b"), node("Add", "a b", "y")], ["y"]],
    ["what stands before the Relu is a graph output", [conv("x", "a"), node("Relu", "a", "y")], ["y", "a"]],
  ] as const) {
    test(`before the Relu when ${what}`, () => {
      const model = built([...nodes], W, { outputs: [...outputs] });
      const p = place(model);
      expect(p.activations).toContain("a");
      expect(p.choices.get(nodes[1].name)?.precision).toBe("float32");
    });
  }

  test("not into a Relu behind a value that only moves, behind a fixed grid, or on a symmetric target", () => {
    const moved = built([conv("x", "a"), node("Flatten", "a", "b"), node("Relu", "b", "y")], W);
    expect(why(moved, "Relu:y")).toMatch(/no integer node of its own/);
    expect(place(moved).shared.get("b")).toBe("a");
    const fixed = built([node("Softmax", "x", "a"), node("Relu", "a", "y")]);
    expect(place(fixed).activations).toEqual(["x", "a"]);
    const symmetric = { ...ORT_X64, activations: { dtype: "int8", symmetric: true } as const };
    expect(place(built([conv("x", "a"), node("Relu", "a", "y")], W), symmetric).activations).toEqual(["x", "a"]);
  });

  test("not into a Clip that keeps zero out or whose bounds are computed", () => {
    const clip = (lo: number, hi: number): Model =>
      built([conv("x", "a"), node("Clip", "a lo hi", "y")], { ...W, lo: f32([], [lo]), hi: f32([], [hi]) });
    expect(why(clip(1, 2), "Clip:y")).toMatch(/lower bound is above zero/);
    expect(why(clip(-2, -1), "Clip:y")).toMatch(/upper bound is below zero/);
    expect(place(clip(-1, 1)).activations).toEqual(["x", "y"]);
    const computed = built([node("Abs", "s", "lo"), conv("x", "a"), node("Clip", "a lo", "y")], { ...W, s: f32([], [0]) });
    expect(why(computed, "Clip:y")).toMatch(/bounds are computed/);
  });

  test("through operators that only move, chained and split, with the encoding of the value before them", () => {
    const nodes = [
      conv("x", "a"),
      node("MaxPool", "a", "b", { kernel_shape: [2, 2] }),
      node("Resize", "b - scales", "c"),
      node("Split", "c", "d e", { axis: 1, num_outputs: 2 }),
      node("Concat", "d e", "y", { axis: 1 }),
    ];
    const p = place(built(nodes, { ...W, scales: f32([4], [1, 1, 2, 2]) }));
    expect([...p.shared]).toEqual([
      ["b", "a"],
      ["c", "a"],
      ["d", "a"],
      ["e", "a"],
    ]);
    expect(p.activations).toEqual(["x", "a", "y"]);
    expect(p.integer.length).toBe(5);
    expect(p.operands).toEqual([]);
  });

  test("on constant operands of Add and Mul, and never on the condition of Where", () => {
    const nodes = [node("Mul", "x k", "a"), node("Where", "c a k", "y")];
    const p = place(built(nodes, { k: f32([4, 1, 1], [1, 2, 3, 4]), c: fromNumbers("bool", [4, 1, 1], [1, 0, 1, 0]) }));
    expect(p.operands).toEqual(["k"]);
    expect(p.activations).toEqual(["x", "a", "y"]);
  });

  test("on MatMul with a constant, with two computed operands, and with the constant first", () => {
    const inputs = { x: [2, 4] };
    const weighted = place(built([node("MatMul", "x w", "y")], { w: ones(4, 3) }, { inputs }));
    expect(weighted.weights.map((w) => [w.weight, w.bias, w.input])).toEqual([["w", undefined, "x"]]);
    const dynamic = place(built([node("Transpose", "x", "t"), node("MatMul", "x t", "y")], {}, { inputs }));
    expect(dynamic.activations).toEqual(["x", "t", "y"]);
    expect(dynamic.weights).toEqual([]);
    const first = place(built([node("MatMul", "w x", "y")], { w: ones(3, 2) }, { inputs }));
    expect(first.operands).toEqual(["w"]);
    expect(first.weights).toEqual([]);
  });

  test("on a Gemm as runtimes fuse it, and on no other", () => {
    const gemm = (attributes: object, constants: Readonly<Record<string, Tensor>>, inputs = "x w b"): Model =>
      built([node("Gemm", inputs, "y", attributes)], constants, { inputs: { x: [2, 4] } });
    const plain = { w: ones(4, 3), b: ones(3) };
    expect(place(gemm({}, plain)).weights[0]).toMatchObject({ weight: "w", bias: "b" });
    expect(place(gemm({ transB: 1 }, { w: ones(3, 4), b: ones(1, 3) })).integer).toEqual(["Gemm:y"]);
    expect(place(gemm({ beta: { kind: "float", value: 0.5 } }, { w: ones(4, 3) }, "x w")).integer).toEqual(["Gemm:y"]);
    expect(why(gemm({ beta: { kind: "float", value: 0.5 } }, plain), "Gemm:y")).toMatch(/beta/);
    expect(why(gemm({ alpha: { kind: "float", value: 0.5 } }, plain), "Gemm:y")).toMatch(/alpha/);
    expect(why(gemm({ transA: 1 }, { w: ones(2, 3), b: ones(3) }), "Gemm:y")).toMatch(/transposed/);
    expect(why(gemm({}, { ...plain, b: ones(1) }), "Gemm:y")).toMatch(/one value per column/);
    expect(why(gemm({}, { w: plain.w }, "x w x"), "Gemm:y")).toMatch(/bias x is not/);
  });

  test("nowhere without a constant weight, without a known type, on integers, or where the caller says so", () => {
    expect(why(built([node("Conv", "x v", "y")], {}, { inputs: { x: [1, 4, 8, 8], v: [4, 4, 1, 1] } }), "Conv:y")).toMatch(
      /not a constant/,
    );
    const unknown = built([
      makeNode("Odd", { inputs: ["x"], outputs: ["a"] }, { name: "odd", domain: "other" }),
      node("Add", "a x", "y"),
    ]);
    expect(why(unknown, "Add:y")).toMatch(/type of its input a is not known/);
    expect(why(unknown, "odd")).toMatch(/no integer kernel/);
    const integers = built([node("Shape", "x", "s"), node("Add", "s one", "t"), node("Reshape", "x t", "y")], {
      one: i64([1], [0]),
    });
    expect(why(integers, "Add:t")).toMatch(/int64/);
    const model = built([conv("x", "y")], W);
    const kept = placeIntegers(model, ORT_X64, { keepFloat: new Map([["Conv:y", "it is the stem"]]) });
    expect(kept.choices.get("Conv:y")).toEqual({ precision: "float32", reason: "it is the stem" });
    expect(kept.activations).toEqual([]);
  });
});

describe("shared weights", () => {
  test("are cut apart between nodes, from float readers and from graph outputs, and only then", () => {
    const shared = unshareWeights(built([conv("x", "a"), conv("a", "b"), node("Mul", "b w", "y")], W), ORT_X64);
    const names = shared.graph.nodes.map((n) => n.inputs[1]);
    expect(new Set(names).size).toBe(3);
    expect(names[2]).toBe("w");
    for (const name of names) expect(shared.graph.constants.get(name as string)).toEqual(W.w);
    const output = unshareWeights(built([conv("x", "y")], W, { outputs: ["y", "w"] }), ORT_X64);
    expect(output.graph.nodes[0]?.inputs[1]).not.toBe("w");
    const alone = built([conv("x", "y")], W);
    expect(unshareWeights(alone, ORT_X64)).toEqual(alone);
  });
});

describe("a static plan", () => {
  const observations = (placement: Placement, values: readonly number[]) => ({
    samples: 3,
    histograms: new Map(
      placement.activations.map((name) => {
        const h = createHistogram();
        observe(h, Float32Array.from(values));
        return [name, h] as const;
      }),
    ),
  });

  test("gives Softmax the grid of its kernel, in the target's type", () => {
    const model = built([node("Softmax", "x", "y")]);
    for (const [target, zeroPoint] of [
      [ORT_X64, 0],
      [ORT_ARM, -128],
    ] as const) {
      const placement = placeIntegers(model, target);
      const plan = staticPlan(model, target, placement, observations(placement, [-1, 2]));
      expect(plan.tensors.get("y")).toMatchObject({ scale: [1 / 256], zeroPoint: [zeroPoint], dtype: target.activations.dtype });
    }
  });

  test("has bias scales of exactly float32(input * weight), and weights that leave the bias room", () => {
    const weight = f32([2, 4, 1, 1], [1, 0.3, -0.1, 0.7, 0, 0, 1e-12, 0]);
    const model = built([node("Conv", "x w b", "y")], { w: weight, b: f32([2], [3, 5e4]) });
    const placement = placeIntegers(model, ORT_X64);
    for (const perChannel of [true, false]) {
      const plan = staticPlan(model, ORT_X64, placement, observations(placement, [-0.3, 0.001]), { perChannel });
      const [x, w, b] = ["x", "w", "b"].map((n) => plan.tensors.get(n));
      expect(w?.scale.length).toBe(perChannel ? 2 : 1);
      expect(b?.scale).toEqual(w?.scale.map((s) => Math.fround(s * (x?.scale[0] as number))));
      expect(b?.zeroPoint.length).toBe(b?.scale.length);
      const scaleOf = (c: number): number => b?.scale[perChannel ? c : 0] as number;
      expect(5e4 / scaleOf(1)).toBeLessThanOrEqual(2 ** 30 * 1.0001);
      expect(3 / scaleOf(0)).toBeLessThanOrEqual(2 ** 30 * 1.0001);
      if (perChannel) expect(w?.scale[0]).toBe(Math.fround(1 / 127));
    }
  });

  test("has finite positive scales for tensors and weights that are always zero", () => {
    const model = built([node("Conv", "x w b", "y")], { w: f32([1, 4, 1, 1], [0, 0, 0, 0]), b: f32([1], [0]) });
    const placement = placeIntegers(model, ORT_X64);
    const plan = staticPlan(model, ORT_X64, placement, observations(placement, [0]));
    for (const e of plan.tensors.values()) for (const s of e.scale) expect(s > 0 && Number.isFinite(s)).toBe(true);
  });

  test("refuses a tensor that was not observed", () => {
    const model = built([conv("x", "y")], W);
    expect(() => staticPlan(model, ORT_X64, placeIntegers(model, ORT_X64), { samples: 1, histograms: new Map() })).toThrowError(
      expect.objectContaining({ code: "PLAN_INVALID" }),
    );
  });
});
