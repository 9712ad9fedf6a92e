import { openInterpreted } from "@tessera/testkit/interpreted";
import { smallModel } from "@tessera/testkit/small-model";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import { applyPlan } from "../convert/onnx/apply-plan.ts";
import type { Model } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import type { Encoding, QuantPlan } from "../graph/plan.ts";
import { plannedModel } from "../graph/planned.ts";
import { dequantizeTensor, quantizeTensor } from "../graph/quantize.ts";
import type { Feeds } from "../graph/runtime.ts";
import { f32, sameTensor, type Tensor, toNumbers } from "../graph/tensor.ts";
import { interpret } from "../interp/run.ts";
import { ORT_X64 } from "../targets/ort.ts";
import { observeCovariances } from "./covariance.ts";
import { observeTensors } from "./observe.ts";
import { placeIntegers } from "./placement.ts";
import { covariancePlaces, roundWeights } from "./round-weights.ts";
import { staticPlan } from "./static-plan.ts";

const random = seededRandom(11);
const noise = (shape: readonly number[], size = 1): Tensor =>
  f32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => size * random.normal()),
  );
/** Neighbouring values alike, as in pictures. */
function smooth(shape: readonly number[]): Tensor {
  const values = toNumbers(noise(shape));
  for (let i = 1; i < values.length; i++) values[i] = 0.8 * (values[i - 1] as number) + 0.3 * (values[i] as number) + 0.1;
  return f32(shape, Float32Array.from(values));
}

function modelOf(nodes: Model["graph"]["nodes"], constants: Readonly<Record<string, Tensor>>, input: readonly number[]): Model {
  return smallModel({ x: input, nodes, constants });
}

const conv = (
  name: string,
  inputs: readonly string[],
  output: string,
  attributes: Readonly<Record<string, number | number[]>> = {},
) => makeNode("Conv", { inputs: [...inputs], outputs: [output] }, { name, attributes });

/** One layer of each kind that reads x, with the shape of x. */
const LAYERS = {
  pointwise: { input: [2, 5, 4, 3], weight: [4, 5, 1, 1], make: () => conv("layer", ["x", "w"], "y") },
  window: {
    input: [1, 3, 6, 5],
    weight: [4, 3, 3, 3],
    make: () => conv("layer", ["x", "w"], "y", { pads: [1, 0, 1, 1], strides: [2, 1] }),
  },
  dilated: { input: [1, 2, 7, 7], weight: [3, 2, 3, 2], make: () => conv("layer", ["x", "w"], "y", { dilations: [2, 3] }) },
  depthwise: {
    input: [1, 6, 5, 5],
    weight: [6, 1, 3, 3],
    make: () => conv("layer", ["x", "w"], "y", { group: 6, pads: [1, 1, 1, 1] }),
  },
  grouped: { input: [1, 6, 4, 4], weight: [4, 3, 2, 2], make: () => conv("layer", ["x", "w"], "y", { group: 2 }) },
  gemm: {
    input: [3, 7],
    weight: [5, 7],
    make: () => makeNode("Gemm", { inputs: ["x", "w"], outputs: ["y"] }, { name: "layer", attributes: { transB: 1 } }),
  },
  gemmColumns: {
    input: [3, 7],
    weight: [7, 5],
    make: () => makeNode("Gemm", { inputs: ["x", "w"], outputs: ["y"] }, { name: "layer" }),
  },
  matmul: {
    input: [2, 3, 7],
    weight: [7, 5],
    make: () => makeNode("MatMul", { inputs: ["x", "w"], outputs: ["y"] }, { name: "layer" }),
  },
} as const;

/** A plan that gives the weight of "layer" a grid of `limit` steps on either side, by output where the node has such scales. */
function gridFor(weight: Tensor, limit: number, axis: number | undefined): QuantPlan {
  const values = toNumbers(weight);
  const outputs = axis === undefined ? 1 : (weight.shape[axis] as number);
  const inner = axis === 0 ? values.length / outputs : 1;
  const scale = Array.from({ length: outputs }, (_, o) => {
    const own = values.filter((_, i) => axis === undefined || (axis === 0 ? Math.floor(i / inner) : i % outputs) === o);
    return Math.fround(own.reduce((a, b) => Math.max(a, Math.abs(b)), 0) / limit);
  });
  const encoding: Encoding = {
    dtype: "int8",
    scale,
    zeroPoint: scale.map(() => 0),
    ...(axis === undefined ? {} : { axis }),
    range: [-limit, limit],
    reason: "",
  };
  return { kind: "quant-plan", version: 1, target: "ort-x64", tensors: new Map([["w", encoding]]), nodes: new Map() };
}

/** Mean square of a layer's output, and of what other weights change in it, over samples. */
function outputError(model: Model, other: Model, samples: readonly Feeds[]): { readonly power: number; readonly error: number } {
  let [power, error] = [0, 0];
  for (const feeds of samples) {
    const [a, b] = [model, other].map((m) => toNumbers(interpret(m.graph, feeds).get("y") as Tensor)) as [
      Float64Array,
      Float64Array,
    ];
    a.forEach((v, i) => {
      power += v * v;
      error += (v - (b[i] as number)) ** 2;
    });
  }
  return { power, error };
}

describe("second-order rounding of a layer", () => {
  for (const [kind, { input, weight: shape, make }] of Object.entries(LAYERS)) {
    const axis = kind === "matmul" ? undefined : kind === "gemmColumns" ? 1 : 0;

    test(`knows the output error of ${kind} exactly, and makes it no worse`, async () => {
      const weight = noise(shape);
      const model = modelOf([make()], { w: weight }, input);
      const plan = gridFor(weight, 7, axis);
      const samples: Feeds[] = Array.from({ length: 12 }, () => new Map([["x", smooth(input)]]));
      const places = covariancePlaces(model, plan, model);
      const covariances = await observeCovariances(model, places, samples, { open: openInterpreted, positions: 1000 });
      const { plan: rounded, nodes, skipped } = roundWeights(model, plan, covariances, { damping: 1e-6 });
      expect(skipped.size).toBe(0);
      const [report] = nodes;
      const encoding = plan.tensors.get("w") as Encoding;
      const nearest = dequantizeTensor(quantizeTensor(weight, encoding), encoding);
      const chosen = rounded.constants?.get("w") as Tensor;
      const before = outputError(model, plannedModel(model, { constants: new Map([["w", nearest]]) }), samples);
      const after = outputError(model, plannedModel(model, rounded), samples);
      expect(report?.before).toBeCloseTo(before.error / before.power, 6);
      expect(report?.after).toBeCloseTo(after.error / after.power, 6);
      expect(after.error).toBeLessThan(before.error);
      // On the grid: integers come back as they were chosen.
      expect(sameTensor(dequantizeTensor(quantizeTensor(chosen, encoding), encoding), chosen)).toBe(true);
      expect(toNumbers(quantizeTensor(chosen, encoding)).every((q) => Math.abs(q) <= 7)).toBe(true);
    });
  }

  test("looks at as many positions as it is told, at others in each sample, and comes to about the same sums", async () => {
    const { input, weight: shape, make } = LAYERS.window;
    const model = modelOf([make()], { w: noise(shape) }, input);
    const plan = gridFor(model.graph.constants.get("w") as Tensor, 7, 0);
    const samples: Feeds[] = Array.from({ length: 300 }, () => new Map([["x", noise(input)]]));
    const look = async (positions: number) =>
      (await observeCovariances(model, covariancePlaces(model, plan, model), samples, { open: openInterpreted, positions })).get(
        "layer",
      );
    const [all, some] = [await look(1000), await look(4)];
    const perSample = 3 * 4;
    expect(all?.count).toBe(300 * perSample);
    expect(some?.count).toBe(300 * 4);
    const trace = (c: typeof all): number =>
      Array.from({ length: 27 }, (_, i) => c?.products[i * 28] as number).reduce((a, b) => a + b, 0);
    expect(Math.abs(trace(some) / trace(all) - 1)).toBeLessThan(0.1);
  });

  test("looks at all layers, also those that a plan keeps in float, and at none for a plan without integers", () => {
    const nodes = [conv("one", ["x", "w"], "h"), conv("two", ["h", "v"], "y")];
    const model = modelOf(nodes, { w: noise([4, 5, 1, 1]), v: noise([2, 4, 1, 1]) }, [1, 5, 3, 3]);
    const plan = gridFor(model.graph.constants.get("w") as Tensor, 7, 0);
    expect(covariancePlaces(model, plan, model).map((p) => p.node)).toEqual(["one", "two"]);
    expect(covariancePlaces(model, { ...plan, tensors: new Map() }, model)).toEqual([]);
  });

  test("leaves alone what it knows nothing of, and says so", () => {
    const { input, weight: shape, make } = LAYERS.pointwise;
    const model = modelOf([make()], { w: noise(shape) }, input);
    const plan = gridFor(model.graph.constants.get("w") as Tensor, 7, 0);
    const { plan: same, nodes, skipped } = roundWeights(model, plan, new Map());
    expect(same).toBe(plan);
    expect(nodes).toEqual([]);
    expect([...skipped]).toEqual([["layer", "its inputs were not looked at"]]);
  });

  test("refuses what was seen of another layer", async () => {
    const { input, make } = LAYERS.pointwise;
    const model = modelOf([make()], { w: noise([4, 5, 1, 1]) }, input);
    const plan = gridFor(model.graph.constants.get("w") as Tensor, 7, 0);
    const other = { groups: 1, size: 3, count: 1, products: new Float64Array(9), means: new Float64Array(3) };
    expect(() => roundWeights(model, plan, new Map([["layer", other]]))).toThrow(
      expect.objectContaining({ code: "PLAN_INVALID" }),
    );
  });

  test("names the value with NaN among its numbers", async () => {
    const { input, weight: shape, make } = LAYERS.pointwise;
    const model = modelOf([make()], { w: noise(shape) }, input);
    const plan = gridFor(model.graph.constants.get("w") as Tensor, 7, 0);
    const values = Float32Array.from(toNumbers(noise(input)));
    values[3] = Number.NaN;
    const samples: Feeds[] = [new Map([["x", f32(input, values)]])];
    await expect(
      observeCovariances(model, covariancePlaces(model, plan, model), samples, { open: openInterpreted }),
    ).rejects.toMatchObject({
      code: "CALIBRATION_NONFINITE",
    });
  });

  test("with means left out keeps errors from changing with the input, which is all that counts once biases are corrected", async () => {
    const { input, weight: shape, make } = LAYERS.pointwise;
    let [centred, whole] = [0, 0];
    for (let n = 0; n < 10; n++) {
      const weight = noise(shape);
      const model = modelOf([make()], { w: weight }, input);
      const plan = gridFor(weight, 7, 0);
      const shifted = (): Tensor =>
        f32(
          input,
          Float32Array.from(toNumbers(smooth(input)), (v) => v + 3),
        );
      const samples: Feeds[] = Array.from({ length: 20 }, () => new Map([["x", shifted()]]));
      const covariances = await observeCovariances(model, covariancePlaces(model, plan, model), samples, {
        open: openInterpreted,
      });
      const rounded = (isCentred: boolean): Model =>
        plannedModel(model, roundWeights(model, plan, covariances, { centred: isCentred, damping: 1e-6 }).plan);
      centred += changingError(model, rounded(true), samples);
      whole += changingError(model, rounded(false), samples);
    }
    expect(centred).toBeLessThan(0.9 * whole);
  });
});

/** Sum of squares of the output's error about its mean by channel (of 4, with 12 positions). */
function changingError(model: Model, other: Model, samples: readonly Feeds[]): number {
  const byChannel: number[][] = [[], [], [], []];
  for (const feeds of samples) {
    const [a, b] = [model, other].map((m) => toNumbers(interpret(m.graph, feeds).get("y") as Tensor)) as [
      Float64Array,
      Float64Array,
    ];
    a.forEach((v, i) => {
      byChannel[Math.floor(i / 12) % 4]?.push(v - (b[i] as number));
    });
  }
  let sum = 0;
  for (const errors of byChannel) {
    const mean = errors.reduce((x, y) => x + y, 0) / errors.length;
    sum += errors.reduce((x, y) => x + (y - mean) ** 2, 0);
  }
  return sum;
}

describe("a network with rounded weights", () => {
  test("comes closer to float in four bits, with depthwise filters enumerated", async () => {
    const nodes = [
      conv("expand", ["x", "w1", "b1"], "a"),
      makeNode("Relu", { inputs: ["a"], outputs: ["h"] }, { name: "relu" }),
      conv("depthwise", ["h", "w2"], "d", { group: 8, pads: [1, 1, 1, 1] }),
      conv("project", ["d", "w3"], "y"),
    ];
    const constants = { w1: noise([8, 3, 1, 1]), b1: noise([8], 0.1), w2: noise([8, 1, 3, 3]), w3: noise([4, 8, 1, 1]) };
    const model = modelOf(nodes, constants, [1, 3, 8, 8]);
    const samples: Feeds[] = Array.from({ length: 20 }, () => new Map([["x", smooth([1, 3, 8, 8])]]));
    const placement = placeIntegers(model, ORT_X64);
    const observations = await observeTensors(model, placement.activations, samples, { open: openInterpreted });
    const plan = staticPlan(model, ORT_X64, placement, observations, { weightBits: 4 });
    for (const runs of [model, applyPlan(model, plan)]) {
      const covariances = await observeCovariances(runs, covariancePlaces(model, plan, runs), samples, { open: openInterpreted });
      const rounded = roundWeights(model, plan, covariances);
      expect(rounded.nodes.map((n) => [n.node, n.how])).toEqual([
        ["expand", "enumerated"],
        ["depthwise", "enumerated"],
        ["project", "enumerated"],
      ]);
      const held: Feeds[] = Array.from({ length: 10 }, () => new Map([["x", smooth([1, 3, 8, 8])]]));
      const nearest = outputError(model, applyPlan(model, plan), held);
      const chosen = outputError(model, applyPlan(model, rounded.plan), held);
      expect(chosen.error).toBeLessThan(0.7 * nearest.error);
    }
  });
});
