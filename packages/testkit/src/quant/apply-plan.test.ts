import { seededRandom } from "@tessera/core/base/random";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { type Model, type Node, tensorType } from "@tessera/core/graph/model";
import { makeNode } from "@tessera/core/graph/node";
import type { Encoding, QuantPlan } from "@tessera/core/graph/plan";
import { quantizeTensor } from "@tessera/core/graph/quantize";
import type { Feeds } from "@tessera/core/graph/runtime";
import { countOf, f32, sameTensor, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { verifyModel } from "@tessera/core/graph/verify";
import { interpret } from "@tessera/core/interp/run";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { largestDifference, runPlain } from "../conversion/run-plain.ts";
import { smallModel } from "../small-model.ts";

const random = seededRandom(21);
const noise = (...shape: number[]): Tensor =>
  f32(
    shape,
    Array.from({ length: countOf(shape) }, () => random.normal()),
  );

function built(nodes: readonly Node[], constants: Readonly<Record<string, Tensor>>, outputs: readonly string[] = ["y"]): Model {
  return smallModel({ x: [1, 3, 6, 6], nodes, constants, outputs });
}

const node = (op: string, inputs: readonly string[], output: string, attributes = {}): Node =>
  makeNode(op, { inputs, outputs: [output] }, { name: `n:${output}`, attributes });

const encoding = (dtype: Encoding["dtype"], scale: number | readonly number[], zeroPoint: number, axis?: number): Encoding => {
  const scales = typeof scale === "number" ? [scale] : scale;
  return {
    dtype,
    scale: scales.map(Math.fround),
    zeroPoint: scales.map(() => zeroPoint),
    reason: "",
    ...(axis === undefined ? {} : { axis }),
  };
};

const planOf = (tensors: Readonly<Record<string, Encoding>>, more: Partial<QuantPlan> = {}): QuantPlan => ({
  kind: "quant-plan",
  version: 1,
  target: "test",
  tensors: new Map(Object.entries(tensors)),
  nodes: new Map(),
  ...more,
});

const float = built(
  [
    node("Conv", ["x", "w", "b"], "c", { pads: [1, 1, 1, 1] }),
    node("Relu", ["c"], "r"),
    node("MaxPool", ["r"], "m", { kernel_shape: [2, 2], strides: [2, 2] }),
    node("Mul", ["m", "k"], "s"),
    node("Add", ["s", "m"], "y"),
  ],
  { w: noise(4, 3, 3, 3), b: noise(4), k: noise(4, 1, 1) },
);
const plan = planOf({
  x: encoding("uint8", 0.03, 128),
  w: encoding("int8", [0.02, 0.03, 0.025, 0.02], 0, 0),
  b: encoding("int32", [0.0006, 0.0009, 0.00075, 0.0006], 0, 0),
  r: encoding("uint8", 0.05, 0),
  m: encoding("uint8", 0.05, 0),
  k: encoding("uint8", 0.02, 100),
  s: encoding("int8", 0.1, -3),
  y: encoding("uint8", 0.15, 90),
});

describe("quantizing integers as onnxruntime does", () => {
  for (const dtype of ["int8", "uint8", "int16", "uint16"] as const) {
    test(`${dtype}: random numbers, ties, saturation, per tensor and by channel`, async () => {
      const scales = [0.1, 0.25, 1, 3.7e-5].map(Math.fround);
      const zero = dtype === "int8" || dtype === "int16" ? -5 : 9;
      for (const axis of [undefined, 1]) {
        const e = encoding(dtype, axis === undefined ? 0.25 : scales, zero, axis);
        const values = Array.from({ length: 4000 }, (_, i) => {
          const scale = e.scale[axis === undefined ? 0 : Math.floor(i / 10) % 4] as number;
          const kind = i % 4;
          if (kind === 0) return random.normal() * scale * 100;
          if (kind === 1) return (Math.floor(random.next() * 600 - 300) + 0.5) * scale;
          if (kind === 2) return random.normal() * 1e30;
          return random.normal() * scale;
        });
        const x = f32([100, 4, 10], values);
        const shape = axis === undefined ? [] : [4];
        const model: Model = {
          ...float,
          graph: {
            name: "q",
            inputs: [{ name: "x", type: tensorType("float32", [100, 4, 10]) }],
            outputs: [{ name: "q", type: tensorType(dtype, [100, 4, 10]) }],
            nodes: [makeNode("QuantizeLinear", { inputs: ["x", "s", "z"], outputs: ["q"] }, { attributes: { axis: 1 } })],
            constants: new Map([
              ["s", f32(shape, e.scale)],
              [
                "z",
                quantizeTensor(
                  f32(
                    shape,
                    e.scale.map(() => 0),
                  ),
                  { ...encoding(dtype, 1, zero) },
                ),
              ],
            ]),
            types: new Map(),
          },
        };
        const { q } = Object.fromEntries(await runPlain(modelToOnnx(model), new Map([["x", x]])));
        expect(sameTensor(quantizeTensor(x, e), q as Tensor)).toBe(true);
      }
    });
  }
});

describe("a plan written into a model", () => {
  const quantized = applyPlan(float, plan);
  const feeds: Feeds = new Map([["x", noise(1, 3, 6, 6)]]);

  test("computes in onnxruntime, with its own rewriting off, what our kernels compute", async () => {
    verifyModel(quantized);
    const ours = interpret(quantized.graph, feeds).get("y") as Tensor;
    const theirs = (await runPlain(modelToOnnx(quantized), feeds)).get("y") as Tensor;
    // Sums in another order may move a value across a rounding point: then it is one whole step off, and that is all.
    const [a, b] = [toNumbers(ours), toNumbers(theirs)];
    const steps = a.map((v, i) => Math.abs(v - (b[i] as number)) / 0.15);
    expect(Math.max(...steps)).toBeLessThan(1.001);
    expect(steps.filter((s) => s > 0.001).length).toBeLessThanOrEqual(steps.length / 50);
  });

  test("moves each tensor by half a step at most when nothing else is quantized, inside its range", async () => {
    for (const [name, e] of plan.tensors) {
      if (float.graph.constants.has(name) && name !== "k") continue;
      const alone = applyPlan(float, planOf({ [name]: e }));
      const look = (model: Model, value: string): number[] => {
        const graph = { ...model.graph, outputs: [{ name: value, type: tensorType("float32", undefined) }] };
        return Array.from(toNumbers(interpret(graph, feeds).get(value) as Tensor));
      };
      const before =
        name === "k"
          ? Array.from(toNumbers(float.graph.constants.get("k") as Tensor))
          : name === "x"
            ? Array.from(toNumbers(feeds.get("x") as Tensor))
            : look(float, name);
      const after = look(alone, name === "y" ? "y" : `${name}_dequantized`);
      const [scale, zero] = [e.scale[0] as number, e.zeroPoint[0] as number];
      const [low, high] = e.dtype === "int8" ? [-128, 127] : [0, 255];
      before.forEach((v, i) => {
        const clipped = Math.max((low - zero) * scale, Math.min((high - zero) * scale, v));
        expect(Math.abs(clipped - (after[i] as number)), name).toBeLessThanOrEqual(scale * 0.50001);
      });
    }
  });

  test("keeps inputs and outputs by name and type, and gives the same bytes each time", () => {
    expect(quantized.graph.inputs).toEqual(float.graph.inputs);
    expect(quantized.graph.outputs).toEqual(float.graph.outputs);
    const again = applyPlan(modelFromOnnx(modelToOnnx(float)), plan);
    const once = applyPlan(modelFromOnnx(modelToOnnx(float)), plan);
    expect(Buffer.compare(modelToOnnx(again), modelToOnnx(once))).toBe(0);
    expect(quantized.graph.nodes.map((n) => n.op)).not.toContain("Relu");
  });

  test("refuses a tensor that the model does not have, and scales that do not fit", () => {
    const code = expect.objectContaining({ code: "PLAN_INVALID" });
    expect(() => applyPlan(float, planOf({ nowhere: encoding("int8", 1, 0) }))).toThrowError(code);
    expect(() => applyPlan(float, planOf({ w: encoding("int8", [1, 1], 0, 0) }))).toThrowError(code);
    expect(() => applyPlan(float, planOf({}, { channelScales: new Map([["y", [1, 1, 1, 1]]]) }))).toThrowError(code);
  });

  test("with channels scaled computes the float network when it quantizes nothing", () => {
    const nodes = [node("Conv", ["x", "w"], "c"), node("Relu", ["c"], "r"), node("Conv", ["r", "v"], "y", { group: 4 })];
    const model = built(nodes, { w: noise(4, 3, 1, 1), v: noise(4, 1, 3, 3) });
    const scaled = applyPlan(model, planOf({}, { channelScales: new Map([["r", [1, 2, 4, 0.5]]]) }));
    // Powers of two scale without rounding.
    expect(sameTensor(interpret(scaled.graph, feeds).get("y") as Tensor, interpret(model.graph, feeds).get("y") as Tensor)).toBe(
      true,
    );
    expect(sameTensor(scaled.graph.constants.get("w") as Tensor, model.graph.constants.get("w") as Tensor)).toBe(false);
  });
});

describe("a Relu or Clip that is dropped", () => {
  const clip = (low: number | undefined, high: number | undefined, outputs = ["y"]): Model =>
    built(
      [
        node("Conv", ["x", "w"], "c"),
        low === undefined && high === undefined
          ? node("Relu", ["c"], "y")
          : node("Clip", ["c", low === undefined ? "" : "lo", high === undefined ? "" : "hi"], "y"),
      ],
      {
        w: noise(2, 3, 1, 1),
        ...(low === undefined ? {} : { lo: f32([], [low]) }),
        ...(high === undefined ? {} : { hi: f32([], [high]) }),
      },
      outputs,
    );

  test("changes no result, whatever the range of the encoding and the bounds", async () => {
    let dropped = 0;
    let kept = 0;
    const number = fc.float({ noNaN: true, min: Math.fround(0.1), max: 3 });
    await fc.assert(
      fc.asyncProperty(
        fc.option(number, { nil: undefined }),
        fc.option(number, { nil: undefined }),
        number,
        fc.integer({ min: 0, max: 255 }),
        fc.boolean(),
        async (low, high, range, zero, narrow) => {
          const model = clip(low === undefined ? undefined : -low, high);
          const e = { ...encoding("uint8", range / 64, zero), ...(narrow ? { range: [10, 200] as const } : {}) };
          const after = applyPlan(model, planOf({ y: e }));
          const isDropped = !after.graph.nodes.some((n) => n.op === "Clip" || n.op === "Relu");
          if (isDropped) dropped++;
          else kept++;
          const scale = e.scale[0] as number;
          const values = toNumbers(interpret(model.graph, feedsOf).get("y") as Tensor);
          const expected = values.map((v) => {
            const x = Math.fround(v / scale);
            const r = Math.round(x) - (Math.abs(x % 1) === 0.5 && Math.abs(Math.round(x) % 2) === 1 ? 1 : 0);
            return Math.fround((Math.max(0, Math.min(255, r + zero)) - zero) * scale);
          });
          const got = toNumbers(interpret(after.graph, feedsOf).get("y") as Tensor);
          expect(Array.from(got, (v) => v + 0)).toEqual(Array.from(expected, (v) => v + 0));
        },
      ),
      { numRuns: 200 },
    );
    expect(dropped).toBeGreaterThan(10);
    expect(kept).toBeGreaterThan(10);
  });

  const feedsOf: Feeds = new Map([["x", noise(1, 3, 6, 6)]]);

  test("stays where somebody else reads what stands before it", () => {
    const e = { y: encoding("uint8", 0.05, 0) };
    expect(applyPlan(clip(undefined, undefined), planOf(e)).graph.nodes.map((n) => n.op)).not.toContain("Relu");
    expect(applyPlan(clip(undefined, undefined, ["y", "c"]), planOf(e)).graph.nodes.map((n) => n.op)).toContain("Relu");
  });

  test("goes with the one before it", async () => {
    const model = built([node("Conv", ["x", "w"], "c"), node("Relu", ["c"], "r"), node("Clip", ["r", "", "hi"], "y")], {
      w: noise(2, 3, 1, 1),
      hi: f32([], [1]),
    });
    const after = applyPlan(model, planOf({ y: encoding("uint8", 1 / 255, 0) }));
    expect(after.graph.nodes.map((n) => n.op)).toEqual(["Conv", "QuantizeLinear", "DequantizeLinear"]);
    const kept = applyPlan(model, planOf({ y: encoding("uint8", 1 / 100, 0) }));
    expect(kept.graph.nodes.map((n) => n.op)).toContain("Clip");
    const plain = await runPlain(modelToOnnx(after), feedsOf);
    expect(largestDifference(plain.get("y") as Tensor, interpret(after.graph, feedsOf).get("y") as Tensor)).toBeLessThan(0.004);
  });

  test("leaves a bias of 64 bits in float, on its grid, because DequantizeLinear takes none", () => {
    const wide = planOf({
      x: encoding("int16", 0.0002, 0),
      w: encoding("int8", [0.02, 0.03, 0.025, 0.02], 0, 0),
      b: encoding("int64", [4e-6, 6e-6, 5e-6, 4e-6], 0, 0),
      r: encoding("int16", 0.0004, 0),
    });
    const quantized = applyPlan(float, wide);
    verifyModel(quantized);
    const bias = quantized.graph.constants.get("b") as Tensor;
    expect(bias.dtype).toBe("float32");
    toNumbers(bias).forEach((v, c) => {
      const step = (wide.tensors.get("b") as Encoding).scale[c] as number;
      expect(Math.abs(v / step - Math.round(v / step))).toBeLessThan(1e-2);
      expect(Math.abs(v - (toNumbers(float.graph.constants.get("b") as Tensor)[c] as number))).toBeLessThanOrEqual(step * 0.51);
    });
    const feeds: Feeds = new Map([["x", noise(1, 3, 6, 6)]]);
    expect(interpret(quantized.graph, feeds).get("y")?.shape).toEqual(interpret(float.graph, feeds).get("y")?.shape);
  });
});
