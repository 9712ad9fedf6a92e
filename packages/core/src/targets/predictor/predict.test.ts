import { smallModel } from "@tessera/testkit/small-model";
import { describe, expect, test } from "vitest";
import type { Model } from "../../graph/model.ts";
import { makeNode } from "../../graph/node.ts";
import type { Encoding, NodePrecision, QuantPlan } from "../../graph/plan.ts";
import { f32, type Tensor } from "../../graph/tensor.ts";
import { APPLE_ANE } from "../coreml.ts";
import { LITERT } from "../litert.ts";
import { ORT_X64 } from "../ort.ts";
import { CORTEX_M } from "../tflm.ts";
import { type CostTable, expectedTime, kernelTime, workOf } from "./cost.ts";
import type { Kernel } from "./kernel.ts";
import { kernelsOf } from "./kernels.ts";
import { predict } from "./predict.ts";

const ones = (...shape: number[]): Tensor => f32(shape, Array(shape.reduce((a, b) => a * b, 1)).fill(1));

/** Conv, PRelu, Conv with a Relu behind it. */
function model(size = 8): Model {
  const node = (op: string, inputs: string, output: string) =>
    makeNode(op, { inputs: inputs.split(" "), outputs: [output] }, { name: output });
  return smallModel({
    x: [1, 4, size, size],
    nodes: [node("Conv", "x w", "a"), node("PRelu", "a s", "b"), node("Conv", "b v", "c"), node("Relu", "c", "y")],
    constants: Object.fromEntries(
      new Map([
        ["w", ones(4, 4, 1, 1)],
        ["v", ones(4, 4, 1, 1)],
        ["s", ones(4, 1, 1)],
      ]),
    ),
  });
}

const grid: Encoding = { dtype: "uint8", scale: [1], zeroPoint: [0], reason: "" };
const weight: Encoding = { dtype: "int8", scale: [1], zeroPoint: [0], reason: "" };

function plan(prelu: NodePrecision): QuantPlan {
  const choices: readonly (readonly [string, NodePrecision])[] = [
    ["a", "int8"],
    ["b", prelu],
    ["c", "int8"],
    ["y", "int8"],
  ];
  return {
    kind: "quant-plan",
    version: 1,
    target: "",
    tensors: new Map(
      [..."xaby"]
        .map((name) => [name, grid] as const)
        .concat([
          ["w", weight],
          ["v", weight],
        ]),
    ),
    nodes: new Map(choices.map(([name, precision]) => [name, { precision, reason: `said of ${name}` }] as const)),
  };
}

const COSTS: CostTable = {
  id: "test",
  machine: "a test",
  software: "nothing",
  run: 10,
  shortest: 0,
  rates: {
    "conv1x1/float32": { start: 1000, mac: 1 },
    "conv1x1/int8": { start: 2000, mac: 0.25, element: 1 },
    "prelu/float32": { start: 1000, element: 4 },
    "quantize/int8": { start: 2000, element: 1 },
    "dequantize/int8": { start: 2000, element: 1 },
    "transpose/int8": { start: 2000, element: 1 },
  },
  blocks: { "conv1x1/float32": [1, 16] },
  vector: {},
  band: 1.25,
};

describe("what is expected of a model", () => {
  test("on ONNX Runtime: a PRelu in float splits the integers in two, between four conversions", () => {
    const { integer } = predict({ float: model(), integer: { model: model(), plan: plan("float32") } }, ORT_X64);
    expect(integer?.integerOperators).toEqual({ QLinearConv: 2 });
    expect([integer?.islands, integer?.quantize, integer?.dequantize]).toEqual([2, 2, 2]);
    expect(integer?.inFloat).toEqual([{ op: "PRelu", nodes: 1, why: ["said of b"] }]);
    expect(integer?.macShare).toBe(1);
  });

  test("on LiteRT: it is one island with a slow kernel in it, and no conversion inside", () => {
    const { integer } = predict({ float: model(), integer: { model: model(), plan: plan("int8") } }, LITERT);
    expect(integer?.integerOperators).toEqual({ CONV_2D: 2, PRELU: 1 });
    expect([integer?.islands, integer?.quantize, integer?.dequantize, integer?.transposes]).toEqual([1, 1, 1, 0]);
    expect(integer?.slow.map((s) => s.op)).toEqual(["PRelu"]);
  });

  test("in time: nothing where a run is shorter than its kernels' prices can tell", () => {
    const request = { float: model(), integer: { model: model(), plan: plan("float32") }, costs: { ...COSTS, shortest: 1 } };
    const { speedup, tooShort, verdict } = predict(request, ORT_X64);
    expect([speedup, tooShort]).toEqual([undefined, true]);
    expect(verdict).toContain("too short to tell");
  });

  test("in time: the sum of its kernels' prices, and the verdict says which way it goes and why", () => {
    const request = { float: model(), integer: { model: model(), plan: plan("float32") }, costs: COSTS };
    const { float, integer, speedup, verdict, unpriced } = predict(request, ORT_X64);
    const [macs, values] = [64 * 16, 256];
    // Two convolutions with their channels counted up to 16, the Relu in the second one, and a PRelu between them.
    expect(float.latencyMs).toBeCloseTo((10 + 3 + (2 * macs * 4 + 2 * values * 4) / 1000) / 1000, 9);
    // Two convolutions, four conversions, two changes of layout, a PRelu.
    const integers =
      2 * 2 + (2 * macs * 0.25 + 2 * 2 * values) / 1000 + 4 * 2 + (4 * 2 * values) / 1000 + 2 * 2 + (2 * 2 * values) / 1000;
    expect(integer?.latencyMs).toBeCloseTo((10 + integers + 1 + (2 * values * 4) / 1000) / 1000, 9);
    expect(speedup?.value).toBeCloseTo((float.latencyMs as number) / (integer?.latencyMs as number), 9);
    expect(speedup?.low).toBeCloseTo((speedup?.value as number) / 1.25, 9);
    expect(verdict).toMatch(
      /^INT8 will be slower than FP32 here, about 1\.\d times as slow as FP32: 1 PRelu stays in float between 4 conversions$/,
    );
    expect(unpriced).toEqual([]);
  });

  test("and kinds without a price are named, not counted as nothing", () => {
    const { "prelu/float32": _, ...rates } = COSTS.rates;
    const { unpriced } = predict({ float: model(), costs: { ...COSTS, rates } }, ORT_X64);
    expect(unpriced).toEqual(["prelu/float32"]);
  });

  test("in memory: integers take a byte, and a budget that is too small is said", () => {
    const { float, integer, overBudget } = predict({ float: model(), integer: { model: model(), plan: plan("int8") } }, CORTEX_M);
    expect([float.peakActivationBytes, integer?.peakActivationBytes]).toEqual([2 * 256 * 4, 2 * 256]);
    expect(overBudget).toEqual([]);
    const large = predict({ float: model(300), integer: { model: model(300), plan: plan("int8") } }, CORTEX_M);
    expect(large.overBudget[0]).toMatch(/^values that live at once take 704 KiB and a part of the Cortex-M7/);
  });

  test("where there are no integers: what to ship instead", () => {
    const { integer, verdict } = predict({ float: model() }, APPLE_ANE);
    expect(integer).toBeUndefined();
    expect(verdict).toMatch(/^apple-ane takes no integers .*: ship fp16$/);
  });
});

describe("kernels", () => {
  test("of the same network are fewer in float, where a Relu vanishes into the Conv", () => {
    expect(kernelsOf(model(), undefined, ORT_X64).map((k) => k.op)).toEqual(["Conv", "PRelu", "Conv"]);
    expect(kernelsOf(model(), plan("float32"), ORT_X64).map((k) => k.name)).toEqual([
      "QuantizeLinear",
      "QLinearConv",
      "DequantizeLinear",
      "PRelu",
      "QuantizeLinear",
      "QLinearConv",
      "DequantizeLinear",
    ]);
  });

  test("are priced by channels in blocks, windows and what is left over", () => {
    const kernel: Kernel = {
      node: "n",
      op: "Conv",
      name: "Conv",
      kind: "depthwise",
      numbers: "int8",
      macs: 9 * 20 * 100,
      reads: 2000,
      writes: 2000,
      channels: [1, 20],
      weightBytes: 0,
      inputs: [],
      outputs: [],
    };
    const work = workOf(kernel, { blocks: { "depthwise/int8": [1, 16] }, vector: { "depthwise/int8": 16 } });
    expect(work).toEqual({ start: 1, mac: 9 * 32 * 100, element: 4000, window: 900, gather: 0, tail: 9 * 4 * 100 });
    const table = { ...COSTS, rates: { "depthwise/int8": { start: 2000, mac: 1, window: 2, tail: 3 } } };
    expect(kernelTime(kernel, table)).toBeCloseTo(2 + (18_000 + 1800 + 0) / 1000, 9);
    expect(expectedTime([kernel], { ...table, rates: {} })).toEqual({ ms: 0.01, unpriced: ["depthwise/int8"] });
  });
});
