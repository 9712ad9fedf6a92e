import { smallModel } from "@tessera/testkit/small-model";
import { describe, expect, test } from "vitest";
import type { Model, Node } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import type { Encoding, NodeChoice, QuantPlan } from "../graph/plan.ts";
import { f32, type Tensor } from "../graph/tensor.ts";
import { assertPlan, checkPlan } from "./check-plan.ts";
import { LITERT, RPI4 } from "./litert.ts";
import { ORT_X64 } from "./ort.ts";
import { biasType, schemeOfPlan, withScheme } from "./scheme.ts";

const node = (op: string, inputs: string, output: string, attributes = {}): Node =>
  makeNode(op, { inputs: inputs.split(" "), outputs: [output] }, { name: output, attributes });

const ones = (...shape: number[]): Tensor => f32(shape, Array(shape.reduce((a, b) => a * b, 1)).fill(1));

function model(nodes: readonly Node[], shape: readonly number[] = [1, 2, 4, 4]): Model {
  return smallModel({
    x: shape,
    nodes,
    constants: Object.fromEntries(
      new Map([
        ["w", ones(2, 2, 1, 1)],
        ["b", ones(2)],
        ["m", ones(2, 2)],
        ["s", ones(2, 1, 1)],
        ["zero", f32([], [0])],
        ["six", f32([], [6])],
        ["two", f32([], [2])],
      ]),
    ),
  });
}

const int8 = (scale: number, zeroPoint = 0): Encoding => ({
  dtype: "int8",
  scale: [Math.fround(scale)],
  zeroPoint: [zeroPoint],
  reason: "",
});
const perChannel = (dtype: "int8" | "int32" | "int64", scales: readonly number[], axis = 0): Encoding => ({
  dtype,
  scale: scales.map(Math.fround),
  zeroPoint: scales.map(() => 0),
  axis,
  reason: "",
});
const int16 = (scale: number, zeroPoint = 0): Encoding => ({ ...int8(scale, zeroPoint), dtype: "int16" });

function plan(
  tensors: Readonly<Record<string, Encoding>>,
  nodes: Readonly<Record<string, NodeChoice["precision"]>> = {},
): QuantPlan {
  const choices = Object.entries(nodes).map(([name, precision]) => [name, { precision, reason: "" }] as const);
  return {
    kind: "quant-plan",
    version: 1,
    target: "litert",
    tensors: new Map(Object.entries(tensors)),
    nodes: new Map(choices),
  };
}

const convolved = model([node("Conv", "x w b", "a"), node("Relu", "a", "y")]);
const good = {
  x: int8(0.5, 3),
  w: perChannel("int8", [0.25, 0.125]),
  b: perChannel("int32", [0.125, 0.0625]),
  y: int8(0.1, -128),
};

/** What is wrong, and with which tensors. */
function faults(of: Model, tensors: Readonly<Record<string, Encoding>>, nodes = {}, target = LITERT): string[] {
  return checkPlan(of, plan(tensors, nodes), target).map((p) => `${p.what} [${p.tensors}]`);
}

describe("a plan is held against the kernels", () => {
  test("and passes when it is right, whether or not it says what each node computes in", () => {
    expect(faults(convolved, good)).toEqual([]);
    expect(faults(convolved, good, { a: "int8", y: "int8" })).toEqual([]);
    expect(faults(convolved, good, { a: "int8", y: "int8" }, RPI4)).toEqual([]);
    expect(() => assertPlan(convolved, plan(good), LITERT)).not.toThrow();
  });

  for (const [what, change, expected] of [
    ["a bias on another grid", { b: perChannel("int32", [0.125, 0.0626]) }, /bias at exactly.*\[b,w,x\]/],
    ["a bias of 64 bits", { b: perChannel("int64", [0.125, 0.0625]) }, /takes an int32 bias.*\[b\]/],
    ["a weight with a zero point", { w: { ...good.w, zeroPoint: [1, 0] } }, /zero point 0.*\[w\]/],
    ["weight scales along another axis", { w: perChannel("int8", [0.25, 0.125], 1) }, /no scales along axis 1.*\[w\]/],
    ["too few scales", { w: perChannel("int8", [0.25]) }, /1 scales for 2 channels \[w\]/],
    ["an activation with scales by channel", { x: perChannel("int8", [0.5, 0.5], 1) }, /scale for each channel \[x\]/],
    [
      "an unsigned activation",
      { y: { ...good.y, dtype: "uint8", zeroPoint: [0] } as Encoding },
      /computes in int8, and y is uint8/,
    ],
    ["a zero point outside its type", { x: int8(0.5, 200) }, /zero point outside int8 \[x\]/],
    ["a scale that float32 does not have", { x: { ...good.x, scale: [0.1] } }, /no positive float32 \[x\]/],
    ["a tensor that is not there", { ghost: int8(1) }, /ghost is not in the model/],
  ] as const) {
    test(`and fails with ${what}`, () => {
      expect(
        faults(convolved, { ...good, ...change }).some((f) => expected.test(f)),
        JSON.stringify(faults(convolved, { ...good, ...change })),
      ).toBe(true);
    });
  }

  test("and fails where a node is said to be integer without encodings, or without a kernel", () => {
    const { w: _, ...noWeight } = good;
    expect(faults(convolved, noWeight, { a: "int8", y: "int8" })[0]).toMatch(/weight has no encoding \[w\]/);
    expect(faults(convolved, { w: good.w }, { a: "int8" })[0]).toMatch(/no encoding \[x,y\]/);
    const odd = model([node("Exp", "x", "y")]);
    expect(faults(odd, { x: int8(1), y: int8(1) })).toEqual([]);
    expect(faults(odd, { x: int8(1), y: int8(1) }, { y: "int8" })[0]).toMatch(/no integer kernel/);
  });

  test("that want one grid, in and out", () => {
    for (const op of ["MaxPool", "AveragePool"]) {
      const pooled = model([node(op, "x", "y", { kernel_shape: [2, 2] })]);
      expect(faults(pooled, { x: int8(0.5, 1), y: int8(0.5, 1) })).toEqual([]);
      expect(faults(pooled, { x: int8(0.5, 1), y: int8(0.5, 2) })[0]).toMatch(/one scale and zero point.*\[x,y\]/);
    }
    const joined = model([node("Relu", "x", "a"), node("Concat", "x a", "y", { axis: 1 })]);
    const grids = { x: int8(0.5), a: int8(0.5), y: int8(0.5) };
    expect(faults(joined, grids)).toEqual([]);
    expect(faults(joined, { ...grids, a: int8(0.25) })[0]).toMatch(/Concat y needs one scale.*\[x,a\]/);
    // The same values on other grids may pass through a node that moves them.
    const moved = model([node("Identity", "x", "y")]);
    expect(faults(moved, { x: int8(0.5), y: int8(0.25) })).toEqual([]);
    expect(faults(model([node("Transpose", "x", "y")]), { x: int8(0.5), y: int8(0.25) })[0]).toMatch(/Transpose y needs one/);
  });

  test("that fix their output", () => {
    const sigmoid = model([node("Sigmoid", "x", "y")]);
    expect(faults(sigmoid, { x: int8(0.5), y: int8(1 / 256, -128) })).toEqual([]);
    expect(faults(sigmoid, { x: int8(0.5), y: int8(1 / 256, 0) })[0]).toMatch(/zero point -128 only \[y\]/);
    expect(faults(model([node("Tanh", "x", "y")]), { x: int8(0.5), y: int8(1 / 128) })).toEqual([]);
    expect(faults(sigmoid, { x: int16(0.5), y: int16(1 / 32768) })).toEqual([]);
    expect(faults(sigmoid, { x: int16(0.5), y: int16(1 / 256) })[0]).toMatch(/at scale/);
  });

  test("that clamp: at bounds they know, or where the grid ends", () => {
    const clipped = (high: string): Model => model([node("Conv", "x w b", "a"), node("Clip", `a zero ${high}`, "y")]);
    expect(faults(clipped("six"), good)).toEqual([]);
    expect(faults(clipped("two"), { ...good, y: int8(2 / 255, -128) })).toEqual([]);
    expect(faults(clipped("two"), good)[0]).toMatch(/reaches from 0 to 25\.5.*\[y\]/);
    const soft = model([node("PRelu", "x s", "a"), node("Relu", "a", "y")]);
    expect(faults(soft, { x: good.x, s: int8(1), y: good.y })[0]).toMatch(/vanish into PRelu/);
    const twice = model([node("Conv", "x w b", "a"), node("Relu", "a", "c"), node("Add", "a c", "y")]);
    expect(faults(twice, { ...good, c: int8(1), y: int8(1) }, { a: "float32", c: "int8", y: "float32" })[0]).toMatch(
      /others read too/,
    );
  });

  test("of 16 bits: no zero point, 64-bit biases, and fewer of them", () => {
    const wide = { x: int16(0.5), w: good.w, b: perChannel("int64", [0.125, 0.0625]), y: int16(0.1) };
    expect(faults(convolved, wide)).toEqual([]);
    expect(faults(convolved, { ...wide, y: int16(0.1, 5) })[0]).toMatch(/needs zero point 0 in y/);
    expect(faults(convolved, { ...wide, b: good.b })[0]).toMatch(/takes an int64 bias/);
    expect(faults(convolved, { ...wide, y: good.y })[0]).toMatch(/computes in int16, and y is int8/);
    const soft = model([node("PRelu", "x s", "y")]);
    expect(faults(soft, { x: int16(0.5), s: int8(1), y: int16(0.5) })[0]).toMatch(/no such kernel/);
  });

  test("of a fully connected layer: a scale per column, wherever the columns are", () => {
    const dense = (transB: number): Model => model([node("Gemm", "x m b", "y", { transB })], [1, 2]);
    const tensors = (axis: number): Record<string, Encoding> => ({
      ...good,
      m: perChannel("int8", [0.25, 0.125], axis),
      y: int8(1),
    });
    const { w: _, ...rest } = tensors(0);
    expect(faults(dense(1), rest)).toEqual([]);
    expect(faults(dense(0), { ...rest, m: perChannel("int8", [0.25, 0.125], 1) })).toEqual([]);
    expect(faults(dense(0), rest)[0]).toMatch(/axis 0/);
  });

  test("and is refused with the names of the tensors", () => {
    const wrong = plan({ ...good, b: perChannel("int32", [1, 1]) });
    expect(() => assertPlan(convolved, wrong, LITERT)).toThrowError(
      expect.objectContaining({ code: "PLAN_INVALID", message: expect.stringContaining("(b, w, x)") }),
    );
  });
});

describe("a scheme", () => {
  test("changes a target's rules only where the target has kernels for it", () => {
    expect(withScheme(LITERT, "int8")).toBe(LITERT);
    const wide = withScheme(LITERT, "int16x8");
    expect([wide.activations, biasType(wide), biasType(LITERT)]).toEqual([{ dtype: "int16", symmetric: true }, "int64", "int32"]);
    expect(() => withScheme(ORT_X64, "int16x8")).toThrowError(expect.objectContaining({ code: "TARGET_RULE" }));
  });

  test("is told from a plan", () => {
    expect(schemeOfPlan(plan(good, { a: "int8" }))).toBe("int8");
    expect(schemeOfPlan(plan({ x: int16(1) }))).toBe("int16x8");
  });
});
