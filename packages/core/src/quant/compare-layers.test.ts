import { smallModel, smallNode } from "@tessera/testkit/small-model";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import { applyPlan } from "../convert/onnx/apply-plan.ts";
import type { Model } from "../graph/model.ts";
import type { Encoding, QuantPlan } from "../graph/plan.ts";
import { f32, type Tensor, view } from "../graph/tensor.ts";
import { interpret } from "../interp/run.ts";
import { inferTypes } from "../ops/infer-types.ts";
import { addLayer, createLayer, layerFigures } from "./compare-layer.ts";
import { localModel } from "./compare-local.ts";
import { roundedValues, valuePairs } from "./compare-pairs.ts";
import { firstWrong } from "./compare-samples.ts";
import { differenceOf } from "./compare-tensors.ts";
import { computeHalf } from "./half-compute.ts";
import { findHints, HINT_RULES, type LayerFacts } from "./hints.ts";
import { trialModel, weightSpreadOf } from "./hints-trial.ts";
import { exposeValues } from "./observe.ts";

const random = seededRandom(11);
const noise = (...shape: number[]): Tensor =>
  f32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()),
  );
/** Two convolutions with a Relu between them, whose third channel is thirty times as loud. */
const model = smallModel({
  x: [1, 4, 6, 6],
  nodes: [smallNode("Conv", "x w1 b1", "a"), smallNode("Relu", "a", "r"), smallNode("Conv", "r w2", "y")],
  constants: {
    w1: f32(
      [4, 4, 1, 1],
      Array.from({ length: 16 }, (_, i) => random.normal() * (i >> 2 === 2 ? 30 : 1)),
    ),
    b1: noise(4),
    w2: noise(3, 4, 1, 1),
  },
});
const x = noise(1, 4, 6, 6);
const feeds = new Map([["x", x]]);
const exact = interpret(model.graph, feeds, { outputs: ["a", "r", "y"] });
const valuesOf = (name: string): Float32Array => view(exact.get(name) as Tensor, "float32");

const encoding = (min: number, max: number, dtype: "uint8" | "int8" = "uint8"): Encoding => {
  const scale = Math.fround((max - min) / 255);
  const low = dtype === "uint8" ? 0 : -128;
  return { dtype, scale: [scale], zeroPoint: [Math.round(low - min / scale)], reason: "test" };
};
const largest = (values: Float32Array): number => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);

/** The network in integers: `r` up to a share of what it reaches. */
function quantized(reach = 1): Model {
  const r = valuesOf("r");
  const y = valuesOf("y");
  const w2 = view(model.graph.constants.get("w2") as Tensor, "float32");
  const plan: QuantPlan = {
    kind: "quant-plan",
    version: 1,
    target: "ort-x64",
    tensors: new Map([
      ["x", encoding(-largest(view(x, "float32")), largest(view(x, "float32")))],
      ["r", encoding(0, reach * largest(r))],
      ["y", encoding(-largest(y), largest(y))],
      ["w2", { dtype: "int8", scale: [largest(w2) / 127], zeroPoint: [0], reason: "test" }],
    ]),
    nodes: new Map(),
  };
  return inferTypes(applyPlan(model, plan));
}

function compared(changed: Model) {
  const pairs = valuePairs(model, changed);
  const seen = interpret(
    exposeValues(
      changed,
      pairs.map((p) => p.other),
    ).graph,
    feeds,
  );
  return pairs.map((pair) => {
    const sums = createLayer(pair.grid);
    const reference = pair.name === "x" ? x : (exact.get(pair.name) as Tensor);
    addLayer(sums, view(reference, "float32"), view(seen.get(pair.other) as Tensor, "float32"), reference.shape);
    return { pair, figures: layerFigures(sums) };
  });
}

describe("values of two models", () => {
  test("are paired behind the integers that stand for them, inputs and outputs too, each with its grid", () => {
    const pairs = valuePairs(model, quantized());
    expect(pairs.map((p) => [p.name, p.op, p.other])).toEqual([
      ["x", "input", "x_dequantized"],
      // The Relu vanished into the range of r: only one of the two is there.
      ["r", "Relu", "r_dequantized"],
      ["y", "Conv", "y"],
    ]);
    expect(pairs.every((p) => p.grid?.low === 0 && p.grid.high === 255)).toBe(true);
    expect([...roundedValues(quantized()).keys()]).toContain("y");
    // An input of another name is told by its place.
    const { graph } = quantized();
    const called = (name: string): string => (name === "x" ? "image" : name);
    const nodes = graph.nodes.map((n) => ({ ...n, inputs: n.inputs.map(called) }));
    const inputs = graph.inputs.map((i) => ({ ...i, name: called(i.name) }));
    const renamed = inferTypes({ ...quantized(), graph: { ...graph, nodes, inputs, types: new Map() } });
    expect(valuePairs(model, renamed).map((p) => [p.name, p.other])).toEqual(pairs.map((p) => [p.name, p.other]));
  });

  test("of a network in float16 are paired with their halves", () => {
    const half = inferTypes(computeHalf(model).model);
    expect(valuePairs(model, half).map((p) => [p.name, p.other])).toEqual([
      ["a", "a_half"],
      ["r", "r_half"],
      ["y", "y_half"],
    ]);
    const local = localModel(model, half, valuePairs(model, half)) ?? expect.fail("a local model");
    const seen = interpret(local.model.graph, feeds);
    // Relu of what the reference has differs from the reference by rounding to float16 alone.
    expect(view(exact.get("r") as Tensor, "float32").length).toBe(
      seen.get(local.local[1] as string)?.shape.reduce((p, q) => p * q),
    );
  });
});

describe("the figures of a layer", () => {
  test("count the share that its integers cannot hold, at the end where it happens, and the levels in use", () => {
    const whole = compared(quantized()).find((c) => c.pair.name === "r")?.figures;
    const half = compared(quantized(0.5)).find((c) => c.pair.name === "r")?.figures;
    const r = valuesOf("r");
    const limit = (0.5 * largest(r) * 255.5) / 255;
    expect(whole).toMatchObject({ clippedLow: 0, clippedHigh: 0 });
    expect(half?.clippedHigh).toBe(r.filter((v) => v > limit).length / r.length);
    expect(half?.clippedHigh).toBeGreaterThan(0);
    expect(half?.clippedLow).toBe(0);
    const step = largest(r) / 255;
    expect(whole?.rangeUse).toBe(new Set(Array.from(r, (v) => Math.round(v / step))).size / 256);
    expect(whole?.channelSpread).toBeGreaterThan(5);
  });

  test("tell the part of an error that is a constant shift of each channel", () => {
    const shifted = createLayer();
    const shape = [1, 2, 2, 2];
    addLayer(shifted, Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8]), Float32Array.from([2, 3, 4, 5, 5, 6, 7, 8]), shape);
    expect(layerFigures(shifted)).toMatchObject({ shiftShare: 1, channelError: Float64Array.of(1, 0), min: 1, max: 8 });
    const mixed = createLayer();
    addLayer(mixed, Float32Array.from([0, 0, 0, 0]), Float32Array.from([1, -1, 1, 1]), [1, 1, 4]);
    expect(layerFigures(mixed).shiftShare).toBeCloseTo(0.25, 12);
  });

  test("of its own leave out what came from the layers before", () => {
    const changed = quantized(0.4);
    const pairs = valuePairs(model, changed);
    const local = localModel(model, changed, pairs) ?? expect.fail("a local model");
    const seen = interpret(local.model.graph, feeds);
    const errorOf = (i: number): number => {
      const sums = createLayer();
      const reference = exact.get(pairs[i]?.name ?? "") as Tensor;
      addLayer(sums, view(reference, "float32"), view(seen.get(local.local[i] as string) as Tensor, "float32"), reference.shape);
      return differenceOf(sums.difference).sqnrDb;
    };
    const whole = compared(changed);
    // All of r's error is its own; y suffers from r's clipped range, and adds little itself.
    expect(errorOf(1)).toBeCloseTo(whole[1]?.figures.sqnrDb ?? 0, 0);
    expect(errorOf(2)).toBeGreaterThan((whole[2]?.figures.sqnrDb ?? 0) + 10);
  });
});

describe("a sample", () => {
  test("first goes wrong at the layer where its error leaves what the others have there", () => {
    const usual = () => Float64Array.of(1, 2, 3, 4, 5);
    const rows = [usual(), usual(), usual(), Float64Array.of(1, 2, 9, 12, 20), Float64Array.of(1, 9, 3, 4, 5)];
    expect(firstWrong({ rows }, 3)).toEqual({ layer: 2, times: 3 });
    // One layer that calms down again is no beginning.
    expect(firstWrong({ rows }, 4)).toBeUndefined();
    expect(firstWrong({ rows }, 0)).toBeUndefined();
  });
});

describe("hints", () => {
  const fact = (more: Partial<LayerFacts>): LayerFacts => ({
    tensor: "t",
    op: "Conv",
    node: "n",
    sqnrDb: 20,
    cosine: 0.99,
    maxAbs: 1,
    count: 100,
    shiftShare: 0,
    channelSpread: 1,
    min: -1,
    max: 1,
    channelLargest: new Float64Array(1),
    channelError: new Float64Array(1),
    share: 0.05,
    grid: { scale: 0.01, zeroPoint: 0, low: -128, high: 127 },
    rangeUse: 1,
    clippedLow: 0,
    clippedHigh: 0,
    ...more,
  });
  const rulesFor = (more: Partial<LayerFacts>): readonly string[] =>
    findHints({ layers: [fact(more)], islands: [] }).map((h) => h.rule);

  test.each<[string, Partial<LayerFacts>]>([
    ["clipped", { clippedHigh: 0.01 }],
    ["unused-levels", { rangeUse: 0.3 }],
    ["one-channel", { channelSpread: 20 }],
    ["weights-per-tensor", { weightSpread: 20 }],
    ["shift", { shiftShare: 0.6 }],
    ["unit-length", { op: "LpNormalization", rangeUse: 0.2 }],
    ["fixed-scale", { op: "Softmax", rangeUse: 0.1 }],
    ["input-beyond", { op: "input", clippedLow: 0.05 }],
    ["dominant", { share: 0.4 }],
  ])("of rule %s come from its own figures alone", (rule, more) => {
    expect(rulesFor(more)).toEqual([rule]);
    expect(rulesFor({})).toEqual([]);
  });

  test("leave layers alone that hardly add any error, and there is a test for every rule", () => {
    expect(rulesFor({ clippedHigh: 0.01, channelSpread: 20, share: 0.001 })).toEqual([]);
    expect(findHints({ layers: [], islands: [{ node: "p", op: "PRelu" }] })).toMatchObject([{ rule: "float-islands" }]);
    const { grid: _, ...half } = fact({ shiftShare: 0.6, share: 0.4 });
    expect(findHints({ layers: [half], islands: [] })).toEqual([]);
    const both = [fact({ tensor: "t", clippedHigh: 0.01 }), fact({ tensor: "u", clippedLow: 0.01 })];
    expect(findHints({ layers: both, islands: [] })[0]).toMatchObject({ rule: "clipped-together", tensors: ["t", "u"] });
    expect(HINT_RULES).toHaveLength(11);
  });
});

describe("a trial", () => {
  const outputError = (changed: Model): number => {
    const sums = createLayer();
    addLayer(sums, valuesOf("y"), view(interpret(changed.graph, feeds).get("y") as Tensor, "float32"), [1, 3, 6, 6]);
    return differenceOf(sums.difference).sqnrDb;
  };
  const tried = (changed: Model, kind: Parameters<typeof trialModel>[2]["kind"], tensor = "r"): number => {
    const figures = compared(changed).find((c) => c.pair.name === tensor)?.figures ?? expect.fail(tensor);
    const { min, max, channelLargest, channelError } = figures;
    const trial = { kind, tensor, min, max, largest: channelLargest, meanError: channelError };
    return outputError(trialModel(changed, model, trial) ?? expect.fail(`${kind} at ${tensor}`));
  };

  test("of the observed range heals a range that clips", () => {
    const clipping = quantized(0.3);
    const before = outputError(clipping);
    expect(tried(clipping, "observed-range")).toBeGreaterThan(before + 10);
    expect(tried(clipping, "observed-range")).toBeCloseTo(outputError(quantized(1)), 0);
  });

  test("of grids by channel, float weights, float values and whole layers each takes its part of the error away", () => {
    const changed = quantized();
    const before = outputError(changed);
    for (const kind of ["channel-grids", "float-value"] as const)
      expect(tried(changed, kind), kind).toBeGreaterThan(before + 0.5);
    expect(tried(changed, "float-weights", "y")).toBeGreaterThan(before);
    expect(tried(changed, "float-layer", "y")).toBeGreaterThanOrEqual(tried(changed, "float-weights", "y"));
  });

  test("of the mean error taken off brings a clipped value nearer on average", () => {
    const clipping = quantized(0.6);
    const figures = compared(clipping).find((c) => c.pair.name === "y")?.figures ?? expect.fail("y");
    const trial = {
      kind: "without-shift",
      tensor: "y",
      min: figures.min,
      max: figures.max,
      largest: [],
      meanError: figures.channelError,
    } as const;
    const after = compared(inferTypes(trialModel(clipping, model, trial) ?? expect.fail("trial"))).find(
      (c) => c.pair.name === "y",
    )?.figures;
    expect(after?.shiftShare).toBeLessThan(figures.shiftShare / 2);
  });

  test("is none where there is nothing to try", () => {
    const trial = { kind: "observed-range", tensor: "nobody", min: 0, max: 1, largest: [], meanError: [] } as const;
    expect(trialModel(quantized(), model, trial)).toBeUndefined();
    expect(trialModel(quantized(), model, { ...trial, kind: "float-layer" })).toBeUndefined();
  });

  test("knows by how much channels of weights differ that share one scale", () => {
    const changed = quantized();
    expect(weightSpreadOf(changed, "y")).toBeGreaterThan(1);
    expect(weightSpreadOf(changed, "a")).toBeUndefined();
  });
});
